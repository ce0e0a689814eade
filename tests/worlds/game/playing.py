"""Levels written by hand, and games played on them."""

from collections.abc import Iterable

import numpy as np

from marey.worlds.game.engine import Game, State
from marey.worlds.game.hero import Action
from marey.worlds.game.level import HEIGHT, Item, Level
from marey.worlds.game.monsters import Monster
from marey.worlds.game.tiles import CRATE, EMPTY, LADDER, LAVA_TOP, SURFACE, WALL

_SIGNS = {".": EMPTY, "#": WALL, "=": SURFACE, "H": LADDER, "^": LAVA_TOP, "c": CRATE}


def level(rows: list[str], monsters: Iterable[Monster] = (), items: Iterable[Item] = (), start: float = 2.5) -> Level:
    """A level whose lowest rows are these; the hero starts on the surface at `start`."""
    wide = len(rows[0])
    grid = np.full((HEIGHT, wide), EMPTY, np.uint8)
    for n, row in enumerate(reversed(rows)):
        grid[HEIGHT - 1 - n] = [_SIGNS[sign] for sign in row]
    free = np.flatnonzero(grid[:, int(start)] == EMPTY)
    return Level(0, "meadow", grid, tuple(items), tuple(monsters), (start, float(free.max() + 1)))


def flat(wide: int = 64, monsters: Iterable[Monster] = (), items: Iterable[Item] = ()) -> Level:
    """Nothing but ground, with its surface at y = 12."""
    return level(["=" * wide, "#" * wide], monsters, items)


def played(game: Game, actions: Iterable[Action]) -> list[State]:
    return [game.step(action) for action in actions]


def kinds(states: Iterable[State]) -> list[str]:
    """What happened, in order."""
    return [event.kind for state in states for event in state.events]
