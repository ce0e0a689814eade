"""Frames full of text, for a curation to find."""

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from marey.worlds import backgrounds
from marey.worlds.palette import PALETTES

_LINES = """
ETIENNE-JULES MAREY
Station physiologique, Paris 1882
a gun that takes twelve pictures
a second, on one round plate
THE FLIGHT OF A PELICAN
a man in black, white lines on him
THE FALLING CAT
lands on its feet, 1894
CHRONOPHOTOGRAPHY
motion, written by itself
""".strip().splitlines()


def titles(kind: str, rng: np.random.Generator, frames: int, height: int, width: int) -> Iterator[np.ndarray]:
    """Titles that roll upwards over a background, uint8 RGB (H, W, 3) each.

    Args:
        kind: of the background: `floor`, `night` or `deep`.
    """
    palette = PALETTES[int(rng.integers(len(PALETTES)))]
    background = {"floor": backgrounds.floor, "night": backgrounds.night, "deep": backgrounds.deep}[kind](
        height, width, palette, rng
    )
    roll = _roll(rng, height, width)
    pace = rng.uniform(0.1, 0.2) * height / 25
    for n in range(frames):
        top = round(n * pace) % (len(roll) - height)
        cover = roll[top : top + height, :, None].astype(np.float32) / 255
        yield (background * (1 - 0.35) * (1 - cover) + 250 * cover).astype(np.uint8)


def _roll(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A long sheet of lines, uint8 (h, W): how far each pixel is ink."""
    size = max(10, round(height / 11))
    font = ImageFont.load_default(size)
    start = int(rng.integers(len(_LINES)))
    lines = [_LINES[(start + n) % len(_LINES)] for n in range(2 * len(_LINES))]
    sheet = Image.new("L", (width, round(1.6 * size * len(lines)) + height), 0)
    draw = ImageDraw.Draw(sheet)
    for n, line in enumerate(lines):
        draw.text((width / 2, (n + 0.5) * 1.6 * size), line, fill=255, font=font, anchor="mm")
    return np.asarray(sheet)
