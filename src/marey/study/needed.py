"""How many votes are still needed for intervals of a wanted width, or for two arms to be told apart."""

import math
from dataclasses import dataclass

FAR = 10_000_000
"""More votes than this are told as out of reach."""


@dataclass(frozen=True)
class Needed:
    """Votes still to be given, beyond those that there are."""

    same_prompts: int | None
    """On the prompts that there are. None: no number will do, because the prompts themselves differ too much."""
    new_prompts: int | None
    """If new prompts are asked with as many votes each. None: out of reach."""

    def __str__(self) -> str:
        if self.new_prompts == 0:
            return "none"
        same = "no number on these prompts" if self.same_prompts is None else f"{self.same_prompts} on these prompts"
        new = "out of reach on new ones" if self.new_prompts is None else f"{self.new_prompts} on new ones"
        return f"{same}, {new}"


def needed(votes: int, error: float, error_of_votes: float, wanted: float) -> Needed:
    """The votes still needed for a standard error of `wanted`.

    The variance over prompts is a part that each vote makes smaller and a part that stays as long as the prompts are
    the same. The first is what independent votes would have; the second is the rest. New prompts make both smaller.

    Args:
        votes: how many there are.
        error: the standard error now.
        error_of_votes: the one that independent votes would have.
        wanted: in the same unit.

    Raises:
        ValueError: a wanted error of nothing, or no votes.
    """
    if wanted <= 0 or votes < 1:
        raise ValueError(f"{votes} votes and a wanted error of {wanted}: at least one vote and more than 0 would do")
    if error <= wanted:
        return Needed(0, 0)
    stays = max(0.0, error**2 - error_of_votes**2)
    goes = error**2 - stays
    left = wanted**2 - stays
    same = _whole(votes * (goes / left - 1)) if left > 0 else None
    return Needed(same, _whole(votes * ((error / wanted) ** 2 - 1)))


def _whole(votes: float) -> int | None:
    return math.ceil(votes) if votes <= FAR else None
