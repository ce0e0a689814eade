"""Simulated voters: votes whose truth is known, to test how the rating does and to plan how many votes are needed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from marey.study.ballots import Ballots, Floats, all_pairs
from marey.study.bradley_terry import Ties, fit


@dataclass(frozen=True)
class Voters:
    """How simulated people vote: by Davidson's odds of what they see, which differs by prompt and by person.

    The utility of an arm is its strength, plus a normal deviation of its own for each prompt, plus one for each voter.
    """

    strengths: tuple[float, ...]
    """Natural logarithms; 0.58 is 100 Elo points."""
    prompt_spread: float = 0.0
    voter_spread: float = 0.0
    tie: float = 0.0
    """Davidson's nu: with 1, equal arms tie in a third of votes."""
    left: float = 0.0
    """How much whatever stands on the left is preferred."""

    def vote(
        self,
        prompts: int,
        votes_a_task: int,
        voters: int = 8,
        *,
        seed: int = 0,
        tastes: int | None = None,
        pairs: np.ndarray | None = None,
    ) -> Ballots:
        """Votes on every pair of each prompt, so many a pair, each by another voter as far as there are some.

        Args:
            tastes: the seed of how prompts and voters differ; the same one is the same prompts and people. None: seed.
            pairs: (N, 3) of left arm, right arm and prompt, to be asked instead; then `votes_a_task` is of each.
        """
        rng = np.random.default_rng(seed)
        arms = len(self.strengths)
        if pairs is None:
            both = all_pairs(arms)
            asked = np.column_stack([np.tile(both, (prompts, 1)), np.repeat(np.arange(prompts), len(both))])
        else:
            asked = np.asarray(pairs)
        asked = np.repeat(asked, votes_a_task, axis=0)
        turned = rng.random(len(asked)) < 0.5
        left, right = np.where(turned, asked[:, 1], asked[:, 0]), np.where(turned, asked[:, 0], asked[:, 1])
        prompt = asked[:, 2]
        task = np.repeat(rng.permutation(len(asked) // votes_a_task), votes_a_task)
        voter = (task + np.tile(np.arange(votes_a_task), len(asked) // votes_a_task)) % voters
        utility = np.asarray(self.strengths)
        kind = seed if tastes is None else tastes
        by_prompt = np.random.default_rng([kind, 1]).normal(0, self.prompt_spread, (prompts, arms))
        by_voter = np.random.default_rng([kind, 2]).normal(0, self.voter_spread, (voters, arms))
        seen = [utility[arm] + by_prompt[prompt, arm] + by_voter[voter, arm] for arm in (left, right)]
        odds = _odds(seen[0] - seen[1] + self.left, self.tie)  # (N, 3)
        drawn = rng.random(len(asked))
        score = np.where(drawn < odds[:, 0], 1.0, np.where(drawn < odds[:, 0] + odds[:, 1], 0.0, 0.5))
        return Ballots(tuple(f"arm{n}" for n in range(arms)), left, right, score, prompt, voter)

    def truth(self, ties: Ties = "davidson") -> Floats:
        """The strengths (A,) that endless votes on endless prompts by endless voters would be rated with.

        They lie nearer together than those of a single prompt, because prompts and voters differ.
        """
        nodes, weights = np.polynomial.hermite_e.hermegauss(61)
        weights = weights / weights.sum()
        spread = np.sqrt(2 * (self.prompt_spread**2 + self.voter_spread**2))
        counts = []
        for a, b in all_pairs(len(self.strengths)):
            difference = self.strengths[a] - self.strengths[b] + spread * nodes
            here, there = _odds(difference + self.left, self.tie), _odds(difference - self.left, self.tie)
            counts.append(weights @ (here + there) / 2)
        return fit(np.array(counts)[None], len(self.strengths), ties, prior=1e6)[0]


def _odds(difference: np.ndarray | Sequence[float], tie: float) -> Floats:
    """Chances (N, 3) of the first, the second and a tie."""
    half = np.asarray(difference) / 2
    top = np.maximum(np.abs(half), 0.0)
    parts = np.stack([np.exp(half - top), np.exp(-half - top), tie * np.exp(-top)], axis=-1)
    chances: Floats = parts / parts.sum(axis=-1, keepdims=True)
    return chances
