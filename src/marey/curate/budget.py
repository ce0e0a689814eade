"""How much of the footage is read, and what room that takes."""

import shutil
from pathlib import Path
from typing import Any

from marey.errors import MareyError
from marey.recipe import Footage

SIGNATURE_BYTES = 3456 + 8
"""Of each frame in a trace: luma, chroma and time."""
STILL_BYTES_A_SECOND = 100_000
"""Of stills, about; a calm shot takes less."""


def within(
    videos: list[dict[str, Any]], budget: Footage
) -> tuple[dict[str, float | None], list[dict[str, Any]], float]:
    """Which videos are read: in their order, passing over those that no longer fit.

    Args:
        videos: rows with `id` and the `seconds` of the whole.

    Returns: the seconds to read of each video that is taken (None: all), the videos left out, and the seconds in all.
    """
    read: dict[str, float | None] = {}
    left, total = [], 0.0
    most = budget.budget_seconds if budget.budget_seconds is not None else float("inf")
    for row in videos:
        limit = (
            budget.file_seconds if budget.file_seconds is not None and row["seconds"] > budget.file_seconds else None
        )
        seconds = limit or row["seconds"]
        if total + seconds > most:
            if read:
                left.append(row)
                continue
            limit = seconds = most  # the first one is longer than all that may be read
        read[row["id"]] = limit
        total += seconds
    return read, left, total


def needed_bytes(
    fps: float | None, seconds: float | None, limit: float | None, frames: int | None = None, more: int = 0
) -> int:
    """About how much the trace and the stills of a footage take, of the seconds that are read of it.

    Args:
        frames: that the file holds, where it is known. A broken file may well claim to last for years, but there are no
            more signatures and stills than frames.
        more: bytes of each frame that are kept beside its signature.
    """
    whole = seconds or 1.0
    read = min(whole, limit) if limit is not None else whole
    most = float("inf") if frames is None else frames
    return int(
        min(read * fps if fps else 1, most) * (SIGNATURE_BYTES + more) + min(read + 1, most) * STILL_BYTES_A_SECOND
    )


def demand_room(library: Path, needed: int) -> None:
    """See that the disk of the library has so many bytes free.

    Raises:
        MareyError: it has fewer.
    """
    free = shutil.disk_usage(library).free
    if needed > free:
        raise MareyError(
            f"Traces and stills need about {_size(needed)}, and {library} has {_size(free)} free: another --out, or a "
            "smaller footage.budget_seconds, would do."
        )


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.1f} MB"
