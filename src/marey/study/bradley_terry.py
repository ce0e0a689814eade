"""Strengths from pairwise votes by maximum likelihood: Bradley-Terry, and Davidson's form of it with ties.

With strengths t (natural logarithms) and d = t_i - t_j the odds of "i", "j" and "a tie" are exp(d/2) : exp(-d/2) : nu
(Bradley and Terry 1952; Davidson, "On extending the Bradley-Terry model to accommodate ties", JASA 1970, eq. 2.3). The
logarithm of the likelihood is concave, so Newton's method finds the one maximum. Everything is done for a whole batch
of counts at once, which is what resampling needs.
"""

import math
from typing import Literal

import numpy as np

from marey.study.ballots import Floats, all_pairs

Ties = Literal["davidson", "half"]

SCALE = 400 / math.log(10)
"""Elo points of a strength of 1: then the odds of a difference of 400 are ten to one."""
PRIOR = 3.0
"""Strengths are drawn towards their mean as by a normal prior of this deviation (521 Elo points), so that an arm that
won every vote has a finite one. It weighs as much as half a vote an arm."""
_STEP, _ROUNDS, _CLOSE = 2.0, 100, 1e-9


def fit(counts: Floats, arms: int, ties: Ties = "davidson", prior: float = PRIOR) -> Floats:
    """The strengths `(B, A)`, each row with a mean of 0.

    Args:
        counts: `(B, M, 3)` votes by pair, as `ballots.tally` orders them: first won, second won, tie.
        arms: A; M is A (A - 1) / 2.
        ties: davidson: they tell how near two arms are; half: each is half a vote for either.
        prior: deviation of the prior, in the same unit as the strengths.

    Raises:
        ValueError: counts of another shape.
    """
    pairs = all_pairs(arms)
    if counts.ndim != 3 or counts.shape[1:] != (len(pairs), 3):
        raise ValueError(f"counts of the shape {counts.shape}: (B, {len(pairs)}, 3) would do for {arms} arms")
    davidson = ties == "davidson" and bool(counts[..., 2].any())
    first, second, tied = counts[..., 0], counts[..., 1], counts[..., 2]  # (B, M)
    if not davidson:
        first, second, tied = first + tied / 2, second + tied / 2, np.zeros_like(tied)
    total = first + second + tied
    design = np.zeros((len(pairs), arms))  # (M, A)
    design[np.arange(len(pairs)), pairs[:, 0]] = 1
    design[np.arange(len(pairs)), pairs[:, 1]] = -1

    size = arms + davidson
    weights = np.zeros((len(counts), size))
    ridge = np.eye(size) / prior**2
    for _ in range(_ROUNDS):
        one, two, tie = _odds(weights, design, arms, davidson)
        slope = (first - second - total * (one - two)) / 2  # (B, M), by d
        curve = total * ((one + two) - (one - two) ** 2) / 4
        gradient = -weights / prior**2
        hessian = np.broadcast_to(ridge, (len(counts), size, size)).copy()
        gradient[:, :arms] += slope @ design
        hessian[:, :arms, :arms] += np.einsum("bm,mi,mj->bij", curve, design, design, optimize=True)
        if davidson:
            cross = -total * (one - two) * tie / 2
            gradient[:, arms] += (tied - total * tie).sum(axis=1)
            hessian[:, :arms, arms] = hessian[:, arms, :arms] = cross @ design
            hessian[:, arms, arms] += (total * tie * (1 - tie)).sum(axis=1)
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        longest = np.abs(step).max(axis=1, keepdims=True)
        weights += step * np.minimum(1, _STEP / np.maximum(longest, 1e-300))
        if longest.max(initial=0) < _CLOSE:
            break
    strengths = weights[:, :arms]
    return strengths - strengths.mean(axis=1, keepdims=True)


def information(counts: Floats, strengths: Floats, prior: float = PRIOR) -> Floats:
    """The covariance `(A, A)` of strengths that independent votes would have: the inverse of Fisher's information.

    Args:
        counts: `(M, 3)`; a tie counts as half a vote for either.
    """
    arms = len(strengths)
    pairs = all_pairs(arms)
    design = np.zeros((len(pairs), arms))
    design[np.arange(len(pairs)), pairs[:, 0]] = 1
    design[np.arange(len(pairs)), pairs[:, 1]] = -1
    chance = win_chance(strengths)[pairs[:, 0], pairs[:, 1]]
    curve = counts.sum(axis=1) * chance * (1 - chance)
    covariance: Floats = np.linalg.inv(design.T @ (curve[:, None] * design) + np.eye(arms) / prior**2)
    return covariance


def win_chance(strengths: Floats) -> Floats:
    """The chance (A, A) that the arm of the row is preferred to that of the column, ties aside."""
    chance: Floats = 1 / (1 + np.exp(strengths[None, :] - strengths[:, None]))
    return chance


def connected(counts: Floats, arms: int) -> bool:
    """Whether votes link all arms, so that their strengths can be compared. Counts are `(M, 3)`."""
    pairs = all_pairs(arms)[counts.sum(axis=1) > 0]
    reached = {0}
    for _ in range(arms):
        reached |= {int(b) for a, b in pairs if a in reached} | {int(a) for a, b in pairs if b in reached}
    return len(reached) == arms


def _odds(weights: Floats, design: Floats, arms: int, davidson: bool) -> tuple[Floats, Floats, Floats]:
    half = weights[:, :arms] @ design.T / 2  # (B, M)
    parts = [half, -half]
    parts.append(np.broadcast_to(weights[:, arms:], half.shape) if davidson else np.full_like(half, -np.inf))
    top = np.maximum(np.maximum(parts[0], parts[1]), parts[2])
    one, two, tie = (np.exp(part - top) for part in parts)
    whole = one + two + tie
    return one / whole, two / whole, tie / whole
