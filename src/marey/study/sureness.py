"""How sure strengths are: votes on one prompt are no independent witnesses, so whole prompts are resampled.

A voter who knows a prompt's videos tells of that prompt; the next prompt may say otherwise. Resampling single votes, or
putting the same votes in another order, leaves that out and gives intervals that are too narrow. Where there are ten
voters or more, their own tastes are added in the same way: by Cameron, Gelbach and Miller, "Robust inference with
multiway clustering" (2011, eq. 2.10), the variance over prompts plus that over voters less that over single votes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from marey.evaluate.intervals import LEAST_GROUPS, student_t
from marey.study.ballots import Ballots, Floats, tally
from marey.study.bradley_terry import Ties, fit

LEAST_VOTERS = 10
"""With fewer voters there is too little to resample: their tastes are then not in the intervals."""


@dataclass(frozen=True)
class Sureness:
    """Strengths (A,) with what is needed for an interval of any of their differences."""

    strengths: Floats
    draws: Floats
    """(R, A): the strengths of resampled prompts, or of resampled votes where there are too few prompts."""
    votes: Floats
    """(A, A): the covariance that single votes alone would give."""
    clusters: Floats
    """(A, A): the covariance over prompts."""
    freedom: int
    confidence: float
    note: str = ""
    more: Floats | None = None
    """(A, A): what voters add to it, where there are enough of them."""

    def error(self, contrast: Floats) -> Floats:
        """The standard errors (C,) of contrasts (C, A) of the strengths."""
        # A few prompts may agree by chance; votes that depend on one another are never surer than ones that do not.
        variance = np.maximum(_quadratic(contrast, self.clusters), _quadratic(contrast, self.votes))
        if self.more is not None:
            # Voters who agree better than chance make nothing surer.
            variance = variance + np.maximum(_quadratic(contrast, self.more), 0.0)
        return np.sqrt(np.maximum(variance, 0.0))

    def error_of_votes(self, contrast: Floats) -> Floats:
        """The standard errors (C,) that the contrasts would have if all votes were independent."""
        return np.sqrt(np.maximum(_quadratic(contrast, self.votes), 0.0))

    def reach(self) -> float:
        """How many standard errors an interval of one contrast extends to either side."""
        return student_t(0.5 + self.confidence / 2, self.freedom)

    def reach_of_all(self, contrasts: Floats) -> float:
        """How many standard errors intervals of all these contrasts (C, A) must extend, so that all of them together
        hold with the confidence: the quantile of the largest deviation among the draws."""
        moved = (self.draws - self.draws.mean(axis=0)) @ contrasts.T  # (R, C)
        deviation = moved.std(axis=0)
        largest = (np.abs(moved) / np.where(deviation > 0, deviation, np.inf)).max(axis=1)
        normal = NormalDist().inv_cdf(0.5 + self.confidence / 2)
        return max(float(np.quantile(largest, self.confidence)) * self.reach() / normal, self.reach())

    def best(self) -> Floats:
        """The share of draws in which each arm is the strongest: (A,)."""
        return np.bincount(self.draws.argmax(axis=1), minlength=self.draws.shape[1]) / len(self.draws)


def sureness(
    questions: Sequence[Ballots],
    *,
    ties: Ties = "davidson",
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Sureness:
    """The strengths of the arms, mean over the questions, and how sure they are.

    Args:
        questions: the votes on each; prompts and voters are numbered alike in all of them, so that the questions on one
            prompt are drawn together.

    Raises:
        ValueError: no votes, or other arms.
    """
    arms = questions[0].arms
    if any(one.arms != arms or not len(one) for one in questions):
        raise ValueError("each question needs votes, and all of them the same arms")
    rng = np.random.default_rng(seed)
    whole = [tally(one).sum(axis=0, keepdims=True) for one in questions]
    strengths = np.mean([fit(counts, len(arms), ties)[0] for counts in whole], axis=0)

    by_vote = np.mean([_fit_cells(counts[0], len(arms), ties, resamples, rng) for counts in whole], axis=0)
    votes = _covariance(by_vote)
    prompts = _occurring([one.prompt for one in questions])
    count = int(max(column.max() for column in prompts)) + 1
    if count < LEAST_GROUPS:
        plural = "prompt" if count == 1 else "prompts"
        note = f"only {count} {plural}: single votes were resampled, so the intervals are too narrow"
        freedom = max(1, sum(len(one) for one in questions) - 1)
        return Sureness(strengths, by_vote, votes, votes, freedom, confidence, note)
    by_prompt = _fit_units(questions, prompts, count, ties, resamples, rng)
    clusters = _covariance(by_prompt) * count / (count - 1)
    voters = _occurring([one.voter for one in questions])
    people = int(max(column.max() for column in voters)) + 1
    if people >= LEAST_VOTERS:
        by_voter = _fit_units(questions, voters, people, ties, resamples, rng)
        more = _covariance(by_voter) * people / (people - 1) - votes
        return Sureness(strengths, by_prompt, votes, clusters, count - 1, confidence, more=more)
    return Sureness(strengths, by_prompt, votes, clusters, count - 1, confidence)


def _fit_units(
    questions: Sequence[Ballots],
    units: Sequence[np.ndarray],
    count: int,
    ties: Ties,
    resamples: int,
    rng: np.random.Generator,
) -> Floats:
    """Strengths (R, A) of units drawn with replacement, as many as there are; all questions get the same draw."""
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)
    fits = []
    for ballots, by in zip(questions, units, strict=True):
        counts = tally(ballots, by, count)
        some = np.tensordot(drawn, counts, axes=(1, 0))  # (R, M, 3)
        fits.append(fit(some, len(ballots.arms), ties))
    return np.asarray(np.mean(fits, axis=0))


def _fit_cells(counts: Floats, arms: int, ties: Ties, resamples: int, rng: np.random.Generator) -> Floats:
    """Strengths (R, A) of single votes drawn with replacement."""
    total = int(counts.sum())
    drawn = rng.multinomial(total, (counts / counts.sum()).ravel(), size=resamples).astype(np.float64)
    return fit(drawn.reshape(resamples, *counts.shape), arms, ties)


def _occurring(columns: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Numbers without gaps: units of which no vote is left count for nothing."""
    _, numbers = np.unique(np.concatenate(columns), return_inverse=True)
    return np.split(numbers, np.cumsum([len(column) for column in columns])[:-1])


def _covariance(draws: Floats) -> Floats:
    return np.atleast_2d(np.cov(draws, rowvar=False))


def _quadratic(contrast: Floats, covariance: Floats) -> Floats:
    value: Floats = np.einsum("ca,ab,cb->c", contrast, covariance, contrast, optimize=True)
    return value
