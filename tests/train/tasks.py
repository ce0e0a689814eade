"""Every task that is trained, small, on footage that is drawn and lies in no file: the same in any process."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from marey import recipe
from marey.network.autoencoder import Autoencoder
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder, TextEmbedder
from marey.network.inflate import inflate
from marey.network.lora import add_adapter
from marey.network.unet import fresh
from marey.train.autoencoder import AutoencoderTask, _pace
from marey.train.batches import stream
from marey.train.conditions import Conditions
from marey.train.encoded import Encoded
from marey.train.joint import Footage, JointNetwork, JointTask, PictureTask
from marey.train.loop import Pace, Task, fit
from marey.train.networks import ImageNetwork, VideoNetwork
from marey.train.stages import ImageTask, VideoTask
from marey.train.told import ToldTask
from marey.train.windows import Window

KINDS = ("autoencoder", "image", "video", "pictures", "buckets", "lora", "full", "told", "pictures of clips", "joint")
WEIGHTED = (("a disc", 0.5), ("a clip", 0.25), ("a red disc rolls", 0.25))
STAGE: dict[str, Any] = {
    "steps": 4,
    "batch": 4,
    "lr": 1e-3,
    "warmup": 2,
    "ema": 0.9,
    "ema_widths": (0.05, 0.1),
    "evaluate_every": 2,
    "checkpoint_every": 2,
}


class Shelf:
    """Stands where a library would: its tensors are drawn from their names."""

    shapes: ClassVar[dict[str, tuple[int, int, int]]] = {}

    def tensor(self, kind: str, item: str) -> Any:
        frames, height, width = self.shapes[item]
        draws = stream(kind, item)
        if kind == "pixels":
            return torch.randint(0, 256, (frames, height, width, 3), generator=draws, dtype=torch.uint8).numpy()
        if kind == "token":
            return torch.randn(1, 32, generator=draws).numpy()
        if kind == "first":
            frames = 3
        mean = torch.randn(frames, 4, height // 4, width // 4, generator=draws)
        if kind == "first":
            return {"strength": np.float32([0.05, 0.1, 0.02]), "mean": mean.numpy()}
        return {"mean": mean.numpy(), "logvar": (mean - 6).numpy()}


def windows(*shapes: tuple[int, int, int]) -> list[Window]:
    """A dozen to train on and four that are held out, of each shape by turns; and two photographs."""
    found = []
    for n in range(18):
        photo = n > 15
        frames, height, width = shapes[n % len(shapes)] if not photo else (1, *shapes[0][1:])
        found.append(
            Window(
                id=f"c{n}:0", clip=f"c{n}", footage=f"f{n}", group=str(n), first_frame=0, stride=1, fps=8.0,
                pts=tuple(range(frames)), motion=float(n), motion_bucket=10 * n, split="heldout" if n % 4 == 3 else
                "train", caption=WEIGHTED[0][0], photo=photo, size=height, captions=WEIGHTED if n % 5 else (),
                width=0 if width == height else width,
            )
        )  # fmt: skip
        Shelf.shapes[found[-1].id] = (frames, height, width)
    return found


def loud(module: nn.Module) -> Any:
    """The module, its zeroed ends and all, such that every layer says something."""
    generator = torch.Generator().manual_seed(1)
    for value in module.parameters():
        value.data += 0.02 * torch.randn(value.shape, generator=generator)
    return module


def texts() -> TextEmbedder:
    return TextEmbedder.build([text for text, _ in WEIGHTED] * 3, 32, tokens=8, seed=0)


def pictures() -> ImageNetwork:
    config = UNetConfig.plain((32, 32), context=32, embed=32, in_channels=4, frames=4, sample_size=8)
    return loud(ImageNetwork(fresh(config, seed=0), texts()))


def seen() -> ImageEmbedder:
    return ImageEmbedder.build(32, hidden=32, patch=56, seed=0)


def footage(count: int) -> Footage:
    rng, tokens = np.random.default_rng(0), texts()
    return Footage(
        mean=rng.normal(size=(count, 4, 4, 8, 8)).astype(np.float16),
        logvar=np.full((count, 4, 4, 8, 8), -6, np.float16),
        stills=rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8),
        conditions=rng.normal(size=(count, 4, 8, 8)).astype(np.float16),
        strengths=np.full(count, 0.03, np.float32),
        motion=np.linspace(0, 255, count).astype(np.float32),
        tokens=[tokens.tokenize([WEIGHTED[n % 3][0], WEIGHTED[(n + 1) % 3][0]]) for n in range(count)],
        fps=15.0,
        scale=0.5,
        weights=rng.uniform(0, 2, (count, 4, 8, 8)).astype(np.float16),
    )


def task(kind: str, stage: recipe.Stage | None = None, **changes: Any) -> tuple[Task, Pace]:
    """A task of a kind and how it is trained; `stage`: instead of STAGE with changes."""
    shapes = ((4, 32, 32), (3, 24, 40), (2, 32, 32)) if kind == "buckets" else ((4, 32, 32),)
    shelf: Any = Shelf()
    there = windows(*shapes)
    data = Encoded.of(shelf, "pixels", "latents", 0.5, there)
    settings = stage or recipe.Stage(**{**STAGE, **changes})
    pace = Pace.of(settings)
    autoencoder = Autoencoder.build((32, 32, 32), sample_size=32, seed=0)
    if kind == "autoencoder":
        own = recipe.Autoencoder(channels=(32, 32, 32), steps=4, batch=4, crop=16, checkpoint_every=2, evaluate_every=2)
        made: Any = AutoencoderTask(shelf, "pixels", there, own, 0)
        pace = _pace(own)
    elif kind == "image":
        made = ImageTask(data, settings, pictures(), 0)
    elif kind == "pictures of clips":
        made = PictureTask(footage(8), footage(2), settings, pictures(), 0)
    elif kind == "joint":
        start = pictures()
        made = JointTask(
            footage(8), footage(2), settings, JointNetwork(loud(inflate(start.unet)), seen(), start.text_embedder), 0
        )
    elif kind in ("lora", "full", "told"):
        unet = loud(fresh(UNetConfig.plain((32, 32), context=32, embed=32, frames=4, sample_size=8), seed=0))
        tokens = 1 + (texts().tokens if kind == "told" else 0)
        network = VideoNetwork(unet, None, tokens)
        if kind == "lora":
            loud(nn.ParameterList(add_adapter(unet, "own", rank=2)))
            idle = unet.idle(tokens=1, only_stills=False)
            for name, value in unet.named_parameters():
                value.requires_grad_(value.requires_grad and name not in idle)
        given = "finetune", data, settings, network, autoencoder, 0
        kept: dict[str, Any] = {"conditions": Conditions(shelf, "token", "first"), "embedder": seen()}
        made = ToldTask(*given, texts(), **kept) if kind == "told" else VideoTask(*given, **kept)
    else:
        network = VideoNetwork(loud(inflate(pictures().unet)), seen())
        if kind == "pictures":
            settings = settings.model_copy(update={"pictures": 0.25})
        if kind == "buckets":
            settings = settings.model_copy(update={"pixels": 4 * 4 * 32 * 32})
        made = VideoTask("video", data, settings, network, autoencoder, 0)
    return made, pace


def run(
    kind: str, folder: Path, double: bool = False, *, stage: recipe.Stage | None = None, **changes: Any
) -> dict[str, torch.Tensor]:
    """Train a task of a kind to its end; `double`: in float64."""
    made, pace = task(kind, stage, **changes)
    if double:
        made.module.double().register_forward_pre_hook(_doubled, with_kwargs=True)
        if kind == "autoencoder":  # it is judged by itself, not by its module
            made.heldout = lambda losses: {}  # type: ignore[method-assign]
    return fit(made, pace, folder, kind, device=torch.device("cpu"))


def _doubled(
    module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return given, {name: value.double() if value.is_floating_point() else value for name, value in named.items()}
