"""Elo as Stable Video Diffusion rates its subsets (appendix E.1): K = 1, 1000 points to begin with, and the mean over
1000 orders of the same votes."""

import numpy as np

from marey.study.ballots import Ballots, Floats

START, K, SHUFFLES = 1000.0, 1.0, 1000
_CELLS = 20_000_000  # of orders held at a time


def elo(ballots: Ballots, *, k: float = K, start: float = START, shuffles: int = SHUFFLES, seed: int = 0) -> Floats:
    """The ratings (S, A) after each of S orders of the votes.

    A vote moves points from the loser to the winner: k times (score - expected), expected = 1 / (1 + 10^((R2 - R1) /
    400)). The mean over orders is the paper's rating. Their spread tells how much the order matters, not how sure the
    rating is: every order is of the same votes.
    """
    count = len(ballots)
    rng = np.random.default_rng(seed)
    at_once = max(1, min(shuffles, _CELLS // max(1, count)))
    parts = []
    for first in range(0, shuffles, at_once):
        rows = min(at_once, shuffles - first)
        order = rng.permuted(np.tile(np.arange(count), (rows, 1)), axis=1)
        parts.append(_played(ballots, order, k, start))
    return np.concatenate(parts)


def _played(ballots: Ballots, order: np.ndarray, k: float, start: float) -> Floats:
    rows, width = len(order), len(ballots.arms)
    ratings = np.full(rows * width, start)
    base = np.arange(rows) * width
    left, right, score = (column[order.T] for column in (ballots.left, ballots.right, ballots.score))  # (N, S)
    for one, two, points in zip(left + base, right + base, score, strict=True):
        moved = k * (points - 1 / (1 + 10 ** ((ratings[two] - ratings[one]) / 400)))
        ratings[one] += moved
        ratings[two] -= moved
    return ratings.reshape(rows, width)
