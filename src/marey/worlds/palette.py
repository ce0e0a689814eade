"""Colours that go together: each palette is a time of day, with what stands out against it."""

from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

NAMES: dict[Colour, str] = {
    (226, 74, 61): "red",
    (245, 158, 48): "orange",
    (250, 205, 76): "yellow",
    (86, 168, 92): "green",
    (44, 150, 160): "teal",
    (58, 116, 200): "blue",
    (132, 88, 178): "purple",
    (238, 120, 150): "pink",
    (246, 240, 226): "white",
    (62, 60, 74): "black",
}
RED, ORANGE, YELLOW, GREEN, TEAL, BLUE, PURPLE, PINK, WHITE, BLACK = NAMES


BRIGHT: tuple[Colour, ...] = (YELLOW, ORANGE, PINK, TEAL, RED, BLUE)
"""What can be told from a night sky."""


@dataclass(frozen=True)
class Palette:
    """A sky, the land before it from far to near, and the colours of things that can be told from both."""

    name: str
    """As in a sentence: "at dawn"."""
    sky: tuple[Colour, Colour]
    """Its top and its lower edge."""
    land: tuple[Colour, Colour, Colour]
    """Far, middle, near."""
    sun: Colour
    things: tuple[Colour, ...]


PALETTES: tuple[Palette, ...] = (
    Palette(
        "at dawn",
        ((112, 128, 196), (255, 206, 170)),
        ((196, 150, 168), (146, 108, 146), (92, 70, 112)),
        (255, 240, 205),
        (RED, YELLOW, WHITE, TEAL),
    ),
    Palette(
        "at noon",
        ((92, 172, 232), (208, 236, 246)),
        ((150, 196, 190), (112, 178, 118), (74, 140, 82)),
        (255, 250, 225),
        (RED, ORANGE, PURPLE, WHITE),
    ),
    Palette(
        "at dusk",
        ((66, 46, 110), (250, 134, 98)),
        ((156, 78, 118), (104, 56, 104), (56, 38, 78)),
        (255, 206, 120),
        (YELLOW, WHITE, TEAL, PINK),
    ),
    Palette(
        "at night",
        ((14, 18, 44), (46, 60, 112)),
        ((40, 52, 92), (28, 40, 72), (18, 26, 50)),
        (238, 240, 228),
        (YELLOW, ORANGE, WHITE, PINK),
    ),
    Palette(
        "in the desert",
        ((240, 196, 130), (252, 232, 190)),
        ((226, 168, 112), (206, 136, 86), (170, 100, 66)),
        (255, 252, 232),
        (BLUE, TEAL, PURPLE, BLACK),
    ),
    Palette(
        "in the mist",
        ((176, 192, 200), (230, 236, 234)),
        ((188, 204, 204), (146, 172, 174), (102, 134, 140)),
        (255, 255, 248),
        (RED, BLUE, ORANGE, BLACK),
    ),
    Palette(
        "in spring",
        ((138, 206, 222), (246, 246, 214)),
        ((186, 220, 164), (144, 200, 120), (98, 168, 94)),
        (255, 250, 214),
        (PINK, PURPLE, RED, BLUE),
    ),
    Palette(
        "before a storm",
        ((58, 74, 92), (150, 166, 168)),
        ((94, 112, 116), (68, 88, 90), (44, 62, 64)),
        (224, 230, 222),
        (YELLOW, RED, WHITE, ORANGE),
    ),
)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """A colour between two: 0 gives `a`, 1 gives `b`."""
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def ramp(colours: tuple[Colour, ...], count: int) -> np.ndarray:
    """`count` colours evenly along a row of them, float32 (count, 3)."""
    stops = np.linspace(0, 1, len(colours))
    at = np.linspace(0, 1, count)
    columns = [np.interp(at, stops, [colour[channel] for colour in colours]) for channel in range(3)]
    return np.stack(columns, axis=-1).astype(np.float32)
