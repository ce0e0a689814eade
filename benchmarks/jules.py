"""Plays of the world of Jules as what judges know, straight from the game without files."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from marey.evaluate.known import RATE, SIZE, Known, cells_of_labels, gathered, moments_of
from marey.worlds.game import clip
from marey.worlds.game.engine import State
from marey.worlds.game.hero import FPS
from marey.worlds.game.level import Level
from marey.worlds.game.picture import Painter
from marey.worlds.game.sound import soundtrack
from marey.worlds.game.story import deeds, tell

STEP = FPS // RATE


@dataclass(frozen=True)
class Play:
    """One long play, in a level of its own."""

    level: Level
    states: tuple[State, ...]
    video: np.ndarray
    cells: np.ndarray


def plays(seed: int, first: int, count: int, frames: int = 384) -> Iterator[Play]:
    """Long plays: from one of 384 frames come four clips of 96 for the price of two."""
    for number in range(first, first + count):
        one = clip(seed, number, frames)
        painter = Painter(one.level, SIZE)
        drawn = [painter.paint(state) for state in one.states[::STEP]]
        cells = np.stack([cells_of_labels(picture.labels) for picture in drawn])
        yield Play(one.level, one.states, np.stack([picture.rgb for picture in drawn]), cells)


def windows(some: list[Play], frames: int, sound: bool = False) -> Known:
    """Clips of so many frames, end to end."""
    return gathered(one for play in some for one in _windows(play, frames, sound))


def _windows(play: Play, frames: int, sound: bool) -> Iterator[dict[str, Any]]:
    for start in range(0, len(play.states) - frames + 1, frames):
        states = play.states[start : start + frames]
        rows = [
            {"pose": s.pose, "vx": s.vx, "vy": s.vy, "events": [(e.kind, e.what) for e in s.events]} for s in states
        ]
        shown = slice(start // STEP, (start + frames) // STEP)
        done = deeds(states, play.level)
        yield {
            "video": play.video[shown],
            "text": tell(done),
            "deeds": [asdict(deed) for deed in done],
            "level": play.level.seed,
            "moments": moments_of(rows, play.cells[shown], range(0, frames, STEP)),
            "cells": play.cells[shown],
            "sound": soundtrack(states, play.level.theme, play.level.seed) if sound else None,
        }
