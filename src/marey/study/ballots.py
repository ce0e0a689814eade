"""Votes as arrays: who was shown beside whom, what was chosen, on which prompt and by which voter."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ballots:
    """The votes on one question, `(N,)` each."""

    arms: tuple[str, ...]
    left: Ints
    """Which arm stood on the left."""
    right: Ints
    score: Floats
    """1 the left one was chosen, 0 the right one, 0.5 a tie."""
    prompt: Ints
    """From 0; equal numbers are one prompt."""
    voter: Ints

    def __post_init__(self) -> None:
        sizes = {len(column) for column in (self.left, self.right, self.score, self.prompt, self.voter)}
        if len(sizes) > 1:
            raise ValueError(f"columns of {sorted(sizes)} votes: one length would do")
        if np.any(self.left == self.right):
            raise ValueError("an arm stands beside itself")
        if not np.isin(self.score, (0.0, 0.5, 1.0)).all():
            raise ValueError("a score is none of 0, 0.5 and 1")

    def __len__(self) -> int:
        return len(self.left)

    @classmethod
    def of(
        cls,
        arms: Sequence[str],
        votes: Sequence[tuple[str, str, float, Hashable, Hashable]],
        prompts: Sequence[Hashable] = (),
        voters: Sequence[Hashable] = (),
    ) -> "Ballots":
        """From (left arm, right arm, score of the left, prompt, voter).

        Args:
            prompts, voters: the order in which they are numbered; those that are not among them follow.
        """
        number = {arm: n for n, arm in enumerate(arms)}
        left, right, score, asked, asking = zip(*votes, strict=True) if votes else ((), (), (), (), ())
        return cls(
            tuple(arms),
            np.array([number[arm] for arm in left], dtype=np.int64),
            np.array([number[arm] for arm in right], dtype=np.int64),
            np.array(score, dtype=np.float64),
            _numbered(asked, prompts),
            _numbered(asking, voters),
        )

    def take(self, index: npt.NDArray[Any]) -> "Ballots":
        """Those of a mask or of an index, in its order; prompts and voters keep their numbers."""
        columns = ("left", "right", "score", "prompt", "voter")
        return replace(self, **{name: getattr(self, name)[index] for name in columns})

    def shuffled(self, seed: int) -> "Ballots":
        """The same votes with their choices dealt out anew: what voters without an opinion of the arms would say."""
        return replace(self, score=np.random.default_rng(seed).permutation(self.score))


def all_pairs(arms: int) -> Ints:
    """The pairs (M, 2) of so many arms, the smaller number first."""
    return np.array(list(combinations(range(arms), 2)), dtype=np.int64).reshape(-1, 2)


def tally(ballots: Ballots, by: npt.NDArray[Any] | None = None, units: int | None = None) -> Floats:
    """Votes counted by unit and pair: (U, M, 3), the last axis: the first of the pair won, the second, a tie.

    Args:
        by: the unit of each vote, numbers from 0. None: its prompt.
        units: how many units there are. None: as many as occur.
    """
    unit = ballots.prompt if by is None else np.asarray(by)
    count = len(ballots.arms)
    total = int(unit.max(initial=-1)) + 1 if units is None else units
    pairs = all_pairs(count)
    number = np.zeros((count, count), dtype=np.int64)
    number[pairs[:, 0], pairs[:, 1]] = number[pairs[:, 1], pairs[:, 0]] = np.arange(len(pairs))
    first_won = np.where(ballots.left < ballots.right, ballots.score == 1.0, ballots.score == 0.0)
    kind = np.where(ballots.score == 0.5, 2, np.where(first_won, 0, 1))
    cell = (unit * len(pairs) + number[ballots.left, ballots.right]) * 3 + kind
    return np.bincount(cell, minlength=total * len(pairs) * 3).astype(np.float64).reshape(total, len(pairs), 3)


def _numbered(names: Sequence[Hashable], first: Sequence[Hashable]) -> Ints:
    """Each name as a number from 0: those that come first, then in the order of first appearance."""
    numbers: dict[Hashable, int] = {name: n for n, name in enumerate(first)}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)
