"""Trainings in memory: the codec gives back what it was given, and a network learns and samples."""

from pathlib import Path

import numpy as np
import pytest
import torch

from marey import recipe
from marey.train.miniature import Clips, Codec, Sampling, Texts, losses, opened, sampled, save, train
from marey.train.pixels import to_unit

NETWORK = recipe.Network(channels=(32,), attends=(False,), context=16, embed=8)
STAGE = recipe.Stage(steps=40, batch=4, lr=5e-3, p_mean=0.0, p_std=1.4, ema=0.9, evaluate_every=20)
SIGMAS = (0.5, 3.0)


def clips(count: int = 8) -> Clips:
    """A bright block that moves to the right over a dark ground."""
    videos = np.full((count, 4, 16, 16, 3), 30, np.uint8)
    for n in range(count):
        for t in range(4):
            videos[n, t, n % 8 : n % 8 + 6, 2 * t : 2 * t + 6] = (220, 40 + 20 * n, 60)
    return Clips(videos, tuple(f"block {n}" for n in range(count)), 8.0)


def test_the_codec_with_all_components_is_exact():
    videos = np.random.default_rng(0).integers(0, 256, (6, 3, 8, 8, 3), dtype=np.uint8)
    pixels = to_unit(videos)
    whole = Codec(videos, 2, 12)
    assert whole.encode(pixels).shape == (6, 3, 12, 4, 4)
    assert torch.allclose(whole.decode(whole.encode(pixels)), pixels, atol=1e-4)


def test_fewer_components_keep_the_most_and_have_unit_variance():
    pixels, errors = to_unit(clips().videos), []
    for channels in (1, 3, 8):
        codec = Codec(clips().videos, 4, channels)
        latents = codec.encode(pixels)
        assert latents.square().mean() == pytest.approx(1.0, abs=0.05)
        errors.append(float((codec.decode(latents) - pixels).square().mean()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.1 * float((pixels - pixels.mean()).square().mean())


def test_texts_are_told_apart_and_never_trained():
    texts = Texts(["a red disc", "a blue disc"], 16)
    red, blue, again = texts(["a red disc", "a blue disc", "a red disc"])
    assert torch.equal(red, again)
    assert (red - blue).square().mean() > 0.01
    assert not any(value.requires_grad for value in texts.embedder.parameters())


def test_pictures_then_videos_learn_and_what_is_kept_opens_again(tmp_path: Path):
    some, held = clips(8), clips(4)
    codec, texts = Codec(some.videos, 4, 6), Texts(some.texts, 16)
    fresh = opened(None, NETWORK, codec, 16, seed=0)
    unet, _ = train(
        "image", fresh, some, held, texts, STAGE, codec, tmp_path / "image", sigmas=SIGMAS, seed=0
    )  # fmt: skip
    assert unet.config.in_channels == 6
    save(unet, tmp_path / "image.safetensors")
    start = opened(tmp_path / "image.safetensors", NETWORK, codec, 16, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(unet.state_dict().values(), start.state_dict().values(), strict=True))
    video, curve = train(
        "video", start, some, held, texts, STAGE, codec, tmp_path / "video", sigmas=SIGMAS, seed=0
    )  # fmt: skip
    assert video.config.in_channels == 12
    assert [step for step, _ in curve] == [20, 40]
    assert curve[1][1] < curve[0][1]
    found = losses(video, held, texts, codec, SIGMAS, seed=0)
    assert found.shape == (4, 2)
    assert found.mean() == pytest.approx(curve[1][1], rel=1e-4)
    save(video, tmp_path / "video.safetensors")
    same = opened(tmp_path / "video.safetensors", NETWORK, codec, 16, seed=5)
    assert np.array_equal(losses(same, held, texts, codec, SIGMAS, seed=0), found)
    videos = sampled(same, held, texts, codec, Sampling(4, 0.02, 40.0), seed=0)
    assert videos.shape == held.videos.shape
    assert videos.dtype == np.uint8
    assert np.array_equal(videos[:, 0], held.videos[:, 0])
    assert np.array_equal(sampled(same, held, texts, codec, Sampling(4, 0.02, 40.0), seed=0), videos)


def test_other_clips_are_not_gone_on_with(tmp_path: Path):
    some, other = clips(8), clips(6)
    codec, texts = Codec(some.videos, 4, 6), Texts(some.texts, 16)
    stage = STAGE.model_copy(update={"steps": 2, "evaluate_every": 2})
    weights = []
    for one in (some, other, some):
        start = opened(None, NETWORK, codec, 16, seed=0)
        unet, _ = train("video", start, one, some, texts, stage, codec, tmp_path / "run", sigmas=SIGMAS, seed=0)
        weights.append(unet.conv_in.weight.clone())
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])
