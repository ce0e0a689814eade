"""The composer: shots joined by cuts, dissolves, fades and wipes, with the truth of every join.

`a_end` is the last frame in which the first shot has all the weight, `b_start` the first in which the second one has;
between them lie the frames of the transition, none for a cut. The two shots run on beneath a transition, as an editing
program lets them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

KINDS = ("cut", "dissolve", "fade", "wipe")
WIPES = ("left", "right", "up", "down", "diagonal", "iris", "slide")
"""Where the edge moves to; `iris` is a circle that opens, and in a `slide` the second shot pushes the first away."""
_COLOURS = {"black": 0, "white": 255}


@dataclass(frozen=True)
class Join:
    """How one shot becomes the next."""

    kind: str
    """One of `KINDS`."""
    frames: int = 0
    """So many lie between the last whole frame of one and the first of the other: 0 for a cut, else 2 to 60."""
    detail: str = ""
    """Of a fade the colour that it goes through, `black` or `white`; of a wipe one of `WIPES`."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"there is no join {self.kind!r}: one of {', '.join(KINDS)} would do")
        if self.kind == "cut" and self.frames:
            raise ValueError(f"a cut has no frames of its own, not {self.frames}")
        if self.kind != "cut" and not 2 <= self.frames <= 60:
            raise ValueError(f"a {self.kind} of {self.frames} frames: 2 to 60 would do")
        known = {"fade": tuple(_COLOURS), "wipe": WIPES}.get(self.kind, ("",))
        if self.detail not in known:
            raise ValueError(f"a {self.kind} has no {self.detail!r}: one of {', '.join(known)} would do")


@dataclass(frozen=True)
class Transition:
    """The truth of one join, in frames of the edited clip."""

    kind: str
    a_end: int
    b_start: int
    detail: str = ""


def draw(rng: np.random.Generator, kind: str | None = None, longest: int = 60) -> Join:
    """A join at random: 60 % cuts, the rest dissolves, fades and wipes alike, of 2 to `longest` frames.

    Args:
        kind: one of `KINDS` fixes that, and leaves the rest to chance.
    """
    kind = str(rng.choice(KINDS, p=(0.6, 0.15, 0.125, 0.125))) if kind is None else kind
    if kind == "cut":
        return Join("cut")
    # Lengths even on a logarithmic scale: short ones are as common as long ones.
    frames = round(float(np.exp(rng.uniform(np.log(2), np.log(longest)))))
    details = {"fade": tuple(_COLOURS), "wipe": WIPES}.get(kind, ("",))
    return Join(kind, frames, str(rng.choice(details)))


def compose(
    shots: Sequence[np.ndarray], joins: Sequence[Join | str], rng: np.random.Generator | None = None
) -> tuple[np.ndarray, list[Transition]]:
    """Join shots into one clip.

    Args:
        shots: uint8 RGB (T, H, W, 3) each, of one size. A transition of n frames takes the last n of one and the first
            n of the next.
        joins: one fewer than shots; the name of a kind leaves its length and detail to `rng`.
        rng: needed for names.

    Returns: the clip, uint8 (T, H, W, 3), and the truth of each join in order.

    Raises:
        ValueError: sizes that differ, a wrong number of joins, or a shot of which its joins leave no whole frame.
    """
    if not shots or len(joins) != len(shots) - 1:
        raise ValueError(f"{len(joins)} joins for {len(shots)} shots")
    if len({shot.shape[1:] for shot in shots}) > 1:
        raise ValueError(f"the shots differ in size: {', '.join(str(shot.shape[1:]) for shot in shots)}")
    rng = rng or np.random.default_rng(0)
    drawn = [join if isinstance(join, Join) else draw(rng, join) for join in joins]
    for n, shot in enumerate(shots):
        taken = (drawn[n - 1].frames if n else 0) + (drawn[n].frames if n < len(drawn) else 0)
        if len(shot) <= taken:
            raise ValueError(f"shot {n} has {len(shot)} frames, and its joins take {taken}")

    frames: list[np.ndarray] = list(shots[0])
    truth = []
    for join, shot in zip(drawn, shots[1:], strict=True):
        start = len(frames) - join.frames
        for k in range(join.frames):
            frames[start + k] = blend(join, frames[start + k], shot[k], (k + 1) / (join.frames + 1))
        frames.extend(shot[join.frames :])
        truth.append(Transition(join.kind, start - 1, start + join.frames, join.detail))
    return np.stack(frames), truth


def blend(join: Join, a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """One frame of a transition, uint8 (H, W, 3), `t` of the way (0 is all of `a`, 1 all of `b`)."""
    if join.kind == "dissolve":
        return cv2.addWeighted(a, 1 - t, b, t, 0)
    if join.kind == "fade":
        colour = _COLOURS[join.detail]
        shot, weight = (a, 1 - 2 * t) if t < 0.5 else (b, 2 * t - 1)
        return cv2.addWeighted(shot, weight, np.full_like(shot, colour), 1 - weight, 0)
    if join.detail == "slide":
        edge = min(max(round(t * a.shape[1]), 1), a.shape[1] - 1)
        return np.concatenate([a[:, edge:], b[:, :edge]], axis=1)
    cover = _wiped(join.detail, a.shape[0], a.shape[1], t)[..., None]
    return (a + cover * (b.astype(np.float32) - a) + 0.5).astype(np.uint8)


def _wiped(detail: str, height: int, width: int, t: float) -> np.ndarray:
    """How far the second shot covers each pixel, float32 (H, W) in 0..1, with a soft edge of a few pixels."""
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    order = {
        "right": lambda: x,
        "left": lambda: 1 - x,
        "down": lambda: y,
        "up": lambda: 1 - y,
        "diagonal": lambda: (x + y) / 2,
        "iris": lambda: np.hypot((x - 0.5) * width, (y - 0.5) * height) / np.hypot(width / 2, height / 2),
    }[detail]()
    soft = 0.02
    return np.clip((t * (1 + soft) - order) / soft, 0, 1).astype(np.float32)
