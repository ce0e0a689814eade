"""Short spans of a video, to use a clip: decoded from the keyframe before it to its end, and nothing else."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from marey.media.decode import Clock, Frame, Tally, pictures, prepared, scaler_of
from marey.media.pixels import Size
from marey.media.probe import open_video
from marey.media.source import Unusable


def walk(
    path: str | Path, start_pts: int, end_pts: int, *, threads: int = 0, tally: Tally | None = None
) -> Iterator[Frame]:
    """The frames from `start_pts` to `end_pts`, both included, counted from 0, decoded from the keyframe before.

    Args:
        start_pts, end_pts: times of frames as `read` gave them.
        tally: gets what was decoded, apart from what was decoded to know the source.

    Raises:
        Unusable: `failed`, the file has no frame at `start_pts`.
    """
    tally = tally if tally is not None else Tally()
    for back in (0, 2, 16, None):  # seconds before the start at which to look for a keyframe; None: from the beginning
        frames = _walk(path, start_pts, end_pts, back, threads, tally)
        first = next(frames, None)
        if first is not None:
            yield first
            yield from frames
            return
    raise Unusable("failed", f"there is no frame at the time {start_pts} in it", path)


def span(
    path: str | Path,
    start_pts: int,
    end_pts: int,
    *,
    size: Size = None,
    crop: bool = False,
    every: int = 1,
    threads: int = 0,
    tally: Tally | None = None,
) -> np.ndarray:
    """The pixels of a clip, uint8 RGB (T, H, W, 3).

    Args:
        size, crop: as in `Frame.rgb`.
        every: take one frame of so many, the first of each group.
        start_pts, end_pts, threads, tally: as in `walk`.
    """
    frames = walk(path, start_pts, end_pts, threads=threads, tally=tally)
    return np.stack([frame.rgb(size, crop=crop) for frame in frames if frame.n % every == 0])


def frames_at(
    path: str | Path,
    pts: Sequence[int],
    size: int | tuple[int, int],
    *,
    threads: int = 0,
    tally: Tally | None = None,
) -> np.ndarray:
    """The frames at these times, uint8 RGB (T, H, W, 3): the largest centred part with the proportions of `size`,
    (height, width) or the side of a square, scaled by area means.

    All between the earliest and the latest of them is decoded. The order is that of `pts`, which may repeat.

    Raises:
        Unusable: `failed`, there is no frame at one of these times.
    """
    if len(pts) == 0:
        return np.zeros((0, *((size, size) if isinstance(size, int) else size), 3), np.uint8)
    wanted = {int(time) for time in pts}
    found = {
        frame.pts: frame.rgb(size, crop=True)
        for frame in walk(path, min(wanted), max(wanted), threads=threads, tally=tally)
        if frame.pts in wanted
    }
    if len(found) < len(wanted):
        raise Unusable("failed", f"there is no frame at the time {min(wanted - set(found))} in it", path)
    return np.stack([found[int(time)] for time in pts])


def _walk(path: str | Path, start: int, end: int, back: int | None, threads: int, tally: Tally) -> Iterator[Frame]:
    """As `walk`, from one place to seek to; gives nothing if that does not lead to the start exactly."""
    with open_video(path) as container:
        stream = prepared(container, path, threads)
        if back is not None:
            try:
                container.seek(start - round(back / stream.time_base), stream=stream, backward=True)
            except (av.error.FFmpegError, OSError):
                return
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        clock = Clock(max(1, round(1 / (rate * stream.time_base))), tally)
        scaler, n = None, 0
        for picture in pictures(container, stream, tally):
            if back is not None and n == 0 and picture.pts is None:
                return  # without times in the file, only counting from the beginning tells where this is
            pts = clock(picture)
            if n == 0 and pts > start:
                return
            if pts < start:
                continue
            if pts > end:
                return
            if scaler is None:
                scaler = scaler_of(picture, stream)
            yield Frame(picture, scaler, n, pts, start, stream.time_base)
            n += 1
            if pts == end:
                return
