"""A place where one shot may end and the next begin, before the candidates are weighed against each other."""

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["cut", "dissolve", "fade", "wipe"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Candidate:
    """Frames are numbered within the run of frames that is looked at."""

    kind: Kind
    a_end: int
    """The last whole frame before."""
    b_start: int
    """The first whole frame after."""
    sure: float
    """0..1: how much speaks for a transition here."""
    rank: float
    """Of candidates that overlap, the one with the highest counts: `sure` times how well the ends fit."""
