"""What a training begins with: a model of videos, whose networks go on as they are, or one of pictures."""

import json

import torch

from marey import recipe
from marey.errors import MareyError
from marey.generate.tiny import place_of
from marey.network.autoencoder import Autoencoder
from marey.network.folder import Parts
from marey.network.sources import here, parts_of
from marey.network.stable_diffusion import PictureModel, open_picture_model
from marey.recipe.presets import preset

_PICTURES = "StableDiffusionPipeline"


def begun_with(name: str | None) -> Parts | PictureModel | None:
    """A model by its name, folder or hub id, its weights in float32: of videos, or a Stable Diffusion of pictures.

    Raises:
        MareyError: there is no such model, or it is broken or of another kind.
    """
    if name is None:
        return None
    folder = here(place_of(name))
    try:
        kind = json.loads((folder / "model_index.json").read_text(encoding="utf-8")).get("_class_name")
    except (OSError, ValueError, AttributeError):
        kind = None  # a single file, or what the error of opening it says best
    return open_picture_model(folder) if kind == _PICTURES else parts_of(folder, dtype=torch.float32)


def demand_own(start: Parts | PictureModel, autoencoder: Autoencoder, settings: recipe.Train, selection: str) -> None:
    """Raises:
    MareyError: the latents are not those that the model to begin with knows, or it is told more than a still.
    """
    if isinstance(start, Parts) and start.condition.name != "still":
        raise MareyError(
            f"train.start is {settings.start!r}, whose condition is {start.condition.name!r}: `marey finetune` goes on "
            "with it; one that animates a still would do here."
        )
    own, used = (part.vae.state_dict() for part in (start.autoencoder, autoencoder))
    encoder = [name for name in own if name.startswith(("encoder.", "quant_conv."))]
    same = all(name in used and torch.equal(own[name], used[name].to(own[name].device)) for name in encoder)
    if not same or start.autoencoder.scaling_factor != autoencoder.scaling_factor:
        raise MareyError(
            f"train.start is {settings.start!r}, but the latents of {selection!r} are not its encoder's: "
            f"encode.autoencoder.start = {settings.start!r} and `marey encode` would do."
        )


def converted(stage: recipe.Stage, start: Parts | PictureModel | None) -> str:
    """What of a picture model's UNet the image stage trains: what the names of its weights begin with. "" is all."""
    return preset(stage.preset).converts if stage.preset and isinstance(start, PictureModel) else ""
