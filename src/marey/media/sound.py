"""The sound of a footage, with the exact times of its picture. No picture is decoded for it.

Only packets of the sound are decoded, once and in order. What comes out lies on the picture's clock: sample k belongs
to the time `start + k / RATE`, whatever gaps, overlaps and delays the file has.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np

from marey.media.probe import demux, open_video
from marey.media.source import Unusable

RATE = 48_000
"""Samples a second that all sound is brought to."""
DAMAGE = 0.1
"""Share of the packets that may be damaged before it is given up; eight are always allowed."""
_JUMP = Fraction(3, 100)  # seconds between where a frame is and where it ought to be, from which on there is a gap
_CHUNK = RATE  # samples of silence that are given out at once
_LOUDEST = 4.0  # a sound of numbers may exceed full scale; what is far beyond it is damage
_USUAL = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


@dataclass
class Heard:
    """What became of the sound."""

    channels: tuple[str, ...] = ()
    """Their names, such as FL and FR, in the order of the rows; FC for the one of mono."""
    decoded: int = 0
    """Packets."""
    damaged: int = 0
    """Packets that were skipped because they are damaged."""


def hear(path: str | Path, start: Fraction, end: Fraction, heard: Heard | None = None) -> Iterator[np.ndarray]:
    """The first sound of a file from `start` to `end`, seconds on its clock, in pieces float32 (channels, samples),
    full scale being -1..1, end to end. Where there is none, there is silence.

    Args:
        heard: gets the channels with the first piece, and what was decoded.

    Raises:
        Unusable: `rejected`, there is no sound in it; `failed`, it cannot be decoded, or too much of it is damaged.
    """
    heard = heard if heard is not None else Heard()
    line = _Line(max(0, round((end - start) * RATE)))
    with open_video(path) as container:
        stream = next(iter(container.streams.audio), None)
        if stream is None:
            raise Unusable("rejected", "there is no sound in it", path)
        if stream.codec_context is None:
            raise Unusable("failed", "there is no decoder for its sound", path)
        for other in container.streams:
            if other.index != stream.index:
                other.discard = av.stream.Discard.all
        layout, part, due = None, None, Fraction(0)
        for frame, moment in _timed(_frames(container, stream, heard), start):
            if layout is None:
                layout = frame.layout
                heard.channels = _names(layout)
            if part is None or abs(moment - due) > _JUMP or not part.takes(frame):
                if part is not None:
                    yield from line.take(part.end())
                part, due = _Part(moment, layout, frame), moment
            yield from line.take(part.add(frame))
            due += Fraction(frame.samples, frame.sample_rate)
            if line.full:
                break
        if part is None:
            raise Unusable("failed", "none of its sound can be decoded", path)
        if heard.damaged > max(8, round(DAMAGE * (heard.decoded + heard.damaged))):
            raise Unusable("failed", f"{heard.damaged} packets of its sound are damaged", path)
        yield from line.take(part.end())
        yield from line.rest(len(heard.channels))


def _frames(container: Any, stream: Any, heard: Heard) -> Iterator[Any]:
    try:
        for packet in demux(container, stream):
            if packet.is_corrupt:
                heard.damaged += 1
                continue
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except (av.error.FFmpegError, OSError, ValueError):
                heard.damaged += 1
                continue
            heard.decoded += packet.size > 0
            yield from (frame for frame in frames if frame.samples and frame.sample_rate)
    except (av.error.FFmpegError, OSError):
        return  # the file breaks off: what comes after is silent


def _timed(frames: Iterable[Any], start: Fraction) -> Iterator[tuple[Any, Fraction]]:
    """Each frame with its time in seconds since `start`. A time far off that the next frame does not go on from is
    damage, and is reckoned from the frame before, as one that is missing is."""
    held, due = None, Fraction(0)
    for frame in chain(frames, [None]):
        if held is not None:
            moment = _moment(held, start)
            after = _moment(frame, start) if frame is not None else None
            long = Fraction(held.samples, held.sample_rate)
            if moment is None or (
                abs(moment - due) > _JUMP and after is not None and abs(after - moment - long) > _JUMP
            ):
                moment = due
            yield held, moment
            due = moment + long
        held = frame


def _moment(frame: Any, start: Fraction) -> Fraction | None:
    return None if frame.pts is None else frame.pts * Fraction(frame.time_base) - start


class _Part:
    """A stretch of frames that follow on each other, at `RATE`."""

    def __init__(self, moment: Fraction, layout: Any, frame: Any) -> None:
        self._kind = _kind(frame)
        self._at = round(moment * RATE)
        self._resampler = av.AudioResampler(format="fltp", layout=layout, rate=RATE)

    def takes(self, frame: Any) -> bool:
        """Whether a frame is of the same kind as the first."""
        return _kind(frame) == self._kind

    def add(self, frame: Any) -> list[tuple[int, np.ndarray]]:
        """Pieces, and the sample at which each begins."""
        frame.pts = None
        return self._placed(frame)

    def end(self) -> list[tuple[int, np.ndarray]]:
        """What the resampler still holds."""
        return self._placed(None)

    def _placed(self, frame: Any) -> list[tuple[int, np.ndarray]]:
        out = []
        for one in self._resampler.resample(frame):
            samples = one.to_ndarray()
            out.append((self._at, samples))
            self._at += samples.shape[1]
        return out


class _Line:
    """Pieces on one line of so many samples: overlaps are cut off, gaps are filled with silence."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._next = 0

    @property
    def full(self) -> bool:
        return self._next >= self._total

    def take(self, pieces: list[tuple[int, np.ndarray]]) -> Iterator[np.ndarray]:
        for at, samples in pieces:
            if at > self._next:
                yield from self._silence(min(at, self._total), len(samples))
            left = samples[:, self._next - at : self._total - at] if self._total > at else samples[:, :0]
            if left.shape[1]:
                self._next += left.shape[1]
                yield np.clip(np.nan_to_num(left), -_LOUDEST, _LOUDEST)

    def rest(self, channels: int) -> Iterator[np.ndarray]:
        yield from self._silence(self._total, channels)

    def _silence(self, until: int, channels: int) -> Iterator[np.ndarray]:
        while self._next < until:
            count = min(_CHUNK, until - self._next)
            self._next += count
            yield np.zeros((channels, count), np.float32)


def _kind(frame: Any) -> tuple[int, str, str]:
    return frame.sample_rate, frame.format.name, frame.layout.name


def _names(layout: Any) -> tuple[str, ...]:
    """The names of the channels: where the file says none, those that are usual for so many."""
    usual = _USUAL.get(layout.nb_channels)
    named = layout if usual is None or all(one.name != "NONE" for one in layout.channels) else av.AudioLayout(usual)
    return tuple(channel.name for channel in named.channels)
