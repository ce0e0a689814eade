"""Clips of the game: which level, which agent, from which frame on, all from a seed and a number.

The same (seed, number) gives the same clip, bit for bit, at any time and in any order: `clip` makes one by itself.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby, product
from string import ascii_lowercase

import numpy as np

from marey.worlds.game.agents import POLICIES, Agent
from marey.worlds.game.engine import Game, State
from marey.worlds.game.hero import FPS, Action
from marey.worlds.game.level import Level, make_level
from marey.worlds.game.picture import Painter, Picture
from marey.worlds.game.sound import soundtrack
from marey.worlds.game.story import Deed, deeds, paraphrase, tell

LATEST = 300
"""A clip begins at most so many frames after its play does."""
_SIGNS = {  # a letter for what is done: large to the right, small to the left, behind a line to neither side
    Action(side, jump, run, climb, duck): mark + letter.upper() if side > 0 else mark + letter
    for side, mark in ((1, ""), (-1, ""), (0, "_"))
    for letter, (jump, run, climb, duck) in zip(
        ascii_lowercase, product((False, True), (False, True), (-1, 0, 1), (False, True)), strict=False
    )
}
_BY_SIGN = {sign: action for action, sign in _SIGNS.items()}
_RUN = re.compile(r"(_?[A-Xa-x])([0-9]*)")
_KEYS = re.compile(r"(?:(?:[A-Xa-x]|_[a-x])[0-9]*)*")


@dataclass(frozen=True)
class Clip:
    """Some seconds of one play, before anything is drawn."""

    seed: int
    number: int
    policy: str
    level: Level
    states: tuple[State, ...]
    keys: str = field(default="", compare=False)
    """What was pressed since the play began, by which `clip` plays it again without an agent; see `pressed`."""

    @cached_property
    def deeds(self) -> list[Deed]:
        """What happens, in order."""
        return deeds(self.states, self.level)

    @property
    def text(self) -> str:
        """The plain sentence about it, which `story.parse` reads."""
        return tell(self.deeds)

    def paraphrases(self, count: int = 3) -> list[str]:
        """The same in other words."""
        rng = np.random.default_rng([self.seed, self.number, 0x9A8A])
        return [paraphrase(self.deeds, rng) for _ in range(count)]

    def pictures(self, size: int) -> Iterator[Picture]:
        """Every frame at `size` by `size` pixels, a multiple of 8 from 32 to 512."""
        painter = Painter(self.level, size)
        for state in self.states:
            yield painter.paint(state)

    def frames(self, size: int) -> np.ndarray:
        """uint8 RGB (T, size, size, 3)."""
        return np.stack([picture.rgb for picture in self.pictures(size)])

    def sound(self, music: bool = True) -> np.ndarray:
        """float32 (T * 800,), mono at 24 kHz, in -1..1."""
        return soundtrack(self.states, self.level.theme, self.level.seed, music)


def clip(seed: int, number: int, frames: int, policy: str | None = None, keys: str | None = None) -> Clip:
    """The clip of this number.

    Args:
        frames: how long it is, at 30 a second.
        policy: one of `agents.POLICIES`; without it they take turns.
        keys: those of the same clip made before: it is played again by them, ten times as fast.

    Raises:
        ValueError: no such policy, no frames, or keys that are none.
    """
    if frames < 1:
        raise ValueError(f"{frames} frames: 1 or more would do")
    if policy is not None and policy not in POLICIES:
        raise ValueError(f"there is no policy {policy!r}: one of {', '.join(POLICIES)} would do")
    policy = policy or list(POLICIES)[number % len(POLICIES)]
    rng = np.random.default_rng([seed, number, 0xC11F])
    game = Game(make_level(int(rng.integers(2**31))))
    agent = Agent(policy, int(rng.integers(2**31)))
    start = int(rng.integers(LATEST))
    known = None if keys is None else actions(keys)
    states: list[State] = []
    done: list[Action] = []
    # A play that reaches its end earlier gives its last seconds.
    while not game.over and game.t < start + frames:
        if known is not None and len(done) == len(known):
            raise ValueError(f"the keys of clip {number} end after {len(done)} frames")
        done.append(agent.act(game) if known is None else known[len(done)])
        states.append(game.step(done[-1]))
    while len(states) < frames:
        states.append(game.step())
    return Clip(seed, number, policy, game.level, tuple(states[-frames:]), pressed(done))


def pressed(done: Sequence[Action]) -> str:
    """Actions as text: for each run of the same its sign and, where it is more than one, how many frames it lasts."""
    runs = [(_SIGNS[action], len(list(same))) for action, same in groupby(done)]
    return "".join(f"{sign}{count if count > 1 else ''}" for sign, count in runs)


def actions(keys: str) -> list[Action]:
    """The actions that `pressed` wrote.

    Raises:
        ValueError: it did not.
    """
    if _KEYS.fullmatch(keys) is None:
        raise ValueError(f"{keys[:40]!r} are no keys")
    return [_BY_SIGN[sign] for sign, count in _RUN.findall(keys) for _ in range(int(count or 1))]


def frames_of(seconds: float) -> int:
    """How many frames so many seconds are."""
    return max(1, round(seconds * FPS))
