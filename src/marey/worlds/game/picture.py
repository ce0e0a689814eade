"""Pictures of a level: colours, semantic map, boxes and exact flow of one frame, all from the same placements.

A view is eight tiles wide and high, so a tile has size / 8 pixels. Everything is placed on whole pixels: the flow
between two frames is exactly by how many pixels each thing was moved, and the semantic map has no mixed labels.
"""

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from marey.worlds import backgrounds
from marey.worlds.game import art
from marey.worlds.game.engine import State
from marey.worlds.game.level import HEIGHT, WIDTH, Level
from marey.worlds.game.tiles import (
    COIN,
    CRATE,
    EMPTY,
    FIRST_MONSTER,
    GEM,
    HERO,
    LADDER,
    LAVA,
    LAVA_TOP,
    MONSTERS,
    SHIELD,
)
from marey.worlds.palette import PALETTES, Colour, Palette, mix
from marey.worlds.sprites import Canvas

VIEW = 8
"""Tiles across and down a picture."""
ABOVE = 2
"""Rows of sky above a level that the camera may show."""
_FAR, _MIDDLE = 0.2, 0.5  # how fast the backdrops go by, against the level
_LOOKS = {  # by theme: the palette, the earth, its upper edge
    "meadow": ("at noon", (150, 104, 66), (96, 184, 84)),
    "desert": ("in the desert", (196, 142, 84), (236, 196, 120)),
    "dusk": ("at dusk", (92, 70, 104), (200, 116, 140)),
    "snow": ("in the mist", (118, 136, 156), (244, 250, 252)),
    "cave": ("at night", (74, 78, 104), (128, 146, 168)),
}
_SEE = 128  # alpha from which a pixel of a sprite has its label


@dataclass(frozen=True)
class Placed:
    """One thing in a picture."""

    key: tuple[str, int]
    """What it is, the same from frame to frame: ("hero", 0), ("monster", 3), ("item", 7)."""
    label: int
    x: int
    y: int
    """Upper left corner in pixels; it may lie outside."""
    sprite: np.ndarray
    """uint8 RGBA (S, S, 4)."""


