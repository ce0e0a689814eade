"""Texts to videos: what the network sees of a text and a still, and what models without texts say."""

import numpy as np
import pytest
import torch

from marey.errors import MareyError
from marey.generate import Model
from marey.generate.imagine import context_of, imagine, joined, told
from marey.generate.offload import Saving
from marey.generate.plan import plan_for
from marey.network.autoencoder import Autoencoder
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder, TextEmbedder
from marey.network.folder import load_model, save_model
from marey.network.unet import SpatioTemporalUNet

TEXTS = ["Jules jumps.", "Jules ducks."]


def saved(folder, text: bool = True):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet = SpatioTemporalUNet(UNetConfig.plain((32, 64), head_width=16, context=24, embed=16, frames=3))
    return save_model(
        folder,
        unet,
        Autoencoder.build((32, 32, 32), seed=0),
        ImageEmbedder.build(24, hidden=32, seed=0),
        text_embedder=TextEmbedder.build(TEXTS * 3, 24, tokens=8, seed=0) if text else None,
        text=text,
        card="",
        frames=3,
        size=32,
        fps=8,
        steps=2,
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    return Model.open(saved(tmp_path_factory.mktemp("models") / "asked"), device="cpu")


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Model:
    return Model.open(saved(tmp_path_factory.mktemp("models") / "plain", text=False), device="cpu")


def still() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def test_a_text_decides_what_is_seen(model: Model) -> None:
    one, other = (model.imagine(text, seed=1).frames for text in TEXTS)
    assert one.shape == (3, 32, 32, 3)
    assert (one != other).any()
    assert (one == model.imagine("  Jules   jumps", seed=1).frames).all(), "space and the full stop say nothing"
    assert (one != model.imagine(TEXTS[0], seed=2).frames).any()


def test_a_still_counts_beside_the_text(model: Model) -> None:
    both = model.imagine(TEXTS[0], still(), seed=1).frames
    assert (both != model.imagine(TEXTS[0], seed=1).frames).any()
    assert (both != model.animate(still(), seed=1).frames).any()


def test_a_video_does_not_depend_on_its_batch(model: Model) -> None:
    plan = plan_for(model.info, 4)
    many = imagine(model, TEXTS, None, plan, [8.0, 8.0], [127.0, 127.0], [1, 2], batch=2)
    told_of: list[float] = []
    apart = imagine(
        model,
        TEXTS,
        None,
        plan,
        [8.0, 8.0],
        [127.0, 127.0],
        [1, 2],
        batch=1,
        progress=lambda _, n, *a: told_of.append(n),
    )
    assert np.abs(many.astype(int) - apart).max() <= 1
    assert told_of == [1, 2, 3, 4]


def test_the_context_is_the_text_and_then_the_still(model: Model) -> None:
    token = torch.randn(2, 1, 24)
    context = context_of(model.parts, token, [TEXTS[0], ""])
    assert context.shape == (2, 9, 24)
    assert torch.equal(context[:, 8:], token)
    assert torch.equal(context[1, :8], torch.zeros(8, 24)), "no text is zeros, as in training"
    assert torch.allclose(context[0, :8], model.parts.text_embedder([TEXTS[0]])[0])
    assert torch.equal(context, joined(context[:, :8], token))


def test_without_texts_the_context_is_the_still_s(plain: Model) -> None:
    token = torch.randn(2, 1, 24)
    assert context_of(plain.parts, token, ["", ""]) is token
    with pytest.raises(MareyError, match="takes no text"):
        plain.imagine(TEXTS[0])


def test_what_cannot_be_asked(model: Model) -> None:
    with pytest.raises(MareyError, match="text is empty"):
        told("  ")
    with pytest.raises(MareyError, match="1 texts for 2 videos"):
        context_of(model.parts, torch.zeros(2, 1, 24), [""])


def test_a_folder_says_whether_it_takes_texts(model: Model, plain: Model, tmp_path) -> None:
    assert model.info.text
    assert not plain.info.text
    parts = load_model(saved(tmp_path / "model"))
    with pytest.raises(MareyError, match="its text embedder is none"):
        save_model(
            tmp_path / "wrong",
            parts.unet,
            parts.autoencoder,
            parts.image_embedder,
            card="",
            frames=3,
            size=32,
            fps=8,
            text=True,
        )


def test_a_card_to_fit_is_fitted_whatever_is_asked(model: Model, monkeypatch) -> None:
    """One clip at a time, decoded as the plan of memory says."""
    told, decode, saving = [], model.parts.autoencoder.decode, Saving(chunk=2)
    monkeypatch.setattr(model, "vram", 8.0)
    monkeypatch.setattr(model, "saving", lambda plan: saving)

    def decoded(latents: torch.Tensor, **how: int | None) -> torch.Tensor:
        told.append((len(latents), how["chunk"]))
        return decode(latents, **how)

    monkeypatch.setattr(model.parts.autoencoder, "decode", decoded)
    size = model.info.height, model.info.width
    model.continue_stills(np.zeros((2, *size, 3), np.uint8), seeds=[1, 2], steps=1)
    model.imagine("A ball falls.", steps=1)
    assert told == [(1, 2)] * 3
