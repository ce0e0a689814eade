"""Clips of a world of which all is known, as arrays: what judges learn from, and what they are tried on.

The names are those of the platform game: what its sentences tell of a clip (`EVENTS`), and what is the case from one
picture to the next (`MOMENTS`).
"""

import hashlib
import json
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from marey.errors import MareyError
from marey.media import probe, read
from marey.media.sound import RATE as HEARD
from marey.media.sound import hear
from marey.progress import Progress, follow, silent

RATE, SIZE, CELL = 15, 64, 8
"""Judges see so many pictures a second, of this height and width, in cells of so many pixels."""
SOUND = 24000
"""Samples a second that judges hear."""

_SIDED = {
    "walk": ("right", "left"), "run": ("right", "left"), "jump": ("right", "left", "up"), "climb": ("up", "down"),
}  # fmt: skip
_POSES = ("stand", "duck")
_SUDDEN = ("coin", "gem", "stomp", "hit", "killed", "goal")
_MONSTERS = ("worm", "ladybug", "snail", "mouse", "slime", "jelly", "bee", "gear", "barnacle", "frog")
_SIDES = tuple(f"{verb} {side}" for verb, sides in _SIDED.items() for side in sides)
_STOMPS = tuple(f"stomp on {monster}" for monster in _MONSTERS)
_LEAPS = tuple(f"jump over {what}" for what in (*_MONSTERS, "lava"))
_SEEN = tuple(f"sees {what}" for what in (*_MONSTERS, "coins", "gems", "hero", "shield"))
_FIRST = 9  # label of the semantic map that is the first of these, and the first bit of a cell

EVENTS = (*_SIDED, *_SIDES, *_POSES, *_SUDDEN, "lava", *_STOMPS, *_LEAPS)
"""What may happen in a clip; `lava` is being killed by it."""
MOMENTS = (*_SIDED, *_SIDES, *_POSES, *_SUDDEN, "lava", *_STOMPS, *_SEEN)
"""What may be the case at a picture, or may have happened since the one before."""
THINGS = len(_SEEN)
"""What may be in a cell of a picture: monsters, coins, gems, the hero, the shield."""
WEIGHTS = np.array([4.0 if name in _SUDDEN else 1.0 for name in MOMENTS], np.float32)
"""Of the moments: what is sudden is rare, and counts for more."""
_WALK = 0.13  # tiles a frame: who is faster runs
_MOVES = 0.02


