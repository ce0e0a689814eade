"""Frames with exact times: one sequential pass to know a source.

`read` decodes it once, in order, and every consumer takes what it needs from each frame (`Frame.gray`, `.yuv`, `.rgb`).
A long source may be read in reels by several processes (`reels`); to use a clip, `spans` decodes its span alone.

Every picture that is decoded to know a source comes of `packet.decode()` in this file, of packets that came from
`av.open`: who wants to count decodes wraps that.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from marey.media.orientation import Orientation, of_frame_matrix
from marey.media.pixels import Pixels, Scaler
from marey.media.probe import Probe, demux, open_video, shown_size, video_stream
from marey.media.source import Unusable

DAMAGE = 0.1
"""Share of a file's packets that may be damaged before it is given up; eight are always allowed."""


class Frame(Pixels):
    """One frame, as shown: where it stands, and its pixels in any size.

    Attributes:
        n: its number from 0, in presentation order, in what is being read.
        pts: its presentation time in ticks of the time base.
        time_base: how long a tick is, in seconds.
    """

    __slots__ = ("_first", "n", "pts", "time_base")

    def __init__(self, picture: Any, scaler: Scaler, n: int, pts: int, first: int, time_base: Fraction) -> None:
        super().__init__(picture, scaler)
        self.n = n
        self.pts = pts
        self.time_base = time_base
        self._first = first

    @property
    def seconds(self) -> Fraction:
        """Since the first frame of what is being read, exactly."""
        return (self.pts - self._first) * self.time_base

    @property
    def keyframe(self) -> bool:
        """Whether a decoder can start here."""
        return bool(self._picture.key_frame)

    @property
    def height(self) -> int:
        """Of the picture as shown, in pixels."""
        return self._scaler.height

    @property
    def width(self) -> int:
        """Of the picture as shown, in pixels."""
        return self._scaler.width


@dataclass
class Tally:
    """How much was decoded."""

    decoded: int = 0
    """Pictures that came out of the decoder."""
    damaged: int = 0
    """Packets and pictures that were skipped because they are damaged."""
    retimed: int = 0
    """Frames whose time was missing or ran backwards, and was reckoned from the frame before."""


class Reading(Tally):
    """A source being read once, from its start, by iterating over it; it is all told when the iteration ends.

    Attributes:
        probe: as it was given, with what only the decoder knows: rotation and interlacing.
        reason: what was wrong with a file that could be read all the same, or an empty text.
        limited: whether `limit_seconds` ended it before the file did.
        frames: how many frames were given out.
    """

    def __init__(self, path: str | Path, probe: Probe, limit_seconds: float | None, threads: int) -> None:
        super().__init__()
        self.probe = probe
        self.reason = probe.reason
        self.limited = False
        self.frames = 0
        self._path = path
        # In ticks: a comparison of whole numbers a frame, and exact.
        self._limit = None if limit_seconds is None else math.ceil(Fraction(limit_seconds) / probe.time_base)
        self._threads = threads

    def __iter__(self) -> Iterator[Frame]:
        budget = max(8, round(DAMAGE * (self.probe.frames or 0)))
        with open_video(self._path) as container:
            stream = prepared(container, self._path, self._threads)
            clock = Clock(usual_step(self.probe), self)
            scaler, first = None, 0
            for picture in pictures(container, stream, self):
                if self.damaged > budget:
                    raise Unusable("failed", f"more than {budget} of its packets are damaged", self._path)
                if scaler is None:
                    self.probe = corrected(self.probe, picture)
                    scaler = Scaler(self.probe.height, self.probe.width, self.probe.orientation)
                pts = clock(picture)
                first = pts if self.frames == 0 else first
                if self._limit is not None and pts - first >= self._limit:
                    self.limited = True
                    break
                self.frames += 1
                yield Frame(picture, scaler, self.frames - 1, pts, first, self.probe.time_base)
        self._close(budget)

    def _close(self, budget: int) -> None:
        if self.damaged > budget:
            raise Unusable("failed", f"more than {budget} of its packets are damaged", self._path)
        if self.frames < 2 and not self.limited:
            count = "none of its frames" if self.frames == 0 else "only one of its frames"
            raise Unusable(
                "failed" if self.damaged or self.reason else "rejected", f"{count} can be decoded", self._path
            )
        notes = [self.reason] if self.reason else []
        if self.damaged:
            notes.append(f"{self.damaged} damaged packet{'s were' if self.damaged > 1 else ' was'} skipped")
        if self.retimed:
            notes.append(
                f"the time of {self.retimed} frame{'s was' if self.retimed > 1 else ' was'} missing and is reckoned"
            )
        self.reason = "; ".join(notes)


