"""Interpolation as a finetuning: what a step gives, what learns, that it resumes, and that the two ends are used."""

import pytest
import torch

from marey import recipe
from marey.errors import MareyError
from marey.network.autoencoder import Autoencoder
from marey.network.condition import Ends
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder, TextEmbedder
from marey.network.folder import load_model, save_model
from marey.network.unet import fresh
from marey.network.widen import conditioned
from marey.train.batches import noise
from marey.train.finetune import finetune
from marey.train.givers import BothEnds
from marey.train.metrics import Metrics
from marey.train.networks import VideoNetwork
from marey.train.pixels import stacked, to_unit
from marey.train.windows import encoded

from . import made

STAGE = {"preset": "tiny-interpolation", "steps": 6, "batch": 4, "lr": 3e-3, "warmup": 1, "ema": 0.5, "precision": "no"}


def settings(**changes):
    stage = {**STAGE, "evaluate_every": 3, "checkpoint_every": 2, **changes.pop("stage", {})}
    return recipe.Recipe.of({"finetune": {"full": True, "heldout_least": 4, "stage": stage, **changes}}).finetune


def saved(folder, **more):
    """A model of random weights whose every layer says something."""
    unet = fresh(UNetConfig.plain((32, 32), context=32, embed=32, frames=4, sample_size=8), seed=0)
    generator = torch.Generator().manual_seed(0)
    for value in unet.parameters():
        value.data += 0.02 * torch.randn(value.shape, generator=generator)
    autoencoder = Autoencoder.build((32, 32, 32), sample_size=32)
    embedder = ImageEmbedder.build(32, hidden=32, patch=56)
    return save_model(folder, unet, autoencoder, embedder, card="x", frames=4, size=32, fps=8.0, **more)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("model") / "base")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    with made.library(tmp_path_factory.mktemp("made"), videos=6, photos=1) as store:
        yield store


@pytest.fixture(scope="module")
def between(library, model):
    return finetune(library, str(model), settings(name="between"), "chosen", device="cpu")


def test_the_preset_asks_for_two_ends_and_five_frames():
    chosen = settings()
    assert (chosen.condition, chosen.frames) == ("ends", 5)
    assert settings(condition="still").condition == "still"
    assert settings(frames=9).frames == 9
    assert recipe.Recipe.of({}).finetune.condition is None
    assert recipe.Recipe.of({"finetune": {"stage": {"preset": "camera-lora"}}}).finetune.condition is None
    large = recipe.Recipe.of({"finetune": {"stage": {"preset": "multi-view"}}}).finetune
    assert (large.condition, large.frames) == ("elevation", 21)


def test_all_of_the_widened_unet_and_the_mask_learn_and_nothing_else(library, model, between):
    base, tuned = load_model(model), load_model(between.folder)
    assert isinstance(tuned.condition, Ends)
    assert (tuned.condition.mask != 0).all()
    assert (tuned.info.frames, tuned.info.condition, tuned.info.height) == (5, "ends", 32)
    before, after = conditioned(base, "ends").unet.state_dict(), tuned.unet.state_dict()
    assert after["conv_in.weight"].shape[1] == 9
    same = {name for name in after if torch.equal(before[name], after[name])}
    assert same == tuned.unet.idle(tokens=2, only_stills=False) == set()  # two tokens are told apart by queries
    for part in ("autoencoder", "image_embedder"):
        one, other = (getattr(parts, part).state_dict() for parts in (base, tuned))
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert between.trained == sum(value.numel() for value in tuned.unet.parameters()) + 4
    first, last = between.loss
    assert last < first
    assert "`Model.interpolate`" in (library.path / "models" / "between" / "README.md").read_text()


def test_a_step_gives_the_means_of_the_two_ends_and_their_tokens(library, model, between, monkeypatch):
    seen = {}
    plain = VideoNetwork.forward

    def watched(self, **batch):
        if batch["latents"].device.type == "cpu" and not seen:  # memory is counted on tensors without contents
            seen.update({name: value.clone() for name, value in batch.items()})
        return plain(self, **batch)

    def never(*_args, **_more):
        raise AssertionError("a step ran the autoencoder")

    quiet = {"noise_aug_mean": -30.0, "noise_aug_std": 0.0, "steps": 1}
    with monkeypatch.context() as patched:  # latents and tokens are there since `between`
        patched.setattr(VideoNetwork, "forward", watched)
        patched.setattr(Autoencoder, "encode", never)
        finetune(library, str(model), settings(name="quiet", stage=quiet), "chosen", device="cpu")
    assert seen["latents"].shape == (4, 5, 4, 8, 8)
    assert seen["condition"].shape == (4, 2, 4, 8, 8)
    assert seen["token"].shape == (4, 2, 32)
    parts = load_model(model)
    kinds = [row["kind"] for row in library.rows("select distinct kind from tensors where kind like 'pixels@%'")]
    clips = {
        window.id: to_unit(stacked(library, kind, [window])[0])
        for kind in kinds
        for window in encoded(library, kind)
        if window.shape[0] == 5
    }
    with torch.no_grad():
        means = {name: parts.autoencoder.encode(clip[None, [0, -1]])[0][0] for name, clip in clips.items()}
        tokens = {name: parts.image_embedder(clip[[0, -1]])[:, 0] for name, clip in clips.items()}
    for row in range(4):
        found = [name for name, mean in means.items() if torch.allclose(mean, seen["condition"][row], atol=2e-3)]
        assert found
        assert any(torch.allclose(tokens[name], seen["token"][row], atol=1e-4) for name in found)


