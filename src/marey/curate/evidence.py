"""What speaks for and against a transition between two frames: numbers that do not ask what the shots show.

Each candidate gets the same list of numbers, whatever found it, and `judge` weighs them. They are ratios and
correlations, so that a dark shot and a bright one, a flat one and a rich one count alike.
"""

import math
from functools import lru_cache

import cv2
import numpy as np

from marey.curate.candidate import Candidate
from marey.curate.features import Features

NAMES = (
    "rule",
    "length",
    "alike",
    "alike_shifted",
    "seen_again",
    "contrast",
    "contrast_by_drift",
    "drift_before",
    "drift_after",
    "steps_inside_by_outside",
    "hold_before",
    "hold_after",
    "hold_inside",
    "shifted_inside",
    "shifted_outside",
    "mix",
    "mix_least",
    "quarter_order",
    "alpha_off",
    "alpha_back",
    "alpha_left",
    "dip",
    "dip_astray",
    "flattest",
    "bare",
    "colours",
    "colours_by_side",
    "blocks_clear",
    "blocks_back",
    "blocks_changed",
    "blocks_together",
    "monotone",
    "apart_by_steps",
    "light_way",
    "seen_near",
    "shape",
    "shape_colour",
    "rule_rank",
    "zoomed",
    "surely_shape",
    "surely_alike",
    "surely_seen",
    "back_shape",
    "back_shape_more",
    "back_colours",
    "back_colours_more",
    "back_alike",
    "back_alike_more",
    "pushed",
    "pushed_far",
)
SIDE = 12
"""Frames of a shot on each side that are looked at, at most."""
FAR = 36
"""What goes past close to the camera is gone after so many frames, and what it hid is there again."""
FAR_STEP = 3
PUSHED = 0.02
"""Sums of squares of that size are noise."""


