"""Which pair to show next: the one whose answer tells most of what is not yet told apart.

A vote on i and j shrinks the variance of the difference of k and l by w cov(t_i - t_j, t_k - t_l)^2 / (1 + w var(t_i -
t_j)) with w = p (1 - p), p being the chance that i wins: a rank-one update of Fisher's information. These are added up
over the pairs that matter, each weighted by how open it is who of the two is ahead. A share of the pairs is drawn
blindly, so that an early accident does not decide what is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from marey.study.ballots import Ballots, Floats, Ints, all_pairs, tally
from marey.study.bradley_terry import fit, information, win_chance

BLIND = 0.25
"""The share of pairs that is drawn without looking at the votes."""
_DRAWS = 512


@dataclass(frozen=True)
class Pairing:
    """The next pairs to ask."""

    pairs: Ints
    """(M, 2): those that may be asked."""
    gain: Floats
    """(M,): how much a vote on each is expected to shrink the variances that matter."""


def worth(ballots: Ballots, families: Sequence[Sequence[int]] = (), seed: int = 0) -> Pairing:
    """What a vote on each pair is worth.

    Args:
        families: the arms that are compared with one another, as numbers; only pairs within one are asked. None: all.
    """
    arms = len(ballots.arms)
    every = all_pairs(arms)
    within = np.array(
        [not families or any(a in family and b in family for family in families) for a, b in every.tolist()]
    )
    counts = tally(ballots).sum(axis=0)
    strengths = fit(counts[None], arms)[0]
    covariance = information(counts, strengths)
    contrast = np.zeros((len(every), arms))
    contrast[np.arange(len(every)), every[:, 0]] = 1
    contrast[np.arange(len(every)), every[:, 1]] = -1
    shared = contrast @ covariance @ contrast.T  # (M, M)
    variance = np.diag(shared)
    draws = np.random.default_rng(seed).multivariate_normal(strengths, covariance, size=_DRAWS, method="svd")
    ahead = (draws @ contrast.T > 0).mean(axis=0)
    # Two arms that may yet change places matter, and those at the top more: one of them will be chosen.
    best = np.bincount(draws.argmax(axis=1), minlength=arms) / _DRAWS
    matters = 4 * ahead * (1 - ahead) * (0.5 + best[every[:, 0]] + best[every[:, 1]]) * within
    chance = win_chance(strengths)[every[:, 0], every[:, 1]]
    curve = chance * (1 - chance)
    gain = curve / (1 + curve * variance) * (shared**2 @ matters)
    return Pairing(every[within], gain[within])


def next_pairs(
    ballots: Ballots, count: int, prompts: int, *, families: Sequence[Sequence[int]] = (), seed: int = 0
) -> Ints:
    """The next `count` trials, most telling first: (count, 3) of two arms and a prompt.

    Votes that are asked for count as given when the next pair is chosen, so that one pair does not fill the list. A
    pair is shown on the prompt on which it was asked least.
    """
    rng = np.random.default_rng(seed)
    arms = len(ballots.arms)
    every = all_pairs(arms)
    number = {(int(a), int(b)): n for n, (a, b) in enumerate(every)}
    pairing = worth(ballots, families, seed)
    asked = tally(ballots, units=prompts).sum(axis=2)  # (P, M)
    base = asked.sum(axis=0)
    trials = []
    given = np.zeros(len(every))
    numbers = np.array([number[(int(a), int(b))] for a, b in pairing.pairs])
    for _ in range(count):
        if rng.random() < BLIND:
            told = base[numbers] + given[numbers]
            pick = int(rng.choice(np.flatnonzero(told == told.min())))
        else:
            # A vote more on a pair is worth less by as much as its votes grow.
            gain = pairing.gain * ((base[numbers] + 1) / (base[numbers] + given[numbers] + 1)) ** 2
            pick = int(rng.choice(np.flatnonzero(gain >= gain.max() * (1 - 1e-9))))
        pair = numbers[pick]
        given[pair] += 1
        least = np.flatnonzero(asked[:, pair] == asked[:, pair].min())
        # Of these the prompt that was asked least of all, so that votes spread over prompts.
        over = asked[least].sum(axis=1)
        prompt = int(rng.choice(least[over == over.min()]))
        asked[prompt, pair] += 1
        trials.append((*pairing.pairs[pick], prompt))
    return np.array(trials, dtype=np.int64).reshape(-1, 3)
