"""Any still as the pixels that a model takes: cropped about its centre to the model's shape, then resized; padded or
squashed only if asked.
"""

from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from marey.errors import MareyError
from marey.media import read_photo

Fit = Literal["crop", "pad", "squash"]


def still_pixels(image: Any, height: int, width: int, fit: Fit = "crop") -> np.ndarray:
    """A still as uint8 (height, width, 3), RGB.

    Args:
        image: a path, a PIL image, or a uint8 array (H, W, 3) in RGB or (H, W) in grey.
        height, width: of the result.
        fit: "crop" takes the largest centred part of that shape; "pad" puts all of the still on black; "squash" changes
            its proportions.

    Raises:
        MareyError: it is none of these, or cannot be read; another fit.
    """
    if fit not in get_args(Fit):
        raise MareyError(f"There is no fit {fit!r}: 'crop', 'pad' or 'squash' would do.")
    pixels = _pixels(image)
    if pixels.shape[:2] == (height, width):
        return pixels
    high, wide = pixels.shape[:2]
    picture = Image.fromarray(pixels)
    if fit == "squash":
        return np.array(picture.resize((width, height), Image.Resampling.LANCZOS))
    if fit == "pad":
        scale = min(height / high, width / wide)
        inner = max(round(high * scale), 1), max(round(wide * scale), 1)
        top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
        padded = np.zeros((height, width, 3), np.uint8)
        small = picture.resize(inner[::-1], Image.Resampling.LANCZOS)
        padded[top : top + inner[0], left : left + inner[1]] = np.array(small)
        return padded
    scale = min(high / height, wide / width)  # the largest part of the still that has the model's shape
    box_high, box_wide = height * scale, width * scale
    x, y = (wide - box_wide) / 2, (high - box_high) / 2
    box = (x, y, x + box_wide, y + box_high)
    return np.array(picture.resize((width, height), Image.Resampling.LANCZOS, box=box))


def _pixels(image: Any) -> np.ndarray:
    if isinstance(image, (str, Path)):
        return read_photo(Path(image))
    if isinstance(image, Image.Image):
        return np.array(image.convert("RGB"))
    if not isinstance(image, np.ndarray):
        raise MareyError(f"The still is a {type(image).__name__}: a path, a PIL image or a uint8 array would do.")
    if image.dtype != np.uint8:
        raise MareyError(f"The still's dtype is {image.dtype}: uint8, 0 to 255, would do.")
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise MareyError(f"The still's shape is {image.shape}: (height, width, 3) would do.")
    return np.ascontiguousarray(image)
