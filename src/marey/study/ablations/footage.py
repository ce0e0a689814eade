"""Footage of the ablations: moving figures, clean or with what real footage has, and what Marey's signals say of it.

Each clip is drawn at `SOURCE` pixels, where its signals are computed, and made smaller for the network, as curation and
encoding do. Cuts are found by `transitions_in`, stillness by the flow, text by the detector of text; that a caption
is of another clip is taken from the truth, for no judge of these figures is at hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from marey.curate.frames import TextShare, least_motion, transitions_in
from marey.recipe.ablations import Figures
from marey.worlds.edits import Join, compose
from marey.worlds.figures import Figure, figure

AXES = ("cuts", "static", "text", "captions")
SOURCE = 96
"""Pixels of a side, of the footage."""
STILL = 0.05
"""Mean flow in pixels of the footage under which a clip stands still; figures move by 0.2 or more."""
WRITTEN = 0.12
"""Share of the picture under boxes of text from which a clip has text over it."""
_WORDS = ("BREAKING NEWS", "SUBSCRIBE", "LIVE 24", "EPISODE 7", "COMING SOON", "PART TWO", "CHANNEL 5", "THE END")
_ROWS = (0.12, 0.5, 0.88)


@dataclass(frozen=True)
class Shot:
    """One clip of the footage."""

    frames: np.ndarray
    """uint8 (T, SOURCE, SOURCE, 3)."""
    text: str
    truth: frozenset[str]
    """Of `AXES`, what is wrong with it."""


@dataclass(frozen=True)
class Judged:
    """A clip and what is said against it."""

    shot: Shot
    found: frozenset[str]
    """Of `AXES`, those that its signals give it away by."""


def plain(seed: int, number: int, frames: int, fps: int, side: int = SOURCE) -> Figure:
    """A figure over one tone: that of the middle of its palette's floor."""
    one = figure(seed, number, frames=frames, fps=fps, height=side, width=side)
    tone = one.scene.background.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
    ground = np.broadcast_to(tone, one.scene.background.shape).copy()
    return replace(one, scene=replace(one.scene, background=ground))


def clean(seed: int, number: int, settings: Figures) -> Shot:
    """A clip with nothing wrong."""
    scene = plain(seed, number, settings.frames, settings.fps).scene
    return Shot(np.stack(list(scene.render())), scene.sentence, frozenset())


def raw(seed: int, number: int, settings: Figures) -> Shot:
    """A clip as it comes: each defect by its share, apart from the others. The same arguments give the same clip."""
    rng = np.random.default_rng([seed, number, 0xAB1A])
    wrong = frozenset(axis for axis in AXES if rng.random() < getattr(settings, axis))
    shot, other = (clean(seed, n, settings) for n in (number, number + 1_000_003))
    frames, text = shot.frames, shot.text
    if "static" in wrong:
        frames = np.repeat(frames[:1], len(frames), axis=0)
    if "cuts" in wrong:
        at = int(rng.integers(2, len(frames) - 1))
        after = np.repeat(other.frames[:1], len(frames), axis=0) if "static" in wrong else other.frames
        frames, _ = compose([frames[:at], after[at:]], [Join("cut")])
    if "text" in wrong:
        frames = _written(frames, rng)
    if "captions" in wrong:
        texts = (clean(seed, number + 2_000_003 + n, settings).text for n in range(20))
        text = next(other for other in texts if other != text)
    return Shot(frames, text, wrong)


class Judge:
    """What Marey's own signals say against a clip.

    Raises:
        MissingExtra: the extra 'ocr' is not installed.
    """

    def __init__(self) -> None:
        self._text = TextShare()

    def __call__(self, shot: Shot, fps: float, axes: Sequence[str] = AXES) -> Judged:
        """The defects that are found, of `axes`."""
        return Judged(shot, frozenset(axis for axis in axes if self._found(shot, fps, axis)))

    def _found(self, shot: Shot, fps: float, axis: str) -> bool:
        frames = shot.frames
        if axis == "static":
            return least_motion(frames) < STILL
        if axis == "cuts":
            return bool(transitions_in(frames, fps))
        if axis == "text":
            return self._text(frames[len(frames) // 2]) > WRITTEN
        return "captions" in shot.truth


def small(frames: np.ndarray, size: int) -> np.ndarray:
    """Frames (T, H, W, 3) at a size, each pixel the mean of what it covers."""
    return np.stack([_fit(frame, (size, size)) for frame in frames])


def _fit(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), size[::-1], interpolation=cv2.INTER_AREA))


def _written(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """White lines of text in two places, the same in all frames."""
    sheet = Image.new("L", (SOURCE, SOURCE), 0)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(round(SOURCE * 0.16))
    for row in rng.permutation(len(_ROWS))[:2]:
        word = _WORDS[int(rng.integers(len(_WORDS)))]
        draw.text((SOURCE / 2, _ROWS[row] * SOURCE), word, fill=255, font=font, anchor="mm")
    cover = np.asarray(sheet, np.float32)[..., None] / 255
    return (frames * (1 - cover) + 250 * cover).astype(np.uint8)
