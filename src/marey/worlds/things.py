"""Solid things made by code, of coloured parts: vases, towers, cups, trees, snowmen, rockets, knots, chairs.

A thing is a list of parts, each a triangle mesh of one colour. All of them fit into a ball of radius 1 about the
origin; z is up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from marey.errors import MareyError, require
from marey.worlds.palette import NAMES, Colour


@dataclass(frozen=True)
class Part:
    """A mesh of one colour."""

    vertices: np.ndarray
    """float64 (V, 3)."""
    faces: np.ndarray
    """Triangles: int64 (F, 3)."""
    colour: Colour
    smooth: bool = True
    """Whether it is shaded as if it were round, not flat face by face."""


@dataclass(frozen=True)
class Thing:
    """Something to look at from all sides."""

    kind: str
    name: str
    """As in a sentence: "a red and white vase"."""
    parts: tuple[Part, ...]


def lathe(profile: np.ndarray, colour: Colour, around: int = 48) -> Part:
    """A body of revolution about z: profile (N, 2) of radius and height, from below to above."""
    turn = np.arange(around) / around * 2 * np.pi
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    vertices = np.concatenate(
        [np.concatenate([radius * ring, np.full((around, 1), height)], axis=1) for radius, height in profile]
    )
    return Part(vertices, _grid(len(profile), around), colour)


def tube(path: np.ndarray, radius: float, colour: Colour, around: int = 16) -> Part:
    """A tube of one thickness along a closed path (N, 3)."""
    ahead = np.roll(path, -1, 0) - np.roll(path, 1, 0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    side = np.cross(ahead, (0.3, 0.5, 0.8))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(ahead, side)
    turn = np.arange(around) / around * 2 * np.pi
    rings = path[:, None] + radius * (
        np.cos(turn)[None, :, None] * side[:, None] + np.sin(turn)[None, :, None] * other[:, None]
    )
    faces = _grid(len(path) + 1, around) % (len(path) * around)
    return Part(rings.reshape(-1, 3), faces, colour)


def box(low: tuple[float, float, float], high: tuple[float, float, float], colour: Colour) -> Part:
    """A box with its sides along the axes."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float64)
    vertices = np.array(low) + corners * (np.array(high) - np.array(low))
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [triangle for a, b, c, d in quads for triangle in ((a, b, c), (a, c, d))]
    return Part(vertices, np.array(faces), colour, smooth=False)


def ball(centre: tuple[float, float, float], radius: float, colour: Colour) -> Part:
    """A ball."""
    turn = np.linspace(-np.pi / 2, np.pi / 2, 24)
    part = lathe(np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=-1), colour)
    return Part(part.vertices + np.array(centre), part.faces, colour)


def _grid(rows: int, around: int) -> np.ndarray:
    """Triangles between rings that follow each other."""
    row, column = np.mgrid[: rows - 1, :around]
    a, b = row * around + column, row * around + (column + 1) % around
    c, d = a + around, b + around
    return np.stack([np.stack([a, b, d], -1), np.stack([a, d, c], -1)], axis=2).reshape(-1, 3)


def _vase(rng: np.random.Generator, one: Colour, two: Colour) -> list[Part]:
    height = np.linspace(-1, 1, 40)
    waves = sum(rng.uniform(0.05, 0.3) * np.sin((n + 1) * (height + 1) * 1.4 + rng.uniform(0, 6)) for n in range(3))
    radius = np.clip(0.45 + waves, 0.15, 0.9)
    cut = int(rng.integers(12, 28))
    outside = np.stack([radius, height], axis=-1)
    return [
        lathe(outside[: cut + 1], one),
        lathe(outside[cut:], two),
        lathe(np.array([[0.0, -1.0], [radius[0], -1.0]]), one),
    ]


def _tower(rng: np.random.Generator, one: Colour, two: Colour) -> list[Part]:
    parts, z = [], -1.0
    for n in range(int(rng.integers(3, 6))):
        high, wide = rng.uniform(0.25, 0.5), rng.uniform(0.3, 0.7) * (1 - 0.12 * n)
        colour = (one, two)[n % 2]
        if rng.random() < 0.5:
            parts.append(box((-wide, -wide, z), (wide, wide, z + high), colour))
        else:
            parts.append(lathe(np.array([[0, z], [wide, z], [wide, z + high], [0, z + high]]), colour))
        z += high
    parts.append(ball((0, 0, z + 0.2), 0.22, one))
    return parts


