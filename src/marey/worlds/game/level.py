"""Levels: a strip of ground with steps, gaps of lava, crates, ledges and towers, and who and what is on it.

A level is made from its seed alone. Its pieces are chosen so that the hero's jump (2.4 tiles up, 3 across at a walk,
5 at a run) always gets on: no step is higher than two tiles without a ladder, no gap wider than three.
"""

from dataclasses import dataclass

import numpy as np

from marey.worlds.game.monsters import Monster, placed
from marey.worlds.game.tiles import (
    CLIFF_LEFT,
    CLIFF_RIGHT,
    CRATE,
    EMPTY,
    LADDER,
    LAVA,
    LAVA_TOP,
    SOLID,
    SURFACE,
    WALL,
)

HEIGHT = 14
"""Rows of a level, in tiles."""
WIDTH = 64
THEMES = ("meadow", "desert", "dusk", "snow", "cave")
_FLOOR = HEIGHT - 3  # the row of the ground's surface at the start
_LOWEST, _HIGHEST = HEIGHT - 2, 6


@dataclass(frozen=True)
class Item:
    """A coin or a gem."""

    kind: str
    x: float
    """Of its middle, in tiles from the left."""
    y: float
    """Of its middle, in tiles from the top."""


@dataclass(frozen=True)
class Level:
    """What does not change while it is played."""

    seed: int
    theme: str
    """One of `THEMES`."""
    grid: np.ndarray
    """Tiles: uint8 (HEIGHT, WIDTH), row 0 on top."""
    items: tuple[Item, ...]
    monsters: tuple[Monster, ...]
    start: tuple[float, float]
    """Where the hero's feet stand at first, x and y in tiles."""


class _Builder:
    """Builds from the left to the right."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.grid = np.full((HEIGHT, WIDTH), EMPTY, np.uint8)
        self.items: list[Item] = []
        self.spans: list[tuple[int, int, int]] = []  # of flat ground: first and last column, row of the surface
        self.x = 0
        self.floor = _FLOOR

    def column(self, floor: int) -> None:
        self.grid[floor:, self.x] = WALL
        self.x += 1

    def ground(self, length: int) -> None:
        """Flat ground, which may hold monsters."""
        first = self.x
        for _ in range(min(length, WIDTH - self.x)):
            self.column(self.floor)
        if self.x - first >= 3:
            self.spans.append((first, self.x - 1, self.floor))

    def step(self) -> None:
        """One or two tiles up or down."""
        up = self.rng.random() < 0.5
        change = int(self.rng.integers(1, 3)) * (-1 if up else 1)
        self.floor = int(np.clip(self.floor + change, _HIGHEST, _LOWEST))
        self.ground(int(self.rng.integers(3, 7)))

    def gap(self) -> None:
        """Lava, with coins in an arc above it."""
        wide = int(self.rng.integers(2, 4))
        for k in range(min(wide, WIDTH - self.x - 1)):
            top = min(self.floor + 1, HEIGHT - 1)
            self.grid[top:, self.x] = LAVA
            self.grid[top, self.x] = LAVA_TOP
            self.items.append(Item("coin", self.x + 0.5, self.floor - 1.6 - 0.7 * np.sin(np.pi * (k + 0.5) / wide)))
            self.x += 1
        self.ground(int(self.rng.integers(3, 6)))

    def crates(self) -> None:
        """One crate, or a stair of two."""
        self.ground(2)
        high = int(self.rng.integers(1, 3))
        for k in range(min(high, WIDTH - self.x - 1)):
            self.grid[self.floor - k - 1 : self.floor, self.x] = CRATE
            self.column(self.floor)
        self.items.append(Item("coin", self.x - 0.5, self.floor - high - 0.5))
        self.ground(int(self.rng.integers(3, 6)))

    def ledge(self) -> None:
        """A shelf above the ground that a jump reaches, with coins and sometimes a gem."""
        first = self.x
        self.ground(int(self.rng.integers(5, 8)))
        row = self.floor - int(self.rng.integers(2, 4))
        left, right = first + 1, min(self.x - 1, WIDTH - 1)
        if row < 3 or right - left < 2:
            return
        self.grid[row, left:right] = WALL
        if row < self.floor - 2:  # too high for a jump from below: a crate to stand on
            self.grid[self.floor - 1, left - 1] = CRATE
        self.reward(left, right - 1, row)
        if right - left >= 3 and self.rng.random() < 0.4:
            self.spans.append((left, right - 1, row))

    def tower(self) -> None:
        """A wall that a ladder leads up, and a high floor behind it from which one jumps down."""
        top = self.floor - int(self.rng.integers(3, 6))
        if top < 3 or self.x + 9 > WIDTH:
            self.ground(3)
            return
        self.ground(2)
        ladder = self.x
        self.column(self.floor)
        first = self.x
        for _ in range(int(self.rng.integers(4, 7))):
            self.column(top)
        self.grid[top : self.floor, ladder] = LADDER
        self.reward(first, self.x - 1, top)
        if self.x - first >= 4:
            self.spans.append((first, self.x - 1, top))
        self.ground(int(self.rng.integers(4, 6)))

    def reward(self, left: int, right: int, row: int) -> None:
        """Coins in a row on a floor, or a gem in its middle."""
        if self.rng.random() < 0.35:
            self.items.append(Item("gem", (left + right + 1) / 2, row - 0.5))
        else:
            count = int(self.rng.integers(1, 4))
            for k in range(count):
                x = (left + right + 1) / 2 + (k - (count - 1) / 2)
                self.items.append(Item("coin", float(np.clip(x, left + 0.5, right + 0.5)), row - 0.5))


def make_level(seed: int) -> Level:
    """The level of a seed: the same on every machine."""
    rng = np.random.default_rng([seed, 0x4C766C])
    theme = THEMES[int(rng.integers(len(THEMES)))]
    build = _Builder(rng)
    build.ground(6)
    pieces = (build.step, build.gap, build.crates, build.ledge, build.tower, build.step, build.ledge)
    last = -1
    while build.x < WIDTH - 6:
        n = int(rng.integers(len(pieces)))
        if n == last:
            continue
        pieces[n]()
        last = n
        if rng.random() < 0.5 and build.x < WIDTH - 6:
            first = build.x
            build.ground(int(rng.integers(2, 5)))
            if rng.random() < 0.6:
                build.items.append(Item("coin", first + 0.5, build.floor - 0.5))
    build.ground(WIDTH - build.x)
    _dress(build.grid)
    monsters = placed(rng, [span for span in build.spans if span[0] > 7])
    items = [item for item in build.items if _free(build.grid, item)]
    return Level(seed, theme, build.grid, tuple(items), monsters, (2.5, float(_FLOOR)))


def _free(grid: np.ndarray, item: Item) -> bool:
    return int(grid[int(item.y), int(item.x)]) not in SOLID


def _dress(grid: np.ndarray) -> None:
    """Mark the surfaces of walls, and their ends where they drop off on both sides of a row."""
    for row in range(HEIGHT):
        for x in range(WIDTH):
            if grid[row, x] != WALL or (row and grid[row - 1, x] in SOLID and grid[row - 1, x] != CRATE):
                continue
            left = x == 0 or grid[row, x - 1] in SOLID
            right = x == WIDTH - 1 or grid[row, x + 1] in SOLID
            grid[row, x] = SURFACE if left == right else (CLIFF_RIGHT if left else CLIFF_LEFT)
    # Decided by what was there before: a neighbour that was dressed first is still solid.