def read(path: str | Path, probe: Probe, *, limit_seconds: float | None = None, threads: int = 0) -> Reading:
    """Decode a video once, sequentially, in presentation order.

    Args:
        limit_seconds: stop before the first frame that is so long after the first one, or later.
        threads: of the decoder; 0 takes as many as there are cores, 1 decodes in this thread.

    Raises:
        Unusable: while iterating: `failed` if too much of it is damaged, `rejected` if it has under two frames.
    """
    return Reading(path, probe, limit_seconds, threads)


def prepared(container: Any, path: str | Path, threads: int) -> Any:
    """The video stream of an open container, its decoder ready with so many threads (0: one a core)."""
    stream = video_stream(container, path)
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = threads
    return stream


def pictures(container: Any, stream: Any, tally: Tally, packets: Iterator[Any] | None = None) -> Iterator[Any]:
    """The decoder's pictures that are whole. Damaged packets are counted and passed over.

    Args:
        packets: of the stream; all that are left of it, if not given.
    """
    for packet in packets or _packets(container, stream):
        if packet.is_corrupt:
            tally.damaged += 1
            continue
        try:
            decoded = packet.decode()
        except av.error.EOFError:
            return
        except (av.error.FFmpegError, OSError):
            tally.damaged += 1
            continue
        for picture in decoded:
            tally.decoded += 1
            if picture.is_corrupt:
                tally.damaged += 1
            else:
                yield picture


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    try:
        yield from demux(container, stream)
    except (av.error.FFmpegError, OSError):
        # The file breaks off, which the probe has said; what the decoder still holds is asked for as at a regular end.
        flush: Any = av.Packet()
        flush.stream = stream
        yield flush


class Clock:
    """The time of each picture, always later than the one before."""

    def __init__(self, step: int, tally: Tally) -> None:
        self._step = step
        self._last: int | None = None
        self._tally = tally

    def __call__(self, picture: Any) -> int:
        pts = picture.pts if picture.pts is not None else picture.dts
        if pts is None or (self._last is not None and pts <= self._last):
            pts = 0 if self._last is None else self._last + self._step
            self._tally.retimed += 1
        self._last = pts
        return pts


def usual_step(probe: Probe) -> int:
    """Ticks from one frame to the next, as a rule; at least 1."""
    if len(probe.pts) >= 2:
        return max(1, round(float(np.median(np.diff(probe.pts)))))
    return max(1, round(1 / (Fraction(probe.fps or 25).limit_denominator(100000) * probe.time_base)))


def _orientation(picture: Any) -> Orientation:
    matrix = picture.side_data.get("DISPLAYMATRIX")
    return of_frame_matrix(bytes(matrix)) if matrix is not None else Orientation()


def scaler_of(picture: Any, stream: Any) -> Scaler:
    """A scaler for the pictures of a stream, by what the first of them says of itself."""
    orientation = _orientation(picture)
    aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    return Scaler(*shown_size(picture.width, picture.height, aspect, orientation), orientation)


def corrected(probe: Probe, picture: Any) -> Probe:
    """The probe with what the first picture says of itself, which is what counts."""
    orientation = _orientation(picture)
    height, width = probe.height, probe.width
    if orientation.swaps != probe.orientation.swaps:
        height, width = width, height
    return replace(
        probe,
        height=height,
        width=width,
        rotation=orientation.degrees,
        mirrored=orientation.mirrored,
        interlaced=probe.interlaced or bool(picture.interlaced_frame),
    )
