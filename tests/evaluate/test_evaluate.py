"""A library with training windows and a run with samples, made here; what is in metrics.json is computed again by
hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from marey.catalog import Library
from marey.errors import MareyError
from marey.evaluate import Evaluation, evaluate
from marey.evaluate.evaluate import PROTOCOL
from marey.evaluate.frames import psnr
from marey.evaluate.metrics import scores
from marey.recipe import Evaluate

from .moving import pan, texture

SETTINGS = Evaluate(resamples=200)


def library_with_training_windows(path: Path, n: int = 20) -> Library:
    """Train windows pan 2 px a frame to the right at 8 fps; held-out ones, which must not be looked at, race upward."""
    library = Library.open(path, create=True)
    arrays, info = {}, {}
    for i in range(n):
        side = np.roll(pan(2, 0, frames=4, side=32), 3 * i, axis=1)
        arrays[f"c{i}:0"], info[f"c{i}:0"] = side, {"split": "train", "fps": 8.0, "photo": False}
    arrays["h:0"], info["h:0"] = pan(0, -4, frames=4, side=32), {"split": "heldout", "fps": 8.0, "photo": False}
    arrays["p:0"], info["p:0"] = texture()[None, :32, :32], {"split": "train", "fps": 0.0, "photo": True}
    library.put_tensors("pixels@1", arrays, info)
    library.facts["encode/tiny"] = {"pixels": "pixels@1", "latents": "latents@1", "autoencoder": "models/x"}
    return library


def samples(run: Path, n: int = 24, groups: int = 8, noise: float = 4.0, made: int = 6) -> tuple[list, dict]:
    """The truth pans 2 px to the right; the model knows it but for noise, the autoencoder has less noise."""
    rng = np.random.default_rng(0)
    wide = texture(3)
    truth = np.stack(
        [[wide[y : y + 32, x - 2 * t : x - 2 * t + 32] for t in range(4)] for y, x in rng.integers(10, 150, (n, 2))]
    )
    disturb = rng.normal(size=truth.shape)
    videos = {
        "truth": truth,
        "generated": np.clip(truth + noise * disturb, 0, 255).astype(np.uint8),
        "autoencoder": np.clip(truth + noise / 4 * disturb, 0, 255).astype(np.uint8),
    }
    windows = [
        {
            "id": f"c{i}:0",
            "clip": f"c{i}",
            "footage": f"f{i}",
            "group": f"g{i % groups}",
            "fps": 8.0,
            "motion_bucket": 99,
        }
        | {"real": i >= made, "caption": ""}
        for i in range(n)
    ]
    write(run, windows, videos)
    return windows, videos


def write(run: Path, windows: list, videos: dict) -> None:
    (run / "samples").mkdir(parents=True, exist_ok=True)
    (run / "samples" / "windows.json").write_text(json.dumps(windows))
    save_file(videos, run / "samples" / "videos.safetensors")


@pytest.fixture
def library(tmp_path: Path):
    with library_with_training_windows(tmp_path / "library") as opened:
        yield opened


@pytest.fixture
def run(library: Library) -> Path:
    return library.path / "runs" / "tiny"


def test_rows_are_the_means_with_n_and_groups(library: Library, run: Path) -> None:
    _, videos = samples(run)
    found = evaluate(library, run, SETTINGS, selection="tiny", seed=1)
    psnrs = [
        np.mean([psnr(a, b) for a, b in zip(shown[1:], true[1:], strict=True)])
        for shown, true in zip(videos["generated"], videos["truth"], strict=True)
    ]
    model = found.row("model", "psnr")
    assert model.value == pytest.approx(np.mean(psnrs))
    assert (model.n, model.groups, model.interval) == (24, 8, "cluster-bootstrap")
    assert model.low < model.value < model.high
    assert found.row("model", "psnr", "made").value == pytest.approx(np.mean(psnrs[:6]))
    assert found.row("model", "psnr", "made").n == 6
    assert found.row("model", "psnr", "real").n == 18
    held = np.repeat(videos["truth"][:, :1], 4, axis=1)
    expected = np.mean([scores(a, b)["ssim"] for a, b in zip(held, videos["truth"], strict=True)])
    assert found.row("frozen", "ssim").value == pytest.approx(expected)
    assert found.row("truth", "motion").value == pytest.approx(2.0, abs=0.4)
    assert found.row("frozen", "motion").value == 0.0


def test_the_order_of_methods_is_as_it_was_made(library: Library, run: Path) -> None:
    """A model that knows the truth but for noise beats the still; the autoencoder beats it; drift knows the pan."""
    samples(run)
    found = evaluate(library, run, SETTINGS, selection="tiny")
    value = {method: found.row(method, "psnr").value for method in ("model", "frozen", "drift", "autoencoder")}
    assert value["frozen"] < value["model"] < value["autoencoder"]
    assert value["frozen"] < value["drift"], "the training windows pan as the held-out ones do"
    gap = found.difference("psnr")
    assert gap.verdict == "better"
    assert gap.value == pytest.approx(value["model"] - value["frozen"])
    assert 0 < gap.low < gap.value < gap.high
    assert found.difference("difference").verdict == "better", "lower is better there"


def test_the_still_via_the_autoencoder_pays_what_the_model_pays(library: Library, run: Path) -> None:
    _, videos = samples(run)
    found = evaluate(library, run, SETTINGS, selection="tiny")
    held = np.repeat(videos["autoencoder"][:, :1], 4, axis=1)
    expected = np.mean([scores(a, b)["psnr"] for a, b in zip(held, videos["truth"], strict=True)])
    row = found.row("frozen_autoencoder", "psnr")
    assert row.value == pytest.approx(expected)
    gap = found.difference("psnr", against="frozen_autoencoder")
    assert gap.value == pytest.approx(found.row("model", "psnr").value - row.value)


def test_a_bad_model_is_said_to_be_worse(library: Library, run: Path) -> None:
    samples(run, noise=120.0)
    found = evaluate(library, run, SETTINGS, selection="tiny")
    assert found.difference("psnr").verdict == "worse"
    assert found.difference("ssim").verdict == "worse"


def test_the_file_is_what_was_returned(library: Library, run: Path) -> None:
    samples(run)
    found = evaluate(library, run, SETTINGS, selection="tiny")
    assert Evaluation.load(run / "metrics.json") == found
    assert found.protocol["id"] == PROTOCOL
    assert found.protocol["given"] == 1
    assert found.windows[3]["values"]["model"]["psnr"] > 0
    assert found.windows[3]["id"] == "c3:0"
    assert found.versions["numpy"] == np.__version__
    assert "+16" in found.protocol["drift"] or "+15" in found.protocol["drift"], "2 px a frame at 8 fps, from training"


def test_the_same_again_is_the_same_and_other_videos_have_another_hash(library: Library, run: Path) -> None:
    samples(run)
    one = evaluate(library, run, SETTINGS, selection="tiny", seed=5)
    assert evaluate(library, run, SETTINGS, selection="tiny", seed=5) == one
    samples(run, noise=5.0)
    assert evaluate(library, run, SETTINGS, selection="tiny", seed=5).data != one.data


def test_no_distance_of_few_videos_and_the_reason(library: Library, run: Path) -> None:
    samples(run)
    found = evaluate(library, run, SETTINGS, selection="tiny")
    assert found.row("model", "frechet") is None
    reason = next(gap["reason"] for gap in found.absent if gap["metric"] == "frechet" and gap["subset"] == "all")
    assert "24 videos" in reason
    assert "64" in reason


def test_a_distance_of_enough_videos(library: Library, run: Path) -> None:
    samples(run, n=64, groups=16, noise=12)
    found = evaluate(library, run, Evaluate(resamples=100, frechet_dims=4), selection="tiny")
    model, frozen, ceiling = (found.row(method, "frechet") for method in ("model", "frozen", "autoencoder"))
    assert model.id == "frechet/marey-td4"
    assert (model.n, model.interval) == (64, "group-jackknife")
    assert ceiling.value < model.value
    assert ceiling.value < frozen.value
    assert model.low <= model.corrected <= model.high
    assert found.row("truth", "frechet") is None


def test_no_window_of_a_kind_is_said(library: Library, run: Path) -> None:
    samples(run, made=0)
    found = evaluate(library, run, SETTINGS, selection="tiny")
    assert found.row("model", "psnr", "made") is None
    assert {"subset": "made", "metric": "all", "reason": "no held-out window is of this kind"} in found.absent


def test_few_windows_or_groups_are_said(library: Library, run: Path) -> None:
    samples(run, n=6, groups=3)
    found = evaluate(library, run, SETTINGS, selection="tiny")
    assert any("6 windows are few" in note for note in found.notes)
    assert any("3 groups" in note for note in found.notes)
    assert found.difference("psnr").verdict == "too few groups to say"


def test_what_is_missing_is_named_with_the_command(library: Library, run: Path) -> None:
    with pytest.raises(MareyError, match="marey generate"):
        evaluate(library, run, SETTINGS, selection="tiny")
    samples(run)
    with pytest.raises(MareyError, match="'other' is not encoded: `marey encode`"):
        evaluate(library, run, SETTINGS, selection="other")
    windows, videos = samples(run)
    for spoiled, named in (
        ({**videos, "truth": videos["truth"][:5]}, "truth"),
        ({**videos, "generated": videos["generated"][:, :3]}, "generated"),
        ({key: videos[key] for key in ("truth", "generated")}, "autoencoder"),
    ):
        write(run, windows, spoiled)
        with pytest.raises(MareyError, match=named):
            evaluate(library, run, SETTINGS, selection="tiny")
    (run / "samples" / "videos.safetensors").write_bytes(b"no")
    with pytest.raises(MareyError, match="cannot be read"):
        evaluate(library, run, SETTINGS, selection="tiny")


def test_a_library_open_for_reading_is_enough(library: Library, run: Path) -> None:
    samples(run)
    library.close()
    with Library.open(library.path) as reader:
        assert evaluate(reader, run, SETTINGS, selection="tiny").n == 24
