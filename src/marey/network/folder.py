"""A model as a folder: what diffusers' StableVideoDiffusionPipeline opens, and beside it what only Marey knows.

    model_index.json  scheduler/  feature_extractor/      JSON
    unet/  vae/  image_encoder/                           config.json and safetensors
    text_encoder/  tokenizer/  unet_image/                of the image stage, where it was trained; diffusers ignores
                                                          them
    condition/                                            what a condition has learned (`network.condition`)
    marey.json                                            frames, size, fps, condition and how to sample
    README.md                                             the card

No code from a folder is ever run: classes are ours, found by the names in the JSON files, and weights are safetensors.
"""

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import torch
from tokenizers import Tokenizer

from marey.errors import MareyError
from marey.network import pipeline
from marey.network.autoencoder import Autoencoder
from marey.network.condition import BASE, Condition, condition_named
from marey.network.config import UNetConfig
from marey.network.embedders import (
    PAD,
    ImageEmbedder,
    TextEmbedder,
    even,
    save_tokenizer,
)
from marey.network.unet import SpatioTemporalUNet
from marey.network.weights import PICKLES, read_weights, refuse_pickle, saved_dtype, write_weights

_DIFFUSERS, _TRANSFORMERS = "diffusion_pytorch_model", "model"  # what each calls its file of weights
_TEXT_PREFIX = "text_model."  # of CLIPTextModel's keys in every published folder; in memory there is none


@dataclass(frozen=True)
class ModelInfo:
    """What a model was trained on, and how to sample from it unless told otherwise. The defaults are SVD's."""

    frames: int = 14
    height: int = 576
    width: int = 1024
    fps: float = 7.0
    motion: float = 127.0
    """Motion bucket, 0 to 255."""
    steps: int = 25
    guidance: tuple[float, float] = (1.0, 3.0)
    """At the first and at the last frame."""
    sigma_min: float = 0.002
    sigma_max: float = 700.0
    noise_aug: float = 0.02
    solver: str = "euler"
    text: bool = False
    """Whether the video UNet takes a text: its context is then the text's tokens, and the still's after them."""
    condition: str = "still"
    """What the video UNet is told, by its name in `network.condition`."""
    holds: bool = False
    """Whether in each step the given frames of the expected clip are put back to what they are. Between two ends they
    always are; Stable Video Diffusion, which has seen its still with noise alone, does not."""

    def to_json(self) -> dict[str, Any]:
        return {"format": 1, **asdict(self)}

    @classmethod
    def from_json(cls, table: Mapping[str, Any], where: str) -> Self:
        """Raises:
        MareyError: a newer format, an unknown key or a value of the wrong kind.
        """
        table = dict(table)
        made = table.pop("format", 1)
        if made != 1:
            raise MareyError(f"{where} is of format {made}, this Marey knows format 1: a newer Marey would do.")
        defaults = asdict(cls())
        for key, value in table.items():
            if key not in defaults:
                raise MareyError(f"{where} has {key!r}, which is none of {', '.join(defaults)}.")
            like = defaults[key]
            numbers = isinstance(value, list) and len(value) == 2 and all(isinstance(n, (int, float)) for n in value)
            truth = isinstance(like, bool)
            whole = isinstance(like, int) and not truth and isinstance(value, int) and value > 0
            if not (
                (truth and isinstance(value, bool))
                or (isinstance(like, tuple) and numbers)
                or (isinstance(like, str) and isinstance(value, str))
                or whole
                or (isinstance(like, float) and isinstance(value, (int, float)))
            ):
                raise MareyError(f"{where} has {key} = {value!r}: a value like {like!r} would do.")
        if "guidance" in table:
            table["guidance"] = (float(table["guidance"][0]), float(table["guidance"][1]))
        return cls(**table)


