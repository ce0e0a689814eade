"""Ten kinds of monsters. Where one is at any time follows from the time alone, so that agents can look ahead.

Walkers go to and fro on flat ground, fliers in waves above it, jumpers stay and leap; the barnacle sits where it is.
"""

import math
from dataclasses import dataclass

import numpy as np

from marey.worlds.game.tiles import MONSTERS

KINDS = MONSTERS
_SPEED = {"worm": 0.03, "ladybug": 0.045, "snail": 0.018, "mouse": 0.085, "gear": 0.06, "bee": 0.05}
"""Tiles a frame, of those that go to and fro."""
_LEAP = {"slime": (54, 26, 0.9, 0.02), "jelly": (70, 34, 1.5, 0.0), "frog": (60, 30, 1.7, 0.035)}
"""Of jumpers: frames from leap to leap, frames in the air, tiles of height, tiles a frame along the ground."""
STOMPABLE = frozenset(KINDS) - {"gear", "barnacle"}
"""Those that a hero who falls on them ends; the others are hard or bite."""


@dataclass(frozen=True)
class Monster:
    """One monster, and the stretch of ground that it keeps to."""

    kind: str
    left: float
    """Least and greatest x of its middle, in tiles."""
    right: float
    ground: float
    """y of the ground beneath it, in tiles."""
    phase: float
    """0..1, where in its round it starts."""

    def at(self, t: int) -> tuple[float, float, int]:
        """x of its middle and y of its feet in tiles, and where it looks (1 right, -1 left), `t` frames after the
        start."""
        width = self.right - self.left
        if self.kind == "barnacle":
            return (self.left + self.right) / 2, self.ground, -1
        if self.kind in _LEAP:
            period, air, height, speed = _LEAP[self.kind]
            beat, within = divmod(t + self.phase * period, period)
            moving = min(within, air)
            done = (beat * air + moving) * speed
            x, side = _to_and_fro(self.left, width, done + self.phase * 2 * width)
            up = 4 * height * (moving / air) * (1 - moving / air) if within < air else 0.0
            return x, self.ground - up, side
        x, side = _to_and_fro(self.left, width, t * _SPEED[self.kind] + self.phase * 2 * width)
        up = 1.1 + 0.5 * math.sin(t / 11 + 6.28 * self.phase) if self.kind == "bee" else 0.0
        return x, self.ground - up, side


def _to_and_fro(left: float, width: float, way: float) -> tuple[float, int]:
    if width <= 0:
        return left, 1
    along = way % (2 * width)
    return (left + along, 1) if along < width else (left + 2 * width - along, -1)


def placed(rng: np.random.Generator, spans: list[tuple[int, int, int]]) -> tuple[Monster, ...]:
    """Monsters on about two thirds of these stretches of flat ground (first and last column, row)."""
    found = []
    for first, last, row in spans:
        if rng.random() > 0.68:
            continue
        kind = KINDS[int(rng.integers(len(KINDS)))]
        if kind == "barnacle":
            middle = float(rng.integers(first + 1, last + 1)) + 0.5
            found.append(Monster(kind, middle, middle, float(row), 0.0))
        else:
            found.append(Monster(kind, first + 0.5, last + 0.5, float(row), float(rng.random())))
    return tuple(found)
