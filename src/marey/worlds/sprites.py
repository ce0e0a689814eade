"""Things that move, drawn once and then placed: premultiplied RGBA, float32 in 0..1, (S, S, 4), soft-edged.

All of them look to the right, so that a still tells where they are going. The light comes from above on the left.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from marey.worlds.palette import BLACK, ORANGE, WHITE, YELLOW, Colour, mix

_OVER = 4  # drawn so many times larger, then averaged down
_SHIFT = 4  # fractional bits of the coordinates


class Canvas:
    """A square to draw on, with x to the right and y down, both from -1 to 1."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._large = size * _OVER
        self._rgb = np.zeros((self._large, self._large, 3), np.float32)
        self._alpha = np.zeros((self._large, self._large), np.float32)

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y of every pixel, float32."""
        line = (np.arange(self._large, dtype=np.float32) + 0.5) / self._large * 2 - 1
        return np.meshgrid(line, line)

    def polygon(self, points: Sequence[tuple[float, float]], colour: Colour, alpha: float = 1.0) -> None:
        """A filled polygon."""
        corners = (np.array(points) + 1) / 2 * self._large
        left, top = np.clip(np.floor(corners.min(0)).astype(int) - 1, 0, self._large - 1)
        right, bottom = np.clip(np.ceil(corners.max(0)).astype(int) + 2, 1, self._large)
        mask = np.zeros((bottom - top, right - left), np.uint8)
        shifted = ((corners - (left, top)) * (1 << _SHIFT)).round().astype(np.int32)
        cv2.fillPoly(mask, [shifted], 255, cv2.LINE_AA, _SHIFT)
        self._lay(np.s_[top:bottom, left:right], mask.astype(np.float32) * (alpha / 255), np.array(colour, np.float32))

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, alpha: float = 1.0) -> None:
        """A filled ellipse."""
        turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        points = zip((x + rx * np.cos(turn)).tolist(), (y + ry * np.sin(turn)).tolist(), strict=True)
        self.polygon(list(points), colour, alpha)

    def paint(self, mask: np.ndarray, colour: np.ndarray) -> None:
        """Lay a colour (3,) or a picture (S, S, 3) over what is there, where and as far as the mask (0..1) says."""
        self._lay(np.s_[:, :], mask, colour)

    def _lay(self, where: tuple[slice, slice], mask: np.ndarray, colour: np.ndarray) -> None:
        self._rgb[where] += mask[..., None] * (colour - self._rgb[where])
        self._alpha[where] += mask * (1 - self._alpha[where])

    def light(self, strength: float = 0.22) -> None:
        """Brighten what is above on the left and darken the rest, as daylight would."""
        x, y = self.grid()
        self._rgb *= (1 - strength * (0.4 * x + 0.9 * y))[..., None]

    def shade_ball(self, x: float, y: float, radius: float) -> None:
        """Shade a disc as a ball (Lambert), with a soft highlight."""
        gx, gy = self.grid()
        nx, ny = (gx - x) / radius, (gy - y) / radius
        inside = nx**2 + ny**2
        nz = np.sqrt(np.clip(1 - inside, 0, 1))
        lit = np.clip(-0.45 * nx - 0.6 * ny + 0.66 * nz, 0, 1)
        gain = np.where(inside < 1, 0.42 + 0.75 * lit, 1)
        shine = np.where(inside < 1, 90 * np.clip(lit, 0, 1) ** 24, 0)
        self._rgb = self._rgb * gain[..., None] + shine[..., None]

    def sprite(self) -> np.ndarray:
        """What was drawn, premultiplied RGBA float32 (S, S, 4)."""
        whole = np.dstack([np.clip(self._rgb, 0, 255) / 255 * self._alpha[..., None], self._alpha])
        return cv2.resize(whole, (self.size, self.size), interpolation=cv2.INTER_AREA)


def car(size: int, colour: Colour) -> np.ndarray:
    """A car with its lamps in front."""
    canvas = Canvas(size)
    canvas.ellipse(0, 0.47, 0.9, 0.07, BLACK, 0.35)
    canvas.polygon([(-0.5, -0.02), (-0.36, -0.34), (0.14, -0.34), (0.44, 0.0)], mix(colour, BLACK, 0.15))
    canvas.polygon([(-0.4, -0.02), (-0.31, -0.27), (-0.1, -0.27), (-0.1, -0.02)], (196, 226, 236))
    canvas.polygon([(-0.02, -0.02), (-0.02, -0.27), (0.12, -0.27), (0.33, -0.02)], (216, 240, 246))
    canvas.polygon(
        [(-0.86, 0.3), (-0.86, 0.06), (-0.76, -0.04), (0.46, -0.04), (0.78, 0.06), (0.88, 0.16), (0.88, 0.3)], colour
    )
    canvas.polygon([(0.74, 0.07), (0.87, 0.15), (0.87, 0.2), (0.74, 0.17)], (255, 246, 190))
    canvas.polygon([(-0.86, 0.05), (-0.8, 0.05), (-0.8, 0.16), (-0.86, 0.16)], (170, 30, 30))
    canvas.light()
    for x in (-0.5, 0.5):
        canvas.ellipse(x, 0.3, 0.2, 0.2, (40, 40, 46))
        canvas.ellipse(x, 0.3, 0.09, 0.09, (200, 202, 206))
    beam = [(0.88, 0.16), (1.0, 0.1), (1.0, 0.3)]
    canvas.polygon(beam, (255, 244, 190), 0.4)
    return canvas.sprite()


def boat(size: int, colour: Colour) -> np.ndarray:
    """A sailing boat, bow to the right, its sail filled from behind."""
    canvas = Canvas(size)
    canvas.polygon([(-0.02, -0.92), (0.03, -0.92), (0.03, 0.4), (-0.02, 0.4)], (120, 84, 60))
    curve = [(0.05 + 0.62 * np.sin(np.pi * t) ** 0.8 * (1 - 0.2 * t), -0.86 + 1.06 * t) for t in np.linspace(0, 1, 20)]
    canvas.polygon([(0.05, -0.86), *curve, (0.05, 0.2)], colour)
    canvas.polygon([(-0.04, -0.7), (-0.46, 0.2), (-0.04, 0.2)], mix(colour, WHITE, 0.45))
    canvas.light(0.16)
    canvas.polygon([(-0.66, 0.34), (0.9, 0.26), (0.56, 0.66), (-0.5, 0.66)], (142, 84, 56))
    canvas.polygon([(-0.66, 0.34), (0.9, 0.26), (0.82, 0.36), (-0.63, 0.43)], (244, 236, 220))
    canvas.polygon([(-0.98, 0.66), (-0.5, 0.58), (0.6, 0.6), (0.84, 0.68), (0.4, 0.72), (-0.6, 0.72)], WHITE, 0.55)
    return canvas.sprite()


def fish(size: int, colour: Colour) -> np.ndarray:
    """A striped fish, its tail behind."""
    canvas = Canvas(size)
    fin = mix(colour, ORANGE, 0.35)
    canvas.polygon([(-0.52, 0.0), (-0.96, -0.36), (-0.84, 0.0), (-0.96, 0.36)], fin)
    canvas.polygon([(-0.3, -0.3), (0.0, -0.62), (0.3, -0.28)], fin)
    canvas.polygon([(-0.15, 0.28), (-0.2, 0.52), (0.15, 0.3)], fin)
    x, y = canvas.grid()
    body = np.clip((1 - (x / 0.72 - 0.1) ** 2 - (y / (0.42 - 0.1 * x)) ** 2) * 20, 0, 1)
    stripes = (0.5 + 0.5 * np.cos(x * 11 + 0.8)) ** 3
    coat = np.array(colour, np.float32) + stripes[..., None] * (np.array(mix(colour, WHITE, 0.75)) - np.array(colour))
    canvas.paint(body, coat.astype(np.float32))
    canvas.light(0.3)
    canvas.ellipse(0.5, -0.08, 0.1, 0.1, WHITE)
    canvas.ellipse(0.53, -0.08, 0.055, 0.055, BLACK)
    return canvas.sprite()


def dart(size: int, colour: Colour) -> np.ndarray:
    """A folded paper plane, its point ahead."""
    canvas = Canvas(size)
    canvas.polygon([(0.95, 0.0), (-0.85, -0.62), (-0.5, 0.0)], mix(colour, WHITE, 0.35))
    canvas.polygon([(0.95, 0.0), (-0.85, 0.62), (-0.5, 0.0)], mix(colour, BLACK, 0.12))
    canvas.polygon([(0.95, 0.0), (-0.5, 0.0), (-0.62, 0.16)], mix(colour, BLACK, 0.4))
    return canvas.sprite()


def rocket(size: int, colour: Colour) -> np.ndarray:
    """A rocket with its flame behind."""
    canvas = Canvas(size)
    canvas.polygon([(-0.36, -0.15), (-0.98, 0.0), (-0.36, 0.15)], ORANGE, 0.9)
    canvas.polygon([(-0.36, -0.09), (-0.7, 0.0), (-0.36, 0.09)], YELLOW)
    canvas.polygon([(-0.12, -0.16), (-0.48, -0.5), (-0.4, -0.1), (-0.4, 0.1), (-0.48, 0.5), (-0.12, 0.16)], colour)
    hull = [(-0.38, -0.2), (0.3, -0.22), (0.62, -0.14), (0.94, 0.0), (0.62, 0.14), (0.3, 0.22), (-0.38, 0.2)]
    canvas.polygon(hull, (240, 238, 232))
    canvas.polygon([(0.5, -0.18), (0.62, -0.14), (0.94, 0.0), (0.62, 0.14), (0.5, 0.18)], colour)
    canvas.light(0.35)
    canvas.ellipse(0.18, 0.0, 0.11, 0.11, mix(colour, BLACK, 0.4))
    canvas.ellipse(0.18, 0.0, 0.075, 0.075, (170, 216, 236))
    return canvas.sprite()


def comet(size: int, colour: Colour) -> np.ndarray:
    """A glowing head with a long tail behind it."""
    canvas = Canvas(size)
    x, y = canvas.grid()
    along = np.clip((0.62 - x) / 1.55, 0, 1)  # 0 at the head, 1 at the end of the tail
    width = 0.27 * (1 - along) ** 0.7 + 0.02
    tail = np.exp(-((y / width) ** 2)) * (1 - along) ** 1.1 * (x < 0.62)
    halo = np.exp(-(((x - 0.58) ** 2 + y**2) / 0.06))
    canvas.paint(np.clip(0.95 * tail, 0, 1), np.array(colour, np.float32))
    canvas.paint(np.clip(0.8 * halo, 0, 1), np.array(mix(colour, WHITE, 0.4), np.float32))
    canvas.ellipse(0.58, 0.0, 0.2, 0.2, mix(colour, (255, 255, 255), 0.6))
    return canvas.sprite()


def balloon(size: int, colour: Colour) -> np.ndarray:
    """A hot-air balloon."""
    canvas = Canvas(size)
    for x in (-0.16, 0.16):
        canvas.polygon([(x * 2.4, 0.22), (x * 2.4 + 0.02, 0.22), (x + 0.02, 0.72), (x, 0.72)], (96, 74, 60))
    gx, gy = canvas.grid()
    down = (gy + 0.26) / np.where(gy < -0.26, 0.66, 0.9)
    skin = np.clip((1 - (gx / 0.68) ** 2 - down**2) * 20, 0, 1) * (gy < 0.36)
    waist = np.maximum(0.68 * np.sqrt(np.clip(1 - down**2, 0, 1)), 0.05)
    meridian = np.abs(np.arcsin(np.clip(gx / waist, -1, 1)))
    stripe = (np.floor(meridian / (np.pi / 2) * 2.999) % 2)[..., None]
    coat = np.array(colour, np.float32) * (1 - stripe) + np.array(mix(colour, WHITE, 0.72), np.float32) * stripe
    canvas.paint(skin.astype(np.float32), coat.astype(np.float32))
    canvas.light(0.3)
    canvas.polygon([(-0.19, 0.7), (0.19, 0.7), (0.15, 0.96), (-0.15, 0.96)], (150, 100, 62))
    return canvas.sprite()


def ball(size: int, colour: Colour) -> np.ndarray:
    """A beach ball: sectors show how it turns."""
    canvas = Canvas(size)
    canvas.ellipse(0, 0, 0.95, 0.95, (250, 246, 236))
    x, y = canvas.grid()
    sector = np.floor((np.arctan2(y, x) + np.pi) / (2 * np.pi) * 6) % 2
    disc = np.clip((0.95 - np.hypot(x, y)) * 30, 0, 1)
    canvas.paint((disc * sector).astype(np.float32), np.array(colour, np.float32))
    canvas.ellipse(0, 0, 0.16, 0.16, (250, 246, 236))
    canvas.shade_ball(0, 0, 0.96)
    return canvas.sprite()


def planet(size: int, colour: Colour, rng: np.random.Generator) -> np.ndarray:
    """A banded planet."""
    canvas = Canvas(size)
    x, y = canvas.grid()
    bands = np.sin(7 * y + 2.2 * np.sin(3 * x + rng.uniform(0, 6)) + rng.uniform(0, 6)) * 0.5 + 0.5
    dark, pale = mix(colour, BLACK, 0.35), mix(colour, WHITE, 0.5)
    skin = np.array(dark) * bands[..., None] + np.array(pale) * (1 - bands[..., None])
    canvas.paint(np.clip((0.95 - np.hypot(x, y)) * 30, 0, 1).astype(np.float32), skin.astype(np.float32))
    canvas.shade_ball(0, 0, 0.96)
    return canvas.sprite()


def blades(size: int, colour: Colour) -> np.ndarray:
    """The four sails of a windmill, each with its cloth on the side that trails when they turn clockwise."""
    canvas = Canvas(size)
    for turn in range(4):
        cos, sin = (round(float(value)) for value in (np.cos(turn * np.pi / 2), np.sin(turn * np.pi / 2)))

        def at(x: float, y: float, cos: int = cos, sin: int = sin) -> tuple[float, float]:
            return cos * x - sin * y, sin * x + cos * y

        canvas.polygon([at(0.2, -0.3), at(0.95, -0.3), at(0.95, -0.02), at(0.2, -0.02)], colour)
        canvas.polygon([at(0.0, -0.035), at(0.96, -0.035), at(0.96, 0.035), at(0.0, 0.035)], (92, 66, 52))
    canvas.ellipse(0, 0, 0.09, 0.09, (70, 52, 44))
    return canvas.sprite()


def train(size: int, colour: Colour) -> np.ndarray:
    """An engine ahead of two wagons."""
    canvas = Canvas(size)
    for left in (-0.98, -0.36):
        canvas.polygon(
            [(left, -0.16), (left + 0.54, -0.16), (left + 0.54, 0.14), (left, 0.14)], mix(colour, WHITE, 0.3)
        )
        for window in (0.07, 0.22, 0.37):
            x = left + window
            canvas.polygon([(x, -0.1), (x + 0.1, -0.1), (x + 0.1, 0.0), (x, 0.0)], (250, 236, 180))
    canvas.polygon([(0.26, -0.26), (0.5, -0.26), (0.5, 0.14), (0.26, 0.14)], colour)
    canvas.polygon([(0.5, -0.1), (0.86, -0.1), (0.94, 0.02), (0.94, 0.14), (0.5, 0.14)], mix(colour, BLACK, 0.15))
    canvas.polygon([(0.7, -0.28), (0.82, -0.28), (0.79, -0.1), (0.73, -0.1)], BLACK)
    canvas.polygon([(0.31, -0.2), (0.45, -0.2), (0.45, -0.06), (0.31, -0.06)], (250, 236, 180))
    for puff in range(4):
        canvas.ellipse(
            0.72 - 0.2 * puff, -0.36 - 0.05 * puff, 0.09 + 0.02 * puff, 0.07 + 0.02 * puff, WHITE, 0.6 - 0.12 * puff
        )
    canvas.light(0.3)
    for x in (-0.88, -0.54, -0.26, 0.08, 0.36, 0.62, 0.82):
        canvas.ellipse(x, 0.17, 0.065, 0.065, (44, 42, 48))
    return canvas.sprite()


def mirrored(sprite: np.ndarray) -> np.ndarray:
    """The same thing looking to the left."""
    return np.ascontiguousarray(sprite[:, ::-1])
