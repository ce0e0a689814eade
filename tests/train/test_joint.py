"""The joint stage: what is asked by text, by still, by both or by nothing, and what of it is trained."""

import dataclasses

import numpy as np
import pytest
import torch

from marey import recipe
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder, TextEmbedder
from marey.network.inflate import inflate
from marey.network.unet import fresh, is_temporal
from marey.train.joint import NOISIER, UNSAID, Footage, JointNetwork, JointTask, PictureTask, even_sigmas
from marey.train.loop import Pace, fit
from marey.train.networks import ImageNetwork
from marey.train.stages import HELDOUT_SIGMAS

CPU = torch.device("cpu")
STAGE = recipe.Stage(steps=6, batch=4, lr=1e-3, warmup=2, evaluate_every=6, checkpoint_every=6)
TEXTS = ("Jules jumps.", "Jules leaps.", "Jules ducks.")


def embedder() -> TextEmbedder:
    return TextEmbedder.build(TEXTS * 3, 32, tokens=8, seed=0)


def footage(count: int = 6) -> Footage:
    rng = np.random.default_rng(0)

    def drawn(*shape: int) -> np.ndarray:
        return rng.normal(size=(count, *shape)).astype(np.float16)

    tokens = embedder()
    return Footage(
        mean=drawn(4, 4, 8, 8),
        logvar=np.full((count, 4, 4, 8, 8), -8, np.float16),
        stills=rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8),
        conditions=drawn(4, 8, 8),
        strengths=np.full(count, 0.03, np.float32),
        motion=np.linspace(0, 255, count).astype(np.float32),
        tokens=[tokens.tokenize(TEXTS[:2] if n % 2 else TEXTS[2:]) for n in range(count)],
        fps=15.0,
        scale=0.5,
    )


def picture_network() -> ImageNetwork:
    config = UNetConfig.plain((32, 32), context=32, embed=32, in_channels=4, frames=4, sample_size=8)
    return ImageNetwork(fresh(config, seed=0), embedder())


def joint_network() -> JointNetwork:
    start = picture_network()
    seen = ImageEmbedder.build(32, hidden=32, patch=56, seed=0)
    return JointNetwork(inflate(start.unet), seen, start.text_embedder)


def task(**changes: object) -> JointTask:
    data = footage()
    return JointTask(data, data, STAGE.model_copy(update=changes), joint_network(), seed=3)


def state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in module.named_parameters()}


def test_everything_is_trained(tmp_path) -> None:
    one = task(drop_condition=0.0)
    before = state(one.module)
    fit(one, Pace.of(STAGE), tmp_path, "x", device=CPU)
    still = {name for name, value in one.module.named_parameters() if torch.equal(before[name], value)}
    # The identity's zeroed ends keep what stands behind them from moving in the first of six steps, not for long.
    assert not {name for name in still if name.startswith(("text_embedder.", "image_embedder."))} - {
        name for name in still if "position" in name or "bias" in name
    }
    assert not [name for name in still if name.startswith("unet.") and "k.bias" not in name]


def test_pictures_train_nothing_that_mixes_frames(tmp_path) -> None:
    data, network = footage(), picture_network()
    before = state(network)
    fit(PictureTask(data, data, STAGE, network, 3), Pace.of(STAGE), tmp_path, "x", device=CPU)
    moved = {name for name, value in network.named_parameters() if not torch.equal(before[name], value)}
    assert moved
    assert not [name for name in moved if is_temporal(name)]


def test_a_batch_is_a_function_of_its_step() -> None:
    one, again = task(), task()
    for step in (0, 5):
        first, second = one.batch(step), again.batch(step)
        assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(one.batch(0)["noise"], one.batch(1)["noise"])


def test_half_is_asked_by_text_alone_and_little_by_nothing() -> None:
    one = task(batch=500)
    batch = one.batch(0)
    text, token, frame = (batch[f"keep_{name}"].bool() for name in ("text", "token", "frame"))
    assert 0.4 < (~token & ~frame).float().mean() < 0.62
    assert 0.35 < (text & ~token & ~frame).float().mean() < 0.55
    assert 0.1 < (~text & frame).float().mean() < 0.3, "stills alone"
    assert 0.2 < (text & frame).float().mean() < 0.4, "both"
    assert (~text & ~token & ~frame).float().mean() < 0.12
    levels = batch["sigma"].log()
    alone = ~token & ~frame
    assert levels[alone].mean() - levels[~alone].mean() == pytest.approx(np.log(NOISIER), abs=0.35)
    said = (batch["added"][:, 1] != UNSAID).float().mean()
    assert 0.4 < said < 0.6
    assert (batch["added"][:, 0] == 14).all()


