"""Captions from facts: what was measured, said in a sentence. Nothing is guessed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

VERSION = "3"
OF_STILL = ("text_area", "labels")
OF_MOTION = ("motion", "motion_share", "camera_motion", "object_motion")
OF_CLIP = ("brightness", *OF_MOTION, *OF_STILL)
"""The signals that each caption tells of, where they are there."""
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
_TEXT, _MUCH_TEXT = 0.003, 0.07  # shares of the picture; the paper's own limit is 7 %
_SURE = 0.6  # a label is named from this probability on
_STILL = 0.002  # of the diagonal in half a second
_MOVES = {
    "pan left": "pans to the left",
    "pan right": "pans to the right",
    "tilt up": "tilts upwards",
    "tilt down": "tilts downwards",
    "zoom in": "zooms in",
    "zoom out": "zooms out",
}

Signals = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Facts:
    """What is known of a clip, in phrases. An empty one is not known, or not worth a word."""

    photo: bool
    look: str
    """Light and colour over the clip: "dark, mostly blue"."""
    still_look: str
    """The same of the middle still alone."""
    label: str
    """What stands in the middle still, with its article: "a tennis ball"."""
    text: str
    """Over the clip: "with text in it"."""
    still_text: str
    motion: str
    """"with some motion to the left"."""
    seconds: float


def facts(
    clip: Mapping[str, Any], signals: Signals, luma: np.ndarray, chroma: np.ndarray, *, photo: bool = False
) -> Facts:
    """The facts of one clip.

    Args:
        clip: its row.
        signals: its signals' rows by name, those of `OF_CLIP` that are there, `data` parsed. Without `brightness` the
            middle still stands for the clip.
        luma: uint8 (36, 64), chroma: uint8 (18, 32, 2): the signature of its middle frame.
    """
    hue = colour(luma, chroma)
    area = signals.get("text_area", {})
    stills = area.get("data") or [area.get("value")]
    still = float(luma.mean()) / 255
    brightness = signals.get("brightness", {}).get("value")
    return Facts(
        photo=photo,
        look=f"{_light(still if brightness is None else brightness)}, {hue}",
        still_look=f"{_light(still)}, {hue}",
        label=_label(signals.get("labels", {}).get("data")),
        text=_text(area.get("value")),
        still_text=_text(stills[len(stills) // 2]),
        motion=_motion(clip, signals),
        seconds=clip["seconds"],
    )


def of_clip(known: Facts) -> str:
    """The caption `facts`: everything, in one sentence."""
    if known.photo:
        return " ".join(filter(None, [f"A photograph{_of(known)}, {known.look}", known.text])) + "."
    first = " ".join(filter(None, [f"{_article(known.look)} {known.look} shot{_of(known)}", known.motion]))
    return f"{', '.join(filter(None, [first, known.text]))}, {known.seconds:.1f} seconds long."


def of_still(known: Facts) -> str:
    """The caption `image`: the middle still, and nothing that only time shows."""
    if known.photo:
        return of_clip(known)
    words = [f"{_article(known.still_look)} {known.still_look} picture{_of(known)}", known.still_text]
    return " ".join(filter(None, words)) + "."


def of_motion(known: Facts) -> str:
    """The caption `video`: what moves, which way and for how long."""
    return " ".join(filter(None, [f"A shot of {known.seconds:.1f} seconds", known.motion])) + "."


def joined(image: str, video: str) -> str:
    """Two captions side by side as one sentence.

    >>> joined("A dark, grey picture.", "A shot of 2.0 seconds with some motion.")
    'A dark, grey picture; a shot of 2.0 seconds with some motion.'
    """
    first, second = image.strip().rstrip(".!;, "), video.strip()
    word = second.partition(" ")[0]
    if word in ("A", "An", "The", "In", "There", "This"):  # any other may be a name
        second = second[0].lower() + second[1:]
    return f"{first}; {second}" if second.endswith((".", "!", "?")) else f"{first}; {second}."


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


def _light(brightness: float) -> str:
    return "dark" if brightness < 0.25 else "bright" if brightness > 0.65 else "evenly lit"


def _article(words: str) -> str:
    return "An" if words[0] in "aeiou" else "A"


def _of(known: Facts) -> str:
    return f" of what looks like {known.label}" if known.label else ""


def _label(data: Any) -> str:
    """The first of [name, score] pairs, if it is sure."""
    if not isinstance(data, list) or not data or not isinstance(data[0], list | tuple) or len(data[0]) < 2:
        return ""
    name, score = str(data[0][0]).partition(",")[0].strip(), float(data[0][1])
    return f"{_article(name).lower()} {name}" if name and score >= _SURE else ""


def _text(area: float | None) -> str:
    if area is None or area < _TEXT:
        return ""
    return "with much text in it" if area > _MUCH_TEXT else "with text in it"


def _motion(clip: Mapping[str, Any], signals: Signals) -> str:
    share = signals.get("motion_share", {}).get("value")
    if share is None:
        return ""
    if share < _STILL:
        return "in which almost nothing moves"
    much = f"with {'little' if share < 0.01 else 'some' if share < 0.04 else 'much'} motion"
    data = signals["motion"]["data"]
    camera, own = signals.get("camera_motion", {}), signals.get("object_motion", {}).get("value")
    move = (camera.get("data") or {}).get("move")
    if move is None or own is None:
        return much + _way(clip, share, data)
    if move == "static":
        return f"{much}{_way(clip, share, data)} before a camera that stands still"
    # What moves by itself is worth a word where it moves a third as far as the camera moves the picture.
    besides = " and within the picture" if own > camera["value"] / 3 else ""
    roll = f"rolls {'clockwise' if camera['data']['roll'] > 0 else 'anticlockwise'}"
    return f"{much}, as the camera {roll if move == 'roll' else _MOVES.get(move, 'moves')}{besides}"


def _way(clip: Mapping[str, Any], share: float, data: Mapping[str, Any]) -> str:
    """Where the picture goes, if it goes one way."""
    diagonal = float(np.hypot(clip["width"], clip["height"]))
    right, down, zoom = data["right"] / diagonal, data["down"] / diagonal, data["zoom"]
    if max(abs(right), abs(down)) > 0.45 * share:
        if abs(right) >= abs(down):
            return " to the right" if right > 0 else " to the left"
        return " downwards" if down > 0 else " upwards"
    if abs(zoom) > 0.8 * share and abs(zoom) > 0.008:
        return ", coming closer" if zoom > 0 else ", going away"
    return ""
