"""The whole road on a minute of footage: what it leaves, that it does nothing twice, and that a kill costs nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from marey.catalog import Library

STEPS = ["curate", "select", "encode", "train", "generate", "evaluate", "report"]


def marey(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "marey", *words], cwd=place, capture_output=True, text=True, check=False, timeout=280
    )


def again(place: Path, *more: str) -> dict[str, str]:
    ended = marey(place, "run", "tiny", "--out", "library", "--footage", "footage", "--json", *more)
    assert ended.returncode == 0, ended.stderr
    return {row["step"]: row["status"] for row in json.loads(ended.stdout)["steps"]}


def test_each_step_left_what_it_should(gone_road: Path) -> None:
    library, run = gone_road / "library", gone_road / "library" / "runs" / "tiny"
    steps = json.loads((run / "steps.json").read_text())
    assert [row["step"] for row in steps] == STEPS
    assert all(row["status"] == "done" and row["seconds"] > 0 and row["peak_mb"] > 50 for row in steps)
    with Library.open(library) as store:
        assert store.rows("select distinct status from inputs") == [{"status": "ok"}]
        assert store.rows("select count(*) n from selected where selection = 'tiny'")[0]["n"] > 5
        fact = store.facts["encode/tiny"]
        assert store.places(fact["latents"])
    windows = json.loads((run / "samples" / "windows.json").read_text())
    assert len(windows) >= 24
    stages = {json.loads(line)["stage"] for line in (run / "metrics.jsonl").read_text().splitlines()}
    assert stages == {"autoencoder", "image", "video", "finetune"}
    metrics = json.loads((run / "metrics.json").read_text())
    assert {row["method"] for row in metrics["rows"]} >= {"model", "frozen", "drift", "autoencoder"}
    assert (run / "recipe.toml").is_file()
    assert "end    reading footage" in (run / "log.txt").read_text()


def test_held_out_windows_share_no_footage_with_training(gone_road: Path) -> None:
    with Library.open(gone_road / "library") as store:
        places = store.places(store.facts["encode/tiny"]["latents"]).values()
    sides: dict[str, set[str]] = {}
    for place in places:
        sides.setdefault(place.info["footage"], set()).add(place.info["split"])
    assert {"train"} in sides.values()
    assert {"heldout"} in sides.values()
    assert all(len(split) == 1 for split in sides.values())


def test_the_generated_videos_begin_with_the_still_and_are_not_all_one(gone_road: Path) -> None:
    videos = load_file(gone_road / "library" / "runs" / "tiny" / "samples" / "videos.safetensors")
    generated = videos["generated"].astype(float)
    assert generated.shape == videos["truth"].shape
    assert generated.std(axis=(1, 2, 3, 4)).min() > 0
    assert np.abs(generated[0] - generated[1]).mean() > 1


def test_diffusers_opens_the_model_and_animates_with_it(gone_road: Path) -> None:
    from diffusers import StableVideoDiffusionPipeline
    from PIL import Image

    pipeline = StableVideoDiffusionPipeline.from_pretrained(gone_road / "library" / "models" / "tiny")
    picture = Image.open(gone_road / "picture.jpg").resize((32, 32))
    frames = pipeline(picture, height=32, width=32, num_frames=4, num_inference_steps=2, output_type="np").frames[0]
    assert frames.shape == (4, 32, 32, 3)
    assert np.isfinite(frames).all()


def test_a_second_run_does_nothing_twice(gone_road: Path) -> None:
    library = gone_road / "library"
    before = (library / "models" / "tiny" / "unet" / "diffusion_pytorch_model.safetensors").stat().st_mtime_ns
    assert again(gone_road) == {step: "done" if step == "curate" else "kept" for step in STEPS}
    curated = json.loads((library / "runs" / "tiny" / "steps.json").read_text())[0]["result"]
    assert set(curated["did"].values()) == {0}
    assert (library / "models" / "tiny" / "unet" / "diffusion_pytorch_model.safetensors").stat().st_mtime_ns == before


def test_the_report_is_one_page_that_loads_nothing(gone_road: Path) -> None:
    page = (gone_road / "library" / "runs" / "tiny" / "report" / "index.html").read_text(encoding="utf-8")
    outside = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            outside.extend(
                value for name, value in attrs if name in ("src", "poster") and value and not value.startswith("data:")
            )
            if tag == "link":
                outside.append(str(attrs))

    Reader().feed(page)
    assert not outside
    assert page.count("data:video/mp4") >= 4
    assert page.count("data:image/jpeg") >= 8


@pytest.mark.parametrize("when", [0.35, 0.75])
def test_killed_on_the_way_and_run_again_the_model_is_the_same(gone_road: Path, tmp_path: Path, when: float) -> None:
    """Kill -9 at a share of the time that the steps from selection to samples took; then the same command."""
    place = tmp_path
    (place / "tiny").write_text((gone_road / "tiny").read_text())
    (place / "footage").symlink_to(gone_road / "footage")
    words = [sys.executable, "-m", "marey", "run", "tiny", "--out", "library", "--footage", "footage"]
    took = sum(
        row["seconds"] for row in json.loads((gone_road / "library" / "runs" / "tiny" / "steps.json").read_text())
    )
    while True:
        child = subprocess.Popen(
            words, cwd=place, start_new_session=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        time.sleep(when * took)
        if child.poll() is None:
            break
        # The machine is less busy than when the road was first gone: killed earlier, then.
        assert child.returncode == 0
        shutil.rmtree(place / "library")
        took /= 2
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    again(place)

    def weights(library: Path) -> bytes:
        return (library / "models" / "tiny" / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()

    assert weights(place / "library") == weights(gone_road / "library")
    samples = [
        load_file(where / "library" / "runs" / "tiny" / "samples" / "videos.safetensors")["generated"]
        for where in (place, gone_road)
    ]
    np.testing.assert_array_equal(*samples)


def test_a_second_writer_is_told_who_holds_the_library(gone_road: Path) -> None:
    with Library.open(gone_road / "library", write=True):
        ended = marey(gone_road, "select", "library", "--name", "other")
    assert ended.returncode == 1
    assert str(os.getpid()) in ended.stderr
    reading = marey(gone_road, "report", "library")
    assert reading.returncode == 0, reading.stderr
