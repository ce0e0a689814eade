"""What is no transition but may be taken for one: flashes, shakes, freezes, overlays and the like, laid into a shot.

A detector that finds a boundary here is wrong: the truth of a clip does not change by them.
"""

from dataclasses import dataclass

import cv2
import numpy as np

KINDS = (
    "flash",
    "shake",
    "whip",
    "freeze",
    "stutter",
    "overlay",
    "logo",
    "exposure",
    "strobe",
    "occluder",
)


@dataclass(frozen=True)
class Confounder:
    """What was laid in, and in which frames, both included."""

    kind: str
    first: int
    last: int


def confound(
    frames: np.ndarray, kind: str, rng: np.random.Generator, *, first: int | None = None
) -> tuple[np.ndarray, Confounder]:
    """A copy of a shot with something in it that is no boundary.

    Args:
        frames: uint8 RGB (T, H, W, 3), of at least eight frames.
        kind: `flash` (one to three frames far brighter), `shake` (the camera is knocked), `whip` (the camera
            is thrown to a side, past what stands there, and back), `freeze` (a frame stands still), `stutter` (every
            other frame is the one before), `overlay` (a banner comes in below and goes), `logo` (a mark appears in a
            corner), `exposure` (the light drops and comes back), `strobe` (every other frame or two is far brighter),
            `occluder` (something dark passes close to the camera).
        first: the frame at which it begins; at random without it.

    Raises:
        ValueError: no such kind, or too few frames.
    """
    if kind not in KINDS:
        raise ValueError(f"there is no confounder {kind!r}: one of {', '.join(KINDS)} would do")
    if len(frames) < 8:
        raise ValueError(f"{len(frames)} frames are too few for a {kind}: eight would do")
    lengths = {"flash": (1, 4), "shake": (4, 12), "whip": (6, 16), "freeze": (4, 24), "stutter": (6, 16)}
    length = min(int(rng.integers(*lengths.get(kind, (12, 30)))), len(frames) - 2)
    first = int(rng.integers(1, len(frames) - length)) if first is None else min(first, len(frames) - length)
    changed = frames.copy()
    span = changed[first : first + length]
    {
        "flash": _flash,
        "shake": _shake,
        "whip": _whip,
        "freeze": _freeze,
        "stutter": _stutter,
        "overlay": _overlay,
        "logo": _logo,
        "exposure": _exposure,
        "strobe": _strobe,
        "occluder": _occluder,
    }[kind](span, rng)
    return changed, Confounder(kind, first, first + length - 1)


def _flash(span: np.ndarray, rng: np.random.Generator) -> None:
    for n, strength in enumerate(np.linspace(0.85, 0.4, len(span))):
        span[n] = cv2.addWeighted(span[n], 1 - strength, np.full_like(span[n], 255), strength, 0)


def _shake(span: np.ndarray, rng: np.random.Generator) -> None:
    height, width = span.shape[1:3]
    for n in range(len(span)):
        x, y = rng.uniform(-0.05, 0.05, 2) * height
        matrix = np.array([[1, 0, x], [0, 1, y]], np.float64)
        span[n] = cv2.warpAffine(span[n], matrix, (width, height), borderMode=cv2.BORDER_REFLECT)


def _whip(span: np.ndarray, rng: np.random.Generator) -> None:
    width = span.shape[2]
    far = float(rng.choice((-1, 1)) * rng.uniform(0.5, 1.2) * width)
    way = far * np.sin(np.linspace(0, np.pi, len(span) + 2)) ** 2
    for n in range(len(span)):
        # What lies beyond the edge of the picture is its mirror image; the exposure smears half a frame's way.
        x = np.mod(np.arange(width) + way[n + 1], 2 * width)
        columns = np.where(x < width, x, 2 * width - 1 - x).astype(np.intp).clip(0, width - 1)
        smear = max(1, round(abs(way[n + 2] - way[n]) / 4))
        span[n] = cv2.blur(span[n][:, columns], (smear, 1))


