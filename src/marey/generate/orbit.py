"""A thing seen from all around, by the camera's height or by the camera of every frame (arXiv 2311.15127, section 4.5;
arXiv 2403.12008, section 3)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from marey.errors import MareyError
from marey.network.condition import Condition

Angles = float | Sequence[float]
"""In degrees: one for all frames, or one for each."""


def cameras(condition: Condition, frames: int, elevation: Angles, azimuths: Sequence[float] | None) -> Tensor:
    """What a model is told of its cameras.

    Args:
        condition: one that is told in numbers.
        elevation: of the camera above the horizon.
        azimuths: of each frame, counter-clockwise as seen from above; only their differences from the first count.
            None: once around in even steps.

    Returns:
        (1, 1), or (1, T, 2) where the condition is told of every frame.

    Raises:
        MareyError: another condition, angles that cannot be, or ones that this model is not told.
    """
    if not condition.numbers:
        raise MareyError(
            f"This model's condition is {condition.name!r}: one that was finetuned with the condition 'elevation' or "
            "'poses' would do."
        )
    heights = [float(elevation)] * frames if isinstance(elevation, (int, float)) else [float(up) for up in elevation]
    turns = [360.0 * n / frames for n in range(frames)] if azimuths is None else [float(turn) for turn in azimuths]
    for name, angles in (("elevation", heights), ("azimuths", turns)):
        if len(angles) != frames:
            raise MareyError(f"There are {len(angles)} angles in {name} for {frames} frames: one each would do.")
    if not all(-90 <= up <= 90 for up in heights):
        raise MareyError(f"elevation is {elevation}: degrees from -90 (below) over 0 to 90 (above) would do.")
    if not all(abs(turn) < float("inf") for turn in turns):
        raise MareyError(f"azimuths has {azimuths}: degrees would do.")
    if condition.by_frame:
        return torch.tensor([[[up, (turn - turns[0]) % 360.0] for up, turn in zip(heights, turns, strict=True)]])
    if azimuths is not None or len(set(heights)) > 1:
        raise MareyError(
            "This model is told one elevation a clip and goes once around: one that was finetuned with the condition "
            "'poses' takes azimuths and an elevation for each frame."
        )
    return torch.tensor([[heights[0]]])
