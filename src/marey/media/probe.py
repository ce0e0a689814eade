"""What a file is, without decoding it: the container is demultiplexed once and every packet's time is kept."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np

from marey.media.orientation import UPRIGHT, Orientation, of_mp4
from marey.media.photo import is_photo, photo_size
from marey.media.source import Unusable, check, content_id, head

__all__ = ["Probe", "Unusable", "content_id", "open_video", "probe", "shown_size", "video_stream"]

LARGEST = 1 << 27
"""Pixels of a picture, 16384x8192. A header that claims more is broken; the decoder would make room for all of them."""
NARROWEST = 64
"""How many times longer than the other a side may be: what looks at the picture by its short side would grow with it.
"""
_PROGRESSIVE = (0, 1)  # AV_FIELD_UNKNOWN, AV_FIELD_PROGRESSIVE


_LIMITS = {"max_pixels": str(LARGEST)}


def _none() -> np.ndarray:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class Probe:
    """A file's facts before the decode.

    `width` and `height` are those that a viewer sees: after the pixels' own aspect and the rotation.
    """

    kind: Literal["video", "photo"]
    container: str
    codec: str
    pixel_format: str
    bit_depth: int
    width: int
    height: int
    coded_width: int
    coded_height: int
    rotation: int = 0
    """Degrees clockwise that the stored picture is turned by to be shown: 0, 90, 180, 270."""
    mirrored: bool = False
    """Whether it is mirrored from left to right before the turn."""
    interlaced: bool = False
    time_base: Fraction = Fraction(1)
    fps: float = 0.0
    """Mean rate over the whole file, in 1/s; 0 for a photograph."""
    vfr: bool = False
    """The frames do not follow one another at one rate."""
    frames: int | None = None
    """Shown frames of which the file holds a packet."""
    declared: int | None = None
    """Frames that the header announces, where it announces any."""
    seconds: float = 0.0
    has_audio: bool = False
    pts: np.ndarray = field(default_factory=_none, compare=False, repr=False)
    """Presentation times of the packets, sorted, in ticks of `time_base`, int64; of those only that have one."""
    keyframes: np.ndarray = field(default_factory=_none, compare=False, repr=False)
    """Presentation times of the packets at which a decoder can start."""
    reason: str = ""
    """What is wrong with a file that can be read all the same, such as that it is cut short."""

    @property
    def orientation(self) -> Orientation:
        """How the stored picture is turned to be shown."""
        return Orientation(self.rotation // 90, self.mirrored)


def probe(path: str | Path) -> Probe:
    """Read a video's packets, or a photograph's header, and decode nothing.

    Raises:
        Unusable: `failed` if it is empty, may not be read, or is no media file that can be opened; `rejected` if it is
        no
            file, has no video in it, or under two frames.
    """
    check(path)
    if is_photo(head(path), path):
        return _photo(path)
    with open_video(path) as container:
        return _demux(path, container)


def open_video(path: str | Path) -> Any:
    """The open container; libav's own errors are told in a sentence.

    Raises:
        Unusable: as in `probe`.
    """
    check(path)
    try:
        # A name such as "a:b.mp4" would be taken for a protocol.
        return av.open(f"file:{Path(path).absolute()}", metadata_errors="replace", options=_LIMITS)
    except av.error.PermissionError as error:
        raise Unusable("failed", "it may not be read (permission denied)", path, again=True) from error
    except (av.error.FFmpegError, ValueError) as error:
        raise Unusable("failed", _why_closed(path, error), path) from error


def _why_closed(path: str | Path, error: Exception) -> str:
    start = head(path, 4096)
    if start[4:8] in (b"ftyp", b"mdat", b"wide", b"free", b"skip"):
        return "its index (the moov box of an MP4) is missing or damaged: the file was cut short or never finished"
    if not start.strip(b"\0"):
        return "there are only zeros in it"
    try:
        text = start[: len(start) // 4 * 4].decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if all(character.isprintable() or character in "\r\n\t" for character in text):
        return "it is text, not a video"
    said = getattr(error, "strerror", None) or str(error)
    return f"it is not a media file that can be opened ({said.lower()})"


def video_stream(container: Any, path: str | Path) -> Any:
    """The first video stream that is not the cover picture of a piece of music.

    Raises:
        Unusable: `rejected`, there is none.
    """
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            context = stream.codec_context
            if context is None:
                raise Unusable("failed", "there is no decoder for its video", path)
            if context.width * context.height > LARGEST:
                raise Unusable("failed", _too_large(context.width, context.height), path)
            context.options = _LIMITS  # what the stream itself says later counts too
            return stream
    if container.streams.audio:
        raise Unusable("rejected", "there is sound in it but no video", path)
    raise Unusable("rejected", "there is no video in it", path)


def demux(container: Any, stream: Any) -> Iterator[Any]:
    """The packets of a stream, and at the end one that flushes the decoder.

    Where another stream begins in the middle of a file, as in a broadcast, PyAV ends with an IndexError: it looks for a
    flush of that one too. All packets of this one have come by then.
    """
    try:
        yield from container.demux(stream)
    except IndexError:
        return


def shown_size(width: int, height: int, aspect: Fraction | None, orientation: Orientation) -> tuple[int, int]:
    """(height, width) of a stored picture once its pixels are square and it stands upright."""
    if aspect and Fraction(1, 8) <= aspect <= 8:  # anything else is a broken header
        width = max(1, round(width * aspect))
    return (width, height) if orientation.swaps else (height, width)


def _demux(path: str | Path, container: Any) -> Probe:
    stream = video_stream(container, path)
    context = stream.codec_context
    packets, shown, pts, keys, durations, reason = 0, 0, [], [], [], ""
    try:
        for packet in demux(container, stream):
            if packet.size == 0:
                continue
            packets += 1
            if packet.is_discard:
                continue  # cut away by an edit list: decoded, never shown
            shown += 1
            if packet.is_corrupt:
                reason = "the file is cut short"
            if packet.pts is not None:
                pts.append(packet.pts)
                durations.append(packet.duration or 0)
                if packet.is_keyframe:
                    keys.append(packet.pts)
    except (av.error.FFmpegError, OSError) as error:
        reason = f"the file breaks off ({getattr(error, 'strerror', None) or error})".lower()
    declared = stream.frames or None
    # Of what an edit list cuts away, the demuxer leaves out all but the group in which the rest begins.
    if declared and 0 < packets < declared and packets == shown:
        reason = f"the file is cut short: {packets} of {declared} frames are there"
    if not context.width or not context.height:
        raise Unusable("failed", "its video says no picture size", path)
    if shown < 2:
        broken = bool(reason) or packets == 0
        raise Unusable("failed" if broken else "rejected", _too_few(shown, reason), path)

    time_base = stream.time_base or Fraction(1, 1000)
    order = np.argsort(np.asarray(pts, np.int64), kind="stable")
    times = np.asarray(pts, np.int64)[order]
    last = durations[order[-1]] if len(order) else 0
    seconds, fps = _rate(times, last, time_base, shown, stream)
    orientation = of_mp4(path, stream.id) if "mp4" in container.format.name else UPRIGHT
    aspect = stream.sample_aspect_ratio or context.sample_aspect_ratio
    height, width = shown_size(context.width, context.height, aspect, orientation)
    _demand_sides(height, width, path)
    return Probe(
        kind="video",
        container=container.format.name,
        codec=context.name,
        pixel_format=context.pix_fmt or "",
        bit_depth=context.format.components[0].bits if context.format else 8,
        width=width,
        height=height,
        coded_width=context.width,
        coded_height=context.height,
        rotation=orientation.degrees,
        mirrored=orientation.mirrored,
        interlaced=context.field_order not in _PROGRESSIVE,
        time_base=time_base,
        fps=fps,
        vfr=_varies(times),
        frames=shown,
        declared=declared,
        seconds=seconds,
        has_audio=bool(container.streams.audio),
        pts=times,
        keyframes=np.sort(np.asarray(keys, np.int64)),
        reason=reason,
    )


def _too_large(width: int, height: int) -> str:
    return f"the picture claims {width}x{height} pixels, too many to be one"


def _demand_sides(height: int, width: int, path: str | Path) -> None:
    if max(height, width) > NARROWEST * min(height, width):
        reason = f"its picture is {width}x{height}: one side is more than {NARROWEST} times the other"
        raise Unusable("rejected", reason, path)


def _too_few(shown: int, reason: str) -> str:
    count = "no frame" if shown == 0 else "one frame"
    return f"{reason or 'a video needs two frames or more'}: there is {count} in it"


def _rate(times: np.ndarray, last: int, time_base: Fraction, shown: int, stream: Any) -> tuple[float, float]:
    """(seconds, frames a second): measured where the packets have times, else as announced."""
    if len(times) >= 2 and times[-1] > times[0] and len(times) * 2 > shown:
        span = int(times[-1] - times[0])
        rate = Fraction(len(times) - 1) / (span * time_base)
        step = last or round(span / (len(times) - 1))
        return float((span + step) * time_base), float(rate)
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    return float(shown / rate), float(rate)


def _varies(times: np.ndarray) -> bool:
    """Whether the steps differ by more than the rounding to whole ticks can explain."""
    if len(times) < 3:
        return False
    steps = np.diff(times)
    usual = np.median(steps)
    return bool(np.any(np.abs(steps - usual) > 1 + 0.02 * usual))


def _photo(path: str | Path) -> Probe:
    size = photo_size(path)
    _demand_sides(size.height, size.width, path)
    return Probe(
        kind="photo",
        container=size.container,
        codec=size.container,
        pixel_format=size.mode,
        bit_depth=size.bit_depth,
        width=size.width,
        height=size.height,
        coded_width=size.coded_width,
        coded_height=size.coded_height,
        rotation=size.rotation,
        mirrored=size.mirrored,
        frames=1,
    )