def _freeze(span: np.ndarray, rng: np.random.Generator) -> None:
    span[:] = span[0].copy()


def _stutter(span: np.ndarray, rng: np.random.Generator) -> None:
    span[1::2] = span[0 : len(span) - len(span) % 2 : 2]


def _overlay(span: np.ndarray, rng: np.random.Generator) -> None:
    height, width = span.shape[1:3]
    colour = rng.integers(20, 200, 3)
    high = round(0.2 * height)
    for n in range(len(span)):
        shown = min(1.0, 4 * n / len(span), 4 * (len(span) - 1 - n) / len(span))
        top = round(height - shown * high)
        part = span[n, top:].astype(np.float32)
        span[n, top:] = (part + 0.85 * (colour - part)).astype(np.uint8)
        if height - top > 8:
            cv2.line(span[n], (width // 10, top + 4), (width // 2, top + 4), (240, 240, 240), 3, cv2.LINE_AA)


def _logo(span: np.ndarray, rng: np.random.Generator) -> None:
    height, width = span.shape[1:3]
    high, wide = round(0.14 * height), round(0.2 * width)
    top = int(rng.choice((height // 16, height - height // 16 - high)))
    left = int(rng.choice((width // 20, width - width // 20 - wide)))
    mark = np.empty((high, wide, 3), np.float32)
    mark[:] = rng.integers(0, 256, 3)
    cv2.circle(mark, (wide // 2, high // 2), high // 3, [int(one) for one in rng.integers(0, 256, 3)], -1, cv2.LINE_AA)
    part = span[:, top : top + high, left : left + wide]
    part[:] = (part + 0.9 * (mark - part)).astype(np.uint8)


def _strobe(span: np.ndarray, rng: np.random.Generator) -> None:
    period, strength = int(rng.integers(1, 4)), float(rng.uniform(0.4, 0.85))
    for n in range(len(span)):
        if n // period % 2 == 0:
            span[n] = cv2.addWeighted(span[n], 1 - strength, np.full_like(span[n], 255), strength, 0)


def _exposure(span: np.ndarray, rng: np.random.Generator) -> None:
    gain = 1 - rng.uniform(0.35, 0.6) * np.sin(np.linspace(0, np.pi, len(span)))
    span[:] = (span * gain[:, None, None, None]).astype(np.uint8)


def _occluder(span: np.ndarray, rng: np.random.Generator) -> None:
    height, width = span.shape[1:3]
    wide = rng.uniform(0.3, 1.0) * width
    # Dark, or a thing with a surface of its own: a part of the picture, large and out of focus.
    thing = np.zeros((height, width, 3), np.float32)
    if rng.random() < 0.5:
        part = span[len(span) // 2, height // 4 : height // 2 + 1, width // 4 : width // 2 + 1, ::-1]
        thing = cv2.blur(cv2.resize(part, (width, height)), (1 + width // 40, 1 + height // 40)).astype(np.float32)
    slant = rng.uniform(-0.3, 0.3) * width * np.linspace(-1, 1, height)[:, None]
    x = np.arange(width)[None] + slant  # (H, W)
    ways = np.linspace(0, 1, len(span)) if rng.random() < 0.5 else np.linspace(1, 0, len(span))
    reach = wide / 2 + float(np.abs(slant).max())
    for n, share in enumerate(ways):
        centre = -reach + share * (width + 2 * reach)
        cover = np.clip((wide / 2 - np.abs(x - centre)) / 12, 0, 1)[..., None]
        shown = np.roll(thing, round(centre), axis=1)  # what it is made of moves with it
        span[n] = (span[n] + 0.92 * cover * (shown - span[n])).astype(np.uint8)


def passing(
    frames: np.ndarray, thing: np.ndarray, rng: np.random.Generator, *, first: int = 1
) -> tuple[np.ndarray, Confounder]:
    """A copy of a shot in which something large goes past, close to the camera, and hides most or all of the picture
    for half a second at most; often the camera has turned meanwhile.

    What goes past is a cut-out of another picture, sharp or smeared by its speed, of any outline: as a car, a lorry, a
    passer-by, a pole or a wall. The shot goes on beneath it, so that it is no boundary.

    Args:
        frames: uint8 RGB (T, H, W, 3), of at least 16 frames.
        thing: uint8 RGB (H', W', 3).
        first: the frame at which it begins.

    Raises:
        ValueError: too few frames.
    """
    if len(frames) < first + 15:
        raise ValueError(f"{len(frames)} frames are too few for what passes from frame {first}: {first + 15} would do")
    height, width = frames.shape[1:3]
    length = int(rng.integers(8, min(36, len(frames) - first - 6) + 1))
    wide = float(rng.uniform(0.35, 1.0 + 10 / length)) * width
    changed = frames.copy()
    if rng.random() < 0.5:
        _turned(changed[first:], length, rng)
    surface = _surface(thing, height, round(wide) + width, rng)
    # Its outline: both edges lean and bend; it may not reach up to the upper edge of the picture.
    y = np.linspace(-1, 1, height)[:, None]
    edges = [
        rng.uniform(-0.25, 0.25) * y + rng.uniform(0, 0.12) * np.sin(rng.uniform(1, 9) * y + rng.uniform(0, 6))
        for _ in range(2)
    ]
    roof = rng.uniform(-0.3, 0.45) * height if rng.random() < 0.5 else -1.0
    top = np.clip((np.arange(height)[:, None] - roof) / 6, 0, 1)
    step = (wide + 1.6 * width) / length
    smear = max(1, round(step * rng.uniform(0, 0.6)))
    soft = smear + rng.uniform(1, 12)
    backwards = rng.random() < 0.5
    x = np.arange(width)[None]
    for n in range(length):
        left = -wide - 0.3 * width + step * (n + 1)
        lower, upper = (left + edge * width + k * wide for k, edge in enumerate(edges))
        cover = np.clip((x - lower) / soft, 0, 1) * np.clip((upper - x) / soft, 0, 1) * top
        columns = np.clip(np.arange(width) - round(left), 0, surface.shape[1] - 1)
        shown, frame = cv2.blur(surface[:, columns], (smear, 1)), changed[first + n]
        if backwards:
            shown, cover = shown[:, ::-1], cover[:, ::-1]
        changed[first + n] = frame + cover[..., None] * (shown.astype(np.float32) - frame)
    return changed, Confounder("passing", first, first + length - 1)


def _turned(frames: np.ndarray, length: int, rng: np.random.Generator) -> None:
    """The camera turns to a side within `length` frames, and stays there."""
    width = frames.shape[2]
    far = float(rng.choice((-1, 1)) * rng.uniform(0.1, 0.9) * width)
    for n in range(len(frames)):
        t = min(1.0, (n + 1) / length)
        x = np.mod(np.arange(width) + far * t * t * (3 - 2 * t), 2 * width)
        frames[n] = frames[n][:, np.where(x < width, x, 2 * width - 1 - x).astype(np.intp).clip(0, width - 1)]


def _surface(thing: np.ndarray, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A part of a picture, at a size and in a light of its own: uint8 (height, width, 3)."""
    share = rng.uniform(0.3, 1)
    high, wide = max(8, round(share * thing.shape[0])), max(8, round(share * thing.shape[1]))
    top, left = int(rng.integers(thing.shape[0] - high + 1)), int(rng.integers(thing.shape[1] - wide + 1))
    part = cv2.resize(thing[top : top + high, left : left + wide], (width, height), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.4:  # some have next to no details, as what is close is out of focus
        part = cv2.blur(part, (1 + width // 12, 1 + height // 12))
    return np.clip(part * rng.uniform(0.15, 1.15) + rng.uniform(0, 20), 0, 255).astype(np.uint8)