def _cup(rng: np.random.Generator, one: Colour, two: Colour) -> list[Part]:
    wide = rng.uniform(0.5, 0.65)
    body = lathe(
        np.array([[0, -0.7], [wide * 0.9, -0.7], [wide, 0.6], [wide * 0.9, 0.6], [wide * 0.8, -0.6], [0, -0.6]]), one
    )
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = np.stack([wide + 0.05 + 0.32 * np.cos(turn), np.zeros(40), -0.05 + 0.36 * np.sin(turn)], axis=-1)
    return [body, tube(ring, 0.09, two)]


def _tree(rng: np.random.Generator, one: Colour, two: Colour) -> list[Part]:
    trunk = lathe(np.array([[0.16, -1.0], [0.1, 0.2]]), (120, 84, 56))
    crowns = int(rng.integers(2, 5))
    if rng.random() < 0.5:
        tops = [
            lathe(np.array([[0.75 - 0.15 * n, -0.45 + 0.4 * n], [0.0, 0.35 + 0.4 * n]]), (one, two)[n % 2])
            for n in range(crowns)
        ]
    else:
        places = rng.uniform(-0.35, 0.35, (crowns + 2, 2))
        tops = [
            ball((float(x), float(y), float(rng.uniform(0.1, 0.7))), float(rng.uniform(0.3, 0.5)), (one, two)[n % 2])
            for n, (x, y) in enumerate(places)
        ]
    return [trunk, *tops]


def _snowman(rng: np.random.Generator, one: Colour, two: Colour) -> list[Part]:
    white, coal = (244, 246, 250), (40, 40, 48)
    parts = [ball((0, 0, -0.55), 0.45, white), ball((0, 0, 0.05), 0.33, white), ball((0, 0, 0.5), 0.24, white)]
    parts += [ball((0.21, side * 0.09, 0.58), 0.035, coal) for side in (-1, 1)]
    parts += [ball((0.31, 0, z), 0.035, coal) for z in (0.0, 0.15)]
    nose = lathe(np.array([[0.06, 0.0], [0.0, 0.3]]), (240, 130, 40))
    parts.append(Part(nose.vertices[:, [2, 1, 0]] + np.array([0.2, 0, 0.5]), nose.faces, nose.colour))
    parts.append(lathe(np.array([[0.0, 0.68], [0.34, 0.68], [0.34, 0.73], [0.2, 0.73], [0.2, 0.98], [0, 0.98]]), one))
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return [*parts, tube(np.stack([0.24 * np.cos(turn), 0.24 * np.sin(turn), np.full(40, 0.3)], -1), 0.06, two)]


def _rocket(rng: np.random.Generator, one: Colour, two: Colour) -> list[Part]:
    hull = np.array([[0, -0.7], [0.25, -0.7], [0.32, -0.2], [0.3, 0.3], [0.2, 0.65]])
    parts = [lathe(hull, (240, 240, 236)), lathe(np.array([[0.2, 0.65], [0.1, 0.85], [0, 1.0]]), one)]
    fins = int(rng.integers(3, 5))
    for n in range(fins):
        turn = n / fins * 2 * np.pi
        fin = box((0.2, -0.03, -0.95), (0.6, 0.03, -0.35), two)
        spin = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
        vertices = fin.vertices.copy()
        vertices[(vertices[:, 0] > 0.5) & (vertices[:, 2] > -0.5), 2] = -0.7
        parts.append(Part(vertices @ spin.T, fin.faces, two, smooth=False))
    return [*parts, ball((0.28, 0, 0.2), 0.1, (120, 190, 230))]


def _knot(rng: np.random.Generator, one: Colour, two: Colour) -> list[Part]:
    p, q = [(2, 3), (3, 2), (2, 5), (3, 4)][int(rng.integers(4))]
    t = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    radius = 0.6 + 0.25 * np.cos(q * t)
    path = np.stack([radius * np.cos(p * t), radius * np.sin(p * t), 0.32 * np.sin(q * t)], axis=-1)
    return [tube(path, float(rng.uniform(0.08, 0.13)), one), ball((0, 0, 0), 0.2, two)]


