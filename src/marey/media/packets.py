"""A video's packets by number: what using clips of it needs, listed once without a decode.

    with Packets(path) as source:
        for picture in source.pictures(start_pts, end_pts): ...

The file is opened once for all clips that are taken from it. A clip is decoded from the keyframe before its start to
its own last packet, and nothing else.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np

from marey.media.orientation import Orientation, of_frame_matrix
from marey.media.probe import demux, open_video, shown_size, video_stream
from marey.media.source import Unusable
from marey.media.splice import CODECS


@dataclass(frozen=True)
class Listing:
    """All packets of a video in the order of the file, which is the order of decoding."""

    pts: np.ndarray
    """int64 (N,), ticks."""
    keys: np.ndarray
    """bool (N,): a decoder can start here."""
    clean: np.ndarray
    """bool (N,): a piece of another encoder may stand before it (of H.264: an IDR picture). Else as `keys`."""
    hidden: np.ndarray
    """bool (N,): cut away by an edit list, decoded and never shown."""
    damaged: np.ndarray
    """bool (N,)."""
    durations: np.ndarray
    """int64 (N,), ticks; 0 where the file does not say."""
    timed: bool
    """Whether every packet has a time and no two have the same."""

    def members(self, start: int, end: int) -> np.ndarray:
        """The numbers of the shown packets from `start` to `end`, both included, in the order of decoding."""
        return np.flatnonzero((self.pts >= start) & (self.pts <= end) & ~self.hidden)


class Packets:
    """A video file that is open for the use of its clips.

    Raises:
        Unusable: it cannot be opened, or there is no video in it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self._container: Any = None
        self._hearing: Any = None
        self._open()
        self.listing = _list(self._container, self.stream)
        self._numbers = {int(pts): n for n, pts in enumerate(self.listing.pts)}
        self._orientation: Orientation | None = None

    def _open(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container = open_video(self.path)
        self.stream = video_stream(self._container, self.path)
        self.stream.thread_type = "AUTO"
        self.sound = next((stream for stream in self._container.streams.audio if stream.codec_context), None)
        self.time_base: Fraction = self.stream.time_base or Fraction(1, 1000)

    def close(self) -> None:
        """Close the file. A second time does nothing."""
        for container in (self._container, self._hearing):
            if container is not None:
                container.close()
        self._container = self._hearing = None

    def __enter__(self) -> "Packets":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def aspect(self) -> Fraction | None:
        """Of one pixel, width over height, where the file says it."""
        aspect: Fraction | None = self.stream.sample_aspect_ratio or self.stream.codec_context.sample_aspect_ratio
        return aspect

    def shown(self, picture: Any) -> tuple[int, int, Orientation]:
        """(height, width, orientation) of a picture as it is to be shown."""
        matrix = picture.side_data.get("DISPLAYMATRIX")
        turn = of_frame_matrix(bytes(matrix)) if matrix is not None else Orientation()
        return (*shown_size(picture.width, picture.height, self.aspect, turn), turn)

    def duration(self, n: int) -> int:
        """Ticks that packet `n` is shown for; the usual step where the file does not say."""
        return int(self.listing.durations[n]) or self._usual_step

    @cached_property
    def _usual_step(self) -> int:
        times = np.sort(self.listing.pts[~self.listing.hidden])
        return max(1, round(float(np.median(np.diff(times))))) if len(times) > 1 else 1

    def packets(self, first: int, stop: int) -> Iterator[Any]:
        """The packets from number `first` to before `stop`.

        Raises:
            Unusable: `failed`, they cannot be found again.
        """
        for back in (0, 2, 16, None):  # seconds before the first one to seek to; None: the file is opened anew
            found = self._from(first, back)
            if found is None:
                continue
            for n, packet in found:
                if n >= stop:
                    return
                yield packet
            return
        raise Unusable("failed", "its packets cannot be found a second time", self.path)

    def pictures(self, start: int, end: int) -> Iterator[tuple[int, Any]]:
        """(time, decoded picture) of the frames from `start` to `end`, both included, as far as they can be decoded."""
        wanted = self.listing.members(start, end)
        before = np.flatnonzero(self.listing.keys & (self.listing.pts <= start))
        if len(wanted) == 0:
            return
        for packet in (*self.packets(int(before[-1]) if len(before) else 0, int(wanted[-1]) + 1), None):
            for picture in self._decode(packet):
                if picture.pts is not None and start <= picture.pts <= end and not picture.is_corrupt:
                    yield picture.pts, picture

    def sounds(self, start: Fraction, end: Fraction) -> Iterator[Any]:
        """The packets of the first sound track that begin between two times in seconds."""
        if self.sound is None:
            return
        if self._hearing is None:  # apart from the pictures, which are read while the sound is
            self._hearing = open_video(self.path)
        track = self._hearing.streams[self.sound.index]
        base = track.time_base
        with suppress(av.error.FFmpegError, OSError):  # where it breaks off, the sound ends
            self._hearing.seek(int(start / base), stream=track, backward=True)
            for packet in demux(self._hearing, track):
                if packet.size == 0 or packet.pts is None:
                    continue
                if packet.pts * base >= end:
                    return
                if packet.pts * base >= start:
                    yield packet

    def _from(self, first: int, back: int | None) -> Iterator[tuple[int, Any]] | None:
        """(number, packet) from number `first` on, if seeking so far back leads to it or before it."""
        if back is None:
            self._open()
        else:
            try:
                target = int(self.listing.pts[first]) - round(back / self.time_base)
                self._container.seek(target, stream=self.stream, backward=True)
            except (av.error.FFmpegError, OSError):
                return None
        packets = demux(self._container, self.stream)
        packet = next(packets, None)
        if packet is None or packet.size == 0:
            return None
        n = self._numbers.get(packet.pts, -1) if back is not None else 0
        if not 0 <= n <= first:
            return None
        return _after(packet, packets, n, first)

    def _decode(self, packet: Any) -> list[Any]:
        if packet is None:  # what the decoder still holds
            packet = av.Packet()
            packet.stream = self.stream
        try:
            pictures: list[Any] = packet.decode()
        except (av.error.FFmpegError, OSError):
            return []
        return pictures


def _after(packet: Any, packets: Iterator[Any], n: int, first: int) -> Iterator[tuple[int, Any]]:
    while packet is not None and packet.size:
        if n >= first:
            yield n, packet
        packet = next(packets, None)
        n += 1


def _list(container: Any, stream: Any) -> Listing:
    rows: list[tuple[int | None, bool, bool, bool, bool, int]] = []
    codec = CODECS.get(stream.codec_context.name)
    size = codec.length_size(stream.codec_context.extradata) if codec else 0
    with suppress(av.error.FFmpegError, OSError):  # a file that breaks off has the packets before
        for packet in demux(container, stream):
            if packet.size == 0:
                continue
            key = bool(packet.is_keyframe)
            clean = key and (codec is None or codec.is_clean(bytes(packet), size))
            length = max(0, packet.duration or 0)
            rows.append((packet.pts, key, clean, bool(packet.is_discard), bool(packet.is_corrupt), length))
    times = [row[0] for row in rows]
    timed = bool(rows) and None not in times and len(set(times)) == len(times)
    return Listing(
        pts=np.array([-1 if time is None else time for time in times], np.int64),
        keys=np.array([row[1] for row in rows], bool),
        clean=np.array([row[2] for row in rows], bool),
        hidden=np.array([row[3] for row in rows], bool),
        damaged=np.array([row[4] for row in rows], bool),
        durations=np.array([row[5] for row in rows], np.int64),
        timed=timed,
    )
