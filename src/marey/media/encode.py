"""Frames to an H.264 file that any browser plays. The same frames give the same bytes."""

import os
import tempfile
from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from marey.errors import MareyError

_BT709, _LIMITED_RANGE = 1, 1
_BITEXACT = 0x400  # AVFMT_FLAG_BITEXACT: no version of the writing library in the file


def write_video(
    path: str | Path,
    frames: np.ndarray | Iterable[np.ndarray],
    fps: float | Fraction,
    *,
    crf: float = 20,
    codec: str = "libx264",
    preset: str = "medium",
    keyframe_seconds: float = 2.0,
    sound: np.ndarray | None = None,
    sound_rate: int = 48000,
) -> None:
    """Write frames as an MP4 (H.264, yuv420p, BT.709, index in front), which appears under its name when it is whole.

    Args:
        frames: uint8 RGB (T, H, W, 3), or an iterable of (H, W, 3), all of one size. An odd side is made even by
            repeating its edge.
        fps: frames per second; broadcast rates such as 29.97 are taken for 30000/1001.
        crf: 0 (without loss, but for the conversion to yuv420p) to 51. The macroblock tree is off, so that a file is as
            good and as large as one of `crf - 3` with it.
        keyframe_seconds: the longest way from one keyframe to the next.
        sound: float32 (N,) in -1..1, mono, from the first frame on; written as AAC.
        sound_rate: its samples a second: 24000, 44100 or 48000, say.

    Raises:
        MareyError: no frames, frames of differing or impossible shape, or no such encoder in this build of PyAV.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem[:40]}-", suffix=".tmp", dir=path.parent)
    os.close(handle)
    try:
        _encode(name, frames, rate(fps), crf, codec, preset, keyframe_seconds, sound, sound_rate)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def video_bytes(
    frames: np.ndarray | Iterable[np.ndarray], fps: float | Fraction, *, crf: float = 26, preset: str = "medium"
) -> bytes:
    """The file that `write_video` would write, for embedding in a page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        write_video(path, frames, fps, crf=crf, preset=preset)
        return path.read_bytes()


def rate(fps: float | Fraction) -> Fraction:
    """A frame rate as the fraction that is meant: 29.97 is 30000/1001, 25.0 is 25.

    Raises:
        MareyError: it is not a positive number of at most 1000.
    """
    if not 0 < fps <= 1000:
        raise MareyError(f"{fps} is no frame rate: a number above 0 and up to 1000 would do.")
    if isinstance(fps, Fraction):
        return fps.limit_denominator(1001)
    for denominator in (1, 1001):
        nominal = Fraction(round(fps * denominator / 1000) * 1000 if denominator == 1001 else round(fps), denominator)
        if nominal and abs(float(nominal) - fps) < 0.005:
            return nominal
    return Fraction(fps).limit_denominator(1001)


def _encode(
    name: str,
    frames: np.ndarray | Iterable[np.ndarray],
    fps: Fraction,
    crf: float,
    codec: str,
    preset: str,
    keyframe_seconds: float,
    sound: np.ndarray | None,
    sound_rate: int,
) -> None:
    images = iter(frames)
    first = next(images, None)
    if first is None:
        raise MareyError("There are no frames to write.")
    shape = _checked(first, None, 0)
    height, width = shape[0] + shape[0] % 2, shape[1] + shape[1] % 2
    with av.open(name, "w", format="mp4", options={"movflags": "+faststart"}) as container:
        container.flags |= _BITEXACT
        stream = _stream(container, codec, fps, height, width)
        voice: Any = None if sound is None else container.add_stream("aac", rate=sound_rate, layout="mono")
        # With its macroblock tree libx264 gives other bytes now and then, even in one thread, depending on what memory
        # held before (seen in the wheels of PyAV 18.1): without it, in hundreds of runs, never.
        group = str(max(1, round(fps * keyframe_seconds)))
        stream.options = {"crf": f"{crf:g}", "preset": preset, "g": group, "x264-params": "mbtree=0"}
        stream.codec_context.thread_count = 1  # more threads give other bytes on another machine
        converter = VideoReformatter()
        for n, image in enumerate(chain([first], images)):
            _checked(image, shape, n)
            picture = av.VideoFrame.from_ndarray(_even(image), format="rgb24")
            picture = converter.reformat(
                picture, format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED_RANGE, threads=1
            )
            picture.pts = n
            picture.time_base = 1 / fps
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if sound is not None:
            _encode_sound(container, voice, sound, sound_rate)


def _encode_sound(container: Any, stream: Any, sound: np.ndarray, sound_rate: int) -> None:
    if sound.ndim != 1 or sound.dtype != np.float32:
        raise MareyError(f"The sound is {sound.dtype} {sound.shape}: float32 (samples,) would do.")
    stream.codec_context.time_base = Fraction(1, sound_rate)
    for start in range(0, len(sound), 1024):
        piece = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None, start : start + 1024]), "fltp", "mono")
        piece.sample_rate, piece.pts, piece.time_base = sound_rate, start, Fraction(1, sound_rate)
        container.mux(stream.encode(piece))
    container.mux(stream.encode(None))


def _stream(container: Any, codec: str, fps: Fraction, height: int, width: int) -> Any:
    try:
        stream = container.add_stream(codec, rate=fps)
    except (av.error.FFmpegError, ValueError) as error:
        raise MareyError(f"This build of PyAV has no encoder {codec!r}; the wheels on PyPI have libx264.") from error
    stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
    context = stream.codec_context
    context.time_base = 1 / fps
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _LIMITED_RANGE
    return stream


def _checked(image: np.ndarray, shape: tuple[int, ...] | None, n: int) -> tuple[int, ...]:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise MareyError(f"Frame {n} is {image.dtype} {image.shape}: uint8 (height, width, 3) would do.")
    if shape is not None and image.shape != shape:
        raise MareyError(f"Frame {n} is {image.shape[1]}x{image.shape[0]}, the first one {shape[1]}x{shape[0]}.")
    return image.shape


def _even(image: np.ndarray) -> np.ndarray:
    odd = image.shape[0] % 2, image.shape[1] % 2
    if any(odd):
        image = np.pad(image, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")
    return np.ascontiguousarray(image)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
