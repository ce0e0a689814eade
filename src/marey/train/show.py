"""Videos of held-out stills while a stage trains: the truth above, what the averaged weights make of it below."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from marey.generate.model import Model
from marey.media import write_video
from marey.network.autoencoder import Autoencoder
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
) -> None:
    """Animate the first frames of clips with copies of the networks.

    Args:
        path: of the video: the clips side by side, the truth above.
        truth: uint8 (T, H, W, 3) each, all of one shape.
        fps, motion: of each clip, its conditions.
        text_embedder: of a UNet that takes texts, which is asked without any.
    """
    device = next(unet.parameters()).device
    frames, height, width, _ = truth[0].shape
    info = ModelInfo(
        frames=frames, height=height, width=width, fps=fps[0], guidance=(1.0, 1.0), sigma_max=80.0,
        text=text_embedder is not None,
    )  # fmt: skip
    copies = copy.deepcopy(unet), copy.deepcopy(autoencoder), copy.deepcopy(embedder)
    model = Model(Parts(*copies, info, copy.deepcopy(text_embedder)), device, torch.float32)
    stills = np.stack([clip[0] for clip in truth])
    made = model.continue_stills(
        stills, seeds=list(range(len(truth))), fps=list(fps), motion=list(motion), steps=_STEPS
    )
    rows = [np.concatenate(list(clips), axis=2) for clips in (truth, made)]  # side by side (T, H, N W, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, np.concatenate(rows, axis=1), fps[0])
