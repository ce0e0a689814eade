"""From latents to a model: the whole training on a small library, really trained, and what it can be held to."""

import json
import sys

import numpy as np
import pytest
import torch

from marey import recipe
from marey.errors import MareyError
from marey.generate import Model
from marey.network.folder import load_model
from marey.train import train
from marey.train.autoencoder import load_autoencoder
from marey.train.checkpoints import Checkpoints
from marey.train.encoded import Encoded
from marey.train.loop import fit
from marey.train.metrics import Metrics
from marey.train.networks import VideoNetwork
from marey.train.stages import VideoTask
from marey.train.windows import encoded

from . import made

CPU = torch.device("cpu")
ROOM = sys.modules["marey.train.train"]  # marey.train has a function of this name
PLAIN = {"batch": 8, "lr": 3e-3, "warmup": 5, "ema": 0.98}
SETTINGS = recipe.Train(
    name="small",
    network=recipe.Network(channels=(32, 64), context=32, embed=32, text_tokens=8),
    image=recipe.Stage(**PLAIN, steps=20, evaluate_every=10, checkpoint_every=15),
    video=recipe.Stage(**PLAIN, steps=90, p_mean=0.0, evaluate_every=30, checkpoint_every=40),
    finetune=recipe.Stage(
        **{**PLAIN, "lr": 5e-4}, steps=10, p_mean=0.7, p_std=1.6, quality_percent=50, evaluate_every=5
    ),
)


@pytest.fixture(scope="module")
def library(encoded_library):
    return encoded_library


@pytest.fixture(scope="module")
def folder(library):
    return train(library, library.path / "runs" / "one", SETTINGS, made.ENCODE, "chosen", seed=0, device="cpu")


@pytest.fixture(scope="module")
def judged(library, folder):
    """The video task with the saved model's weights, and a way to measure it."""
    parts = load_model(folder)
    fact = library.facts["encode/chosen"]
    autoencoder = load_autoencoder(library.path / fact["autoencoder"], CPU)
    windows = encoded(library, fact["latents"])
    data = Encoded.of(library, fact["pixels"], fact["latents"], autoencoder.scaling_factor, windows)
    network = VideoNetwork(parts.unet, parts.image_embedder)
    task = VideoTask("video", data, SETTINGS.video, network, autoencoder, 0)
    return lambda **kept: task.judge(lambda batch: network(**batch).detach(), **kept)


def test_the_losses_fall(library, folder):
    metrics = Metrics(library.path / "runs" / "one" / "metrics.jsonl")
    assert [line["stage"] for line in metrics.lines()] == (
        ["autoencoder"] * made.ENCODE.autoencoder.steps + ["image"] * 20 + ["video"] * 90 + ["finetune"] * 10
    )
    video = [line["loss"] for line in metrics.lines("video")]
    assert np.mean(video[-20:]) < 0.7 * np.mean(video[:10])
    heldout = [line["heldout"] for line in metrics.lines("video") if "heldout" in line]
    assert heldout[-1] < heldout[0]
    assert all(set(line) >= {"stage", "step", "loss", "lr", "grad_norm"} for line in metrics.lines())


def test_the_model_is_the_average_of_the_last_stage(library, folder):
    parts = load_model(folder)
    last = Checkpoints(library.path / "runs" / "one" / "checkpoints" / "finetune", "").last()
    assert last is not None
    assert torch.equal(parts.unet.conv_out.weight, last.average["unet.conv_out.weight"])
    assert not torch.equal(last.average["unet.conv_out.weight"], last.weights["unet.conv_out.weight"])
    assert parts.unet_image is not None
    assert parts.text_embedder is not None
    assert (parts.info.frames, parts.info.height, parts.info.fps) == (4, 32, 8.0)


def test_diffusers_opens_it(folder):
    from diffusers import StableVideoDiffusionPipeline

    pipe = StableVideoDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    assert pipe.unet.config.in_channels == 8


def test_the_card_is_filled_from_facts(library, folder):
    card = (folder / "README.md").read_text()
    windows = encoded(library, library.facts["encode/chosen"]["latents"])
    training = sum(not window.heldout and not window.photo for window in windows)
    for fact in (
        f"{training} windows and",
        "CC0-1.0",
        "made by Marey",
        "Seed 0",
        "| video | 90 | 8 |",
        "hash `h`",
        '"steps": 90',
    ):
        assert fact in card
    assert str(library.path) not in card
    assert not any(window.clip + ":" in card for window in windows)


def test_another_still_gives_another_video(folder):
    model = Model.open(folder, device="cpu")
    stills = np.stack([made.disc(n, 1)[0, 8:40, 8:40] for n in (0, 2)])
    one, other = model.continue_stills(stills, seeds=[5, 5], steps=6)
    assert np.abs(one.astype(float) - other).mean() > 5
    # And each is nearer to its own still than to the other.
    for video, own, stranger in ((one, *stills), (other, *stills[::-1])):
        near = np.abs(video[0].astype(float) - own).mean()
        assert near < np.abs(video[0].astype(float) - stranger).mean()


def test_the_token_and_the_frame_are_used(judged):
    whole = judged()["heldout"]
    assert judged(keep_frame=0.0)["heldout"] > 1.05 * whole
    without = judged(keep_token=0.0)["heldout"]
    assert abs(without - whole) > 1e-3 * whole
    # Where the token is all that is known of the clip, it helps.
    assert judged(keep_frame=0.0, keep_token=0.0)["heldout"] > judged(keep_frame=0.0)["heldout"]