@dataclass(frozen=True)
class Parts:
    """What a model's folder holds, on the processor, in evaluation mode."""

    unet: SpatioTemporalUNet
    autoencoder: Autoencoder
    image_embedder: ImageEmbedder
    info: ModelInfo
    text_embedder: TextEmbedder | None = None
    unet_image: SpatioTemporalUNet | None = None
    saved_dtype: torch.dtype = torch.float32
    """Of the UNet's weights in the folder."""
    condition: Condition = field(default_factory=Condition)
    """What the UNet is told, with what it has learned of it."""


def save_model(
    folder: str | Path,
    unet: SpatioTemporalUNet,
    autoencoder: Autoencoder,
    image_embedder: ImageEmbedder,
    *,
    card: str,
    frames: int,
    size: int | tuple[int, int],
    fps: float,
    motion: float = 127.0,
    steps: int = 25,
    guidance: tuple[float, float] = (1.0, 2.0),
    sigma_min: float = 0.002,
    sigma_max: float = 80.0,
    noise_aug: float = 0.02,
    solver: str = "euler",
    text: bool = False,
    text_embedder: TextEmbedder | None = None,
    unet_image: SpatioTemporalUNet | None = None,
    condition: Condition | None = None,
    holds: bool = False,
) -> Path:
    """Write a model; the folder appears when all of it is written, in place of one of the same name.

    Args:
        folder: where to.
        unet: the video UNet: as many channels in as its condition asks for.
        autoencoder, image_embedder: as trained with it.
        card: the text of README.md.
        frames: frames of the clips that it was trained on.
        size: height and width of these in pixels; one number for a square.
        fps: their rate.
        motion, steps, guidance, sigma_min, sigma_max, noise_aug, solver: how to sample unless told otherwise.
        text: whether the video UNet takes a text, by `text_embedder`.
        text_embedder, unet_image: of the image stage.
        condition: what the video UNet is told. None: a still.
        holds: whether given frames are put back in each step.

    Returns:
        The folder.

    Raises:
        MareyError: parts that do not fit together.
    """
    folder = Path(folder)
    height, width = (size, size) if isinstance(size, int) else size
    info = ModelInfo(
        frames=frames,
        height=height,
        width=width,
        fps=float(fps),
        motion=float(motion),
        steps=steps,
        guidance=(float(guidance[0]), float(guidance[1])),
        sigma_min=sigma_min,
        sigma_max=sigma_max,
        noise_aug=noise_aug,
        solver=solver,
        text=text,
        condition=Condition.name if condition is None else condition.name,
        holds=holds,
    )
    told = condition or Condition(autoencoder.latent_channels)
    parts = Parts(unet, autoencoder, image_embedder, info, text_embedder, unet_image, condition=told)
    _check_fit(parts)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _recover(folder)
    made = folder.parent / f".{folder.name}.{secrets.token_hex(4)}.tmp"
    made.mkdir()
    try:
        _write(made, parts, card)
        replaced = _replaced(folder)
        if folder.exists():
            os.replace(folder, replaced)
        os.replace(made, folder)
        shutil.rmtree(replaced, ignore_errors=True)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return folder