def _chair(rng: np.random.Generator, one: Colour, two: Colour) -> list[Part]:
    wide, high = float(rng.uniform(0.38, 0.5)), float(rng.uniform(0.6, 0.95))
    parts = [
        box((-wide, -wide, -0.12), (wide, wide, 0.0), two),
        box((-wide, -wide, 0.0), (-wide + 0.1, wide, high), one),
    ]
    for x in (-wide, wide - 0.1):
        for y in (-wide, wide - 0.1):
            parts.append(box((x, y, -0.9), (x + 0.1, y + 0.1, -0.12), one))
    return parts


_MADE: dict[str, Callable[[np.random.Generator, Colour, Colour], list[Part]]] = {
    "vase": _vase,
    "tower": _tower,
    "cup": _cup,
    "tree": _tree,
    "snowman": _snowman,
    "rocket": _rocket,
    "knot": _knot,
    "chair": _chair,
}
THINGS = tuple(_MADE)


def make(kind: str, rng: np.random.Generator) -> Thing:
    """A thing of a kind, its shape and colours at random.

    Raises:
        ValueError: no such kind.
    """
    if kind not in _MADE:
        raise ValueError(f"there is no thing {kind!r}: one of {', '.join(THINGS)} would do")
    colours = [colour for colour in NAMES if NAMES[colour] != "black"]
    first, second = rng.choice(len(colours), 2, replace=False)
    one, two = colours[int(first)], colours[int(second)]
    name = f"{NAMES[one]} and {NAMES[two]} {kind}"
    return Thing(kind, f"{'an' if name[0] in 'aeiou' else 'a'} {name}", _fitted(_MADE[kind](rng, one, two)))


def from_file(path: str | Path, colour: Colour = (196, 190, 180)) -> Thing:
    """A mesh from a file that trimesh reads (OBJ, GLB, glTF, STL, PLY ...), with its own colours where it has some.

    Raises:
        MareyError: it cannot be read, or holds no triangles.
        MissingExtra: the extra 'meshes' is not installed.
    """
    trimesh = require("trimesh", "meshes")
    path = Path(path)
    try:
        whole = trimesh.load_scene(path)
        # As whole.dump(), which copies colours in a way that wants scipy.
        placed = [(whole.geometry[name], turn) for turn, name in map(whole.graph.get, whole.graph.nodes_geometry)]
        meshes = [(mesh, np.asarray(turn)) for mesh, turn in placed if len(getattr(mesh, "faces", ())) > 0]
        points = [np.asarray(mesh.vertices, np.float64) @ turn[:3, :3].T + turn[:3, 3] for mesh, turn in meshes]
        if not all(
            np.isfinite(one).all() and np.asarray(mesh.faces).max() < len(one)
            for one, (mesh, _) in zip(points, meshes, strict=True)
        ):
            raise ValueError("a corner is nowhere, or there is no such corner")
    except Exception as error:  # readers of a dozen formats raise what they like
        raise MareyError(f"{path} cannot be read as a mesh: {type(error).__name__}: {error}") from error
    if not meshes:
        raise MareyError(f"{path} holds no triangles.")
    # Y is up in files of meshes, but for those of printers.
    axes, signs = ([0, 1, 2], (1, 1, 1)) if path.suffix.lower() == ".stl" else ([0, 2, 1], (1, -1, 1))
    parts = [
        Part(
            one[:, axes] * signs,
            np.asarray(mesh.faces),
            _tint(mesh, colour),
        )
        for one, (mesh, _) in zip(points, meshes, strict=True)
    ]
    name = path.stem.lower().replace("_", " ").replace("-", " ")
    return Thing(name, f"{'an' if name[0] in 'aeiou' else 'a'} {name}", _fitted(parts))


def _tint(mesh: Any, colour: Colour) -> Colour:
    """The usual colour of a mesh; `colour` where it has none."""
    try:
        kind = mesh.visual.kind
        if kind in ("vertex", "face"):  # trimesh's own mean of them wants scipy
            main = np.median(mesh.visual.vertex_colors if kind == "vertex" else mesh.visual.face_colors, axis=0)
        else:
            main = mesh.visual.to_color().main_color
    except Exception:  # a material without a colour
        return colour
    red, green, blue = (int(value) for value in main[:3])
    return (red, green, blue)


def _fitted(parts: list[Part]) -> tuple[Part, ...]:
    points = np.concatenate([part.vertices for part in parts])
    middle = (points.max(0) + points.min(0)) / 2
    far = max(float(np.linalg.norm(points - middle, axis=1).max()), 1e-9)
    return tuple(Part((part.vertices - middle) / far, part.faces, part.colour, part.smooth) for part in parts)
