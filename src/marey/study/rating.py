"""What people prefer: Elo as the paper has it and, beside it, Bradley-Terry with intervals that mean what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from marey.errors import MareyError
from marey.evaluate.intervals import wilson
from marey.study.ballots import Ballots, Floats, all_pairs, tally
from marey.study.bradley_terry import SCALE, Ties, connected
from marey.study.elo import SHUFFLES, START, elo
from marey.study.needed import Needed, needed
from marey.study.sureness import Sureness, sureness

BOTH = "both"
"""The mean of both questions: the paper's "aggregated"."""
Verdict = Literal["better", "worse", "not distinguishable"]


@dataclass(frozen=True)
class Rated:
    """One arm. All in Elo points; the arms' mean is 1000."""

    arm: str
    votes: int
    elo: float
    """The paper's: the mean over shuffled orders, at K = 1."""
    elo_spread: float
    """Its standard deviation over the orders: not an error, for every order is of the same votes."""
    strength: float
    """Bradley-Terry's."""
    low: float
    high: float
    best: float
    """The share of resampled prompts in which it is the strongest."""


@dataclass(frozen=True)
class Compared:
    """Two arms: the first less the second, in Elo points, with an interval that holds for all pairs at once."""

    first: str
    second: str
    difference: float
    low: float
    high: float
    verdict: Verdict
    votes: int
    won: float | None
    """The share of votes on just this pair that the first won, ties as half; None without votes."""
    won_low: float | None
    won_high: float | None
    needed: Needed
    """Until they are told apart, if they differ as much as they seem to."""


@dataclass(frozen=True)
class Errors:
    """Three standard errors of a strength, mean over the arms, in Elo points; only the last means what it says."""

    shuffles: float
    """Of Elo over shuffled orders of the same votes."""
    votes: float
    """Of resampled votes, as if each were of another prompt and person."""
    prompts: float
    """Of resampled prompts, and of voters where there are enough."""


@dataclass(frozen=True)
class Rating:
    """What the votes on one question, or on both, say."""

    question: str
    arms: tuple[Rated, ...]
    """The strongest first."""
    pairs: tuple[Compared, ...]
    errors: Errors
    agreement: float | None
    """Krippendorff's alpha of votes on the same trial; 0 is chance, 1 is full. None where no trial was asked twice."""
    votes: int
    ties: int
    prompts: int
    voters: int
    confidence: float
    width: float
    """Of the arms' intervals, in the mean."""
    wanted: float
    """The width that was asked for."""
    needed: Needed
    """Votes until that width."""
    notes: tuple[str, ...]


def rate(
    questions: Mapping[str, Ballots],
    *,
    families: Sequence[Sequence[str]] = (),
    ties: Ties = "davidson",
    confidence: float = 0.95,
    width: float = 100.0,
    resamples: int = 1000,
    shuffles: int = SHUFFLES,
    seed: int = 0,
) -> list[Rating]:
    """Rate the arms by each question and, where there is more than one, by their mean.

    Args:
        questions: the votes by question; prompts and voters are numbered alike in all.
        families: arms that are compared with one another; a pair across families is not judged. None: all are.
        ties: davidson or half; see `bradley_terry.fit`.
        width: of the arms' intervals, in Elo points: the votes still needed for it are told.
        shuffles: orders of the votes that Elo is averaged over.

    Raises:
        MareyError: no votes, under two arms, or arms that no votes link.
    """
    asked = {name: ballots for name, ballots in questions.items() if len(ballots)}
    if not asked:
        raise MareyError("There are no votes to rate: `marey study vote` takes some.")
    sets = [(name, [ballots]) for name, ballots in asked.items()]
    if len(asked) > 1:
        sets.append((BOTH, list(asked.values())))
    ratings = []
    for name, some in sets:
        _demand(name, some)
        sure = sureness(some, ties=ties, confidence=confidence, resamples=resamples, seed=seed)
        orders = np.mean([elo(one, shuffles=shuffles, seed=seed) for one in some], axis=0)
        ratings.append(_rating(name, some, sure, orders, families, width))
    return ratings


def agreement(ballots: Ballots) -> float | None:
    """Krippendorff's alpha, nominal: of first, second and tie over the votes on the same pair and prompt.

    Krippendorff, "Content Analysis" (2004), chapter 11. None where no trial has two votes, or all votes are alike.
    """
    counts = tally(ballots).reshape(-1, 3)
    counts = counts[counts.sum(axis=1) > 1]
    if not len(counts):
        return None
    sizes = counts.sum(axis=1, keepdims=True)
    total = sizes.sum()
    unlike = float(((sizes * counts - counts**2) / (sizes - 1)).sum() / total)
    whole = counts.sum(axis=0)
    expected = float((whole * (total - whole)).sum() / (total * (total - 1)))
    return 1 - unlike / expected if expected > 0 else None


