"""A video at four times its rate: its own frames stay, others come between, and nobody else's model does it."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from marey.errors import MareyError
from marey.generate import Model
from marey.generate.interpolate import restored
from marey.generate.plan import plan_for
from marey.generate.several import several
from marey.generate.video import Video
from marey.media import write_video
from marey.network.autoencoder import Autoencoder
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder
from marey.network.folder import load_model, save_model
from marey.network.unet import fresh
from marey.network.widen import conditioned


def of(condition: str, folder) -> Model:
    """A model of random weights whose every layer says something, of five frames of 16x16 pixels."""
    unet = fresh(UNetConfig.plain((32, 32), context=32, embed=32, frames=5, sample_size=8), seed=0)
    autoencoder, embedder = Autoencoder.build((32, 32), sample_size=16), ImageEmbedder.build(32, hidden=32, patch=56)
    words = {"card": "x", "frames": 5, "size": 16, "fps": 8.0, "steps": 3, "guidance": (1.0, 1.0), "sigma_max": 20.0}
    base = load_model(save_model(folder / "base", unet, autoencoder, embedder, **words))
    parts = conditioned(base, condition)
    generator = torch.Generator().manual_seed(0)
    for name, value in (*parts.unet.named_parameters(), *parts.condition.named_parameters()):
        loud = 1.0 if name.startswith("add_embedding.linear_2") or "time_emb_proj" in name else 0.05
        value.data += loud * torch.randn(value.shape, generator=generator)
    made = save_model(
        folder / condition, parts.unet, autoencoder, embedder, condition=parts.condition,
        **{**words, "guidance": parts.info.guidance},
    )  # fmt: skip
    return Model.open(made, device="cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return of("ends", tmp_path_factory.mktemp("ends"))


def frames(count: int = 4, height: int = 16, width: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def test_every_fourth_frame_is_one_that_was_there(model):
    given = frames()
    video = model.interpolate(given, fps=Fraction(30000, 1001))
    assert video.frames.shape == (13, 16, 16, 3)
    assert video.fps == 4 * Fraction(30000, 1001)
    assert np.array_equal(video.frames[::4], given)
    between = np.delete(video.frames, np.s_[::4], axis=0)
    assert between.std() > 0
    assert all(not np.array_equal(one, other) for one in between for other in given)


def test_what_lies_between_two_frames_depends_on_them_and_the_seed_alone(model):
    given = frames()
    whole, again = (model.interpolate(given, fps=7, batch=size).frames for size in (8, 2))
    assert np.abs(whole.astype(int) - again).max() <= 2  # rounded twice
    pair = model.interpolate(given[1:3], fps=7).frames
    assert np.abs(whole[4:9].astype(int) - pair).max() <= 2
    assert not np.array_equal(whole, model.interpolate(given, fps=7, seed=1).frames)
    other = model.interpolate(np.stack([given[1], given[0]]), fps=7).frames
    assert not np.array_equal(other[1:4], pair[1:4])


def test_the_two_ends_stay_in_the_latents_too(model):
    given = frames(2)
    plan_frames = []

    def watched(step, latents):
        plan_frames.append(latents)

    plan = plan_for(model.info, model.parts.autoencoder.factor)
    ours = model.sample(
        plan, given[None], [28.0], [127.0], [0], None, lambda step: None, saving=model.saving(plan), seen=watched
    )
    unit = torch.from_numpy(given).permute(0, 3, 1, 2)[None].float() / 127.5 - 1
    mean = model.parts.autoencoder.encode(unit)[0] * model.parts.autoencoder.scaling_factor
    assert torch.allclose(ours.latents[:, [0, 4]], mean, atol=1e-4)
    assert all(torch.allclose(latents[:, [0, 4]], mean, atol=1e-4) for latents in plan_frames)


def test_what_the_autoencoder_lost_of_the_ends_is_put_back_by_nearness():
    clips, ends = np.full((1, 5, 2, 2, 3), 100, np.uint8), np.full((1, 2, 2, 2, 3), 100, np.uint8)
    ends[0, 0], ends[0, 1] = 140, 60
    assert restored(clips, ends)[0, :, 0, 0, 0].tolist() == [140, 120, 100, 80, 60]
    rng = np.random.default_rng(0)
    clips, ends = (rng.integers(0, 256, (3, n, 4, 4, 3), dtype=np.uint8) for n in (5, 2))
    assert np.array_equal(restored(clips, ends)[:, [0, -1]], ends)
    same = clips[:, [0, -1]]
    assert np.array_equal(restored(clips, same), clips)  # nothing was lost: nothing is put back


def test_files_and_videos_are_taken_and_brought_to_a_size(model, tmp_path):
    path = tmp_path / "v.mp4"
    write_video(path, frames(5, 32, 48), 10, crf=12)
    video = model.interpolate(path, size=(16, 32))
    assert (video.frames.shape, video.fps) == ((17, 16, 32, 3), 40)
    assert model.interpolate(Video(frames(2, 40, 40), 5)).fps == 20
    for wrong, says in [
        (frames(1), "has 1 frames: two or more"),
        (frames(2), "fps is None"),
        (3, "is a int: a path, a Video or uint8 frames"),
        (frames(2).astype(float), "dtype is float64"),
    ]:
        with pytest.raises(MareyError, match=says):
            model.interpolate(wrong)


def test_only_a_model_that_learned_it_interpolates_and_that_one_does_nothing_else(model, tmp_path):
    still = of("still", tmp_path)
    with pytest.raises(MareyError, match=r"condition is 'still': .* the condition 'ends' would do"):
        still.interpolate(frames(), fps=8)
    with pytest.raises(MareyError, match="condition is 'ends': `marey interpolate` would do"):
        model.animate(frames()[0])
    with pytest.raises(MareyError, match="`marey interpolate` would do"):
        model.continue_stills(frames(), seeds=[0] * 4)
    with pytest.raises(MareyError, match=r"'ends': one that was finetuned with the condition 'elevation' or 'poses'"):
        model.orbit(frames()[0])


def test_an_orbit_is_told_its_height_and_its_poses(tmp_path):
    still = frames()[0]
    high = of("elevation", tmp_path / "elevation")
    assert high.orbit(still, 20).frames.shape == (5, 16, 16, 3)
    assert np.array_equal(high.orbit(still, 20).frames, high.orbit(still, [20.0] * 5).frames)
    assert not np.array_equal(high.orbit(still, 20).frames, high.orbit(still, -5).frames)
    with pytest.raises(MareyError, match="one elevation a clip"):
        high.orbit(still, 20, [0, 10, 20, 30, 40])
    with pytest.raises(MareyError, match="condition is 'elevation': `marey orbit` would do"):
        high.animate(still)

    posed = of("poses", tmp_path / "poses")
    around = posed.orbit(still, 20).frames
    assert np.array_equal(around, posed.orbit(still, 20, [90 + 72 * n for n in range(5)]).frames)
    assert not np.array_equal(around, posed.orbit(still, 20, [90 - 72 * n for n in range(5)]).frames)
    assert not np.array_equal(around, posed.orbit(still, [20, 15, 10, 15, 20]).frames)
    assert len(posed.orbit(still, 20, [0, 30, 60]).frames) == 3
    for angles, says in [((95, None), "degrees from -90"), ((0, [0, float("nan")]), "degrees would do")]:
        with pytest.raises(MareyError, match=says):
            posed.orbit(still, *angles)
    with pytest.raises(MareyError, match="There are 3 angles in elevation for 5 frames"):
        posed.orbit(still, [1, 2, 3])


def test_one_batch_or_many_change_nothing(tmp_path):
    model = of("elevation", tmp_path)
    plan, told = plan_for(model.info, model.parts.autoencoder.factor), torch.tensor([[0.0], [10.0], [20.0]])
    asked = plan, frames(3), [8.0] * 3, [127.0] * 3, [0, 1, 2]
    whole, parts = (several(model, "x", *asked, numbers=told, batch=size) for size in (3, 1))
    assert np.abs(whole.astype(int) - parts).max() <= 1
