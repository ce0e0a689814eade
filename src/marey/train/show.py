"""Videos of held-out stills while a stage trains: the truth above, what the averaged weights make of it below."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from marey.generate.model import Model
from marey.generate.plan import plan_for
from marey.generate.several import several
from marey.media import write_video
from marey.network.autoencoder import Autoencoder
from marey.network.condition import Condition
from marey.network.embedders import ImageEmbedder, TextEmbedder
from marey.network.folder import ModelInfo, Parts
from marey.network.unet import SpatioTemporalUNet

SHOWN = 4
"""Stills, at most."""
_STEPS = 12


@runtime_checkable
class Shows(Protocol):
    """A task of which videos can be made."""

    def show(self, folder: Path, step: int) -> None:
        """Write a video of the weights as they are, `folder/step-000100.mp4`."""
        ...


def show(
    path: Path,
    unet: SpatioTemporalUNet,
    autoencoder: Autoencoder,
    embedder: ImageEmbedder,
    truth: Sequence[np.ndarray],
    fps: Sequence[float],
    motion: Sequence[float],
    text_embedder: TextEmbedder | None = None,
    condition: Condition | None = None,
    numbers: torch.Tensor | None = None,
) -> None:
    """Make clips of their given frames with copies of the networks.

    Args:
        path: of the video: the clips side by side, the truth above.
        truth: uint8 (T, H, W, 3) each, all of one shape.
        fps, motion: of each clip, its conditions.
        text_embedder: of a UNet that takes texts, which is asked without any.
        condition, numbers: what the UNet is told beside its numbers that all have. None: a still.
    """
    device = next(unet.parameters()).device
    frames, height, width, _ = truth[0].shape
    info = ModelInfo(
        frames=frames, height=height, width=width, fps=fps[0], guidance=(1.0, 1.0), sigma_max=80.0,
        text=text_embedder is not None,
    )  # fmt: skip
    copies = copy.deepcopy(unet), copy.deepcopy(autoencoder), copy.deepcopy(embedder)
    told = copy.deepcopy(condition or Condition(unet.config.out_channels))
    model = Model(Parts(*copies, info, copy.deepcopy(text_embedder), condition=told), device, torch.float32)
    given = np.stack([clip[list(told.places(frames))] for clip in truth])  # (N, S, H, W, 3)
    plan = plan_for(info, autoencoder.factor, steps=_STEPS)
    asked = plan, given, list(fps), list(motion), list(range(len(truth)))
    made = several(model, "showing", *asked, numbers=numbers)
    rows = [np.concatenate(list(clips), axis=2) for clips in (truth, made)]  # side by side (T, H, N W, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, np.concatenate(rows, axis=1), fps[0])
