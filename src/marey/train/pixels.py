"""The pixels of windows: each clip's span is decoded once, brought to size, and kept as uint8 in shards of the kind
"pixels@...".
"""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import torch

from marey import recipe
from marey.catalog import Library, text_path
from marey.errors import MareyError
from marey.media import Tally, frames_at, read_photo
from marey.media.given import given
from marey.media.pixels import centre, cover, resize
from marey.progress import Progress, silent
from marey.train.windows import Plan, Window, fingerprint

VERSION = 1
"""Changes whenever the same plan would give other pixels."""


@dataclass(frozen=True)
class Read:
    """What became of one clip, as the ledger keeps it."""

    id: str
    status: str
    error: str = ""
    seconds: float = 0.0
    out: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Decoded:
    """The pixels of a plan."""

    kind: str
    """Of the tensors: uint8 (T, height, width, 3) each."""
    frames: int
    """Frames that were decoded in this call, to use them; none where all was there."""
    failed: dict[str, str]
    """Clips that could not be decoded, and why."""


Drawn = Callable[[str], tuple[Iterable[np.ndarray], int] | None]
"""Of a footage that lies in no file, by its path: its frames, uint8 RGB (H, W, 3) each, and how many there are a
second. None of one that does."""


def read_pixels(
    library: Library, plan: Plan, settings: recipe.Windows, progress: Progress = silent, drawn: Drawn | None = None
) -> Decoded:
    """Decode what is missing of the plan's windows, clip by clip, each kept as soon as it is read.

    What `drawn` has frames of is taken from there, and no file is opened.

    Windows that another plan has decoded already (under another split, say) are pointed at, not decoded again. A clip
    that cannot be decoded costs only itself; a later call tries it again.

    Raises:
        MareyError: no training window or no held-out one is left.
    """
    kind = f"pixels@{fingerprint([VERSION, plan.fingerprint, *_asked(settings)])}"
    _share(library, kind, plan.windows)
    there = set(library.places(kind))
    clips = [(clip, list(windows)) for clip, windows in groupby(plan.windows, key=lambda window: window.clip)]
    failed = dict(plan.unreadable)
    for clip, reason in failed.items():
        library.record(Read(clip, "failed", reason), kind)
    tally = Tally()
    what = "reading the pixels of windows"
    progress(what, 0, len(clips))
    for done, (clip, windows) in enumerate(clips, 1):
        if any(window.id not in there for window in windows):
            started = time.monotonic()
            try:
                arrays = _pixels(plan.paths[windows[0].footage], windows, tally, drawn)
            except (MareyError, OSError, ValueError) as error:
                failed[clip] = str(error) or type(error).__name__
                library.record(Read(clip, "failed", failed[clip], time.monotonic() - started), kind)
            else:
                with library.transaction():
                    library.put_tensors(kind, arrays, {window.id: window.info() for window in windows})
                    library.record(
                        Read(clip, "ok", seconds=time.monotonic() - started, out={"windows": len(windows)}), kind
                    )
                there.update(arrays)
        progress(what, done, len(clips), f"{len(there)} windows" + (f", {len(failed)} clips failed" if failed else ""))
    _demand(plan, there, failed)
    return Decoded(kind, tally.decoded, failed)


def stacked(library: Library, kind: str, windows: Sequence[Window]) -> np.ndarray:
    """The arrays of windows, one after another along a new first axis; all must have the same shape."""
    return np.stack([np.asarray(library.tensor(kind, window.id)) for window in windows])


def to_unit(pixels: np.ndarray) -> torch.Tensor:
    """uint8 (..., H, W, 3) to float32 (..., 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, -1, -3))).float().div_(127.5).sub_(1.0)


def to_bytes(pixels: torch.Tensor) -> np.ndarray:
    """(..., 3, H, W) in [-1, 1] to uint8 (..., H, W, 3); what lies outside is clipped."""
    scaled = pixels.detach().float().add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(np.moveaxis(scaled.cpu().numpy(), -3, -1))


def _pixels(path: str, windows: Sequence[Window], tally: Tally, drawn: Drawn | None) -> dict[str, np.ndarray]:
    made = drawn(path) if drawn is not None else None
    if made is None:
        return _decode(path, windows, tally)
    size, wanted = windows[0].shape[1:], {pts for window in windows for pts in window.pts}
    found = {frame.pts: frame.rgb(size, crop=True) for frame in given(*made) if frame.pts in wanted}
    if len(found) < len(wanted):
        raise MareyError(f"{path} has no frame at the time {min(wanted - set(found))}.")
    return {window.id: np.stack([found[pts] for pts in window.pts]) for window in windows}


def _asked(settings: recipe.Windows) -> list[Any]:
    shapes = settings.shapes
    square = len(shapes) == 1 and shapes[0][1] == shapes[0][2]
    return list(shapes[0][:2]) if square else [list(shape) for shape in shapes]


def _decode(path: str, windows: Sequence[Window], tally: Tally) -> dict[str, np.ndarray]:
    size = windows[0].shape[1:]
    if windows[0].photo:
        photo = read_photo(text_path(path))
        height, width = cover(photo.shape[0], photo.shape[1], *size)
        fitted = centre(resize(photo, height, width), *size)
        return {windows[0].id: fitted[None]}
    frames = frames_at(text_path(path), [pts for window in windows for pts in window.pts], size, tally=tally)
    parts = np.split(frames, np.cumsum([len(window.pts) for window in windows])[:-1])
    return {window.id: part for window, part in zip(windows, parts, strict=True)}


def _share(library: Library, kind: str, windows: Sequence[Window]) -> None:
    """Point `kind` at the pixels of other kinds that are the very same frames of the same size."""
    known = set(library.places(kind))
    wanted = {window.id: window for window in windows if window.id not in known}
    if not wanted:
        return
    rows = {}
    for row in library.rows("select * from tensors where kind like 'pixels@%' and kind <> ?", kind):
        if (window := wanted.get(row["item"])) is None:
            continue
        theirs = Window.of(row["item"], json.loads(row["info"]))
        if (theirs.pts, theirs.shape, theirs.photo) == (window.pts, window.shape, window.photo):
            rows[window.id] = {**row, "kind": kind, "info": window.info()}
    library.put("tensors", rows.values())


def _demand(plan: Plan, there: set[str], failed: dict[str, str]) -> None:
    for side in ("train", "heldout"):
        if not any(window.split == side and not window.photo and window.id in there for window in plan.windows):
            reason = next(iter(failed.values()), "none was planned")
            raise MareyError(
                f"No {side} window could be read ({reason}): other footage, or a look at `marey doctor`, would do."
            )
