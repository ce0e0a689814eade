"""Which filter thresholds people prefer: the grid of subsets and its trainings, votes, their rating, and the recipe."""

from marey.study.apply import Applied, Choice, apply, choose
from marey.study.ballots import Ballots
from marey.study.design import Design, read
from marey.study.rating import Rating, rate
from marey.study.voters import Voters
from marey.study.votes import import_votes, told

__all__ = [
    "Applied",
    "Ballots",
    "Choice",
    "Design",
    "Rating",
    "Voters",
    "apply",
    "choose",
    "import_votes",
    "rate",
    "read",
    "told",
]
