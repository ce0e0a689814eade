"""Everything that is seen in the game, drawn by code at the size of a tile: uint8 RGBA (S, S, 4) each.

Figures look to the right. Each is drawn on a square that is two units wide, feet on its lower edge.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from marey.worlds.palette import Colour, mix
from marey.worlds.sprites import Canvas

_INK, _PAPER, _SKIN = (38, 36, 48), (252, 250, 244), (255, 216, 178)
_CLOAK, _BOOT, _LEG = (214, 34, 70), (24, 132, 140), (64, 58, 84)
POSES = ("stand", "walk", "jump", "climb", "duck", "hit")
Points = list[tuple[float, float]]


def hero(size: int, pose: str, step: int) -> np.ndarray:
    """Jules: a crimson hood and cloak, a white scarf that flies behind, teal boots."""
    canvas = Canvas(size)
    low = 0.34 if pose == "duck" else 0.0
    stride = 0.3 if pose in ("walk", "jump", "hit") else 0.12
    for side in (-1, 1):
        ahead = side * (1 if step else -1)
        foot, up = stride * ahead, 0.14 if pose in ("walk", "climb") and ahead > 0 else 0.0
        canvas.polygon(_box(0.6 * foot - 0.12, 0.4 + 0.5 * low, 0.6 * foot + 0.12, 0.86 - up), _LEG)
        canvas.ellipse(foot + 0.06, 0.87 - up, 0.22, 0.13, _BOOT)
    flying = {"jump": -0.3, "walk": -0.12, "hit": -0.4}.get(pose, 0.18) + 0.08 * step
    canvas.polygon(
        [(-0.1, 0.02 + low), (-0.86, flying + 0.06 + low), (-0.82, flying + 0.34 + low), (-0.1, 0.26 + low)], _PAPER
    )
    canvas.polygon([(-0.24, 0.0 + low), (0.24, 0.0 + low), (0.46, 0.62 + 0.4 * low), (-0.46, 0.62 + 0.4 * low)], _CLOAK)
    reach = {"jump": -0.42, "climb": -0.5 if step else -0.28, "hit": -0.4}.get(pose, 0.1 if step else 0.0)
    canvas.polygon(
        [(0.0, 0.08 + low), (0.42, 0.16 + low + reach), (0.38, 0.34 + low + reach), (0.0, 0.3 + low)],
        mix(_CLOAK, _PAPER, 0.18),
    )
    canvas.ellipse(0.44, 0.25 + low + reach, 0.11, 0.11, _SKIN)
    canvas.polygon([(-0.46, -0.2 + low), (-0.36, -0.98 + low), (-0.02, -0.74 + low)], _CLOAK)
    canvas.ellipse(0.02, -0.32 + low, 0.46, 0.44, _CLOAK)
    if pose != "climb":  # on a ladder one sees its back
        canvas.ellipse(0.14, -0.28 + low, 0.33, 0.31, _SKIN)
    if pose == "hit":
        for x in (0.06, 0.3):
            canvas.polygon([(x - 0.09, -0.36), (x + 0.09, -0.2), (x + 0.05, -0.15), (x - 0.12, -0.31)], _INK)
            canvas.polygon([(x + 0.09, -0.36), (x - 0.09, -0.2), (x - 0.05, -0.15), (x + 0.12, -0.31)], _INK)
    elif pose != "climb":
        canvas.ellipse(0.3, -0.28 + low, 0.085, 0.11, _INK)
    canvas.polygon(_box(-0.26, 0.0 + low, 0.3, 0.16 + low), _PAPER)
    return _finish(canvas)


def worm(canvas: Canvas, step: int) -> None:
    """A pink caterpillar that hunches as it goes."""
    for n, x in enumerate((-0.7, -0.35, 0.0, 0.35)):
        up = 0.16 * ((n + step) % 2)
        canvas.ellipse(x, 0.66 - up, 0.3, 0.3, (238, 132, 150) if n % 2 else (250, 164, 176))
    canvas.ellipse(0.62, 0.56, 0.34, 0.34, (250, 164, 176))
    _eye(canvas, 0.74, 0.46, 0.13)


def ladybug(canvas: Canvas, step: int) -> None:
    """A red dome with black spots."""
    for x in (-0.4, 0.0, 0.4):
        canvas.ellipse(x + (0.08 if step else -0.08), 0.88, 0.1, 0.12, _INK)
    canvas.ellipse(0.56, 0.5, 0.34, 0.34, _INK)
    canvas.polygon(_dome(-0.1, 0.86, 0.78, 1.0), (222, 46, 44))
    for x, y in ((-0.5, 0.55), (-0.1, 0.25), (-0.15, 0.66), (0.28, 0.5)):
        canvas.ellipse(x, y, 0.13, 0.13, _INK)
    _eye(canvas, 0.66, 0.44, 0.12)


def snail(canvas: Canvas, step: int) -> None:
    """A long foot under a spiral shell."""
    canvas.ellipse(0.05, 0.84, 0.86, 0.16, (206, 190, 120))
    canvas.polygon([(0.5, 0.85), (0.62, 0.2 + 0.06 * step), (0.86, 0.2 + 0.06 * step), (0.88, 0.85)], (206, 190, 120))
    canvas.ellipse(-0.18, 0.38, 0.58, 0.56, (168, 106, 62))
    canvas.ellipse(-0.14, 0.4, 0.38, 0.37, (214, 152, 96))
    canvas.ellipse(-0.1, 0.42, 0.19, 0.18, (140, 84, 50))
    _eye(canvas, 0.76, 0.2, 0.13)


def mouse(canvas: Canvas, step: int) -> None:
    """Grey, round-eared, long-tailed, quick."""
    canvas.polygon([(-0.6, 0.6), (-1.0, 0.2), (-0.95, 0.14), (-0.5, 0.5)], (232, 160, 170))
    for x in (-0.35, 0.25):
        canvas.ellipse(x + (0.12 if step else -0.1), 0.9, 0.15, 0.1, (110, 108, 122))
    canvas.ellipse(-0.1, 0.56, 0.62, 0.36, (150, 150, 166))
    canvas.ellipse(0.5, 0.46, 0.36, 0.32, (166, 166, 182))
    canvas.ellipse(0.26, 0.12, 0.22, 0.22, (232, 160, 170))
    canvas.ellipse(0.86, 0.52, 0.09, 0.08, (232, 110, 130))
    _eye(canvas, 0.58, 0.38, 0.1)


def slime(canvas: Canvas, step: int) -> None:
    """A green drop that gathers itself before it leaps."""
    _drop(canvas, step, (92, 190, 88))


def jelly(canvas: Canvas, step: int) -> None:
    """The same in blue, which leaps straight up."""
    _drop(canvas, step, (84, 160, 232))


def bee(canvas: Canvas, step: int) -> None:
    """Stripes and wings."""
    up = -0.66 if step else -0.36
    canvas.ellipse(-0.25, up, 0.3, 0.22, (226, 240, 250), 0.9)
    canvas.ellipse(0.15, up - 0.04, 0.3, 0.22, (240, 248, 252), 0.9)
    canvas.polygon([(-0.8, 0.1), (-1.0, 0.14), (-0.8, 0.22)], _INK)
    canvas.ellipse(-0.08, 0.14, 0.74, 0.46, (250, 200, 48))
    for x in (-0.45, -0.1):
        canvas.polygon([(x, -0.26), (x + 0.17, -0.3), (x + 0.17, 0.58), (x, 0.54)], _INK)
    _eye(canvas, 0.42, 0.06, 0.14)


def gear(canvas: Canvas, step: int) -> None:
    """A toothed wheel of steel: it cannot be stomped."""
    turn = np.linspace(0, 2 * np.pi, 33)[:-1] + step * 0.2
    radii = np.tile([0.95, 0.95, 0.68, 0.68], 8)
    points = zip((radii * np.cos(turn)).tolist(), (0.05 + radii * np.sin(turn)).tolist(), strict=True)
    canvas.polygon(list(points), (148, 156, 172))
    canvas.ellipse(0, 0.05, 0.5, 0.5, (196, 204, 216))
    canvas.ellipse(0, 0.05, 0.2, 0.2, (90, 96, 112))


def barnacle(canvas: Canvas, step: int) -> None:
    """A purple mouth that sits and snaps."""
    wide = 0.34 if step else 0.16
    canvas.polygon([(-0.85, 1.0), (-0.6, 0.0), (0.6, 0.0), (0.85, 1.0)], (112, 74, 148))
    canvas.ellipse(0, 0.02, 0.66, wide + 0.14, (156, 108, 190))
    canvas.ellipse(0, 0.0, 0.48, wide, (84, 24, 50))
    for x in (-0.36, -0.12, 0.12, 0.36):
        canvas.polygon([(x - 0.1, wide * 0.5), (x + 0.1, wide * 0.5), (x, wide * 0.5 - 0.3)], _PAPER)


def frog(canvas: Canvas, step: int) -> None:
    """Squats, then leaps with its legs behind it."""
    if step:
        canvas.polygon([(-0.4, 0.4), (-0.9, 1.0), (-0.66, 1.0), (-0.1, 0.6)], (60, 132, 66))
    else:
        canvas.ellipse(-0.42, 0.76, 0.4, 0.24, (60, 132, 66))
    canvas.ellipse(0.05, 0.5 - 0.1 * step, 0.66, 0.42, (98, 178, 84))
    canvas.ellipse(0.2, 0.64 - 0.1 * step, 0.4, 0.22, (206, 226, 150))
    canvas.ellipse(0.38, 0.06 - 0.1 * step, 0.24, 0.24, (98, 178, 84))
    _eye(canvas, 0.42, 0.04 - 0.1 * step, 0.15)


MONSTERS: dict[str, Callable[[Canvas, int], None]] = {
    figure.__name__: figure for figure in (worm, ladybug, snail, mouse, slime, jelly, bee, gear, barnacle, frog)
}


@cache
def monster(size: int, kind: str, step: int, dead: bool) -> np.ndarray:
    """One of the monsters; stomped, it lies flat."""
    canvas = Canvas(size)
    MONSTERS[kind](canvas, step)
    picture = _finish(canvas)
    if not dead:
        return picture
    flat = np.zeros_like(picture)
    rows = max(1, round(size * 0.3))
    flat[size - rows :] = picture[np.linspace(0, size - 1, rows).round().astype(int)]
    return flat


def coin(canvas: Canvas, step: int) -> None:
    """Turns about its axis: four pictures."""
    wide = (0.56, 0.4, 0.12, 0.4)[step]
    canvas.ellipse(0, 0, wide, 0.56, (236, 160, 32))
    canvas.ellipse(0, 0, wide * 0.76, 0.43, (255, 212, 64))
    canvas.polygon(_box(-wide * 0.14, -0.26, wide * 0.14, 0.26), (236, 160, 32))


def gem(canvas: Canvas, step: int) -> None:
    """A cut stone that sparkles."""
    canvas.polygon([(-0.6, -0.2), (-0.3, -0.56), (0.3, -0.56), (0.6, -0.2), (0, 0.62)], (36, 196, 176))
    canvas.polygon([(-0.3, -0.2), (0, -0.56), (0.3, -0.2), (0, 0.62)], (128, 240, 224))
    canvas.polygon(
        [(-0.6, -0.2), (-0.3, -0.56), (0, -0.56), (-0.3, -0.2)], (200, 255, 248) if step % 2 else (90, 220, 204)
    )


def shield(canvas: Canvas, step: int) -> None:
    """A ring of light around the hero."""
    x, y = canvas.grid()
    far = np.hypot(x, y)
    ring = np.clip(1 - np.abs(far - 0.9 + 0.02 * step) / 0.09, 0, 1)
    canvas.paint(ring.astype(np.float32), np.array((255, 236, 120), np.float32))


@cache
def item(size: int, kind: str, step: int) -> np.ndarray:
    """A coin (steps 0 to 3), a gem or the shield."""
    canvas = Canvas(size)
    {"coin": coin, "gem": gem, "shield": shield}[kind](canvas, step)
    return _finish(canvas)


@cache
def jules(size: int, pose: str, step: int) -> np.ndarray:
    """The hero in one of `POSES`."""
    return hero(size, pose, step)


def _finish(canvas: Canvas) -> np.ndarray:
    """Straight alpha, uint8: 255 where it is opaque."""
    drawn = canvas.sprite()
    alpha = drawn[..., 3:]
    rgb = np.where(alpha > 1e-3, drawn[..., :3] / np.maximum(alpha, 1e-3), 0)
    picture = (np.concatenate([rgb, alpha], axis=-1) * 255 + 0.5).clip(0, 255).astype(np.uint8)
    picture.setflags(write=False)
    return picture


def _eye(canvas: Canvas, x: float, y: float, size: float) -> None:
    canvas.ellipse(x, y, size, size, _PAPER)
    canvas.ellipse(x + size * 0.35, y, size * 0.55, size * 0.6, _INK)


def _drop(canvas: Canvas, step: int, colour: Colour) -> None:
    wide, high = (0.62, 0.86) if step else (0.82, 0.62)
    canvas.polygon(_dome(0, 1.0, wide, 2 * high), colour)
    canvas.polygon(_dome(-0.1, 0.96, wide * 0.55, 1.5 * high), mix(colour, _PAPER, 0.3))
    for x in (0.08, 0.44):
        _eye(canvas, x, 1.0 - high * 0.8, 0.13)


def _box(left: float, top: float, right: float, bottom: float) -> Points:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _dome(x: float, foot: float, wide: float, high: float) -> Points:
    turn = np.linspace(np.pi, 2 * np.pi, 24)
    return list(zip((x + wide * np.cos(turn)).tolist(), (foot + high * np.sin(turn)).tolist(), strict=True))
