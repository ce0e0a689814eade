"""A model by whatever names it: a folder, a single file, a hub id, or the short name of a published one."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from marey.errors import MareyError, require
from marey.network.folder import Parts, load_model, save_model
from marey.network.single_file import load_file, save_file
from marey.network.weights import fill_weights

PUBLISHED = {
    "svd": "stabilityai/stable-video-diffusion-img2vid",
    "svd-xt": "stabilityai/stable-video-diffusion-img2vid-xt",
    "svd-xt-1.1": "stabilityai/stable-video-diffusion-img2vid-xt-1-1",
}
"""Short names of Stability's models. Their weights are gated: the hub asks for an account that has agreed to their
licence, and `hf auth login` or HF_TOKEN for its token."""
_READ = ("*.json", "*.txt", "*/*.json", "*/*.txt", "*/*.safetensors")
_HALF = ("*.fp16.safetensors",)


def parts_of(model: str | Path, *, dtype: torch.dtype | None = None, unet: str | Path | None = None) -> Parts:
    """Open a model.

    Args:
        model: a folder, a .safetensors file of sgm's layout, a hub id such as `stabilityai/stable-video-diffusion-
            img2vid-xt` (fetched once, safetensors only), or a name of `PUBLISHED`.
        dtype: of the UNet's and the embedders' weights; None: as saved.
        unet: a .safetensors file with other weights of the same UNet, in diffusers' names, such as
            AnimateLCM-SVD-xt.safetensors.

    Raises:
        MareyError: there is no such model, or it is broken, unsafe or of another kind.
    """
    path = here(model)
    parts = (
        load_file(path, dtype=dtype)
        if path.is_file() and path.suffix == ".safetensors"
        else load_model(path, dtype=dtype)
    )
    if unet is not None:
        fill_weights(parts.unet, [Path(unet).expanduser()], dtype)
        parts.unet.eval()
    return parts


def here(model: str | Path) -> Path:
    """Where a model lies; a hub id is fetched."""
    path = Path(model).expanduser()
    if not path.exists() and (name := _hub_id(str(model))):
        return fetched(name)
    return path


def convert(model: str | Path, out: str | Path) -> Path:
    """Write a model in the other form: as one file where `out` ends in .safetensors, else as a folder that diffusers'
    StableVideoDiffusionPipeline opens.

    Raises:
        MareyError: as of `parts_of`, or `out` is there already.
    """
    out = Path(out).expanduser()
    if out.exists():
        raise MareyError(f"{out} is there already: another name would do.")
    parts = parts_of(model)
    if out.suffix == ".safetensors":
        return save_file(out, parts)
    readme = Path(model) / "README.md"
    card = readme.read_text(encoding="utf-8") if readme.is_file() else f"# {out.name}\n\nConverted from {model}.\n"
    info = asdict(parts.info)
    size = info.pop("height"), info.pop("width")
    del info["condition"]
    return save_model(
        out,
        parts.unet,
        parts.autoencoder,
        parts.image_embedder,
        card=card,
        size=size,
        text_embedder=parts.text_embedder,
        unet_image=parts.unet_image,
        condition=parts.condition,
        **info,
    )


def fetched(name: str) -> Path:
    """The folder of a model on the Hugging Face hub, fetched if it is not here: configurations and safetensors.

    Raises:
        MareyError: it cannot be had, with the hub's own words.
    """
    hub = require("huggingface_hub", "hub")
    wanted: dict[str, Any] = {"allow_patterns": list(_READ), "ignore_patterns": list(_HALF)}
    for only_here in (True, False):
        try:
            return Path(hub.snapshot_download(name, **wanted, local_files_only=only_here))
        except Exception as error:  # the hub's library raises many kinds, from several packages
            why = error
    reason = str(why).strip().splitlines() or ["no reason given"]
    raise MareyError(
        f"The model {name!r} is no folder or file here, and could not be fetched from the Hugging Face hub: "
        f"{type(why).__name__}: {reason[0]}"
    )


def _hub_id(name: str) -> str | None:
    if name in PUBLISHED:
        return PUBLISHED[name]
    return name if re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name) else None
