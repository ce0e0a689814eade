"""Broken files by recipe: small films and pictures of many containers and codecs, and what can befall a file.

A recipe is a source, a kind of damage and a seed: the same one gives the same damage, so that what a test prints can be
made again with `make`.
"""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filming import film, marked
from PIL import Image

HEIGHT, WIDTH, FRAMES = 48, 64, 14
_HEAD = 600  # bytes; most of what a container says of itself stands there or, in an MP4, in its last bytes


class Damage(NamedTuple):
    """How a broken file was made. As text it is the file's name, without the suffix."""

    source: str
    kind: str
    seed: int

    def __str__(self) -> str:
        return f"{self.source}.{self.kind}.{self.seed}"


# name -> suffix, codec, pixel format, options of the container and of the encoder, with sound
_FILMS: dict[str, tuple[str, str, str, dict[str, str], dict[str, str], bool]] = {
    "mp4_h264": (".mp4", "libx264", "yuv420p", {}, {"bf": "2"}, False),
    "mp4_h264_faststart": (".mp4", "libx264", "yuv420p", {"movflags": "faststart"}, {}, False),
    "mp4_h264_fragments": (".mp4", "libx264", "yuv420p", {"movflags": "frag_keyframe+empty_moov"}, {}, False),
    "mp4_h264_sound": (".mp4", "libx264", "yuv420p", {}, {}, True),
    "mov_hevc": (".mov", "libx265", "yuv420p", {}, {"x265-params": "log-level=none:keyint=7"}, False),
    "mov_prores": (".mov", "prores_ks", "yuv422p10le", {}, {}, False),
    "mkv_h264": (".mkv", "libx264", "yuv420p", {}, {"bf": "2"}, False),
    "mkv_vp9": (".mkv", "libvpx-vp9", "yuv420p", {}, {"cpu-used": "8", "deadline": "realtime", "g": "7"}, False),
    "mkv_av1": (".mkv", "libsvtav1", "yuv420p", {}, {"preset": "12", "g": "7"}, False),
    "mkv_ffv1": (".mkv", "ffv1", "yuv420p", {}, {}, False),
    "webm_vp8": (".webm", "libvpx", "yuv420p", {}, {"cpu-used": "8", "deadline": "realtime", "g": "7"}, False),
    "avi_mpeg4": (".avi", "mpeg4", "yuv420p", {}, {}, False),
    "avi_mjpeg": (".avi", "mjpeg", "yuvj420p", {}, {}, False),
    "mpg_mpeg1": (".mpg", "mpeg1video", "yuv420p", {}, {}, False),
    "mpg_mpeg2": (".mpg", "mpeg2video", "yuv420p", {}, {}, False),
    "ts_h264": (".ts", "libx264", "yuv420p", {}, {}, False),
    "ts_mpeg2": (".ts", "mpeg2video", "yuv420p", {}, {}, False),
    "flv_h263": (".flv", "flv", "yuv420p", {}, {}, False),
    "gif": (".gif", "gif", "rgb8", {}, {}, False),
    "y4m": (".y4m", "wrapped_avframe", "yuv420p", {}, {}, False),
}
_PHOTOS = {
    "jpg": (".jpg", {"quality": 80}),
    "png": (".png", {}),
    "webp": (".webp", {"quality": 70}),
    "tif": (".tif", {"compression": "tiff_deflate"}),
}

SOURCES: dict[str, str] = {name: one[0] for name, one in _FILMS.items()} | {
    name: one[0] for name, one in _PHOTOS.items()
}
"""Name to suffix."""


