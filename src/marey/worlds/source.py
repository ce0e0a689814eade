"""The worlds as a source of clips without files: each has a name that says all that decides it, and is drawn from that.

`jules:7/3?frames=96&size=64&v=1` is clip 3 of seed 7 of the game; with `&only=hunter` it is played by that policy,
and with `&keys=...` again by what was pressed then, which takes a tenth of the time. The catalog keeps that name.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from marey.errors import MareyError
from marey.worlds.beside import OWN
from marey.worlds.figures import MOTIONS, Figure, figure
from marey.worlds.films import VERSION as SHAPES_VERSION
from marey.worlds.game.agents import POLICIES
from marey.worlds.game.clip import Clip, clip
from marey.worlds.game.footage import VERSION as GAME_VERSION
from marey.worlds.game.hero import FPS as GAME_FPS

SHAPES_FPS = 25
_NAME = re.compile(r"(jules|shapes):(\d+)/(\d+)\?frames=(\d+)&size=(\d+)&v=(\d+)(?:&only=(\w+))?(?:&keys=(\w*))?")
_FPS = {"jules": GAME_FPS, "shapes": SHAPES_FPS}
_VERSIONS = {"jules": GAME_VERSION, "shapes": SHAPES_VERSION}
_ONLY = {"jules": tuple(POLICIES), "shapes": MOTIONS}


@dataclass(frozen=True)
class Drawn:
    """One clip, made when its frames or its text are asked for."""

    world: str
    seed: int
    number: int
    count: int
    """Frames."""
    size: int
    only: str | None
    keys: str | None = None

    @property
    def fps(self) -> int:
        """Frames a second."""
        return _FPS[self.world]

    @cached_property
    def _one(self) -> Clip | Figure:
        if self.world == "jules":
            return clip(self.seed, self.number, self.count, self.only, self.keys)
        side = {"height": self.size, "width": self.size}
        return figure(self.seed, self.number, frames=self.count, fps=SHAPES_FPS, motion=self.only, **side)

    def frames(self) -> Iterable[np.ndarray]:
        """uint8 RGB (size, size, 3) each."""
        one = self._one
        return (picture.rgb for picture in one.pictures(self.size)) if isinstance(one, Clip) else one.scene.render()

    @property
    def name(self) -> str:
        """By which it is drawn again, the quickest way."""
        rest = f"frames={self.count}&size={self.size}&v={_VERSIONS[self.world]}"
        rest += f"&only={self.only}" if self.only is not None else ""
        rest += f"&keys={self._one.keys}" if isinstance(self._one, Clip) else ""
        return f"{self.world}:{self.seed}/{self.number}?{rest}"

    @property
    def told(self) -> dict[str, Any]:
        """What would stand beside a file of it: caption, license, source, credit, origin."""
        one = self._one
        text = one.text if isinstance(one, Clip) else one.scene.sentence
        return {**OWN, "caption": text, "origin": [f"{self.world}-{self.seed}-{self.number:06d}"]}


@dataclass(frozen=True)
class Source:
    """Many clips of a world: numbers 0 to clips - 1 of a seed.

    Args:
        world: jules or shapes.
        size: height and width, a multiple of 8 from 32 to 512.
        only: of jules one policy, of shapes one motion; None: they take turns.

    Raises:
        MareyError: a world, size, policy or motion that there is not.
    """

    world: str
    clips: int
    seconds: float = 3.2
    size: int = 64
    seed: int = 7
    only: str | None = None

    def __post_init__(self) -> None:
        if self.world not in _FPS:
            raise MareyError(f"There is no world {self.world!r}: one of {', '.join(_FPS)} would do.")
        if self.only is not None and self.only not in _ONLY[self.world]:
            raise MareyError(
                f"The world {self.world} has no {self.only!r}: one of {', '.join(_ONLY[self.world])} would do."
            )
        if self.size % 8 or not 32 <= self.size <= 512:
            raise MareyError(f"The size of a world is {self.size}: a multiple of 8 from 32 to 512 would do.")

    def names(self) -> list[str]:
        """Of all its clips."""
        frames = max(2, round(self.seconds * _FPS[self.world]))
        rest = f"frames={frames}&size={self.size}&v={_VERSIONS[self.world]}"
        rest += f"&only={self.only}" if self.only is not None else ""
        return [f"{self.world}:{self.seed}/{number}?{rest}" for number in range(self.clips)]

    def shot(self, name: str) -> Drawn:
        """The clip of a name."""
        return named(name)


def named(name: str) -> Drawn:
    """The clip of a name.

    Raises:
        MareyError: it is none, or one that this version draws otherwise.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise MareyError(f"{name!r} names no clip of a world.")
    world, version = match[1], int(match[6])
    if version != _VERSIONS[world]:
        raise MareyError(
            f"{name} is of version {version} of {world}, this Marey draws {_VERSIONS[world]}: curate anew."
        )
    return Drawn(world, int(match[2]), int(match[3]), int(match[4]), int(match[5]), match[7], match[8])


def drawn(path: str) -> tuple[Iterable[np.ndarray], int] | None:
    """The frames of a footage that a world draws, by its path in the catalog, and their rate; None if it is a file."""
    if _NAME.fullmatch(path) is None:
        return None
    one = named(path)
    return one.frames(), one.fps