def _demand(question: str, some: Sequence[Ballots]) -> None:
    arms = some[0].arms
    if len(arms) < 2:
        raise MareyError(f"There is only the arm {arms[0]!r}: two arms or more would do.")
    for ballots in some:
        if not connected(tally(ballots).sum(axis=0), len(arms)):
            voted = set(ballots.left) | set(ballots.right)
            alone = [arm for n, arm in enumerate(arms) if n not in voted]
            what = f"{alone[0]!r} has none" if alone else "they fall into groups that were never compared"
            raise MareyError(
                f"The votes on {question} do not link all {len(arms)} arms ({what}): more votes by "
                "`marey study vote`, which asks for what is missing, would do."
            )


def _rating(
    name: str, some: Sequence[Ballots], sure: Sureness, orders: Floats, families: Sequence[Sequence[str]], width: float
) -> Rating:
    arms = some[0].arms
    votes = sum(len(one) for one in some)
    own = np.eye(len(arms)) - 1 / len(arms)  # strengths have a mean of nothing
    errors, alone = sure.error(own) * SCALE, sure.error_of_votes(own) * SCALE
    reach, best = sure.reach(), sure.best()
    rated = [
        Rated(
            arm=arm,
            votes=int(sum(np.sum((one.left == n) | (one.right == n)) for one in some)),
            elo=float(orders[:, n].mean()),
            elo_spread=float(orders[:, n].std(ddof=1)) if len(orders) > 1 else 0.0,
            strength=START + SCALE * float(sure.strengths[n]),
            low=START + SCALE * float(sure.strengths[n]) - reach * float(errors[n]),
            high=START + SCALE * float(sure.strengths[n]) + reach * float(errors[n]),
            best=float(best[n]),
        )
        for n, arm in enumerate(arms)
    ]
    wide = 2 * reach * float(errors.mean())
    needs = needed(votes, float(errors.mean()), float(alone.mean()), width / (2 * reach))
    spread = [one.elo_spread for one in rated]
    return Rating(
        question=name,
        arms=tuple(sorted(rated, key=lambda one: (-one.strength, one.arm))),
        pairs=tuple(_compared(some, sure, families)),
        errors=Errors(float(np.mean(spread)), float(alone.mean()), float(errors.mean())),
        agreement=_mean([agreement(one) for one in some]),
        votes=votes,
        ties=int(sum(np.sum(one.score == 0.5) for one in some)),
        prompts=len(np.unique(np.concatenate([one.prompt for one in some]))),
        voters=len(np.unique(np.concatenate([one.voter for one in some]))),
        confidence=sure.confidence,
        width=wide,
        wanted=width,
        needed=needs,
        notes=(sure.note,) if sure.note else (),
    )


def _compared(some: Sequence[Ballots], sure: Sureness, families: Sequence[Sequence[str]]) -> list[Compared]:
    arms = some[0].arms
    pairs = [
        (a, b)
        for a, b in all_pairs(len(arms)).tolist()
        if not families or any(arms[a] in family and arms[b] in family for family in families)
    ]
    contrast = np.zeros((len(pairs), len(arms)))
    for n, (a, b) in enumerate(pairs):
        contrast[n, a], contrast[n, b] = 1, -1
    errors, alone = sure.error(contrast), sure.error_of_votes(contrast)
    reach = sure.reach_of_all(contrast)
    counts = np.sum([tally(one).sum(axis=0) for one in some], axis=0)
    number = {tuple(pair): n for n, pair in enumerate(all_pairs(len(arms)).tolist())}
    votes = sum(len(one) for one in some)
    compared = []
    for n, (a, b) in enumerate(pairs):
        difference = float(sure.strengths[a] - sure.strengths[b])
        beyond = reach * float(errors[n])
        first, second, tied = counts[number[a, b]]
        own = int(first + second + tied)
        share = wilson_of_halves(first + tied / 2, own, sure.confidence) if own else (None, None, None)
        verdict: Verdict = "not distinguishable"
        if abs(difference) > beyond:
            verdict = "better" if difference > 0 else "worse"
        wanted = max(abs(difference), 1e-6) / reach
        compared.append(
            Compared(
                first=arms[a],
                second=arms[b],
                difference=SCALE * difference,
                low=SCALE * (difference - beyond),
                high=SCALE * (difference + beyond),
                verdict=verdict,
                votes=own,
                won=share[0],
                won_low=share[1],
                won_high=share[2],
                needed=needed(votes, float(errors[n]), float(alone[n]), wanted),
            )
        )
    return compared


def wilson_of_halves(won: float, votes: int, confidence: float) -> tuple[float, float, float]:
    """A share of votes with its score interval, where a tie was half a vote: the interval of the whole votes around."""
    low, high = (wilson(int(whole), votes, confidence=confidence) for whole in (np.floor(won), np.ceil(won)))
    assert low.low is not None
    assert high.high is not None
    return won / votes, low.low, high.high


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
