"""Plain figures that move in one plain way each, for tests of motion in closed form: slide, bounce, pass behind, turn,
grow.

Where a figure is, how it is turned and how large it is follow from the truth of its clip by one formula; the sentence
says what moves, how and which way, and can be read back.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from marey.worlds import backgrounds
from marey.worlds.palette import NAMES, PALETTES, Colour, mix
from marey.worlds.shapes import Mover, Scene, bouncing, straight
from marey.worlds.sprites import Canvas

FIGURES = ("disc", "square", "triangle", "star", "ring", "cross")
MOTIONS = ("slide", "bounce", "behind", "turn", "grow")
_WAYS = {"to the right": (1, 0), "to the left": (-1, 0), "upwards": (0, -1), "downwards": (0, 1)}
_COLOURS = {name: colour for colour, name in NAMES.items() if name != "black"}
_REACH = 0.9  # of a sprite's half side, that a figure fills
_ROUND = ("disc", "ring")


@dataclass(frozen=True)
class Told:
    """What a sentence says."""

    colour: str
    figure: str
    motion: str
    way: str
    """Where it moves or turns to; empty of a bounce."""


@dataclass(frozen=True)
class Figure:
    """One clip: a figure and its motion, before anything is drawn."""

    told: Told
    scene: Scene
    law: dict[str, Any]
    """The motion in closed form, of the frame's number n: see `truth`."""

    @property
    def mover(self) -> Mover:
        """The figure."""
        return self.scene.movers[0]

    def truth(self) -> dict[str, Any]:
        """All that is known of it, as JSON.

        `law` is its motion in closed form: of slide and behind `start` + n `step` in pixels; of a bounce the same,
        mirrored at the sides of `box` (left, top, right, bottom); of a turn the `angle` n `turn` in radians, clockwise;
        of growth the `scale` `first` times `ratio` to the n. `frames` has x, y, angle and scale of each frame, `size`
        the radius of the figure in pixels at a scale of 1.
        """
        mover = self.mover
        rows = np.column_stack([mover.positions, mover.angles, mover.scales])
        return {
            "world": "shapes",
            **asdict(self.told),
            "text": self.scene.sentence,
            "fps": self.scene.fps,
            "size": list(self.scene.background.shape[:2]),
            "radius": round(_REACH * mover.sprite.shape[0] / 2, 4),
            "law": self.law,
            "frames": [dict(zip(("x", "y", "angle", "scale"), row, strict=True)) for row in rows.round(5).tolist()],
            "transitions": [],
        }


def figure(
    seed: int,
    number: int,
    *,
    frames: int,
    fps: int = 25,
    height: int = 64,
    width: int = 64,
    motion: str | None = None,
) -> Figure:
    """The clip of this number; the same arguments give the same.

    Args:
        motion: one of `MOTIONS`; without it they take turns.

    Raises:
        ValueError: no such motion, or fewer than two frames.
    """
    if frames < 2:
        raise ValueError(f"{frames} frames: 2 or more would do")
    if motion is not None and motion not in MOTIONS:
        raise ValueError(f"there is no motion {motion!r}: one of {', '.join(MOTIONS)} would do")
    motion = motion or MOTIONS[number % len(MOTIONS)]
    rng = np.random.default_rng([seed, number, 0xF160])
    palette = PALETTES[int(rng.integers(len(PALETTES)))]
    colours = [colour for colour in palette.things if NAMES[colour] in _COLOURS]
    colour = colours[int(rng.integers(len(colours)))]
    # What turns is told from what does not by its corners.
    kinds = [kind for kind in FIGURES if motion != "turn" or kind not in _ROUND]
    kind = kinds[int(rng.integers(len(kinds)))]
    side = min(height, width)
    # What passes behind a bar must be seen before and after.
    radius = side * float(rng.uniform(0.16, 0.24)) * (0.62 if motion == "behind" else 1)
    background = backgrounds.floor(height, width, palette, rng)
    sprite = draw(kind, max(8, round(2 * radius / _REACH)), colour)
    way, positions, angles, scales, law = _moved(motion, rng, frames, fps, height, width, radius)
    front = _bar(height, width, palette.land[2], radius, way) if motion == "behind" else None
    told = Told(NAMES[colour], kind, motion, way)
    mover = Mover(f"{_article(told.colour)} {told.colour} {kind}", sprite, positions, angles, scales)
    return Figure(told, Scene(motion, tell(told), fps, background, (mover,), front=front), law)