@dataclass(frozen=True)
class Picture:
    """One frame."""

    rgb: np.ndarray
    """uint8 (S, S, 3)."""
    labels: np.ndarray
    """Semantic map, uint8 (S, S), as in `tiles.LABELS`."""
    instances: np.ndarray
    """int16 (S, S): 0 the sky, 1 the hills, 2 the level, from 3 on the things in `placed`."""
    placed: tuple[Placed, ...]
    origins: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    """Where the picture's upper left corner lies on the sky, the hills and the level, x and y in pixels."""

    def boxes(self) -> list[tuple[int, int, int, int, int]]:
        """(label, left, top, right, bottom) of each thing of which something is to be seen, right and bottom
        exclusive."""
        found = []
        for n, one in enumerate(self.placed):
            rows, columns = np.nonzero(self.instances == n + 3)
            if len(rows):
                found.append(
                    (one.label, int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
                )
        return found

    def flow(self, later: "Picture") -> np.ndarray:
        """By how much each pixel moves until a later picture: float32 (S, S, 2), x and y in pixels. What is gone by
        then goes with the level."""
        moves = [(a[0] - b[0], a[1] - b[1]) for a, b in zip(self.origins, later.origins, strict=True)]
        there = {one.key: one for one in later.placed}
        for one in self.placed:
            other = there.get(one.key)
            moves.append((other.x - one.x, other.y - one.y) if other else moves[2])
        return np.array(moves, np.float32)[self.instances]


class Painter:
    """Paints the states of one level at one size.

    Args:
        size: height and width in pixels, a multiple of 8 from 32 to 512.

    Raises:
        ValueError: another size.
    """

    def __init__(self, level: Level, size: int) -> None:
        if size % VIEW or not 32 <= size <= 512:
            raise ValueError(f"the size is {size}: a multiple of {VIEW} from 32 to 512 would do")
        self.level, self.size, self.tile = level, size, size // VIEW
        self._sky, (self._hills, self._ridge) = _backdrop(level.theme, size)
        self._ground = [_ground(level, self.tile, step) for step in (0, 1)]
        labels = np.pad(level.grid, ((ABOVE, 0), (0, 0)))
        self._labels = labels.repeat(self.tile, 0).repeat(self.tile, 1)

    def paint(self, state: State) -> Picture:
        """One frame."""
        size, tile = self.size, self.tile
        x, y = round(state.camera[0] * tile), round((state.camera[1] + ABOVE) * tile)
        sky_x, hills_x = round(state.camera[0] * _FAR * tile), round(state.camera[0] * _MIDDLE * tile)
        rgb = _window(self._sky, sky_x, size).copy()
        instances = np.zeros((size, size), np.int16)
        ridge = _window(self._ridge, hills_x, size)
        np.copyto(rgb, _window(self._hills, hills_x, size), where=ridge[..., None])
        instances[ridge] = 1
        labels = self._labels[y : y + size, x : x + size].copy()
        ground = self._ground[(state.t // 8) % 2][y : y + size, x : x + size]
        alpha = ground[..., 3:]
        here = alpha[..., 0] > 0
        np.copyto(rgb, ground[..., :3], where=here[..., None])
        instances[here] = 2
        placed = tuple(self._things(state, x, y))
        for n, one in enumerate(placed):
            _lay(rgb, labels, instances, one, n + 3)
        return Picture(rgb, labels, instances, placed, ((sky_x, 0), (hills_x, 0), (x, y)))

    def _things(self, state: State, left: int, top: int) -> list[Placed]:
        """What is in the view, from back to front."""
        tile, size = self.tile, self.size
        found = []

        def add(key: tuple[str, int], label: int, x: float, y: float, sprite: np.ndarray) -> None:
            """x of the middle and y of the lower edge, in tiles."""
            side = sprite.shape[0]
            at_x = round(x * tile - side / 2) - left
            at_y = round((y + ABOVE) * tile) - side - top
            if -side < at_x < size and -side < at_y < size:
                found.append(Placed(key, label, at_x, at_y, sprite))

        for n in sorted(state.items):
            one = self.level.items[n]
            steps = 4 if one.kind == "coin" else 2
            sprite = art.item(tile, one.kind, (state.t // 4 + n) % steps)
            add(("item", n), COIN if one.kind == "coin" else GEM, one.x, one.y + 0.5, sprite)
        dead = dict(state.dead)
        gone = state.stomped
        for n, monster in enumerate(self.level.monsters):
            if n in gone and n not in dead:
                continue
            x, y, side = monster.at(state.t - 1 - dead.get(n, 0))
            step = _step(monster.kind, monster.ground - y, state.t)
            sprite = _turned(tile, monster.kind, step, n in dead, side)
            add(("monster", n), FIRST_MONSTER + MONSTERS.index(monster.kind), x, y, sprite)
        add(("hero", 0), HERO, state.x, state.y, _hero(tile, state.pose, state.step, state.side))
        if state.shield:
            wide = 2 * round(0.75 * tile)
            add(
                ("shield", 0),
                SHIELD,
                state.x,
                state.y - 0.5 + wide / 2 / tile,
                art.item(wide, "shield", state.t // 3 % 2),
            )
        return found


def _step(kind: str, height: float, t: int) -> int:
    if kind in ("slime", "jelly", "frog"):
        return int(height > 0.02)
    return t // (3 if kind in ("bee", "mouse") else 6) % 2


def _lay(rgb: np.ndarray, labels: np.ndarray, instances: np.ndarray, one: Placed, number: int) -> None:
    """Blend a sprite over a picture and set its labels, in place."""
    side, size = one.sprite.shape[0], rgb.shape[0]
    x0, y0 = max(one.x, 0), max(one.y, 0)
    x1, y1 = min(one.x + side, size), min(one.y + side, size)
    if x0 >= x1 or y0 >= y1:
        return
    sprite = one.sprite[y0 - one.y : y1 - one.y, x0 - one.x : x1 - one.x]
    alpha = sprite[..., 3:].astype(np.uint16)
    under = rgb[y0:y1, x0:x1]
    under[:] = (sprite[..., :3] * alpha + under * (255 - alpha) + 127) // 255
    seen = sprite[..., 3] >= _SEE
    labels[y0:y1, x0:x1][seen] = one.label
    instances[y0:y1, x0:x1][seen] = number


@cache
def _hero(tile: int, pose: str, step: int, side: int) -> np.ndarray:
    return _facing(art.jules(tile, pose, step), side)


@cache
def _turned(tile: int, kind: str, step: int, dead: bool, side: int) -> np.ndarray:
    return _facing(art.monster(tile, kind, step, dead), side)


def _facing(sprite: np.ndarray, side: int) -> np.ndarray:
    return sprite if side > 0 else np.ascontiguousarray(sprite[:, ::-1])


def _window(wide: np.ndarray, x: int, size: int) -> np.ndarray:
    """`size` columns of a backdrop that repeats; it was drawn once more to the right, so that no seam is crossed."""
    x %= wide.shape[1] - size
    return wide[:, x : x + size]


def _palette(theme: str) -> tuple[Palette, Colour, Colour]:
    name, earth, edge = _LOOKS[theme]
    return next(palette for palette in PALETTES if palette.name == name), earth, edge


@lru_cache(maxsize=16)
def _backdrop(theme: str, size: int) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """The sky with far hills, and nearer hills with where they are; each repeats after two pictures' widths."""
    palette, _, _ = _palette(theme)
    rng = np.random.default_rng([size, len(theme)])
    wide = 2 * size
    sky = backgrounds.sky(size, wide, palette, rng, horizon=0.8)
    far, middle, near = palette.land
    pale = palette.sky[1]
    backgrounds.below(
        sky, 0.6 * size + backgrounds.skyline(wide, 0.14 * size, 1, rng), (mix(far, pale, 0.35), mix(far, pale, 0.6))
    )
    edge = 0.74 * size + backgrounds.skyline(wide, 0.12 * size, 2, rng)
    hills = np.zeros_like(sky)
    backgrounds.below(hills, np.full(wide, -1.0, np.float32), (mix(middle, pale, 0.15), mix(near, pale, 0.3)))
    ridge = np.arange(size)[:, None] >= edge[None]

    def closed(image: np.ndarray) -> np.ndarray:
        return np.concatenate([image, image[:, :size]], axis=1)

    to_bytes = (np.clip(one, 0, 255).astype(np.uint8) for one in (sky, hills))
    first, second = (closed(one) for one in to_bytes)
    return first, (second, closed(ridge))


def _ground(level: Level, tile: int, step: int) -> np.ndarray:
    """The whole level, uint8 RGBA ((HEIGHT + ABOVE) * tile, WIDTH * tile, 4); alpha is 0 or 255."""
    image = np.zeros(((HEIGHT + ABOVE) * tile, WIDTH * tile, 4), np.uint8)
    for row in range(HEIGHT):
        for column in range(WIDTH):
            kind = int(level.grid[row, column])
            if kind != EMPTY:
                y, x = (row + ABOVE) * tile, column * tile
                image[y : y + tile, x : x + tile] = _tile(tile, level.theme, kind, step, (row * 7 + column * 3) % 4)
    return image


@cache
def _tile(size: int, theme: str, kind: int, step: int, variant: int) -> np.ndarray:
    _, earth, edge = _palette(theme)
    canvas = Canvas(size)
    full = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]
    if kind == LADDER:
        canvas.polygon(full, mix(earth, (0, 0, 0), 0.45))
        for x in (-0.7, 0.5):
            canvas.polygon([(x, -1), (x + 0.2, -1), (x + 0.2, 1), (x, 1)], (206, 150, 88))
        for y in (-0.72, -0.05, 0.62):
            canvas.polygon([(-0.6, y), (0.6, y), (0.6, y + 0.2), (-0.6, y + 0.2)], (232, 182, 116))
    elif kind == CRATE:
        canvas.polygon(full, (128, 82, 44))
        canvas.polygon([(-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)], (196, 138, 78))
        canvas.polygon(
            [(-0.86, 0.6), (0.6, -0.86), (0.86, -0.86), (0.86, -0.6), (-0.6, 0.86), (-0.86, 0.86)], (150, 98, 54)
        )
    elif kind in (LAVA, LAVA_TOP):
        canvas.polygon(full, (214, 62, 24))
        shift = 0.5 if step else 0.0
        for n in range(2):
            canvas.ellipse((-0.5 + n + shift) % 2 - 1, 0.3 - 0.5 * n, 0.3, 0.12, (250, 128, 36))
        if kind == LAVA_TOP:
            canvas.polygon(
                [
                    (-1, -1),
                    (1, -1),
                    (1, -0.66),
                    (0.5, -0.5 - 0.2 * step),
                    (0, -0.66),
                    (-0.5, -0.7 + 0.2 * step),
                    (-1, -0.66),
                ],
                (255, 206, 84),
            )
    else:
        canvas.polygon(full, earth)
        for n in range(3):
            x, y = ((variant * 0.37 + n * 0.71) % 1.6) - 0.8, ((variant * 0.53 + n * 0.43) % 1.2) - 0.3
            canvas.ellipse(x, y, 0.16, 0.12, mix(earth, (0, 0, 0), 0.18))
        if kind != 3:
            canvas.polygon([(-1, -1), (1, -1), (1, -0.52), (0.5, -0.42), (0, -0.55), (-0.5, -0.42), (-1, -0.55)], edge)
            canvas.polygon([(-1, -1), (1, -1), (1, -0.84), (-1, -0.84)], mix(edge, (255, 255, 255), 0.35))
    drawn = np.clip(canvas.sprite() * 255 + 0.5, 0, 255).astype(np.uint8)
    drawn[..., 3] = 255
    return drawn