def test_a_batch_has_the_whole_width_of_noise() -> None:
    rows = torch.stack([even_sigmas(8, 0.7, 1.6, "a key", step) for step in range(400)]).log()
    assert rows.mean() == pytest.approx(0.7, abs=0.05)
    assert rows.std() == pytest.approx(1.6, abs=0.05)
    assert rows[:, 0].std() == pytest.approx(1.6, abs=0.15), "each by itself has the law, too"
    place = torch.special.ndtr((rows.double() - 0.7) / 1.6)
    assert torch.equal((place * 8).floor().sort(dim=1).values, torch.arange(8.0, dtype=torch.float64).expand(400, 8))
    assert torch.equal(even_sigmas(8, 0.7, 1.6, "a key", 3), even_sigmas(8, 0.7, 1.6, "a key", 3))


def test_a_clip_s_texts_are_its_own() -> None:
    data, batch = footage(), task(batch=200).batch(0)
    firsts = {tuple(row.tolist()) for row in batch["tokens"]}
    assert firsts == {tuple(row.tolist()) for rows in data.tokens for row in rows}
    assert torch.equal(data.texts([1, 2]), torch.stack([data.tokens[1][0], data.tokens[2][0]]))


@pytest.mark.parametrize(("name", "key"), [("text", "tokens"), ("token", "still"), ("frame", "condition")])
def test_what_is_dropped_has_no_say(name: str, key: str, tmp_path) -> None:
    one = task(drop_condition=0.0)
    fit(one, Pace.of(STAGE), tmp_path, "x", device=CPU)
    batch = {**one.batch(0), **{f"keep_{each}": torch.ones(4) for each in ("text", "token", "frame")}}
    changed = {**batch, key: torch.full_like(batch["tokens"], 5) if key == "tokens" else -batch[key]}
    away = {f"keep_{name}": torch.zeros(4)}
    with torch.no_grad():
        assert not torch.equal(one.module(**batch), one.module(**changed))
        assert torch.equal(one.module(**{**batch, **away}), one.module(**{**changed, **away}))


def test_places_count_as_told() -> None:
    data = footage()
    weights = np.random.default_rng(1).uniform(0, 2, (len(data), 4, 8, 8)).astype(np.float16)
    data, network = dataclasses.replace(data, weights=weights), joint_network()
    one = JointTask(data, data, STAGE, network, seed=3)
    batch, plain = one.batch(0), JointTask(footage(), data, STAGE, network, seed=3).batch(0)
    assert batch["weight"].shape == (4, 4, 1, 8, 8)
    assert all(torch.equal(batch[key], plain[key]) for key in plain)
    with torch.no_grad():
        assert not torch.equal(network(**batch), network(**plain))
        alike = {**batch, "weight": torch.ones_like(batch["weight"])}
        torch.testing.assert_close(network(**alike), network(**plain))


def test_it_is_judged_by_what_it_was_asked() -> None:
    one = task()
    with torch.no_grad():
        told = one.heldout(lambda batch: one.module(**batch))
    assert set(told) == {"heldout", "heldout_by_sigma", "heldout_text", "heldout_still", "heldout_nothing"}
    assert set(told["heldout_by_sigma"]) == {f"{sigma:g}" for sigma in HELDOUT_SIGMAS}
    spread = 0.5**2  # of the scaled latents
    nothing = [(1 + sigma**2 * spread) / (1 + sigma**2) for sigma in HELDOUT_SIGMAS]
    assert told["heldout"] == pytest.approx(sum(nothing) / len(nothing), rel=0.1), "an untrained network answers 0"


def test_clips_beside_others_keep_their_texts_and_weights() -> None:
    weights = np.arange(6 * 4 * 8 * 8, dtype=np.float16).reshape(6, 4, 8, 8)
    first, more = footage(), dataclasses.replace(footage(4), weights=weights[:4])
    with pytest.raises(ValueError, match="weights"):
        first.beside(more)
    both = dataclasses.replace(first, weights=weights).beside(more)
    assert len(both) == 10
    assert torch.equal(both.latents([6, 9], None), more.latents([0, 3], None))
    assert torch.equal(both.texts([5, 7]), torch.cat([first.texts([5]), more.texts([1])]))
    assert torch.equal(both.weight([9])["weight"], more.weight([3])["weight"])