def draw(kind: str, size: int, colour: Colour) -> np.ndarray:
    """A figure as a sprite: premultiplied RGBA, float32 (size, size, 4), its radius 0.9 of half its side."""
    canvas = Canvas(size)
    if kind == "ring":
        x, y = canvas.grid()
        away = np.hypot(x, y)
        canvas.paint(((away < _REACH) & (away > 0.5 * _REACH)).astype(np.float32), np.array(colour, np.float32))
    elif kind == "disc":
        canvas.ellipse(0, 0, _REACH, _REACH, colour)
    else:
        canvas.polygon([(float(x), float(y)) for x, y in outline(kind)], colour)
        # A lighter point on one side: a quarter turn of a square is seen.
        canvas.ellipse(0.0, -0.3 * _REACH, 0.12, 0.12, mix(colour, (255, 255, 255), 0.55))
    canvas.light(0.12)
    return canvas.sprite()


def outline(kind: str) -> np.ndarray:
    """The corners of a figure that has some, x and y in -1..1 of half its sprite's side: (N, 2)."""
    if kind == "cross":
        arm = 0.34
        corners = [(-arm, -1), (arm, -1), (arm, -arm), (1, -arm), (1, arm), (arm, arm)]
        whole = corners + [(-x, -y) for x, y in corners]
        return np.array(whole) * _REACH / np.hypot(1, arm)
    count, inner = {"square": (4, 1.0), "triangle": (3, 1.0), "star": (5, 0.45)}[kind]
    turn = np.arange(2 * count) * np.pi / count - np.pi / 2 + (np.pi / 4 if kind == "square" else 0)
    away = np.where(np.arange(2 * count) % 2 == 0, 1.0, inner if kind == "star" else np.cos(np.pi / count))
    return _REACH * np.stack([away * np.cos(turn), away * np.sin(turn)], axis=-1)


def tell(told: Told) -> str:
    """The sentence; `parse` reads it."""
    who = f"{_article(told.colour)} {told.colour} {told.figure}"
    words = {
        "slide": f"slides {told.way}",
        "bounce": "bounces from wall to wall",
        "behind": f"passes {told.way} behind a bar",
        "turn": f"turns {told.way}",
        "grow": "grows" if told.way == "larger" else "shrinks",
    }
    return f"{who} {words[told.motion]}"


def parse(text: str) -> Told:
    """What a sentence of `tell` says.

    Raises:
        ValueError: it is none of its sentences.
    """
    match = re.fullmatch(r"an? (\w+) (\w+) (.+)", text)
    ways = ("", *_WAYS, "clockwise", "anticlockwise", "larger", "smaller")
    if match is not None and match[1] in _COLOURS and match[2] in FIGURES:
        for motion in MOTIONS:
            for way in ways:
                told = Told(match[1], match[2], motion, way)
                if tell(told) == text and _fits(motion, way):
                    return told
    raise ValueError(f"{text!r} is no sentence about a figure")


def _fits(motion: str, way: str) -> bool:
    known = {"bounce": ("",), "turn": ("clockwise", "anticlockwise"), "grow": ("larger", "smaller")}
    return way in known.get(motion, tuple(_WAYS))


