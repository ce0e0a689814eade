"""Photographs: as a viewer shows them, in eight bits a channel."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from marey.media.source import Unusable, check

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})
"""Of photographs that are footage."""

LARGEST = 200_000_000
"""Pixels. Whatever claims more is taken for a decompression bomb."""

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*")
_EXIF_ORIENTATION = 0x0112
# EXIF orientation -> (mirrored from left to right first, degrees clockwise then)
_TURNS = {1: (0, 0), 2: (1, 0), 3: (0, 180), 4: (1, 180), 5: (1, 270), 6: (0, 90), 7: (1, 90), 8: (0, 270)}
_DEEP = {"I;16": 16, "I;16L": 16, "I;16B": 16, "I;16N": 16, "I": 32, "F": 32}


@dataclass(frozen=True)
class PhotoSize:
    """What a photograph's header says. `width` and `height` are as shown."""

    container: str
    mode: str
    bit_depth: int
    width: int
    height: int
    coded_width: int
    coded_height: int
    rotation: int
    mirrored: bool


def is_photo(start: bytes, path: str | Path) -> bool:
    """Whether a file with these first bytes is a still picture, whatever it is called."""
    if start.startswith(_MAGIC[:2]) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP"):
        return True
    # These marks are short enough to begin something else by chance.
    return start.startswith(_MAGIC[2:]) and Path(path).suffix.lower() in SUFFIXES


def photo_size(path: str | Path) -> PhotoSize:
    """Read a photograph's header.

    Raises:
        Unusable: `failed`, it is broken or too large to be true.
    """
    with _open(path) as image:
        width, height = image.size
        mirrored, rotation = _turn(image)
        shown = (height, width) if rotation % 180 else (width, height)
        return PhotoSize(
            container=(image.format or "").lower(),
            mode=image.mode,
            bit_depth=_DEEP.get(image.mode, 8),
            width=shown[0],
            height=shown[1],
            coded_width=width,
            coded_height=height,
            rotation=rotation,
            mirrored=bool(mirrored),
        )


def _turn(image: Image.Image) -> tuple[int, int]:
    """(mirrored, degrees clockwise) of an open picture, as far as its header says: nothing is decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # A PNG's own `getexif` decodes the whole picture, for the orientation may stand behind it.
            tags = Image.Image.getexif(image)
    except Exception:  # of a broken header: Pillow raises whatever it stumbles over
        return 0, 0
    return _TURNS.get(tags.get(_EXIF_ORIENTATION, 1), (0, 0))


def read_photo(path: str | Path) -> np.ndarray:
    """A photograph as shown: uint8 RGB (H, W, 3), turned as its EXIF says, transparency laid over white.

    Raises:
        Unusable: `failed`, it is broken, cut short or too large to be true.
    """
    with _open(path) as image, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a header that is a little broken: the picture tells
        try:
            image.load()
            upright = ImageOps.exif_transpose(image)
            return _rgb(upright)
        except Exception as error:  # of a broken file, Pillow raises whatever it stumbles over
            raise Unusable("failed", f"the picture is broken ({error or type(error).__name__})", path) from error


def _open(path: str | Path) -> Image.Image:
    check(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of size, the limit below says the same, as an error
            image = Image.open(path)
    except Image.DecompressionBombError as error:
        raise Unusable("failed", "the picture claims to be too large to be one", path) from error
    except Exception as error:
        raise Unusable("failed", "the picture's header is broken", path) from error
    if image.width * image.height > LARGEST:
        image.close()
        raise Unusable("failed", f"the picture claims {image.width}x{image.height} pixels, too many to be one", path)
    return image


def _rgb(image: Image.Image) -> np.ndarray:
    if image.mode in _DEEP:
        return _from_deep(np.asarray(image), image.mode)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return np.array(image.convert("RGB"))


def _from_deep(values: np.ndarray, mode: str) -> np.ndarray:
    """Deep grey to eight bits: 16-bit by its range, 32-bit by its own values where they go beyond 16 bits."""
    deep = values.astype(np.float64)
    if mode == "F":
        low, high = float(np.nanmin(deep)), float(np.nanmax(deep))
        scaled = np.nan_to_num((deep - low) / (high - low) * 255 if high > low else np.zeros_like(deep))
    else:
        scaled = deep * (255 / 65535) if deep.max(initial=0) <= 65535 else deep * (255 / deep.max())
    grey = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)