def test_it_goes_on_exactly_where_it_was_stopped(library, model, between, monkeypatch):
    steps, plain = [], BothEnds.of

    def stopped(self, *given):
        steps.append(1)
        if len(steps) > 5:
            raise KeyboardInterrupt
        return plain(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(BothEnds, "of", stopped)
        with pytest.raises(KeyboardInterrupt):
            finetune(library, str(model), settings(name="halves"), "chosen", device="cpu")
    halves = finetune(library, str(model), settings(name="halves"), "chosen", device="cpu")
    one, two = load_model(between.folder), load_model(halves.folder)
    assert all(torch.equal(value, two.unet.state_dict()[name]) for name, value in one.unet.state_dict().items())
    assert torch.equal(one.condition.mask, two.condition.mask)
    lines = [
        Metrics(library.path / "runs" / name / "metrics.jsonl").lines("finetune") for name in ("between", "halves")
    ]
    assert [line["loss"] for line in lines[0]] == [line["loss"] for line in lines[1]]


def test_a_lora_cannot_learn_another_condition_but_goes_on_with_one_that_is_there(library, model, between):
    with pytest.raises(MareyError, match=r"condition is 'still'; for 'ends' .*--full would do"):
        finetune(library, str(model), settings(name="lora", full=False), "chosen", device="cpu")
    lora = settings(name="lora", full=False, stage={"steps": 1})
    lora = finetune(library, between.folder, lora, "chosen", device="cpu")
    assert 0 < lora.trained < between.trained / 10


def test_a_model_that_takes_texts_stays_one_and_its_ends_stand_after_the_text(library, tmp_path):
    texts = TextEmbedder.build(("a clip.", "a disc of colour 0.") * 6, 32, tokens=8, seed=0)
    told = saved(tmp_path / "told", text=True, text_embedder=texts)
    tuned = load_model(
        finetune(library, str(told), settings(name="said", stage={"steps": 2}), "chosen", device="cpu").folder
    )
    assert tuned.info.text
    assert tuned.info.condition == "ends"


def test_the_ends_are_used_and_those_of_others_mislead():
    """A square goes straight from one place to another; a network of a few steps tells its own ends from shuffled."""
    network = VideoNetwork(
        fresh(
            UNetConfig.plain((32,), context=8, embed=8, in_channels=9, frames=5, sample_size=8, attends=(True,)), seed=0
        ),
        None,
        2,
        Ends(4),
    )

    def clips(count, key):
        places = 7 * torch.rand(count, 2, 2, 1, 1, generator=torch.Generator().manual_seed(key))
        way = torch.linspace(0, 1, 5).view(1, 5, 1, 1, 1)
        at = places[:, None, 0] * (1 - way) + places[:, None, 1] * way  # (B, 5, 2, 1, 1)
        grid = torch.stack(torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij"))
        near = torch.exp(-(grid - at).square().sum(dim=2, keepdim=True) / 3)
        return 3 * near.expand(-1, -1, 4, -1, -1)

    def losses(latents, ends, sigma, key):
        ones = torch.ones(len(latents))
        return network(
            latents=latents, noise=noise(latents.shape, key), sigma=sigma * ones, condition=ends[:, [0, -1]],
            added=torch.zeros(len(latents), 3), keep_token=ones, keep_frame=ones,
            token=torch.zeros(len(latents), 2, 8),
        )  # fmt: skip

    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3)
    for step in range(40):
        latents = clips(8, step)
        sigma = torch.exp(torch.randn(8, generator=torch.Generator().manual_seed(step)))
        losses(latents, latents, sigma, f"noise {step}").mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    held = clips(32, 10_000)
    with torch.no_grad():
        right, wrong, turned = (
            float(losses(held, ends, 3.0, "held").mean()) for ends in (held, held.roll(1, 0), held.flip(1))
        )
    assert right < 0.5 * wrong
    assert right < 0.8 * turned
    assert (network.condition.mask != 0).all()
