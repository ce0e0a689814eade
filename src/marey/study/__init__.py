"""Which filter thresholds people prefer: the grid of subsets and its trainings, votes, their rating, and the recipe."""

from marey.study.ballots import Ballots
from marey.study.rating import Rating, rate
from marey.study.voters import Voters
from marey.study.words import told

__all__ = ["Ballots", "Rating", "Voters", "rate", "told"]