def sources(folder: Path) -> dict[str, bytes]:
    """The undamaged files, by name; made in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (suffix, codec, pixels, container, options, sound) in _FILMS.items():
        film(
            folder / f"{name}{suffix}",
            FRAMES,
            fps=Fraction(25),
            height=HEIGHT,
            width=WIDTH,
            codec=codec,
            pixel_format=pixels,
            options=options,
            container_options=container,
            container="yuv4mpegpipe" if suffix == ".y4m" else None,
            sound=sound,
        )
    for n, (name, (suffix, options)) in enumerate(_PHOTOS.items()):
        noise = np.random.default_rng(n).integers(-30, 30, (HEIGHT, WIDTH, 1))
        picture = np.clip(marked(n, HEIGHT, WIDTH) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{name}{suffix}", **options)
    return {name: (folder / f"{name}{suffix}").read_bytes() for name, suffix in SOURCES.items()}


def recipes(count: int, seed: int = 0) -> list[Damage]:
    """So many recipes, in which every source meets every kind of damage as evenly as can be."""
    pairs = [(source, kind) for kind in KINDS for source in SOURCES]
    order = np.random.default_rng(seed).permutation(len(pairs))
    return [Damage(*pairs[order[n % len(pairs)]], seed + n // len(pairs)) for n in range(count)]


def make(folder: Path, recipe: Damage, whole: dict[str, bytes]) -> Path:
    """Write the broken file of a recipe into `folder`."""
    rng = np.random.default_rng([recipe.seed, list(SOURCES).index(recipe.source), list(KINDS).index(recipe.kind)])
    suffix = SOURCES[recipe.source]
    if recipe.kind == "wrong_suffix":
        suffix = str(rng.choice(sorted({*SOURCES.values(), ".bmp", ".wmv", ".mp3", ""} - {suffix})))
        data = whole[recipe.source]
    elif recipe.kind == "joined":
        data = whole[recipe.source] + whole[str(rng.choice(sorted(SOURCES)))]
    else:
        data = KINDS[recipe.kind](whole[recipe.source], rng)
    path = folder / f"{recipe}{suffix}"
    path.write_bytes(data)
    return path


def _flip(data: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(data)
    for at in rng.integers(0, len(out), int(rng.choice([1, 4, 16, 64]))):
        out[at] ^= 1 << int(rng.integers(8))
    return bytes(out)


def _noise(data: bytes, rng: np.random.Generator) -> bytes:
    out = np.frombuffer(data, np.uint8).copy()
    hit = rng.random(len(out)) < rng.choice([0.001, 0.01, 0.1])
    out[hit] = rng.integers(0, 256, int(hit.sum()))
    return out.tobytes()


def _truncated(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(1, len(data)))]


def _beheaded(data: bytes, rng: np.random.Generator) -> bytes:
    return data[int(rng.integers(1, min(len(data), 2 * _HEAD))) :]


def _zeros(data: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(data)
    start, length = int(rng.integers(len(out))), int(rng.integers(1, max(2, len(out) // 3)))
    out[start : start + length] = bytes(len(out[start : start + length]))
    return bytes(out)


def _blocks(data: bytes, rng: np.random.Generator) -> tuple[list[bytes], int, int]:
    size = max(1, len(data) // int(rng.integers(6, 40)))
    parts = [data[n : n + size] for n in range(0, len(data), size)]
    return parts, int(rng.integers(len(parts))), int(rng.integers(len(parts)))


def _swapped(data: bytes, rng: np.random.Generator) -> bytes:
    parts, a, b = _blocks(data, rng)
    parts[a], parts[b] = parts[b], parts[a]
    return b"".join(parts)


def _doubled(data: bytes, rng: np.random.Generator) -> bytes:
    parts, a, b = _blocks(data, rng)
    return b"".join([*parts[:a], parts[b], *parts[a:]])


def _holed(data: bytes, rng: np.random.Generator) -> bytes:
    parts, a, _ = _blocks(data, rng)
    return b"".join(parts[:a] + parts[a + 1 :])


def _head(data: bytes, rng: np.random.Generator) -> bytes:
    """A few bytes of the first or the last six hundred are others."""
    out = bytearray(data)
    first = min(len(out), _HEAD)
    low = 0 if rng.random() < 0.5 else len(out) - first
    for at in rng.integers(low, low + first, int(rng.integers(1, 9))):
        out[at] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(256))]))
    return bytes(out)


def _huge(data: bytes, rng: np.random.Generator) -> bytes:
    """Sizes and counts that cannot be: of boxes of an MP4, or of any four bytes of a header."""
    out = bytearray(data)
    names = (b"moov", b"trak", b"mdia", b"stbl", b"stsz", b"stsc", b"stco", b"stts", b"ctts", b"mdat", b"avcC", b"elst")
    boxes = [at for name in names if (at := data.find(name)) >= 4]
    low = max(0, len(out) - _HEAD) if rng.random() < 0.5 else 0
    for _ in range(int(rng.integers(1, 4))):
        value = int(rng.choice([0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x3B9ACA00, 0x00FFFFFF, 1, 0]))
        if boxes:
            # The box's own size, or one of the numbers in it.
            at = boxes[int(rng.integers(len(boxes)))] + int(rng.choice([-4, 8, 12, 16, 20, 24]))
        else:
            at = low + int(rng.integers(max(1, min(len(out), _HEAD) - 4)))
        order = "big" if boxes or rng.random() < 0.5 else "little"
        out[at : at + 4] = value.to_bytes(4, order)
    return bytes(out)


def _rest(data: bytes, rng: np.random.Generator) -> bytes:
    return data  # `wrong_suffix` and `joined` are made where the other sources are at hand


KINDS: dict[str, Callable[[bytes, np.random.Generator], bytes]] = {
    "flip": _flip,
    "noise": _noise,
    "truncated": _truncated,
    "beheaded": _beheaded,
    "zeros": _zeros,
    "swapped": _swapped,
    "doubled": _doubled,
    "holed": _holed,
    "head": _head,
    "huge": _huge,
    "joined": _rest,
    "wrong_suffix": _rest,
}
"""Kinds of damage."""