def _moved(
    motion: str, rng: np.random.Generator, frames: int, fps: int, height: int, width: int, radius: float
) -> tuple[str, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    """Way, positions (T, 2), angles (T,), scales (T,) and law of a motion."""
    centre = np.array([width / 2 - 0.5, height / 2 - 0.5])
    still, same = np.zeros(frames), np.ones(frames)
    steps = np.arange(frames)
    if motion in ("slide", "behind"):
        way = str(rng.choice(tuple(_WAYS)))
        side = np.array(_WAYS[way], np.float64)
        # All of it stays in the picture, and goes as far as it can.
        room = np.abs(side) @ (np.array([width, height]) - 2 * radius - 2)
        far = float(room if motion == "behind" else rng.uniform(0.6, 1.0) * room)
        aside = (1 - np.abs(side)) * rng.uniform(-0.5, 0.5, 2) * (np.array([width, height]) - 2 * radius - 2)
        start, step = centre + aside - side * far / 2, side * far / (frames - 1)
        positions = straight((float(start[0]), float(start[1])), (step[0] * fps, step[1] * fps), frames, fps)
        return way, positions, still, same, {"start": start.round(5).tolist(), "step": step.round(5).tolist()}
    if motion == "bounce":
        box = (radius, radius, width - 1 - radius, height - 1 - radius)
        angle, pace = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 1.2) * min(height, width)
        start = np.array([rng.uniform(box[0], box[2]), rng.uniform(box[1], box[3])])
        speed = pace * np.array([np.cos(angle), np.sin(angle)])
        positions = bouncing((float(start[0]), float(start[1])), (float(speed[0]), float(speed[1])), box, frames, fps)
        law = {
            "start": start.round(5).tolist(),
            "step": (speed / fps).round(5).tolist(),
            "box": np.round(box, 5).tolist(),
        }
        return "", positions, still, same, law
    at = np.tile(centre + rng.uniform(-0.5, 0.5, 2) * (np.array([width, height]) / 2 - 1.1 * radius), (frames, 1))
    if motion == "turn":
        way = str(rng.choice(("clockwise", "anticlockwise")))
        turn = float((1 if way == "clockwise" else -1) * rng.uniform(0.8, 1.6) / fps)
        return way, at, turn * steps, same, {"turn": turn}
    way = str(rng.choice(("larger", "smaller")))
    low, high = sorted(rng.uniform((0.35, 0.9), (0.55, 1.0)))
    first, last = (low, high) if way == "larger" else (high, low)
    ratio = float((last / first) ** (1 / (frames - 1)))
    return way, at, still, first * ratio**steps, {"first": float(first), "ratio": ratio}


def _bar(height: int, width: int, colour: Colour, radius: float, way: str) -> np.ndarray:
    """A bar across the way, wider than the figure: for a time nothing is seen of it. uint8 RGBA (H, W, 4)."""
    across = _WAYS[way][0] != 0
    long, half = (width if across else height), round(1.15 * radius)
    middle = long // 2
    band = np.zeros((long, 4), np.uint8)
    shade = np.linspace(1.12, 0.8, 2 * half)[:, None]
    band[middle - half : middle + half, :3] = np.clip(shade * np.array(colour), 0, 255)
    band[middle - half : middle + half, 3] = 255
    bar = np.repeat(band[None], height, axis=0) if across else np.repeat(band[:, None], width, axis=1)
    return np.ascontiguousarray(bar)


def _article(colour: str) -> str:
    return "an" if colour == "orange" else "a"


def mask(one: Figure, n: int) -> np.ndarray:
    """Where the figure is seen in frame `n`: bool (H, W), what it covers by half or more and no bar hides."""
    height, width = one.scene.background.shape[:2]
    cover = cv2.warpAffine(one.mover.sprite[..., 3], one.mover.matrix(n), (width, height))
    hidden = one.scene.front[..., 3] > 127 if one.scene.front is not None else np.zeros((height, width), bool)
    return (cover > 0.5) & ~hidden