def load_model(folder: str | Path, *, dtype: torch.dtype | None = None) -> Parts:
    """Read a model's folder: one of ours, or any Stable Video Diffusion folder of diffusers.

    Args:
        folder: the folder.
        dtype: of the UNet's and the embedders' weights; None: as saved. The autoencoder's are float32: in half
            precision its decoder's activations overflow.

    Raises:
        MareyError: it is no such folder, a part of it is missing, broken, of another class or of another shape, or a
        pickle.
    """
    folder = Path(folder)
    _recover(folder)
    if folder.is_file() and folder.suffix in PICKLES:
        refuse_pickle(folder)
    if not folder.is_dir():
        raise MareyError(
            f"There is no model at {folder}: a folder that `marey train` made, or any of diffusers', would do."
        )
    pipeline.check(_json(folder / "model_index.json"), folder)

    unet = _unet(folder / "unet", dtype)
    with torch.device("meta"):
        autoencoder = Autoencoder.from_json(_json(folder / "vae" / "config.json"), str(folder / "vae" / "config.json"))
        where = folder / "image_encoder"
        image_embedder = ImageEmbedder.from_json(_json(where / "config.json"), str(where / "config.json"))
    read_weights(autoencoder.vae, folder / "vae", _DIFFUSERS, torch.float32)
    read_weights(image_embedder.model, where, _TRANSFORMERS, dtype)
    info = _info(folder, unet, autoencoder)
    parts = Parts(
        unet=unet,
        autoencoder=autoencoder,
        image_embedder=image_embedder,
        info=info,
        text_embedder=_text_embedder(folder, dtype),
        unet_image=_unet(folder / "unet_image", dtype) if (folder / "unet_image").is_dir() else None,
        saved_dtype=saved_dtype(folder / "unet", _DIFFUSERS),
        condition=_condition(folder / "condition", info.condition, autoencoder.latent_channels),
    )
    _check_fit(parts)
    for part in (
        parts.unet,
        parts.autoencoder,
        parts.image_embedder,
        parts.text_embedder,
        parts.unet_image,
        parts.condition,
    ):
        if part is not None:
            part.eval()
    return parts


def _write(folder: Path, parts: Parts, card: str) -> None:
    made_by = {"_diffusers_version": version("diffusers")}
    scheduler = pipeline.scheduler(parts.info.sigma_min, parts.info.sigma_max)
    _put(folder / "model_index.json", {**pipeline.index(), **made_by})
    _put(folder / "scheduler" / "scheduler_config.json", {**scheduler, **made_by})
    _put(folder / "feature_extractor" / "preprocessor_config.json", pipeline.feature_extractor())
    for name, unet in (("unet", parts.unet), ("unet_image", parts.unet_image)):
        if unet is not None:
            _put(folder / name / "config.json", {**unet.config.to_json(), **made_by})
            write_weights(unet, folder / name / f"{_DIFFUSERS}.safetensors")
    _put(folder / "vae" / "config.json", {**parts.autoencoder.to_json(), **made_by})
    write_weights(parts.autoencoder.vae, folder / "vae" / f"{_DIFFUSERS}.safetensors")
    _put(folder / "image_encoder" / "config.json", parts.image_embedder.to_json())
    write_weights(parts.image_embedder.model, folder / "image_encoder" / f"{_TRANSFORMERS}.safetensors")
    text = parts.text_embedder
    if text is not None:
        _put(folder / "text_encoder" / "config.json", text.to_json())
        write_weights(text.model, folder / "text_encoder" / f"{_TRANSFORMERS}.safetensors", prefix=_TEXT_PREFIX)
        save_tokenizer(text.tokenizer, text.tokens, folder / "tokenizer")
    if list(parts.condition.parameters()):
        (folder / "condition").mkdir()
        write_weights(parts.condition, folder / "condition" / f"{_TRANSFORMERS}.safetensors")
    _put(folder / "marey.json", parts.info.to_json())
    (folder / "README.md").write_text(card, encoding="utf-8")


def _check_fit(parts: Parts) -> None:
    unet, latents = parts.unet.config, parts.autoencoder.latent_channels
    told = parts.condition
    if unet.in_channels != told.channels or unet.out_channels != latents:
        raise MareyError(
            f"The UNet takes {unet.in_channels} channels and gives {unet.out_channels}; with latents of {latents} "
            f"channels it has to take {told.channels} and give {latents}."
        )
    numbers = (*BASE, *told.numbers)
    if unet.conditions != len(numbers):
        raise MareyError(
            f"The UNet is told {unet.conditions} numbers; by its condition {told.name!r} they are {', '.join(numbers)}."
        )
    if parts.image_embedder.width != unet.context:
        raise MareyError(
            f"The image embedder's tokens are {parts.image_embedder.width} wide; the UNet's context is {unet.context}."
        )
    text = parts.text_embedder
    if parts.info.text and (text is None or text.width != unet.context):
        found = "is none" if text is None else f"gives tokens that are {text.width} wide"
        raise MareyError(f"The model takes texts, but its text embedder {found}; the UNet's context is {unet.context}.")
    image = parts.unet_image
    if image is not None and (image.config.in_channels != latents or image.config.out_channels != latents):
        raise MareyError(f"The image UNet takes {image.config.in_channels} channels; the latents have {latents}.")
    if image is not None and parts.text_embedder is not None and parts.text_embedder.width != image.config.context:
        raise MareyError(
            f"The text embedder's tokens are {parts.text_embedder.width} wide; the image UNet's context is "
            f"{image.config.context}."
        )
    factor = parts.autoencoder.factor
    if parts.info.height % factor or parts.info.width % factor:
        raise MareyError(f"The model's size is {parts.info.height}x{parts.info.width}: multiples of {factor} would do.")


