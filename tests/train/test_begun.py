"""Training that begins with a model that is there: its autoencoder, then its UNet and embedders."""

import shutil

import numpy as np
import pytest
import torch

from marey import recipe
from marey.catalog import Library
from marey.errors import MareyError
from marey.generate import Model
from marey.generate.tiny import SHIPPED
from marey.network.autoencoder import Autoencoder
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder, TextEmbedder
from marey.network.folder import load_model, save_model
from marey.network.unet import fresh
from marey.train import train
from marey.train.autoencoder import load_autoencoder
from marey.train.latents import encode
from marey.train.metrics import Metrics

from . import made

CPU = torch.device("cpu")
STAGE = recipe.Stage(steps=2, batch=2, lr=1e-3, warmup=1, ema=0.5, evaluate_every=2, checkpoint_every=1)


def encoding(start: str | None, steps: int) -> recipe.Encode:
    autoencoder = {"start": start, "steps": steps, "batch": 2, "crop": 16, "lr": 1e-3, "ema": 0.5, "evaluate_every": 10}
    return made.ENCODE.model_copy(update={"autoencoder": recipe.Autoencoder(**autoencoder)})


def settings(start: str | None, name: str = "begun") -> recipe.Train:
    return recipe.Train(name=name, start=start, video=STAGE, finetune=STAGE)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    """A small model that takes texts, of random weights."""
    unet = fresh(UNetConfig.plain((32, 32), context=32, embed=32, frames=4, sample_size=8, pools_context=True), seed=0)
    generator = torch.Generator().manual_seed(0)
    for value in unet.parameters():
        value.data += 0.02 * torch.randn(value.shape, generator=generator)
    autoencoder = Autoencoder.build((96, 32, 96), sample_size=32)
    autoencoder.set_scaling_factor(0.7)
    seen = ImageEmbedder.build(32, hidden=32, patch=56)
    texts = TextEmbedder.build(["a clip"] * 3, 32, tokens=8, seed=0)
    folder = tmp_path_factory.mktemp("model") / "base"
    words = {"frames": 4, "size": 32, "fps": 8.0, "steps": 2, "sigma_max": 60.0, "solver": "dpmpp_2m"}
    return str(save_model(folder, unet, autoencoder, seen, card="x", text=True, text_embedder=texts, **words))


@pytest.fixture(scope="module")
def library(encoded_library, tmp_path_factory):
    path = shutil.copytree(encoded_library.path, tmp_path_factory.mktemp("copy") / "library")
    with Library.open(path, write=True) as store:
        yield store


def vae(library: Library, start: str, steps: int) -> Autoencoder:
    encode(library, encoding(start, steps), "chosen", device="cpu")
    return load_autoencoder(library.path / library.facts["encode/chosen"]["autoencoder"], CPU)


def test_the_autoencoder_is_taken_as_it_is_or_its_decoder_goes_on(library, model):
    base = load_model(model).autoencoder
    before = base.vae.state_dict()
    same = vae(library, model, 0)
    assert all(torch.equal(before[name], value) for name, value in same.vae.state_dict().items())
    adapted = vae(library, model, 3)
    after = adapted.vae.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.startswith("decoder.") for name in moved)
    assert any(name.startswith("decoder.conv_out") for name in moved)
    assert same.scaling_factor == adapted.scaling_factor == base.scaling_factor == 0.7


def test_the_video_stage_begins_with_the_models_networks(library, model):
    encode(library, encoding(model, 0), "chosen", device="cpu")
    run = library.path / "runs" / "begun"
    folder = train(library, run, settings(model), encoding(model, 0), "chosen", device="cpu")
    base, made_of_it = load_model(model), load_model(folder)
    assert {line["stage"] for line in Metrics(run / "metrics.jsonl").lines()} == {"video", "finetune"}
    before, after = base.unet.state_dict(), made_of_it.unet.state_dict()
    assert before.keys() == after.keys()
    assert all(0 < float((after[name] - before[name]).abs().max()) < 0.05 for name in before)  # moved, and not far
    said, kept = (parts.text_embedder.model.state_dict() for parts in (base, made_of_it))
    assert all(torch.equal(said[name], kept[name]) for name in said)
    assert made_of_it.unet_image is None
    assert (made_of_it.info.text, made_of_it.info.solver, made_of_it.info.sigma_max) == (True, "dpmpp_2m", 60.0)
    card = (folder / "README.md").read_text()
    assert "diffusers' pipeline knows no texts" in card
    assert "trained from the weights of" in card
    assert "no weights of others" not in card

    opened = Model.open(folder, device="cpu")
    still = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert opened.animate(still).frames.shape == (4, 32, 32, 3)
    assert opened.imagine("a clip").frames.shape == (4, 32, 32, 3)


def test_it_depends_on_the_model_and_goes_on_exactly(library, model):
    encode(library, encoding(model, 0), "chosen", device="cpu")
    given = encoding(model, 0), "chosen"
    run = library.path / "runs" / "cut"

    def cut(what, done, *_):
        if what == "training: video" and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(library, run, settings(model, "cut"), *given, device="cpu", progress=cut)
    again = load_model(train(library, run, settings(model, "cut"), *given, device="cpu")).unet.state_dict()
    whole = train(library, library.path / "runs" / "whole", settings(model, "whole"), *given, device="cpu")
    once = load_model(whole).unet.state_dict()
    assert all(torch.equal(once[name], again[name]) for name in once)


def test_latents_of_another_autoencoder_and_an_image_stage_alone_are_refused(library, model):
    encode(library, made.ENCODE, "chosen", device="cpu")  # as before: nothing is trained
    with pytest.raises(MareyError, match=r"train\.start is .* but the latents of 'chosen' are not its encoder's"):
        train(library, library.path / "runs" / "x", settings(model), made.ENCODE, "chosen", device="cpu")
    with pytest.raises(MareyError, match=r"make no video model"):
        train(library, library.path, settings(model), encoding(model, 0), "chosen", stages=["image"])
    with pytest.raises(ValueError, match="steps is 0 and there is no start"):
        recipe.Autoencoder(steps=0)


@pytest.mark.slow
def test_marey_tiny_is_a_start(library):
    encode(library, encoding("marey-tiny", 0), "chosen", device="cpu")
    run, begun = library.path / "runs" / "tiny", settings("marey-tiny", "tiny")
    folder = train(library, run, begun, encoding("marey-tiny", 0), "chosen", stages=["video"], device="cpu")
    assert load_model(folder).unet.config == load_model(SHIPPED).unet.config
