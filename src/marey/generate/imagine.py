"""A model that is asked by a text: what its cross-attention sees, and what it cannot do."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from marey.errors import MareyError
from marey.generate.several import several
from marey.network.folder import Parts
from marey.progress import Progress, silent

if TYPE_CHECKING:
    from marey.generate.model import Model
    from marey.generate.plan import Plan


def imagine(
    model: "Model",
    texts: Sequence[str],
    stills: np.ndarray | None,
    plan: "Plan",
    fps: Sequence[float],
    motion: Sequence[float],
    seeds: Sequence[int],
    *,
    batch: int = 8,
    progress: Progress = silent,
) -> np.ndarray:
    """Many texts to as many videos; one depends on its own seed and conditions, not on the batch that it is in.

    Args:
        texts: N of them.
        stills: uint8 (N, H, W, 3) that the videos begin with; None: there are none.
        plan: of all.
        fps, motion, seeds: N each.
        batch: how many at a time; one where the model has a `vram` to fit.

    Returns:
        uint8 (N, T, H, W, 3).

    Raises:
        MareyError: a model that takes no text, or an empty text.
    """
    given = plan, stills, fps, motion, seeds
    said = [told(text) for text in texts]
    return several(model, "imagining", *given, texts=said, batch=batch, progress=progress)


def joined(text: Tensor, token: Tensor) -> Tensor:
    """The context of a network that takes texts and stills: the text's tokens (B, N, D), then those of the
    given frames (B, S, D)."""
    return torch.cat([text, token.to(text.dtype)], dim=1)


def context_of(parts: Parts, token: Tensor, texts: Sequence[str]) -> Tensor:
    """What the UNet's cross-attention sees.

    Args:
        token: of the given frames, (N, S, D); zeros where there is none.
        texts: N of them; an empty one is as none, as in training.

    Returns:
        (N, S, D), or (N, tokens + S, D) of a model that takes texts.

    Raises:
        MareyError: a text for a model that takes none, or another number of them.
    """
    if len(texts) != len(token):
        raise MareyError(f"There are {len(texts)} texts for {len(token)} videos: one each would do.")
    if not parts.info.text or parts.text_embedder is None:
        if any(texts):
            raise MareyError("This model takes no text, only a still: marey-tiny, which comes with Marey, would do.")
        return token
    text = parts.text_embedder(texts).to(token.device, token.dtype)
    said = torch.tensor([bool(each) for each in texts], device=token.device)
    return joined(text * said[:, None, None], token)


def told(text: str) -> str:
    """A text as the model takes it: without space around it, and with a full stop, as all that it was trained on.

    Raises:
        MareyError: it is empty.
    """
    text = " ".join(text.split())
    if not text:
        raise MareyError("The text is empty: what is to happen, such as 'Jules jumps over a snail', would do.")
    return text if text.endswith(".") else f"{text}."
