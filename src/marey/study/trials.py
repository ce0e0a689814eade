"""What a voter is asked: pairs where an answer tells most, sides by chance, and attention checks in between."""

from dataclasses import dataclass

import numpy as np

from marey.study.ballots import all_pairs
from marey.study.design import Design
from marey.study.pairing import next_pairs
from marey.study.votes import Told

CHECK_EVERY = 12
"""One of so many trials is an attention check."""


@dataclass(frozen=True)
class Trial:
    """Two videos and a question."""

    left: str
    right: str
    question: str
    prompt: str


def trials(design: Design, told: Told, count: int, *, seed: int, asked: int = 0) -> list[Trial]:
    """The next `count` trials of a voter.

    Args:
        told: the votes that there are, by which pairs are chosen.
        seed: of this voter and time; the same votes and seed give the same trials.
        asked: how many the voter has had, so that checks keep their rhythm.
    """
    rng = np.random.default_rng(seed)
    numbers = {arm.name: n for n, arm in enumerate(design.arms)}
    families = [[numbers[name] for name in family] for family in design.families]
    parts = []
    share = -(-count // len(design.questions))
    for n, question in enumerate(design.questions):
        ballots = told.questions[question]
        chosen = next_pairs(ballots, share, len(design.prompts), families=families, seed=seed + n)
        parts.append([(question, *row) for row in chosen.tolist()])
    # Questions take turns, in an order that changes.
    mixed = [
        one for group in zip(*parts, strict=True) for one in rng.permutation(np.array(group, dtype=object)).tolist()
    ]
    found = []
    for n, (question, a, b, prompt) in enumerate(mixed[:count]):
        name = design.prompts[prompt].id
        pair = [design.of(design.arms[arm].name, name) for arm in (a, b)]
        left, right = rng.permutation(pair).tolist()
        found.append(Trial(left, right, question, name))
        if design.checks and (asked + n) % CHECK_EVERY == CHECK_EVERY // 2:
            found.append(_check(design, rng))
    return found


def pairs_in_all(design: Design) -> int:
    """How many different trials there are, without sides: pairs within an axis, prompts, questions."""
    numbers = {arm.name: n for n, arm in enumerate(design.arms)}
    families = [{numbers[name] for name in family} for family in design.families]
    pairs = sum(any({a, b} <= family for family in families) for a, b in all_pairs(len(design.arms)).tolist())
    return pairs * len(design.prompts) * len(design.questions)


def _check(design: Design, rng: np.random.Generator) -> Trial:
    check = design.checks[int(rng.integers(len(design.checks)))]
    left, right = rng.permutation([check.good, check.bad]).tolist()
    good = design.video(check.good)
    assert good is not None
    return Trial(left, right, check.question, good.prompt)
