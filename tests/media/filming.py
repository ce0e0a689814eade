"""Small video files of every awkward kind, whose frames say their own number."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 8


def marked(n: int, height: int = 96, width: int = 128) -> np.ndarray:
    """Frame `n`, uint8 RGB: its number as eight black or white blocks in the upper half, a moving ramp below."""
    image = np.zeros((height, width, 3), np.uint8)
    for bit in range(BITS):
        image[: height // 2, bit * width // BITS : (bit + 1) * width // BITS] = 235 if n >> bit & 1 else 20
    ramp = (np.arange(width) * 2 + n * 3) % 200 + 20
    image[height // 2 :] = np.stack([ramp, ramp[::-1], np.full(width, 90)], axis=-1)
    return image


def number(gray: np.ndarray) -> int:
    """The number that a frame of `marked`, as luma in any size, says."""
    height, width = gray.shape
    blocks = [gray[height // 8 : height * 3 // 8, round((bit + 0.5) * width / BITS)].mean() for bit in range(BITS)]
    return sum(1 << bit for bit, mean in enumerate(blocks) if mean > 128)


def film(
    path: Path,
    frames: int = 30,
    *,
    fps: Fraction | int = 25,
    height: int = 96,
    width: int = 128,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    aspect: Fraction | None = None,
    sound: bool = False,
    container: str | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write frames 0, 1, ... as a file; `pts` in ticks of `time_base` makes the rate vary."""
    base = time_base or 1 / Fraction(fps)
    times = list(pts) if pts is not None else list(range(frames))
    with av.open(str(path), "w", format=container, options=container_options or {}) as output:
        stream = output.add_stream(codec, rate=Fraction(fps))
        stream.height, stream.width, stream.pix_fmt = height, width, pixel_format
        stream.options = {"g": "10", "crf": "12", **(options or {})} if codec == "libx264" else (options or {})
        if codec.startswith("mpeg"):
            stream.bit_rate = 4_000_000
            stream.codec_context.gop_size = 10
        stream.codec_context.time_base = base
        stream.codec_context.thread_count = 1
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if sound:
            audio = output.add_stream("aac", rate=44100, layout="mono")
        for n, time in enumerate(times):
            picture = av.VideoFrame.from_ndarray(marked(n, height, width), format="rgb24").reformat(format=pixel_format)
            picture.pts, picture.time_base = time, base
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
        if sound:
            hum(output, audio)
    return path


def hum(output: av.container.OutputContainer, stream: av.AudioStream, seconds: float = 0.5) -> None:
    """Some sound into an open container."""
    wave = np.sin(np.arange(int(44100 * seconds)) * 0.05).astype(np.float32)[None] * 0.1
    for n in range(0, wave.shape[1] - 1024, 1024):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave[:, n : n + 1024]), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44100, n
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def only_sound(path: Path) -> Path:
    """A file with an audio track and nothing else."""
    with av.open(str(path), "w") as output:
        hum(output, output.add_stream("aac", rate=44100, layout="mono"))
    return path


MATRICES = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0), "mirror": (-1, 0, 0, 1)}


def turn(path: Path, degrees: int | str) -> Path:
    """Set the display matrix of an MP4's first track: degrees clockwise, as a phone would, or "mirror"."""
    a, b, c, d = (value << 16 for value in MATRICES[degrees])
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # a version 0 box, as libav writes for short files
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def cut_start(path: Path, ticks: int) -> Path:
    """Make an MP4's edit list begin so many media ticks later: the frames before are in the file but never shown."""
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 4 + 8 + 4
    (before,) = struct.unpack_from(">i", data, at)
    struct.pack_into(">i", data, at, before + ticks)
    path.write_bytes(data)
    return path
