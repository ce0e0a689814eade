"""What the stages train, see, drop and leave alone."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from marey import recipe
from marey.errors import MareyError
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder, TextEmbedder
from marey.network.inflate import inflate
from marey.network.unet import fresh, is_temporal
from marey.train.autoencoder import load_autoencoder
from marey.train.batches import choose
from marey.train.encoded import Encoded, best
from marey.train.loop import Pace, fit
from marey.train.networks import ImageNetwork, VideoNetwork
from marey.train.pixels import stacked, to_unit
from marey.train.stages import ImageTask, VideoTask
from marey.train.windows import encoded

CPU = torch.device("cpu")
STAGE = recipe.Stage(steps=6, batch=4, lr=1e-3, warmup=2, evaluate_every=6, checkpoint_every=6)


@pytest.fixture(scope="module")
def library(encoded_library):
    return encoded_library


@pytest.fixture(scope="module")
def autoencoder(library):
    return load_autoencoder(library.path / library.facts["encode/chosen"]["autoencoder"], CPU)


@pytest.fixture(scope="module")
def data(library, autoencoder):
    fact = library.facts["encode/chosen"]
    windows = encoded(library, fact["latents"])
    return Encoded.of(library, fact["pixels"], fact["latents"], autoencoder.scaling_factor, windows)


def image_network() -> ImageNetwork:
    config = UNetConfig.plain((32, 32), context=32, embed=32, in_channels=4, frames=4, sample_size=8)
    return ImageNetwork(fresh(config, seed=0), TextEmbedder.build(["a clip", "a disc"], 32, tokens=8, seed=0))


def video_network() -> VideoNetwork:
    return VideoNetwork(inflate(image_network().unet), ImageEmbedder.build(32, hidden=32, patch=56, seed=0))


def state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in module.named_parameters()}


def unchanged(before: dict[str, torch.Tensor], module: torch.nn.Module) -> set[str]:
    return {name for name, value in module.named_parameters() if torch.equal(before[name], value)}


def test_the_image_stage_trains_all_but_what_mixes_frames(data, tmp_path):
    network = image_network()
    before = state(network)
    fit(ImageTask(data, STAGE, network, 0), Pace.of(STAGE), tmp_path, "x", device=CPU)
    frozen = unchanged(before, network)
    assert {name for name in before if is_temporal(name)} <= frozen
    assert all(is_temporal(name) or ".add_embedding." in name for name in frozen)
    assert frozen == {name for name, value in network.named_parameters() if not value.requires_grad}
    assert any(name.startswith("text_embedder.") for name in before)


def test_the_video_stage_trains_everything_that_its_loss_depends_on(data, autoencoder, tmp_path):
    network = video_network()
    before = state(network)
    encoder = state(autoencoder)
    fit(VideoTask("video", data, STAGE, network, autoencoder, 0), Pace.of(STAGE), tmp_path, "x", device=CPU)
    frozen = unchanged(before, network)
    # With one token the queries and keys of cross-attention, and the norm before them, have no say.
    asks = {name for name in before if any(part in name for part in (".attn2.to_q", ".attn2.to_k", ".norm2."))}
    assert {name for name in frozen if name.startswith("unet.")} <= asks
    assert not {name for name in frozen if name.startswith("image_embedder.") and not name.endswith("k_proj.bias")}
    assert any(is_temporal(name) for name in set(before) - frozen)
    assert unchanged(encoder, autoencoder) == set(encoder)


def test_image_batches_are_single_frames_of_training_footage(data):
    task = ImageTask(data, STAGE, image_network(), 0)
    batch = task.batch(0)
    assert batch["latents"].shape == (4, 1, 4, 8, 8)
    assert batch["tokens"].shape == (4, 8)
    assert batch["sigma"].shape == (4,)
    again = ImageTask(data, STAGE, image_network(), 0).batch(0)
    assert all(torch.equal(batch[name], again[name]) for name in batch)


@pytest.mark.parametrize("kind", ["image", "video"])
def test_each_training_window_comes_once_an_epoch_and_no_heldout_one_ever(data, autoencoder, monkeypatch, kind):
    seen: list[str] = []
    real = Encoded.moments
    monkeypatch.setattr(Encoded, "moments", lambda self, window: (seen.append(window.id), real(self, window))[1])
    if kind == "image":
        task, expected = ImageTask(data, STAGE, image_network(), 0), list(data.training)
    else:
        task = VideoTask("video", data, STAGE, video_network(), autoencoder, 0)
        expected = [window for window in data.training if not window.photo]
    monkeypatch.setattr(task, "_shape", lambda windows: (len(windows), 1, 4, 8, 8), raising=False)
    steps = math.ceil(2 * len(expected) / STAGE.batch)
    for step in range(steps):
        task.batch(step)
    for epoch in range(2):
        part = seen[epoch * len(expected) : (epoch + 1) * len(expected)]
        assert sorted(part) == sorted(window.id for window in expected)
    assert all(not window.heldout for window in data.training)
    assert {window.group for window in data.training}.isdisjoint({window.group for window in data.judged})


def test_the_conditioning_frame_is_the_encoders_mean_of_the_noised_still_not_scaled(data, autoencoder):
    clean = VideoTask(
        "video",
        data,
        STAGE.model_copy(update={"noise_aug_mean": -30.0, "noise_aug_std": 0.0}),
        video_network(),
        autoencoder,
        0,
    ).batch(2)
    mean, _ = autoencoder.encode(clean["still"][:, None])
    assert torch.allclose(clean["condition"], mean[:, 0], atol=1e-5)
    loud = VideoTask(
        "video",
        data,
        STAGE.model_copy(update={"noise_aug_mean": 0.0, "noise_aug_std": 0.0}),
        video_network(),
        autoencoder,
        0,
    ).batch(2)
    assert torch.equal(loud["still"], clean["still"])  # the token is of the clean one
    assert (loud["condition"] - clean["condition"]).abs().mean() > 0.01
    assert loud["added"][:, 2].tolist() == pytest.approx([1.0] * 4)


def test_the_conditions_are_those_of_each_window(data, autoencoder, library):
    task = VideoTask("video", data, STAGE, video_network(), autoencoder, 0)
    batch = task.batch(1)
    by_still = {}
    for window in data.training:
        pixels = to_unit(stacked(library, data.pixels, [window])[0, 0])
        by_still[pixels.numpy().tobytes()] = window
    for still, added in zip(batch["still"], batch["added"], strict=True):
        window = by_still[still.numpy().tobytes()]
        assert added[0].item() == pytest.approx(window.fps - 1)
        assert added[1].item() == window.motion_bucket
    assert len(set(batch["added"][:, 1].tolist())) > 1


def test_dropping_zeroes_the_token_and_the_frame(data, autoencoder, monkeypatch):
    """Dropped, the network is given what guidance gives it as its unconditional branch: zeros, each apart."""
    network = video_network()
    task = VideoTask("video", data, STAGE, network, autoencoder, 0)
    batch = task.batch(0)
    batch["keep_token"] = torch.tensor([1.0, 0.0, 1.0, 0.0])
    batch["keep_frame"] = torch.tensor([1.0, 1.0, 0.0, 0.0])
    given = {}

    def spy(sample, c_noise, context, added, image_only=None):
        given.update(sample=sample, context=context, added=added)
        return sample[:, :, :4]

    monkeypatch.setattr(network.unet, "forward", spy)
    network(**batch)
    assert given["sample"].shape == (4, 4, 8, 8, 8)
    frame = given["sample"][:, :, 4:]
    assert [bool(part.any()) for part in given["context"]] == [True, False, True, False]
    assert [bool(part.any()) for part in frame] == [True, True, False, False]
    assert torch.equal(frame[0, 0], frame[0, -1])  # the same to all frames
    assert torch.allclose(frame[0, 0], batch["condition"][0])
    assert torch.equal(given["added"], batch["added"])  # numbers are never dropped


def test_captions_are_dropped_to_zeros(data, monkeypatch):
    network = image_network()
    batch = ImageTask(data, STAGE, network, 0).batch(0)
    batch["keep_token"] = torch.tensor([1.0, 0.0, 0.0, 1.0])
    given = {}

    def spy(sample, c_noise, context, added, image_only=None):
        given.update(context=context, image_only=image_only, added=added)
        return sample

    monkeypatch.setattr(network.unet, "forward", spy)
    network(**batch)
    assert [bool(part.any()) for part in given["context"]] == [True, False, False, True]
    assert given["image_only"].tolist() == [[1.0]] * 4


def test_captions_are_drawn_by_clip_seed_and_step(data):
    shares = (("image", 0.5), ("video", 0.25), ("merged", 0.25))
    several = replace(data, training=tuple(replace(window, captions=shares) for window in data.training))
    settings = STAGE.model_copy(update={"batch": len(several.training)})

    def said(seed: int, step: int, encoded: Encoded = several) -> dict[str, set[tuple[int, ...]]]:
        """By clip the tokens of its captions in one step."""
        network = image_network()
        network.text_embedder.tokenize = lambda texts: torch.tensor([[len(text)] for text in texts])  # image: 5, ...
        task = ImageTask(encoded, settings, network, seed)
        tokens = task.batch(step)["tokens"].tolist()
        chosen = choose(len(encoded.training), settings.batch, seed, "image", step)
        found: dict[str, set[tuple[int, ...]]] = {}
        for n, token in zip(chosen, tokens, strict=True):
            found.setdefault(encoded.training[n].clip, set()).add(tuple(token))
        return found

    first = said(0, 0)
    assert all(len(tokens) == 1 for tokens in first.values())  # all windows of a clip say the same
    assert first == said(0, 0)
    turned = replace(several, training=several.training[::-1])
    assert said(0, 0, turned) == first  # by clip, wherever it stands
    drawn = {token for step in range(12) for tokens in said(0, step).values() for token in tokens}
    assert drawn == {(5,), (6,)}
    assert any(said(0, step) != first for step in range(1, 6))
    assert any(said(seed, 0) != first for seed in range(1, 6))


def test_a_loss_is_that_of_its_own_clip(data, autoencoder):
    """One sigma a clip, and no clip knows of the others in its batch."""
    network = video_network()
    task = VideoTask("video", data, STAGE, network, autoencoder, 0)
    batch = task.batch(0)
    together = network(**batch)
    apart = torch.cat([network(**{name: value[n : n + 1] for name, value in batch.items()}) for n in range(4)])
    assert together.shape == (4,)
    assert torch.allclose(together, apart, atol=1e-5)
    # A new network answers 0, whose v-form loss is the target's own square.
    level = batch["sigma"][:, None, None, None, None]
    target = (batch["noise"] - level * batch["latents"]) / (1 + level**2).sqrt()
    assert torch.allclose(together, target.square().flatten(1).mean(1), atol=1e-5)


def test_the_heldout_loss_is_fixed_and_of_heldout_windows(data, autoencoder):
    network = video_network()
    task = VideoTask("video", data, STAGE, network, autoencoder, 0)
    calls = []

    def losses(batch):
        calls.append(batch)
        return network(**batch)

    first, second = task.heldout(losses), task.heldout(losses)
    assert first == second
    assert list(first["heldout_by_sigma"]) == ["0.2", "0.6", "1.5", "5"]
    assert first["heldout"] == pytest.approx(np.mean(list(first["heldout_by_sigma"].values())))
    stills = {still.numpy().tobytes() for batch in calls for still in batch["still"]}
    heldout = {to_unit(stacked(data.library, data.pixels, [window])[0, 0]).numpy().tobytes() for window in data.judged}
    assert stills == heldout
    assert all(batch["keep_token"].min() == batch["keep_frame"].min() == 1 for batch in calls)


def test_the_best_windows_by_a_signal(library, data):
    sharp = {window.clip for window in best(library, data.training, "sharpness", 50)}
    videos = sorted({window.clip for window in data.training if not window.photo})
    assert sharp == set(videos[: len(sharp)])  # sharpness falls with the number
    assert len(best(library, data.training, "sharpness", 50)) == round(sum(not w.photo for w in data.training) / 2)
    low_is_good = {window.clip for window in best(library, data.training, "text_area", 30)}
    assert min(videos) in low_is_good
    assert len(best(library, data.training, "sharpness", 0.01)) == 1
    with pytest.raises(MareyError, match="quality_by is 'beauty'"):
        best(library, data.training, "beauty", 50)
