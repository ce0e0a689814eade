"""Clips to MP4 files: each appears under its name when it is whole, and the same packets give the same bytes."""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from marey.errors import EndsRun
from marey.media.packets import Packets
from marey.media.source import Unusable

_BITEXACT = 0x400  # AVFMT_FLAG_BITEXACT: no version of the writing library in the file
_SOUND_AS_IT_IS = {"aac", "mp3", "mp3float", "ac3", "eac3", "opus", "libopus", "alac", "flac"}
_SOUND_RATE = 48000
_LONGEST_PACKET = Fraction(1, 2)  # second of sound that one may hold


@dataclass(frozen=True)
class Written:
    """What a clip's file holds."""

    frames: int
    copied: int
    """Frames whose packets are those of the source, bit for bit."""
    start_pts: int
    end_pts: int
    """Of the first and the last frame, in ticks of the source."""
    seconds: float
    """The last frame's own duration included."""
    fps: float
    """Mean rate."""
    height: int
    width: int
    """As shown."""
    sound: bool = False
    note: str = ""
    """What was not done as asked, and why."""


@contextmanager
def new_mp4(path: str | Path) -> Iterator[Any]:
    """An open MP4 that takes its name when the context ends without an error.

    Raises:
        EndsRun: the disk is full, or may not be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        container = av.open(f"file:{temporary.absolute()}", "w", format="mp4", options={"movflags": "+faststart"})
        with container:
            container.flags |= _BITEXACT
            yield container
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:  # libav's are of this kind too
        if error.errno in (errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)):
            raise EndsRun(f"{path} cannot be written: {error.strerror}.") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def like_source(container: Any, source: Packets) -> Any:
    """A video stream with the source's own parameters: codec, size, pixel aspect, rotation, colours.

    Raises:
        Unusable: `rejected`, an MP4 cannot hold this codec.
    """
    name = source.stream.codec_context.name
    if name not in container.supported_codecs and name not in {"h264", "hevc", "vp9", "av1", "mpeg4"}:
        raise Unusable("rejected", f"an MP4 cannot hold {name} as it is: encode would do", source.path)
    stream = container.add_stream_from_template(source.stream)
    stream.time_base = source.time_base
    if source.aspect:
        stream.codec_context.sample_aspect_ratio = source.aspect
    return stream


def decode_times(pts: Sequence[int]) -> list[int]:
    """Times of decoding for packets in the order of decoding: they rise, and none is later than its picture's own.

    >>> decode_times([0, 3, 1, 2])
    [-1, 0, 1, 2]
    """
    ordered = sorted(pts)
    late = max((time - own for time, own in zip(ordered, pts, strict=True)), default=0)
    return [time - late for time in ordered]


def add_sound(container: Any, source: Packets) -> Any:
    """A sound stream for `write_sound`, or None where the source has none; before any packet is written."""
    if source.sound is None:
        return None
    if source.sound.codec_context.name in _SOUND_AS_IT_IS:
        return container.add_stream_from_template(source.sound)
    return container.add_stream("aac", rate=source.sound.codec_context.rate or _SOUND_RATE)


def write_sound(container: Any, stream: Any, source: Packets, start: Fraction, end: Fraction) -> bool:
    """The sound between two times, as it is where an MP4 can hold it and as AAC otherwise; its times begin at `start`.

    Returns:
        Whether there was any.
    """
    assert source.sound is not None
    if source.sound.codec_context.name not in _SOUND_AS_IT_IS:
        return _encoded_sound(container, stream, source, start, end)
    zero = round(start / source.sound.time_base)
    some = False
    for packet in source.sounds(start, end):
        packet.pts, packet.dts = packet.pts - zero, packet.pts - zero
        packet.stream = stream
        container.mux(packet)
        some = True
    return some


def _encoded_sound(container: Any, stream: Any, source: Packets, start: Fraction, end: Fraction) -> bool:
    """To the sample: packets may be long, so those that reach into the clip are cut."""
    rate, layout = stream.codec_context.rate, stream.codec_context.layout
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
    whole = round((end - start) * rate)
    at: int | None = None
    some = False
    for packet in source.sounds(start - _LONGEST_PACKET, end):
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, OSError):
            continue  # a damaged packet costs itself
        for frame in frames:
            at = round((frame.pts * frame.time_base - start) * rate) if at is None and frame.pts is not None else at
            for piece in resampler.resample(frame):
                at = at or 0
                low, high = max(0, -at), min(piece.samples, whole - at)
                if low < high:
                    cut = np.ascontiguousarray(piece.to_ndarray()[:, low:high], np.float32)
                    inside = av.AudioFrame.from_ndarray(cut, format="fltp", layout=layout.name)
                    inside.sample_rate, inside.pts, inside.time_base = rate, at + low, Fraction(1, rate)
                    container.mux(stream.encode(inside))
                    some = True
                at += piece.samples
    container.mux(stream.encode(None))
    return some