def _unet(folder: Path, dtype: torch.dtype | None) -> SpatioTemporalUNet:
    config = UNetConfig.from_json(_json(folder / "config.json"), str(folder / "config.json"))
    with torch.device("meta"):
        unet = SpatioTemporalUNet(config)
    read_weights(unet, folder, _DIFFUSERS, dtype)
    return unet


def _text_embedder(folder: Path, dtype: torch.dtype | None) -> TextEmbedder | None:
    where = folder / "text_encoder"
    if not where.is_dir():
        return None
    file = folder / "tokenizer" / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the tokenizers library raises bare Exceptions
        raise MareyError(f"{file} cannot be read ({error}): a tokenizer.json would do.") from error
    table = _json(where / "config.json")
    length = int(table.get("max_position_embeddings", 77))
    named = folder / "tokenizer" / "tokenizer_config.json"
    mark = str(_json(named).get("pad_token", PAD)) if named.is_file() else PAD
    with torch.device("meta"):
        embedder = TextEmbedder.from_json(table, even(tokenizer, length, mark), str(where / "config.json"))
    read_weights(embedder.model, where, _TRANSFORMERS, dtype, prefix=_TEXT_PREFIX)
    return embedder


def _condition(folder: Path, name: str, latents: int) -> Condition:
    condition = condition_named(name, latents)
    if list(condition.parameters()):
        read_weights(condition, folder, _TRANSFORMERS, torch.float32)
    return condition


def _info(folder: Path, unet: SpatioTemporalUNet, autoencoder: Autoencoder) -> ModelInfo:
    """marey.json, or what diffusers' own files say of a folder that is not ours."""
    where = folder / "marey.json"
    if where.is_file():
        return ModelInfo.from_json(_json(where), str(where))
    scheduler = _json(folder / "scheduler" / "scheduler_config.json")
    defaults = ModelInfo()
    square = unet.config.sample_size * autoencoder.factor
    wide = unet.config.sample_size == 96  # SVD's own says 96 x 96, and was trained on 576x1024 pixels
    return ModelInfo(
        frames=unet.config.frames,
        height=defaults.height if wide else square,
        width=defaults.width if wide else square,
        sigma_min=scheduler.get("sigma_min") or defaults.sigma_min,
        sigma_max=scheduler.get("sigma_max") or defaults.sigma_max,
    )


def _replaced(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.replaced"


def _recover(folder: Path) -> None:
    """Put back what a save was about to replace when it was killed between its two renames."""
    if _replaced(folder).is_dir():
        if folder.exists():
            shutil.rmtree(_replaced(folder), ignore_errors=True)
        else:
            os.replace(_replaced(folder), folder)


def _put(path: Path, table: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(table, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _json(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MareyError(f"{path} is not there: the model's folder is not whole.") from error
    except (OSError, ValueError) as error:
        raise MareyError(f"{path} cannot be read ({error}): JSON would do.") from error
    if not isinstance(table, dict):
        raise MareyError(f"{path} holds a {type(table).__name__}: a JSON object would do.")
    return table