def events_of(deeds: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The events of some deeds, each with verb, side and what, as in `NAME.truth.json`."""
    found = set()
    for deed in deeds:
        verb, side, what = str(deed["verb"]), int(deed["side"]), str(deed["what"])
        found |= {verb, f"{verb} {_side(verb, side)}", f"{verb} over {what}", f"{verb} on {what}"}
        if verb == "killed" and what == "lava":
            found.add("lava")
    return frozenset(found & set(EVENTS))


def moments_of(frames: Sequence[Mapping[str, Any]], cells: np.ndarray, shown: Sequence[int]) -> np.ndarray:
    """What is the case at some of the frames of a clip: uint8 (len(shown), len(MOMENTS)), 0 or 1.

    Args:
        frames: every frame of the clip with pose, vx, vy and events (kind and what), as in `NAME.truth.json`.
        cells: of the frames that are shown, as `cells_of_labels` gives.
        shown: the numbers of the frames that are shown, rising.
    """
    out = np.zeros((len(shown), len(MOMENTS)), np.uint8)
    before = -1
    for row, at in enumerate(shown):
        bits = int(np.bitwise_or.reduce(cells[row], axis=None))
        found = {name for bit, name in enumerate(_SEEN) if bits >> bit & 1} | _posture(frames[at])
        for frame in frames[max(before + 1, 0) : at + 1]:
            for kind, what in frame["events"]:
                found |= {kind, f"{kind} on {what}"} | ({"lava"} if (kind, what) == ("killed", "lava") else set())
        out[row] = [name in found for name in MOMENTS]
        # Of what is only an event in the game, such as landing, there is no moment.
        out[row, MOMENTS.index("jump")] = frames[at]["pose"] == "jump"
        out[row, MOMENTS.index("climb")] = frames[at]["pose"] == "climb"
        before = at
    return out


def cells_of_labels(labels: np.ndarray) -> np.ndarray:
    """What is in each cell, a bit a thing: uint16 (SIZE / CELL, SIZE / CELL), from a semantic map of that size."""
    count = SIZE // CELL
    bits = np.where(labels >= _FIRST, np.left_shift(1, np.maximum(labels, _FIRST).astype(np.uint16) - _FIRST), 0)
    grid = bits.astype(np.uint16).reshape(count, CELL, count, CELL)
    return np.asarray(np.bitwise_or.reduce(np.bitwise_or.reduce(grid, axis=3), axis=1))


def cells_of_boxes(boxes: Iterable[Sequence[int]], size: int) -> np.ndarray:
    """The same from boxes (label, left, top, right, bottom) in a picture of `size` pixels."""
    count = SIZE // CELL
    grid = np.zeros((count, count), np.uint16)
    for label, *edges in boxes:
        left, top, right, bottom = (edge * count / size for edge in edges)
        grid[int(top) : math.ceil(bottom), int(left) : math.ceil(right)] |= np.uint16(1 << (label - _FIRST))
    return grid


def mirrored(names: Sequence[str]) -> list[int]:
    """Of each name, where the name is that it has in a mirror."""
    swap = {"right": "left", "left": "right"}
    return [names.index(" ".join(swap.get(word, word) for word in name.split(" "))) for name in names]


@dataclass(frozen=True)
class Known:
    """Clips of one length, at `RATE` pictures a second and `SIZE` pixels."""

    videos: np.ndarray
    """uint8 RGB (N, T, SIZE, SIZE, 3)."""
    texts: tuple[str, ...]
    happened: tuple[frozenset[str], ...]
    """What happens, or is asked for; of `EVENTS`."""
    groups: tuple[Hashable, ...]
    """Clips of one level are of one group."""
    moments: np.ndarray | None = None
    """uint8 (N, T, len(MOMENTS))."""
    cells: np.ndarray | None = None
    """uint16 (N, T, SIZE / CELL, SIZE / CELL), a bit a thing."""
    sounds: np.ndarray | None = None
    """float32 (N, samples), mono at `SOUND`."""

    def __len__(self) -> int:
        return len(self.videos)

    def take(self, rows: Sequence[int] | np.ndarray) -> "Known":
        """Some of the clips."""
        return Known(
            self.videos[rows],
            tuple(self.texts[n] for n in rows),
            tuple(self.happened[n] for n in rows),
            tuple(self.groups[n] for n in rows),
            None if self.moments is None else self.moments[rows],
            None if self.cells is None else self.cells[rows],
            None if self.sounds is None else self.sounds[rows],
        )

    def split(self, heldout: float) -> tuple["Known", "Known"]:
        """Clips to learn from and clips held out; no level is in both. A level is held out by its own name, so that
        more clips do not move one from here to there.

        Raises:
            MareyError: one of the two would be empty.
        """
        draws = [int(hashlib.sha256(str(group).encode()).hexdigest()[:8], 16) / 2**32 for group in self.groups]
        out = np.array([draw < heldout for draw in draws])
        if out.all() or not out.any():
            raise MareyError(f"Of {len(self)} clips none could be held out by level, or all: more clips would do.")
        return self.take(np.flatnonzero(~out)), self.take(np.flatnonzero(out))

    @cached_property
    def digest(self) -> str:
        """Hash of all that is seen, heard and told."""
        hasher = hashlib.sha256(json.dumps([self.texts, [sorted(each) for each in self.happened]]).encode())
        for array in (self.videos, self.moments, self.cells, self.sounds):
            if array is not None:
                hasher.update(np.ascontiguousarray(array).data)
        return hasher.hexdigest()[:16]


def shown(frames: int, fps: float) -> np.ndarray:
    """Which of the frames of a video a judge sees: the nearest to every fifteenth of a second."""
    count = int((frames - 1) * RATE / fps + 1e-6) + 1
    return np.round(np.arange(count) * fps / RATE).astype(int).clip(0, frames - 1)


def pictures(video: np.ndarray) -> np.ndarray:
    """Pictures uint8 RGB (T, H, W, 3) at the size that judges see."""
    if video.shape[1:3] == (SIZE, SIZE):
        return video
    smaller = min(video.shape[1:3]) > SIZE
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.stack([cv2.resize(picture, (SIZE, SIZE), interpolation=how) for picture in video])


def read_known(
    folder: str | Path,
    asked: Callable[[str], Iterable[Mapping[str, Any]]] | None = None,
    *,
    sound: bool = False,
    progress: Progress = silent,
) -> Known:
    """The videos of a folder, each decoded once, with what stands beside them.

    `NAME.truth.json` says what happens in `NAME.mp4`. Where there is none, as of clips that a model made, `NAME.txt`
    does, as `asked` reads it.

    Args:
        asked: the deeds that a text is about; it raises ValueError of a text that it cannot read.
        sound: hear them too.

    Raises:
        MareyError: there are no videos, nothing is known of one, or they differ in length.
    """
    folder = Path(folder)
    paths = sorted(folder.glob("*.mp4"))
    if not paths:
        raise MareyError(f"{folder} has no .mp4: clips that `marey worlds play` writes would do.")
    rows = [_read(path, asked, sound) for path in follow(paths, progress, "reading clips", len(paths))]
    lengths = {len(row[0]): path.name for row, path in zip(rows, paths, strict=True)}
    if len(lengths) > 1:
        (one, first), (other, second), *_ = lengths.items()
        raise MareyError(
            f"{first} is {one / RATE:g} s long and {second} {other / RATE:g}: clips of one length would do."
        )
    videos, texts, happened, groups, moments, cells, sounds = zip(*rows, strict=True)
    return Known(
        np.stack(videos),
        texts,
        happened,
        groups,
        np.stack(moments) if all(one is not None for one in moments) else None,
        np.stack(cells) if all(one is not None for one in cells) else None,
        np.stack(sounds) if sound else None,
    )


def gathered(clips: Iterable[Mapping[str, Any]]) -> Known:
    """Clips that come straight from a world, without files.

    Args:
        clips: each with `video` (uint8 (T, SIZE, SIZE, 3), `RATE` a second), `text`, `deeds`, `level` (what its group
            is called) and, all or none, `moments`, `cells` and `sound`.
    """
    columns: dict[str, list[Any]] = {
        key: [] for key in ("video", "text", "deeds", "level", "moments", "cells", "sound")
    }
    for one in clips:
        for key, column in columns.items():
            if one.get(key) is not None:
                column.append(one[key])
    return Known(
        np.stack(columns["video"]),
        tuple(columns["text"]),
        tuple(events_of(deeds) for deeds in columns["deeds"]),
        tuple(columns["level"]),
        np.stack(columns["moments"]) if columns["moments"] else None,
        np.stack(columns["cells"]) if columns["cells"] else None,
        np.stack(columns["sound"]) if columns["sound"] else None,
    )


def _read(path: Path, asked: Callable[[str], Iterable[Mapping[str, Any]]] | None, sound: bool) -> tuple[Any, ...]:
    known = probe(path)
    fps = float(known.fps or 25)
    frames = np.stack([frame.rgb(None) for frame in read(path, known, threads=1)])
    at = shown(len(frames), fps)
    video = pictures(frames[at])
    truth_path, text_path = path.with_suffix(".truth.json"), path.with_suffix(".txt")
    start = known.pts[0] * known.time_base if len(known.pts) else Fraction(0)
    heard = _heard(path, Fraction(start), len(frames) / fps) if sound else None
    try:
        if truth_path.exists():
            truth = json.loads(truth_path.read_text(encoding="utf-8"))
            level = hashlib.sha256("\n".join(truth["level"]).encode()).hexdigest()[:16]
            cells = np.stack([cells_of_boxes(truth["frames"][n]["boxes"], truth["size"]) for n in at])
            moments = moments_of(truth["frames"], cells, at.tolist())
            return video, str(truth["text"]), events_of(truth["deeds"]), level, moments, cells, heard
        text = text_path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise MareyError(f"Nothing is known of {path}: its .truth.json or .txt cannot be read ({error}).") from error
    try:
        return video, text, events_of(asked(text)) if asked else frozenset(), path.stem, None, None, heard
    except ValueError as error:
        raise MareyError(f"{text_path}: {error}; a sentence as `marey worlds play` writes them would do.") from error


def _heard(path: Path, start: Fraction, seconds: float) -> np.ndarray:
    """float32 (samples,), mono at `SOUND`; silence where there is no sound."""
    total = round(seconds * SOUND)
    end = start + Fraction(seconds).limit_denominator(HEARD)
    pieces = [piece.mean(0) for piece in hear(path, start, end)]
    wave = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    if len(wave) < 2:
        return np.zeros(total, np.float32)
    places = np.arange(total) * (HEARD / SOUND)
    return np.interp(places, np.arange(len(wave)), wave).astype(np.float32)


def _side(verb: str, side: int) -> str:
    if verb == "climb":
        return "down" if side > 0 else "up"
    return {1: "right", -1: "left", 0: "up"}[side]


def _posture(frame: Mapping[str, Any]) -> set[str]:
    pose, vx, vy = frame["pose"], frame["vx"], frame["vy"]
    if pose == "walk":
        verb = "run" if abs(vx) > _WALK else "walk"
        return {verb, f"{verb} {'right' if vx > 0 else 'left'}"}
    if pose == "climb":
        return {pose} | ({"climb down"} if vy > _MOVES else {"climb up"} if vy < -_MOVES else set())
    if pose == "jump":
        return {pose, f"jump {'right' if vx > _MOVES else 'left' if vx < -_MOVES else 'up'}"}
    return {pose}
