"""Trainings of a few steps from end to end: pairing, going on after a kill, and the verb."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from marey.cli import app
from marey.errors import MareyError
from marey.study.ablations import read, run
from marey.study.ablations.run import arm_folder, result_file
from marey.train import miniature
from marey.train.loop import fit as loop_fit

from .small import overrides, settings

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """Claim a, undisturbed, and all batches and first weights that its trainings saw."""
    folder, seen = tmp_path_factory.mktemp("whole"), {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def watched(task, pace, place, *more, **named):
        weights = {name: value.clone() for name, value in task.module.state_dict().items()}
        seen[place.name] = weights, [task.batch(step) for step in range(3)]
        return loop_fit(task, pace, place, *more, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(miniature, "fit", watched)
        run(settings("claims=['a','b']"), folder)
    torch.set_num_threads(threads)
    return folder, seen


def without_clock(folder: Path) -> dict:
    found = {}
    for path in sorted((folder / "results").rglob("*.json")):
        said = json.loads(path.read_text())
        said.pop("cpu_seconds")
        found[path.relative_to(folder).as_posix()] = said
    return found


def test_arms_of_a_seed_differ_in_one_thing(whole):
    _, seen = whole
    (weights, batches), (other, others) = seen["curated"], seen["uncurated"]
    assert all(torch.equal(weights[name], other[name]) for name in weights)
    for one, two in zip(batches, others, strict=True):
        for name in ("noise", "sigma", "keep_token", "keep_frame", "added"):
            assert torch.equal(one[name], two[name]), name
    clean = [torch.equal(a, b) for one, two in zip(batches, others, strict=True)
             for a, b in zip(one["latents"], two["latents"], strict=True)]  # fmt: skip
    assert True in clean, "clips that pass stand at the same places"
    assert False in clean
    scratch, of_scratch = seen["scratch"]
    for one, two in zip(batches, of_scratch, strict=True):
        assert all(torch.equal(one[name], two[name]) for name in one)
    spatial = [name for name in weights if "temporal" not in name and "conv1.weight" in name]
    assert spatial
    assert not any(torch.equal(weights[name], scratch[name]) for name in spatial)
    assert torch.equal(scratch["unet.conv_in.weight"], seen["scratch, equal computing"][0]["unet.conv_in.weight"])
    few = seen["small curated"][1]
    assert torch.equal(few[0]["noise"], batches[0]["noise"])


def test_seeds_differ_in_weights_and_noise():
    network, codec = settings().network, miniature.Codec(np.zeros((2, 3, 16, 16, 3), np.uint8), 4, 8)
    one, other = (miniature.first_weights(network, codec, 16, seed).conv_in.weight for seed in (0, 1))
    assert not torch.equal(one, other)
    assert torch.equal(one, miniature.first_weights(network, codec, 16, 0).conv_in.weight)


def test_every_arm_is_measured_clip_by_clip(whole):
    folder, _ = whole
    found = read(settings("claims=['a','b']"), folder)
    assert set(found) == {
        "image", "curated", "scratch", "scratch, equal computing", "uncurated", "small curated",
    }  # fmt: skip
    for name, seeds in found.items():
        if name == "image":
            continue
        for measure in ("loss", "psnr", "place", "way"):
            assert len(seeds[0][measure]) == 8
        assert seeds[0]["frechet"] > 0
        assert seeds[0]["curve"][-1][0] == seeds[0]["steps"]


@pytest.mark.parametrize("stop", [0, 3])
def test_killed_and_run_again_it_ends_the_same(whole, tmp_path: Path, stop: int):
    folder = tmp_path / "killed"
    shutil.copytree(whole[0] / "seed-0" / "image", folder / "seed-0" / "image")
    for path in ("settings.json", "seed-0/footage.npz", "results/seed-0/image.json"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(whole[0] / path, folder / path)
    command = [sys.executable, "-m", "tests.study.ablations.small", str(folder), str(stop)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parents[2], timeout=200)
    assert ended.returncode == -9, ended.stderr
    assert not result_file(folder, "curated", 0).is_file()
    steps = sorted((arm_folder(folder, "curated", 0) / "checkpoints" / "video").glob("step-*"))
    assert len(steps) == (1 if stop else 0)
    newly: list[str] = []
    run(settings("claims=['a']"), folder, done=lambda arm, seed: newly.append(arm.name))
    assert newly == ["curated", "scratch", "scratch, equal computing"]
    undisturbed, gone_on = without_clock(whole[0]), without_clock(folder)
    assert gone_on == {name: undisturbed[name] for name in gone_on}
    assert len(gone_on) == 4
    again: list[str] = []
    run(settings("claims=['a']"), folder, done=lambda arm, seed: again.append(arm.name))
    assert again == []


def test_a_folder_of_other_settings_is_refused(whole):
    with pytest.raises(MareyError, match=r"holds ablations with square = 4, not 8: another --out would do"):
        run(settings("square=8"), whole[0])


def marey(*words: object) -> str:
    ended = CliRunner().invoke(app, [str(word) for word in words])
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_the_verb_prints_and_writes_the_table(whole):
    folder, _ = whole
    said = marey("study", "ablations", "--out", folder, "seed=0", *overrides("claims=['a','b']"))
    assert "(a) Image pretraining" in said
    assert "PARTIAL" not in said
    assert "one seed tells nothing" in said
    assert "| images first, against none: equal video steps | 1 |" in (folder / "table.md").read_text()
    text = (folder / "table.md").read_text()
    assert "| curated | 1 | 12 | 4 |" in text
    assert "| a still | - | - |" in text
    assert "% pass curation" in text
    assert (folder / "curves-a.svg").read_text().startswith("<svg xmlns=")
    more = ["seed=0", *overrides("claims=['a','b']", "seeds=2")]
    part = json.loads(marey("study", "ablations", "--out", folder, "--table", "--json", *more))
    assert (part["missing"], part["trainings"]) == (6, 12)
    assert "**PARTIAL: 6 of 12 trainings are done.**" in (folder / "table.md").read_text()
    assert "PARTIAL" in json.loads((folder / "table.json").read_text())["partial"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("study.ablations.seeds=0", "study.ablations.seeds"),
        ("study.ablations.laws=[1.0, 2.0]", "video.p_mean, 0.0, among them would do"),
        ("study.ablations.footage.size=18", "footage.size is 18: a multiple of square, 4, would do"),
        ("study.ablations.footage.cutz=0.1", "cuts"),
    ],
)
def test_a_bad_value_of_the_recipe_is_named(tmp_path: Path, override: str, message: str):
    with pytest.raises(MareyError) as error:
        marey("study", "ablations", "--out", tmp_path / "out", override)
    assert message in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_table_of_nothing_says_what_makes_it(tmp_path: Path):
    with pytest.raises(MareyError, match="holds no ablations"):
        marey("study", "ablations", "--out", tmp_path, "--table")