def evidence(features: Features, one: Candidate) -> np.ndarray:
    """The numbers of one candidate, float64 (len(NAMES),), in the order of `NAMES`."""
    a, b = one.a_end, one.b_start
    length, last = b - a, len(features) - 1
    side = min(SIDE, max(4, length))
    low, high = max(0, a - side), min(last, b + side)
    inside = a + _spread(length)

    details, energy = features.details, features.energy
    coarse = features.coarse.reshape(len(features), -1)
    root = coarse.shape[1] ** 0.5

    alike = float(details[a] @ details[b])
    shifted = features.alike_shifted(a, b)
    around = [features.alike_shifted(max(0, a - k), min(last, b + k)) for k in (3, 8)]
    near = details[max(0, a - 5) : a + 1] @ details[b : b + 6].T
    seen = float(near.max())
    zoomed = max(shifted, features.alike_zoomed(a, b)) if length > 4 else shifted

    way = coarse[b] - coarse[a]
    contrast = float(np.linalg.norm(way)) / root
    before, after = _drift(coarse[low:a], coarse[a]), _drift(coarse[b + 1 : high + 1], coarse[b])

    thirds = coarse.shape[1] // 3
    # The highest correlation of the coarse picture of a frame up to `a` with that of one from `b` on: a change of light
    # leaves it high.
    shape, shape_colour = (
        float((part[max(0, a - 3) : a + 1] @ part[b : b + 4].T).max()) for part in (features.shapes, features.hues)
    )

    steps_before, steps_in, steps_after = features.steps[low:a], features.steps[a:b], features.steps[b:high]
    outside = max(_mean(steps_before), _mean(steps_after))

    hold = features.alike(1)  # frame to frame
    hold_before, hold_inside, hold_after = hold[low:a], hold[a:b], hold[b:high]
    moved_in = _moved(features, {a, b - 1})
    moved_out = _moved(features, {t for t in (a - 2, b + 1) if 0 <= t < last})

    middle = details[inside[1:-1]] if len(inside) > 2 else details[[a, b]]
    to_a, to_b = middle @ details[a], middle @ details[b]
    mix = np.hypot(np.maximum(to_a, 0), np.maximum(to_b, 0))
    half = max(1, len(middle) // 2)
    order = float((to_a[:half] - to_a[-half:]).mean() + (to_b[-half:] - to_b[:half]).mean())

    since = coarse[inside] - coarse[a]
    alpha = since @ way / max(float(way @ way), 1e-9)
    even = (inside - a) / length
    left = since - alpha[:, None] * way
    left_over = float(np.einsum("ij,ij->i", left, left).max()) ** 0.5 / root / max(contrast, 1e-3)

    e_a, e_b = (sorted(part.tolist())[len(part) // 2] for part in (energy[max(0, a - 2) : a + 1], energy[b : b + 3]))
    line = (1 - even) * e_a + even * e_b
    law = even * (1 - even) * (e_a + e_b)
    depth = float(((line - energy[inside]) * law).sum() / max(float((law**2).sum()), 1e-6)) if length > 1 else 0.0
    astray = float(np.abs(line - depth * law - energy[inside]).mean()) / max((e_a + e_b) / 2, 1e-6)
    spread = features.spread
    flattest = float(spread[a : b + 1].min()) / max(float(spread[a] + spread[b]) / 2, 1.0)

    back_shape, back_colours, back_alike = _back(features, a, b)
    tone = features.tones
    colours = float(np.abs(tone[a] - tone[b]).sum()) / 2
    tone_side = max(float(np.abs(tone[low] - tone[a]).sum()), float(np.abs(tone[b] - tone[high]).sum())) / 2

    blocks = coarse[:, :thirds]
    clear, back, changed, together = _blocks(blocks[a : b + 1])
    window = blocks[inside]
    net, total = float(np.abs(window[-1] - window[0]).sum()), float(np.abs(window[1:] - window[:-1]).sum())

    apart = (coarse[max(0, a - 2) : a + 1, None] - coarse[None, b : b + 3]).reshape(-1, coarse.shape[1])
    least = float(np.einsum("ij,ij->i", apart, apart).min()) ** 0.5 / root
    pace = max(float(np.max(steps_before[-4:], initial=0)), float(np.max(steps_after[:4], initial=0)))
    light = features.light[inside]
    light_way = float(np.abs(light - (light[0] + even * (light[-1] - light[0]))).max())

    numbers = (
        math.log(max(one.sure, 1e-6) / max(1 - one.sure, 1e-6)),
        math.log(length),
        alike,
        shifted,
        max(*around, shifted) if length > 1 else max(around[0], shifted),
        math.log(contrast + 0.005),
        math.log((contrast + 0.005) / (max(before, after) + 0.01)),
        math.log(before + 0.005),
        math.log(after + 0.005),
        math.log((float(steps_in.mean()) + 0.003) / (outside + 0.003)),
        _least(hold_before),
        _least(hold_after),
        float(hold_inside.min()),
        moved_in,
        moved_out,
        float(mix.mean()),
        float(mix.min()),
        order,
        float(np.abs(alpha - even).mean()),
        float(np.maximum(-np.diff(alpha), 0).sum()),
        min(left_over, 3.0),
        min(max(depth, -2.0), 4.0),
        min(astray, 2.0),
        flattest,
        math.log(min(e_a, e_b) + 1),
        colours,
        colours - tone_side,
        clear,
        back,
        changed,
        together,
        net / max(total, 1e-6),
        math.log((least + 0.005) / (pace + 0.01)),
        light_way,
        seen,
        shape,
        shape_colour,
        one.rank / max(one.sure, 1e-6),
        zoomed,
        max(0.0, shape - 0.7),
        max(0.0, zoomed - 0.3),
        max(0.0, max(*around, seen) - 0.3),
        back_shape,
        back_shape - shape,
        back_colours,
        colours - back_colours,
        back_alike,
        back_alike - zoomed,
        *_pushed(features, a, b),
    )
    return np.array(numbers, np.float64)


def _back(features: Features, a: int, b: int) -> tuple[float, float, float]:
    """How much of what was there some time before is there some time after: the highest correlation of the coarse
    pictures, the least distance of their colours, and the highest correlation of the details of the pair of frames that
    look most alike, over all shifts. Something that goes past hides a shot and lets it appear again."""
    before = np.arange(a, max(-1, a - FAR - 1), -FAR_STEP)
    after = np.arange(b, min(len(features), b + FAR + 1), FAR_STEP)
    alike = features.shapes[before] @ features.shapes[after].T
    n, m = divmod(int(alike.argmax()), len(after))
    colours = np.abs(features.tones[before][:, None] - features.tones[after][None]).sum(axis=2) / 2
    details = features.alike_shifted(int(before[n]), int(after[m]))
    return float(alike[n, m]), float(colours.min()), details


def _pushed(features: Features, a: int, b: int) -> tuple[float, float]:
    """How much better some frames between are explained by both pictures side by side, moved along, than by either: the
    logarithm of what is left over; and how far they move from the first of those frames to the last, 0..1."""
    if b - a < 3:
        return 0.0, 0.0
    best = 0.0, 0.0
    frames = [a + round((b - a) * share) for share in (0.25, 0.5, 0.75)]
    for stripes in (features.across, features.down):
        wide = stripes.shape[2]
        for pair in ((a, b), (b, a)):
            strip = np.concatenate([stripes[n] for n in pair], axis=1)
            left = [cv2.matchTemplate(strip, stripes[n], cv2.TM_SQDIFF)[0] for n in frames]
            least, still = (sum(float(min(of(one), 1e9)) for one in left) for of in (np.min, _ends))
            ratio = math.log((max(least, 0.0) + PUSHED) / (max(still, 0.0) + PUSHED))
            if ratio < best[0]:
                way = (int(left[-1].argmin()) - int(left[0].argmin())) / wide
                best = ratio, way if pair == (a, b) else -way
    return best


def _ends(values: np.ndarray) -> float:
    return float(min(values[0], values[-1]))


@lru_cache(maxsize=256)
def _spread(length: int) -> np.ndarray:
    """Thirteen frames at most from the first to the last of so many, both among them."""
    return np.rint(np.linspace(0, length, min(length, 12) + 1)).astype(int)


def _drift(coarse: np.ndarray, end: np.ndarray) -> float:
    """How far the coarse picture is on one side from that of the frame beside the candidate, at most: root mean
    square."""
    away = coarse - end
    return float((np.einsum("ij,ij->i", away, away).max(initial=0) / coarse.shape[1]) ** 0.5)


def _moved(features: Features, frames: set[int]) -> float:
    """By how much more the details of frames are found again in the next one if they may shift."""
    hold = features.alike(1)
    return sum(features.alike_shifted(n, n + 1) - float(hold[n]) for n in frames) / max(1, len(frames))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0


def _least(hold: np.ndarray) -> float:
    """The second lowest: one flash on a side is forgiven."""
    return float(np.partition(hold, 1)[1]) if len(hold) > 2 else (float(hold.max()) if len(hold) else 1.0)


def _blocks(light: np.ndarray) -> tuple[float, float, float, float]:
    """Of blocks (T, 144) from the first whole frame to the last: the share that are as in either end, how often one
    goes back, the share that change at all, and how much of a block's change happens in one step."""
    old, new = light[0], light[-1]
    size = np.maximum(np.abs(new - old), 0.04)
    differ = np.abs(new - old) > 0.04
    count = max(int(differ.sum()), 1)
    if len(light) > 26:
        light = light[np.linspace(0, len(light) - 1, 26).round().astype(int)]
    to_old, to_new = np.abs(light - old), np.abs(light - new)
    is_new = to_new < to_old
    clear = float(((np.minimum(to_old, to_new) < 0.25 * size) & differ)[1:-1].sum()) / (count * max(len(light) - 2, 1))
    back = float((is_new[:-1] & ~is_new[1:] & differ).sum()) / count / len(light)
    steps = np.abs(np.diff(light, axis=0))
    together = float((steps.max(axis=0) / size)[differ].mean()) if differ.any() else 0.0
    return clear, back, float(differ.mean()), min(together, 3.0)
