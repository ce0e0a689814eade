"""A whole model as one file of sgm's layout, to `Parts` and back."""

from dataclasses import asdict
from pathlib import Path

import torch

from marey.errors import MareyError
from marey.network.autoencoder import Autoencoder
from marey.network.condition import Condition
from marey.network.embedders import ImageEmbedder
from marey.network.folder import ModelInfo, Parts
from marey.network.sgm import SgmFile, Tables, write_file
from marey.network.unet import SpatioTemporalUNet


def load_file(path: str | Path, *, dtype: torch.dtype | None = None) -> Parts:
    """Read a model from one .safetensors file: Stability's own, ComfyUI's, or what `save_file` wrote.

    The UNet's normalisations have sgm's epsilon, which differs from diffusers' in some blocks (svd.md §1.11), unless
    the file says otherwise.

    Args:
        dtype: of the UNet's and the embedder's weights; None: as saved. The autoencoder's are float32.

    Raises:
        MareyError: it is no such file, or a weight is missing, too many, or of another shape.
    """
    file = SgmFile(Path(path))
    tables = file.tables
    with torch.device("meta"):
        unet = SpatioTemporalUNet(tables.unet)
        autoencoder = Autoencoder.from_json(tables.vae, str(path))
        image_embedder = ImageEmbedder.from_json(tables.image_encoder, str(path))
    file.read_unet(unet, dtype)
    file.read_vae(autoencoder.vae, torch.float32)
    file.read_image_encoder(image_embedder.model, dtype)
    usual = ModelInfo(frames=tables.unet.frames)
    info = ModelInfo.from_json(tables.info, str(path)) if tables.info else usual
    for part in (unet, autoencoder, image_embedder):
        part.eval()
    return Parts(unet, autoencoder, image_embedder, info, saved_dtype=file.dtype())


def save_file(path: str | Path, parts: Parts) -> Path:
    """Write the UNet, the autoencoder and the image embedder as one file, with exactly the keys of sgm's SVD (2,446 at
    full size). What belongs to the image stage alone stays behind.

    Raises:
        MareyError: the name does not end in .safetensors, or the model takes texts or has another condition than a
            still, for which there is no place there.
    """
    path = Path(path)
    kind = parts.condition.name
    if kind != Condition.name:
        raise MareyError(f"{path} has no place for the condition {kind!r} of this model: a folder would do.")
    if parts.info.text:
        raise MareyError(f"{path} has no place for the text embedder of this model: a folder would do.")
    if path.suffix != ".safetensors":
        raise MareyError(f"{path} would be a single file of weights: a name ending in .safetensors would do.")
    path.parent.mkdir(parents=True, exist_ok=True)
    tables = Tables(
        unet=parts.unet.config,
        vae=parts.autoencoder.to_json(),
        image_encoder=parts.image_embedder.to_json(),
        info={"format": 1, **asdict(parts.info)},
    )
    write_file(path, parts.unet, parts.autoencoder.vae, parts.image_embedder.model, tables)
    return path
