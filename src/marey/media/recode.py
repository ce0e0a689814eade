"""A clip encoded anew, as shown: upright, with square pixels, cropped, in another size or at another rate.

H.264, yuv420p, BT.709, as `encode.write_video` writes it, but with the frames' own times: a rate that varies goes on
varying unless one is asked for. The same source gives the same bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from marey.errors import MareyError
from marey.media.encode import rate
from marey.media.mux import Written, add_sound, new_mp4, write_sound
from marey.media.orientation import Orientation
from marey.media.packets import Packets
from marey.media.pixels import Size, cover
from marey.media.source import Unusable
from marey.media.spans import walk

_BT709, _LIMITED_RANGE, _UNSPECIFIED = 1, 1, 2
_KEYFRAME_SECONDS = 2.0
_NONE = np.zeros(0, np.int64)
Margins = tuple[int, int, int, int]
"""How many pixels are cut away at the top, bottom, left and right of the picture as shown."""


@dataclass(frozen=True)
class Recoding:
    """How clips are encoded anew."""

    crf: float = 16.0
    preset: str = "medium"
    size: Size = None
    """A short side; or (height, width), which is filled by the largest centred part; None: as it is."""
    fps: float | None = None
    """Frames a second; None: every frame at its own time."""
    square: bool = True
    """Make pixels square; otherwise they stay as they are stored, and the file says what they are. Of a picture that is
    turned on its side they become square all the same. For no size and no crop."""


def encode_clip(
    source: Packets,
    start: int,
    end: int,
    path: str | Path,
    how: Recoding,
    *,
    crop: Margins = (0, 0, 0, 0),
    sound: bool = False,
) -> Written:
    """Write the frames from `start` to `end`, both included, in ticks of the source.

    Raises:
        Unusable: `failed`, there are no frames there.
        MareyError: nothing is left of the picture after `crop`.
    """
    frames = _at_rate(_frames(source, start, end), how.fps, source) if how.fps else _frames(source, start, end)
    first = next(frames, None)
    if first is None:
        raise Unusable("failed", f"there is no frame at the time {start} in it", source.path)
    shape = _Shape.of(source, first.picture, crop, how, first.upright)
    base = 1 / rate(how.fps) if how.fps else source.time_base
    usual = rate(how.fps) if how.fps else source.stream.average_rate or source.stream.guessed_rate or Fraction(25)
    with new_mp4(path) as container:
        stream = _stream(container, how, shape, usual, base)
        square = how.square or shape.swaps or first.upright
        aspect = Fraction(1) if square else _aspect(source)
        if aspect != 1:
            stream.codec_context.sample_aspect_ratio = aspect
        low, high = start * source.time_base, end * source.time_base + _last_step(source, end)
        voice = add_sound(container, source) if sound and source.listing.timed else None
        heard = voice is not None and write_sound(container, voice, source, low, high)
        zero, count, last, step = first.time, 0, first.time, 0
        for frame in _chain(first, frames):
            picture = shape.apply(frame.picture)
            picture.pts, picture.time_base = frame.time - zero, base
            step = frame.step
            count, last = count + 1, frame.time
            for packet in stream.encode(picture):
                container.mux(packet)
        for packet in stream.encode(None):
            if packet.pts == last - zero:
                packet.duration = step
            container.mux(packet)
    span = (last - zero) * base
    return Written(
        frames=count,
        copied=0,
        start_pts=start,
        end_pts=end,
        seconds=float(span + step * base),
        fps=float((count - 1) / span) if count > 1 else float(usual),
        height=shape.height,
        width=max(1, round(shape.width * aspect)),
        sound=heard,
    )


@dataclass(frozen=True)
class _Frame:
    time: int
    step: int
    """Ticks for which it is shown."""
    picture: Any
    upright: bool = False
    """Whether the picture is already as shown."""


def _frames(source: Packets, start: int, end: int) -> Iterator[_Frame]:
    """The frames of a clip, each with how long it is shown."""
    if source.listing.timed:
        told = source.pictures(start, end)
    else:  # times that a decoder has to reckon are reckoned in one place
        told = (
            (one.pts, av.VideoFrame.from_ndarray(one.rgb(), format="rgb24")) for one in walk(source.path, start, end)
        )
    held: tuple[int, Any] | None = None
    step = 1
    for pts, picture in told:
        if held is not None:
            step = pts - held[0]
            yield _Frame(held[0], step, held[1], not source.listing.timed)
        held = pts, picture
    if held is not None:
        last = source.listing.members(held[0], held[0]) if source.listing.timed else _NONE
        yield _Frame(held[0], source.duration(int(last[0])) if len(last) else step, held[1], not source.listing.timed)


def _at_rate(frames: Iterator[_Frame], fps: float, source: Packets) -> Iterator[_Frame]:
    """At each tick of a steady rate the frame that is shown then."""
    step = 1 / rate(fps)
    n, first = 0, None
    for frame in frames:
        first = frame.time if first is None else first
        shown_to = (frame.time - first + frame.step) * source.time_base
        while n * step < shown_to:
            yield _Frame(n, 1, frame.picture, frame.upright)
            n += 1


def _chain(first: _Frame, rest: Iterator[_Frame]) -> Iterator[_Frame]:
    yield first
    yield from rest


def _last_step(source: Packets, end: int) -> Fraction:
    last = source.listing.members(end, end) if source.listing.timed else _NONE
    return source.duration(int(last[0])) * source.time_base if len(last) else Fraction(0)


class _Shape:
    """From a decoded picture to the one that is written: scaled, turned upright, cropped."""

    def __init__(
        self, whole: tuple[int, int], box: tuple[int, int, int, int], orientation: Orientation, guess: bool
    ) -> None:
        self._whole = whole  # (height, width) as shown, before the crop
        self._top, self._left, self.height, self.width = box
        self._orientation = orientation
        self._guess = guess
        self._converter = VideoReformatter()

    @classmethod
    def of(cls, source: Packets, picture: Any, crop: Margins, how: Recoding, upright: bool) -> "_Shape":
        height, width, turn = (picture.height, picture.width, Orientation()) if upright else source.shown(picture)
        if not how.square and not turn.swaps:
            height, width = picture.height, picture.width
        top, bottom, left, right = crop
        high, wide = height - top - bottom, width - left - right
        if min(crop) < 0 or high < 2 or wide < 2:
            raise MareyError(f"{source.path}: nothing of {width}x{height} is left after a crop of {list(crop)}.")
        out_high, out_wide = _even(*_wanted(high, wide, how.size))
        fill_high, fill_wide = cover(high, wide, out_high, out_wide)
        down, across = fill_high / high, fill_wide / wide
        whole = (round(height * down), round(width * across))
        low = top * down + (fill_high - out_high) / 2
        along = left * across + (fill_wide - out_wide) / 2
        whole = (max(whole[0] + whole[0] % 2, out_high), max(whole[1] + whole[1] % 2, out_wide))
        # Chroma has half the size: a crop begins at an even line.
        first_line = min(2 * round(low / 2), whole[0] - out_high)
        first_column = min(2 * round(along / 2), whole[1] - out_wide)
        guess = picture.colorspace == _UNSPECIFIED and picture.height >= 720 and not picture.format.is_rgb
        return cls(whole, (first_line, first_column, out_high, out_wide), turn, guess)

    @property
    def swaps(self) -> bool:
        """Whether height and width change places."""
        return self._orientation.swaps

    def apply(self, picture: Any) -> Any:
        """The picture to write, yuv420p."""
        high, wide = self._whole[::-1] if self._orientation.swaps else self._whole
        smaller = high <= picture.height and wide <= picture.width
        flat = self._converter.reformat(
            picture,
            wide,
            high,
            "yuv420p",
            src_colorspace=_BT709 if self._guess else None,
            dst_colorspace=_BT709,
            dst_color_range=_LIMITED_RANGE,
            interpolation="AREA" if smaller and (high, wide) != (picture.height, picture.width) else "BICUBIC",
            threads=1,
        )
        if not self._orientation.turns and not self._orientation.mirrored and self._whole == (self.height, self.width):
            flat.pict_type = 0
            return flat
        planes = []
        for n, part in enumerate((1, 2, 2)):
            plane = self._orientation.apply(_plane(flat, n))
            top, left = self._top // part, self._left // part
            planes.append(plane[top : top + self.height // part, left : left + self.width // part])
        return _of_planes(planes, self.height, self.width)


def _aspect(source: Packets) -> Fraction:
    """Of one pixel, width over height, unless the header is broken."""
    aspect = source.aspect or Fraction(1)
    return aspect if Fraction(1, 8) <= aspect <= 8 else Fraction(1)


def _wanted(height: int, width: int, size: Size) -> tuple[int, int]:
    if size is None:
        return height, width
    if isinstance(size, tuple):
        return size
    short = min(height, width)
    return max(2, round(height * size / short)), max(2, round(width * size / short))


def _even(height: int, width: int) -> tuple[int, int]:
    return max(2, height - height % 2), max(2, width - width % 2)


def _plane(picture: Any, n: int) -> np.ndarray:
    plane = picture.planes[n]
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


def _of_planes(planes: Sequence[np.ndarray], height: int, width: int) -> Any:
    stacked = np.concatenate([np.ascontiguousarray(plane).reshape(-1) for plane in planes])
    picture = av.VideoFrame.from_ndarray(stacked.reshape(height * 3 // 2, width), format="yuv420p")
    picture.colorspace, picture.color_range = _BT709, _LIMITED_RANGE
    return picture


def _stream(container: Any, how: Recoding, shape: _Shape, usual: Fraction, base: Fraction) -> Any:
    try:
        stream = container.add_stream("libx264", rate=usual)
    except (av.error.FFmpegError, ValueError) as error:
        raise MareyError("This build of PyAV has no encoder 'libx264'; the wheels on PyPI have it.") from error
    stream.height, stream.width, stream.pix_fmt = shape.height, shape.width, "yuv420p"
    stream.time_base = base
    context = stream.codec_context
    context.time_base = base
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _LIMITED_RANGE
    group = str(max(1, round(usual * _KEYFRAME_SECONDS)))
    # mbtree=0 and one thread: as in encode.py, for the same bytes every time.
    stream.options = {"crf": f"{how.crf:g}", "preset": how.preset, "g": group, "x264-params": "mbtree=0"}
    context.thread_count = 1
    return stream
