"""Footage that is drawn, not read: the clips of a world, known without a file and without a codec between.

The taps of the pass see the frames as they are made; from there on a drawn footage is one like any other. Its path is
the name by which its world draws it again, which is how its pixels are had for training.
"""

from collections.abc import Iterable
from fractions import Fraction
from hashlib import blake2b
from typing import Any, Protocol

import cv2
import numpy as np

from marey.catalog import text_path
from marey.curate.read import ReadStage
from marey.curate.roll import Roll, write_part
from marey.media.given import given


class Shot(Protocol):
    """One clip of a world."""

    @property
    def fps(self) -> int:
        """Frames a second."""

    @property
    def name(self) -> str:
        """By which the world draws it again; need not be the one by which it was asked for."""

    @property
    def told(self) -> dict[str, Any]:
        """Its caption, license, source, credit and origin (a list), as they would stand beside a file."""

    def frames(self) -> Iterable[np.ndarray]:
        """uint8 RGB (H, W, 3) each."""


class World(Protocol):
    """A source of clips. Picklable, so that a spawned process can have it."""

    def names(self) -> list[str]:
        """Of all its clips; a name says everything that decides the content, and never comes to mean another."""

    def shot(self, name: str) -> Shot:
        """The clip of a name, the same each time."""


class DrawStage:
    """As `ReadStage`, of a clip that is drawn. Item: id (the footage), name, library."""

    # By these the ledger knows it: what follows asks whether a footage was read, not how.
    name, version, cpus, gpus = ReadStage.name, ReadStage.version, 1.0, 0.0

    def __init__(self, world: World, threads: int = 1, second: bool = False, pairs: bool = False) -> None:
        self._world, self._threads, self._kept = world, threads, (second, pairs)

    def setup(self) -> None:
        """One thread for OpenCV: the workers are the parallelism."""
        cv2.setNumThreads(self._threads)

    def process(self, item: dict[str, Any]) -> dict[str, Any]:
        """Writes trace and stills; returns what `ReadStage` does, and under `row` what else is known."""
        shot = self._world.shot(item["name"])
        roll, height, width, tick = Roll(*self._kept), 0, 0, Fraction(1)
        for frame in given(shot.frames(), shot.fps):
            roll.take(frame)
            height, width, tick = frame.height, frame.width, frame.time_base
        part = write_part(text_path(item["library"]), item["id"], roll)
        base = f"{tick.numerator}/{tick.denominator}"
        shape = {"width": width, "height": height, "rotation": 0, "interlaced": False}
        return {
            **shape,
            "announced_fps": float(shot.fps),
            "time_base": base,
            "announced": roll.frames,
            "decoded": 0,
            "limited": False,
            "reason": "",
            "parts": [part],
            "row": {
                **shot.told,
                "path": shot.name,
                **shape,
                "time_base": base,
                "pixel_format": "rgb24",
                "bit_depth": 8,
            },
        }


def footage_id(name: str) -> str:
    """The id of a drawn footage: 32 hexadecimal digits, of its name, which decides its content."""
    return blake2b(f"drawn {name}".encode(), digest_size=16).hexdigest()
