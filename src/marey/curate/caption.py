"""A caption from facts: what was measured, said in a sentence. Nothing is guessed."""

from typing import Any

import cv2
import numpy as np

VERSION = "2"
_HUES = (
    (15, "red"),
    (40, "orange"),
    (70, "yellow"),
    (165, "green"),
    (200, "cyan"),
    (260, "blue"),
    (330, "purple"),
    (361, "red"),
)


def caption(clip: dict[str, Any], signals: dict[str, dict[str, Any]], luma: np.ndarray, chroma: np.ndarray) -> str:
    """One sentence about a clip.

    Args:
        clip: its row.
        signals: its signals' rows by name.
        luma: uint8 (36, 64), chroma: uint8 (18, 32, 2): the signature of its middle frame.
    """
    light = signals["brightness"]["value"]
    tone = "dark" if light < 0.25 else "bright" if light > 0.65 else "evenly lit"
    look = f"{tone}, {colour(luma, chroma)}"
    if "motion" not in signals:
        return f"A photograph, {look}."
    share, data = signals["motion_share"]["value"], signals["motion"]["data"]
    article = "An" if look[0] in "aeiou" else "A"
    moving = _moving(share, data, clip["width"], clip["height"])
    return f"{article} {look} shot {moving}, {clip['seconds']:.1f} seconds long."


def colour(luma: np.ndarray, chroma: np.ndarray) -> str:
    """The colour that prevails in a signature, in a word or two."""
    small = cv2.resize(luma, (chroma.shape[1], chroma.shape[0]), interpolation=cv2.INTER_AREA)
    picture = cv2.cvtColor(np.dstack([small, chroma[..., 1], chroma[..., 0]]), cv2.COLOR_YCrCb2RGB)
    hue, saturation, value = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV))
    weight = saturation.astype(np.float32) / 255 * (value.astype(np.float32) / 255)
    if weight.mean() < 0.06:
        return "grey"
    names = [next(name for limit, name in _HUES if 2 * int(h) < limit) for h in hue.ravel()]
    total: dict[str, float] = {}
    for name, w in zip(names, weight.ravel(), strict=True):
        total[name] = total.get(name, 0.0) + float(w)
    (first, most), *rest = sorted(total.items(), key=lambda pair: -pair[1])
    if most > 0.55 * weight.sum() or not rest:
        return f"mostly {first}"
    return f"{first} and {rest[0][0]}"


def _moving(share: float, data: dict[str, Any], width: int, height: int) -> str:
    if share < 0.002:
        return "in which almost nothing moves"
    much = "little" if share < 0.01 else "some" if share < 0.04 else "much"
    diagonal = float(np.hypot(width, height))
    right, down, zoom = data["right"] / diagonal, data["down"] / diagonal, data["zoom"]
    along = max(abs(right), abs(down))
    if along > 0.45 * share:
        way = (
            ("to the right" if right > 0 else "to the left")
            if abs(right) >= abs(down)
            else "downwards"
            if down > 0
            else "upwards"
        )
        return f"with {much} motion {way}"
    if abs(zoom) > 0.8 * share and abs(zoom) > 0.008:
        return f"with {much} motion, {'coming closer' if zoom > 0 else 'going away'}"
    return f"with {much} motion"
