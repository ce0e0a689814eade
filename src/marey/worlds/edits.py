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
WIPES = ("left", "right", "up", "down", "diagonal", "iris", "slide", "push", "zoom")
"""Where the edge moves to; `iris` is a circle that opens. In a `push` the second shot drives the first one out to the
left, in a `slide` it comes in over the first, which stays where it is, and in a `zoom` it grows from the middle."""
COLOURS = {"black": (0, 0, 0), "white": (255, 255, 255)}
EASES = ("linear", "smooth", "in", "out")
"""How a transition goes on: evenly; slowly at both ends; slowly at first; slowly at last."""
SOFT = 0.02
"""The usual width of a wipe's edge, as a share of its way."""


@dataclass(frozen=True)
class Join:
    """How one shot becomes the next."""

    kind: str
    """One of `KINDS`."""
    frames: int = 0
    """So many lie between the last whole frame of one and the first of the other: 0 for a cut, else 2 to 60."""
    detail: str = ""
    """Of a fade the colour that it goes through, `black` or `white`; of a wipe one of `WIPES`."""
    hold: float = 0.0
    """Of a fade, the share of its frames that show nothing but the colour, below 1."""
    ease: str = "linear"
    """One of `EASES`."""
    soft: float = SOFT
    """Of a wipe, the width of its edge as a share of its way: 0 is hard."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"there is no join {self.kind!r}: one of {', '.join(KINDS)} would do")
        if self.kind == "cut" and self.frames:
            raise ValueError(f"a cut has no frames of its own, not {self.frames}")
        if self.kind != "cut" and not 2 <= self.frames <= 60:
            raise ValueError(f"a {self.kind} of {self.frames} frames: 2 to 60 would do")
        known = {"fade": tuple(COLOURS), "wipe": WIPES}.get(self.kind, ("",))
        if self.detail not in known:
            raise ValueError(f"a {self.kind} has no {self.detail!r}: one of {', '.join(known)} would do")
        if self.ease not in EASES:
            raise ValueError(f"a {self.kind} does not go on {self.ease!r}: one of {', '.join(EASES)} would do")
        if not (0 <= self.hold < 1 and 0 <= self.soft < 1):
            raise ValueError(f"hold is {self.hold} and soft is {self.soft}: 0 to below 1 would do")


@dataclass(frozen=True)
class Transition:
    """The truth of one join, in frames of the edited clip."""

    kind: str
    a_end: int
    b_start: int
    detail: str = ""


def draw(rng: np.random.Generator, kind: str | None = None, longest: int = 60) -> Join:
    """A join at random: 60 % cuts, the rest dissolves, fades and wipes alike, of 2 to `longest` frames.

    Half of the gradual ones go on evenly; a third of the fades hold their colour; of the wipes a third have a hard edge
    and a third a wide one.

    Args:
        kind: one of `KINDS` fixes that, and leaves the rest to chance.
    """
    kind = str(rng.choice(KINDS, p=(0.6, 0.15, 0.125, 0.125))) if kind is None else kind
    if kind == "cut":
        return Join("cut")
    # Lengths even on a logarithmic scale: short ones are as common as long ones.
    frames = round(float(np.exp(rng.uniform(np.log(2), np.log(longest)))))
    details = {"fade": tuple(COLOURS), "wipe": WIPES}.get(kind, ("",))
    detail = str(rng.choice(details))
    ease = "linear" if rng.random() < 0.5 else str(rng.choice(EASES[1:]))
    hold = float(rng.uniform(0.1, 0.6)) if kind == "fade" and rng.random() < 1 / 3 else 0.0
    soft = (0.0, SOFT, float(rng.uniform(0.05, 0.25)))[int(rng.integers(3))] if kind == "wipe" else SOFT
    return Join(kind, frames, detail, hold, ease, soft)


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
    t = {"linear": t, "smooth": t * t * (3 - 2 * t), "in": t * t, "out": 1 - (1 - t) ** 2}[join.ease]
    if join.kind == "dissolve":
        return cv2.addWeighted(a, 1 - t, b, t, 0)
    if join.kind == "fade":
        ramp = (1 - join.hold) / 2
        shot, weight = (a, 1 - t / ramp) if t < 0.5 else (b, 1 - (1 - t) / ramp)
        weight = max(weight, 0.0)
        return cv2.addWeighted(shot, weight, np.full_like(shot, COLOURS[join.detail]), 1 - weight, 0)
    if join.detail in ("slide", "push"):
        edge = min(max(round(t * a.shape[1]), 1), a.shape[1] - 1)
        kept = a[:, edge:] if join.detail == "push" else a[:, : a.shape[1] - edge]
        return np.concatenate([kept, b[:, :edge]], axis=1)
    if join.detail == "zoom":
        return _grown(a, b, t)
    cover = _wiped(join.detail, a.shape[0], a.shape[1], t, max(join.soft, 1e-3))[..., None]
    return (a + cover * (b.astype(np.float32) - a) + 0.5).astype(np.uint8)


def _grown(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """The second picture, `t` of its size, in the middle of the first."""
    height, width = (min(max(round(t * side), 1), side - 1) for side in a.shape[:2])
    top, left = (a.shape[0] - height) // 2, (a.shape[1] - width) // 2
    out = a.copy()
    out[top : top + height, left : left + width] = cv2.resize(b, (width, height), interpolation=cv2.INTER_AREA)
    return out


def _wiped(detail: str, height: int, width: int, t: float, soft: float) -> np.ndarray:
    """How far the second shot covers each pixel, float32 (H, W) in 0..1; `soft` is the width of the edge."""
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    order = {
        "right": lambda: x,
        "left": lambda: 1 - x,
        "down": lambda: y,
        "up": lambda: 1 - y,
        "diagonal": lambda: (x + y) / 2,
        "iris": lambda: np.hypot((x - 0.5) * width, (y - 0.5) * height) / np.hypot(width / 2, height / 2),
    }[detail]()
    return np.clip((t * (1 + soft) - order) / soft, 0, 1).astype(np.float32)