def test_a_second_call_does_nothing(library, folder, monkeypatch):
    monkeypatch.setattr(ROOM, "fit", None)
    monkeypatch.setattr(ROOM, "load_autoencoder", None)
    before = (folder / "model_index.json").stat().st_mtime_ns
    assert (
        train(library, library.path / "runs" / "one", SETTINGS, made.ENCODE, "chosen", seed=0, device="cpu") == folder
    )
    assert (folder / "model_index.json").stat().st_mtime_ns == before


def test_killed_in_every_stage_it_comes_to_the_same_bytes(library, tmp_path, monkeypatch):
    quick = {"batch": 2, "lr": 3e-3, "warmup": 2, "ema": 0.9, "steps": 7, "evaluate_every": 4, "checkpoint_every": 3}
    stages = {name: recipe.Stage(**quick) for name in ("image", "video", "finetune")}

    class Killed(BaseException):
        pass

    bytes_of = {}
    for run in ("undisturbed", "killed"):
        settings = SETTINGS.model_copy(update={"name": run, **stages})
        args = (library, tmp_path / run, settings, made.ENCODE, "chosen")
        for stage in ("image", "video", "finetune") if run == "killed" else ():
            with monkeypatch.context() as patch:
                patch.setattr("marey.train.loop.Average.update", _killing(Killed, after=4))
                with pytest.raises(Killed):
                    train(*args, seed=1, device="cpu")
            assert sorted(path.name for path in (tmp_path / run / "checkpoints").iterdir())[-1] or stage
        model = train(*args, seed=1, device="cpu")
        weights = {path.relative_to(model): path.read_bytes() for path in model.rglob("*.safetensors")}
        run_files = [tmp_path / run / "metrics.jsonl", *(tmp_path / run / "checkpoints").rglob("*.*")]
        bytes_of[run] = (weights, {path.relative_to(tmp_path / run): path.read_bytes() for path in run_files})
    assert bytes_of["killed"] == bytes_of["undisturbed"]


def _killing(error, after):
    from marey.train.average import Average

    real, calls = Average.update, []

    def update(self, module, number):
        calls.append(number)
        if len(calls) == after:
            raise error
        real(self, module, number)

    return update


def test_changed_settings_train_only_what_depends_on_them(library, folder, monkeypatch):
    trained = []

    def told(task, *rest, **more):
        trained.append(task.name)
        return fit(task, *rest, **more)

    monkeypatch.setattr(ROOM, "fit", told)
    monkeypatch.setattr("marey.train.stages.VideoTask.rows", _raise(Stop))
    monkeypatch.setattr(ROOM._Work, "_estimate", lambda *given: None)
    finetune = SETTINGS.finetune.model_copy(update={"lr": 1e-4})
    run = library.path / "runs" / "one"
    with pytest.raises(Stop):
        train(
            library,
            run,
            SETTINGS.model_copy(update={"finetune": finetune}),
            made.ENCODE,
            "chosen",
            seed=0,
            device="cpu",
        )
    assert trained == ["image", "video", "finetune"]  # the first two found their last checkpoints, no batch was drawn
    assert [path.name for path in (run / "checkpoints").glob("finetune*")] != ["finetune"]  # the old one is set aside


class Stop(Exception):
    pass


def _raise(error):
    def rows(self, step, rows):
        raise error

    return rows


def test_without_the_image_stage_the_video_begins_from_random_weights(library, tmp_path):
    quick = recipe.Stage(batch=2, steps=2, warmup=1)
    settings = SETTINGS.model_copy(update={"name": "scratch", "video": quick})
    model = train(library, tmp_path, settings, made.ENCODE, "chosen", seed=0, device="cpu", stages=["video"])
    parts = load_model(model)
    assert parts.text_embedder is None
    assert {line["stage"] for line in Metrics(tmp_path / "metrics.jsonl").lines()} == {"autoencoder", "video"}
    assert json.loads((model / "marey.json").read_text())["frames"] == 4


def test_memory_and_time_of_each_stage_are_told_before_its_first_step(library, tmp_path, monkeypatch):
    quick = recipe.Stage(batch=2, steps=1, warmup=1)
    settings = SETTINGS.model_copy(update={"name": "told", "image": quick, "video": quick, "finetune": quick})
    args = library, tmp_path, settings, made.ENCODE, "chosen"
    said: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr("marey.train.needs.free_memory", lambda device: 2**20)
        with pytest.raises(MareyError, match=r"Training stage image needs about .* of 1 MB that are free.*--anyway"):
            train(*args, device="cpu", stages=["image", "video"])
        assert not (tmp_path / "checkpoints").exists()
        train(*args, device="cpu", stages=["image", "video"], anyway=True, progress=lambda what, *_: said.append(what))
    for stage in ("image", "video"):
        told = next(what for what in said if what.startswith(f"training stage {stage} needs about"))
        assert "TFLOP a step" in told
        assert said.index(told) < said.index(f"training: {stage}")
    again: list[str] = []
    train(*args, device="cpu", progress=lambda what, *_: again.append(what))
    assert [what.split()[2] for what in again if " needs " in what] == ["finetune"]  # the others have nothing to do


def test_what_cannot_be_trained_is_said(library, tmp_path):
    with pytest.raises(MareyError, match="no training stage 'film'"):
        train(library, tmp_path, SETTINGS, made.ENCODE, "chosen", stages=["film"])
    with pytest.raises(MareyError, match="make no video model"):
        train(library, tmp_path, SETTINGS, made.ENCODE, "chosen", stages=["image"])
    with pytest.raises(MareyError, match="'other' is not encoded"):
        train(library, tmp_path, SETTINGS, made.ENCODE, "other")
    larger = made.ENCODE.model_copy(update={"windows": made.ENCODE.windows.model_copy(update={"frames": 6})})
    with pytest.raises(MareyError, match="4 frames of 32x32 pixels, the recipe asks for 6 frames"):
        train(library, tmp_path, SETTINGS, larger, "chosen")
