"""A long source in reels: stretches from keyframe to keyframe that several processes decode at the same time.

The division follows from the file's index alone, so that a source is divided in the same way whoever reads it. A reel
owns the frames from its keyframe's time up to, and without, the time of the next reel's. It is decoded a little past
its end: pictures that lie before the next keyframe may be stored after it (open groups), and that keyframe and the one
picture after it are decoded by both sides, whose checksums of them must agree. They do not where a file calls a picture
a keyframe at which a decoder cannot really start.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from marey.media.decode import Frame, Tally, corrected, pictures, prepared, usual_step
from marey.media.pixels import Scaler
from marey.media.probe import Probe, demux, open_video, video_stream
from marey.media.source import Unusable

SLOW = 5
"""Frames a second: of a slower source, such as a picture a minute, a reel is longer, so that it has some frames."""
OVERLAP = 2
"""Pictures from the next reel's keyframe on that are decoded by both sides."""
_PATIENCE = 3000  # packets that are passed over to reach a keyframe


class Indivisible(Unusable):
    """A reel cannot be read by itself: the source must be read as one."""

    def __init__(self, reason: str, path: str | Path = "") -> None:
        super().__init__("failed", reason, path)


@dataclass(frozen=True)
class Reel:
    """A stretch of a source."""

    start: int | None
    """Time of the keyframe that it begins with, in ticks; None: the source's own beginning."""
    end: int | None
    """Time of the keyframe that the next one begins with; None: the source's end."""
    first: int
    """The number of its first frame in the source."""
    frames: int
    """How many it owns."""
    origin: int
    """Time of the source's first frame."""


def divide(probe: Probe, seconds: float) -> list[Reel]:
    """The reels of a source, each of about so many seconds; one reel where its index does not tell of every frame, or
    keyframes are too rare."""
    pts, keys = probe.pts, probe.keyframes
    if not len(pts) or probe.reason or len(pts) != probe.frames or bool((np.diff(pts) <= 0).any()):
        return [Reel(None, None, 0, probe.frames or 0, int(pts[0]) if len(pts) else 0)]
    ticks, frames = int(Fraction(seconds) / probe.time_base), SLOW * seconds
    origin, last = int(pts[0]), int(pts[-1])
    starts, first = [origin], [0]
    for key, n in zip(keys.tolist(), np.searchsorted(pts, keys).tolist(), strict=True):
        long = key - starts[-1] >= ticks and n - first[-1] >= frames
        if long and last - key >= ticks // 2 and len(pts) - n > OVERLAP:
            starts.append(key)
            first.append(n)
    first.append(len(pts))
    # Measured in frames, so that a gap in the times does not count.
    if np.diff(first).max() > 2 * max(frames, ticks / usual_step(probe)):
        starts, first = [origin], [0, len(pts)]
    bounds = [None, *starts[1:], None]
    return [Reel(bounds[n], bounds[n + 1], first[n], first[n + 1] - first[n], origin) for n in range(len(starts))]


def seekable(path: str | Path, reels: Sequence[Reel]) -> bool:
    """Whether seeking leads to the very keyframe that each reel begins with; nothing is decoded."""
    try:
        with open_video(path) as container:
            stream = video_stream(container, path)
            return all(
                reel.start is None or next(_packets_from(container, stream, reel.start), None) is not None
                for reel in reels
            )
    except (av.error.FFmpegError, OSError, Unusable):
        return False


class ReelReading(Tally):
    """One reel being read by iterating over it. Frames have the numbers and the times that they have in the source.

    Attributes:
        probe: as it was given, with what only the decoder knows.
        frames: how many were given out.
        opening, closing: checksums of the pictures at its own keyframe and at the next reel's; 0 at the source's ends.

    Raises:
        Indivisible: while iterating: anything is not as the index says.
    """

    def __init__(self, path: str | Path, probe: Probe, reel: Reel, threads: int) -> None:
        super().__init__()
        self.probe = probe
        self.frames = 0
        self.opening = self.closing = 0
        self._path, self._reel, self._threads = path, reel, threads

    def __iter__(self) -> Iterator[Frame]:
        reel = self._reel
        with open_video(self._path) as container:
            stream = prepared(container, self._path, self._threads)
            packets = None if reel.start is None else _packets_from(container, stream, reel.start)
            scaler, last, after = None, None, 0
            for picture in pictures(container, stream, self, packets):
                pts = picture.pts
                if pts is None:
                    raise Indivisible("a part of it has no times", self._path)
                if reel.start is not None and pts < reel.start:
                    self.damaged = 0  # of pictures that refer to what lies before the keyframe
                    continue  # stored after the keyframe and shown before it: the reel before owns it
                if last is not None and pts <= last:
                    raise Indivisible("the times in it run backwards", self._path)
                last = pts
                if scaler is None:
                    self.probe = corrected(self.probe, picture)
                    scaler = Scaler(self.probe.height, self.probe.width, self.probe.orientation)
                frame = Frame(picture, scaler, reel.first + self.frames, pts, reel.origin, self.probe.time_base)
                if reel.end is not None and pts >= reel.end:
                    self.closing = _checksum(frame, self.closing)
                    after += 1
                    if after == OVERLAP:
                        break
                    continue
                if reel.start is not None and self.frames < OVERLAP:
                    self.opening = _checksum(frame, self.opening)
                self.frames += 1
                yield frame
        if self.damaged:
            raise Indivisible("a part of it is damaged", self._path)
        if self.frames != reel.frames:
            raise Indivisible(f"a part of it gives {self.frames} frames and not {reel.frames}", self._path)


def read_reel(path: str | Path, probe: Probe, reel: Reel, *, threads: int = 0) -> ReelReading:
    """Decode one reel of a video.

    Args:
        probe: of the whole file; its index is not needed.
        threads: as in `read`.
    """
    return ReelReading(path, probe, reel, threads)


def _packets_from(container: Any, stream: Any, start: int) -> Iterator[Any]:
    """The packets from the keyframe of this time on; none where seeking does not lead there.

    Containers seek by the time of decoding, or to the keyframes that their index lists: where that leads to an earlier
    one, packets are passed over, which costs no decode.
    """
    container.seek(start, stream=stream, backward=True)
    found = False
    for n, packet in enumerate(demux(container, stream)):
        found = found or (packet.pts == start and packet.is_keyframe)
        if found:
            yield packet
        elif n == _PATIENCE or (packet.is_keyframe and packet.pts is not None and packet.pts > start):
            return


def _checksum(frame: Frame, before: int) -> int:
    return zlib.adler32(frame.lines(1 << 30).tobytes(), before or 1)
