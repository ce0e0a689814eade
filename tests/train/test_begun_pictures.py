"""Training that begins with a picture model, Stable Diffusion's kind: svd.md §1.6 and 1.10."""

import shutil

import pytest
import torch
from stable_folder import put

from marey import recipe
from marey.catalog import Library
from marey.errors import MareyError
from marey.network.folder import load_model
from marey.network.stable_diffusion import open_picture_model
from marey.train import train
from marey.train.autoencoder import load_autoencoder
from marey.train.latents import encode
from marey.train.metrics import Metrics

from . import made

QUICK = {"steps": 2, "batch": 2, "lr": 1e-3, "warmup": 1, "ema": 0.0, "ema_warmup": False, "evaluate_every": 2}


def settings(start: str, name: str, preset: str) -> recipe.Train:
    image, other = recipe.Stage(preset=preset, **QUICK), recipe.Stage(**QUICK)
    return recipe.Train(name=name, start=start, image=image, video=other, finetune=other)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return str(put(tmp_path_factory.mktemp("sd") / "model"))


@pytest.fixture(scope="module")
def library(encoded_library, tmp_path_factory, folder):
    path = shutil.copytree(encoded_library.path, tmp_path_factory.mktemp("copy") / "library")
    asked = made.ENCODE.model_copy(update={"autoencoder": recipe.Autoencoder(start=folder, steps=0)})
    with Library.open(path, write=True) as store:
        encode(store, asked, "chosen", run_folder=path / "runs" / "encode", device="cpu")
        yield store


def test_the_latents_are_those_of_its_encoder(library, folder):
    own = open_picture_model(folder).autoencoder
    used = load_autoencoder(library.path / library.facts["encode/chosen"]["autoencoder"], torch.device("cpu"))
    pixels = torch.rand(1, 2, 3, 16, 24)
    assert torch.equal(own.encode(pixels)[0], used.encode(pixels)[0])
    assert own.scaling_factor == used.scaling_factor


@pytest.mark.parametrize("preset", ["tiny-image-convert", "tiny-image-pretrain"])
def test_the_image_stage_goes_on_from_it_and_converting_trains_the_noise_levels_embedding_alone(
    library, folder, tmp_path, preset
):
    model = train(library, tmp_path, settings(folder, preset, preset), made.ENCODE, "chosen", device="cpu")
    parts, start = load_model(model), open_picture_model(folder)
    assert parts.unet_image is not None
    assert parts.text_embedder is not None
    before, after = start.unet.state_dict(), parts.unet_image.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    if preset == "tiny-image-convert":
        assert moved == {name for name in before if name.startswith("time_embedding.")}
    else:
        assert {name.split(".")[0] for name in moved} >= {"conv_in", "time_embedding", "down_blocks", "conv_out"}
    texts = start.text_embedder.state_dict()
    assert all(torch.equal(value, texts[name]) for name, value in parts.text_embedder.state_dict().items())
    stages = [line["stage"] for line in Metrics(tmp_path / "metrics.jsonl").lines()]
    assert stages == ["image"] * 2 + ["video"] * 2 + ["finetune"] * 2
    assert parts.unet.config.frames == 4
    assert parts.unet.config.in_channels == 8


def test_latents_of_another_encoder_are_refused(encoded_library, folder, tmp_path):
    with pytest.raises(MareyError, match="are not its encoder's"):
        train(encoded_library, tmp_path, settings(folder, "x", "tiny-image-convert"), made.ENCODE, "chosen")
