"""Held-out stills animated into a folder of samples: what is in it, and that nothing is made twice."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from marey.errors import MareyError
from marey.generate import Model
from marey.generate import generate as room
from marey.generate.generate import Still, enlarged, generate, own_seed
from marey.media import probe, span
from marey.network.autoencoder import Autoencoder
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder
from marey.network.folder import save_model
from marey.network.unet import SpatioTemporalUNet
from marey.recipe import Generate

SETTINGS = Generate(steps=2, batch=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet = SpatioTemporalUNet(UNetConfig.plain((32, 64), head_width=16, context=24, embed=16, frames=3))
    autoencoder = Autoencoder.build((32, 32, 32), seed=0)
    where = tmp_path_factory.mktemp("models") / "tiny"
    save_model(
        where, unet, autoencoder, ImageEmbedder.build(24, hidden=32, seed=0), card="", frames=3, size=32, fps=8, steps=2
    )
    return Model.open(where, device="cpu")


def stills(count: int) -> list[Still]:
    """Windows of noise: any pixels will do."""
    made = np.random.default_rng(0).integers(0, 256, (count, 3, 32, 32, 3), dtype=np.uint8)
    return [
        Still(
            f"clip{n}:0", made[n], fps=6.0 + n, motion=40.0 * n, info={"clip": f"clip{n}", "group": "g", "real": n == 0}
        )
        for n in range(count)
    ]


class Counted:
    """A model that counts the stills that it is asked to animate, and may be killed."""

    def __init__(self, model: Model, killed_at: int | None = None) -> None:
        self._model, self._killed_at = model, killed_at
        self.calls: list[int] = []

    def continue_stills(self, pixels, **how):
        if len(self.calls) == self._killed_at:
            raise KeyboardInterrupt
        self.calls.append(len(pixels))
        return self._model.continue_stills(pixels, **how)

    def reconstruct(self, videos, **how):
        return self._model.reconstruct(videos, **how)


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def samples(model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "samples"
    made = generate(model, stills(5), folder, SETTINGS, source="weights", seed=3)
    assert (made.videos, made.made, made.frames) == (5, 5, 3)
    return folder


def test_the_arrays_are_truth_generated_and_the_autoencoders(model, samples):
    videos, given = load_file(samples / "videos.safetensors"), stills(5)
    assert set(videos) == {"truth", "generated", "autoencoder"}
    assert all(array.shape == (5, 3, 32, 32, 3) and array.dtype == np.uint8 for array in videos.values())
    assert np.array_equal(videos["truth"], np.stack([still.frames for still in given]))
    assert np.array_equal(videos["autoencoder"][:2], model.reconstruct(videos["truth"][:2]))
    one = given[3]
    alone = model.continue_stills(
        one.frames[:1],
        seeds=[own_seed(3, one.id)],
        fps=one.fps,
        motion=one.motion,
        frames=3,
        steps=2,
        guidance=SETTINGS.guidance,
        noise_aug=SETTINGS.noise_aug,
        sigma_min=SETTINGS.sigma_min,
        sigma_max=SETTINGS.sigma_max,
    )
    # Each still has its own seed and conditions, whatever else is in its batch.
    assert np.abs(alone[0].astype(int) - videos["generated"][3]).max() <= 1
    assert np.abs(videos["generated"][3].astype(int) - videos["generated"][2]).max() > 1


def test_only_the_first_frame_is_given_to_the_model(model, samples, tmp_path):
    changed = [
        Still(s.id, np.concatenate([s.frames[:1], 255 - s.frames[1:]]), s.fps, s.motion, s.info) for s in stills(5)
    ]
    generate(model, changed, tmp_path / "samples", SETTINGS, source="weights", seed=3)
    ours, theirs = (load_file(folder / "videos.safetensors") for folder in (samples, tmp_path / "samples"))
    assert np.array_equal(ours["generated"], theirs["generated"])
    assert not np.array_equal(ours["truth"], theirs["truth"])


def test_beside_the_arrays_lie_facts_videos_and_sheets(samples):
    rows = json.loads((samples / "windows.json").read_text())
    assert [row["id"] for row in rows] == [f"clip{n}:0" for n in range(5)]
    assert rows[1] == {"id": "clip1:0", "clip": "clip1", "group": "g", "real": False, "fps": 7.0, "motion_bucket": 40.0}
    found = probe(samples / "generated" / "clip1-0.mp4")
    assert (found.width, found.height, found.frames) == (192, 192, 3)
    assert found.fps == pytest.approx(7.0)
    frames = span(samples / "generated" / "clip1-0.mp4", int(found.pts[0]), int(found.pts[-1]), size=(32, 32))
    truth = load_file(samples / "videos.safetensors")["generated"][1]
    assert np.abs(frames.astype(float).mean((1, 2)) - truth.astype(float).mean((1, 2))).max() < 12
    assert [path.name for path in (samples / "sheets").iterdir()] == ["000.png"]


def test_a_second_call_makes_nothing(model, samples):
    before = content(samples)
    counted = Counted(model)
    made = generate(counted, stills(5), samples, SETTINGS, source="weights", seed=3)
    assert (made.made, counted.calls) == (0, [])
    assert content(samples) == before


def test_a_killed_run_goes_on_and_comes_to_the_same(model, samples, tmp_path):
    folder = tmp_path / "run" / "samples"
    with pytest.raises(KeyboardInterrupt):
        generate(Counted(model, killed_at=2), stills(5), folder, SETTINGS, source="weights", seed=3)
    assert not folder.exists()
    counted = Counted(model)
    made = generate(counted, stills(5), folder, SETTINGS, source="weights", seed=3)
    assert (counted.calls, made.made) == ([1], 1)  # two batches of two were there
    assert content(folder) == content(samples)
    assert [path.name for path in folder.parent.iterdir()] == ["samples"]


@pytest.mark.parametrize("change", ["source", "seed", "steps", "stills"])
def test_whatever_it_depends_on_makes_it_anew(model, tmp_path, change):
    folder = tmp_path / "samples"
    generate(model, stills(2), folder, SETTINGS, source="weights", seed=3)
    before = load_file(folder / "videos.safetensors")["generated"]
    settings = SETTINGS.model_copy(update={"steps": 3}) if change == "steps" else SETTINGS
    made = generate(
        model,
        stills(1 if change == "stills" else 2),
        folder,
        settings,
        source="other" if change == "source" else "weights",
        seed=4 if change == "seed" else 3,
    )
    after = load_file(folder / "videos.safetensors")["generated"]
    assert made.made == len(after)
    if change in ("seed", "steps"):
        assert not np.array_equal(before, after)


def test_what_cannot_be_animated_is_said(model, tmp_path):
    with pytest.raises(MareyError, match="no held-out still"):
        generate(model, [], tmp_path / "samples", SETTINGS)
    short = stills(2)
    short[1] = Still("x:0", short[1].frames[:2], 8.0, 1.0, {})
    with pytest.raises(MareyError, match="differ in size"):
        generate(model, short, tmp_path / "samples", SETTINGS)


def test_seeds_are_each_stills_own():
    assert own_seed(0, "a:0") == own_seed(0, "a:0")
    assert len({own_seed(seed, name) for seed in (0, 1) for name in ("a:0", "a:1", "b:0")}) == 6


def test_videos_are_enlarged_by_whole_multiples():
    frames = stills(1)[0].frames
    assert enlarged(frames, 192).shape == (3, 192, 192, 3)
    assert enlarged(frames, 100).shape == (3, 128, 128, 3)
    assert np.array_equal(enlarged(frames, 20), frames)
    assert room.VIEW == 192


def test_the_cache_of_the_recipe_reaches_the_sampler(model, tmp_path):
    asked = []

    class Asked(Counted):
        def continue_stills(self, pixels, **how):
            asked.append(how["cache"])
            return super().continue_stills(pixels, **how)

    generate(Asked(model), stills(1), tmp_path / "samples", Generate(steps=2, cache=0.4))
    assert asked == [0.4]
