"""A rehearsal: simulated voters answer what people would be asked, so that all that follows can be tried beforehand.

Their votes are kept apart, under the study's name with `@rehearsal` behind it, and no rating of people's votes sees
them.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from marey.catalog import Library
from marey.progress import Progress, silent
from marey.study.bradley_terry import SCALE
from marey.study.design import REHEARSAL, Design
from marey.study.trials import trials
from marey.study.votes import Vote, put, told

_AT_ONCE = 60
_SPREAD, _PROMPTS, _TIE = 0.5, 0.3, 0.4  # deviations of the arms' strengths and over prompts; Davidson's nu


@dataclass(frozen=True)
class Rehearsed:
    """What the simulated voters were like, and how many votes they gave."""

    votes: int
    strengths: dict[str, float]
    """By question and arm, in Elo points around 1000: what the rating ought to find."""

    def __str__(self) -> str:
        lines = [f"{self.votes} votes by simulated voters; `--rehearsal` rates them. They hold of the arms:"]
        return "\n".join([*lines, *(f"  {name:<40} {value:6.0f}" for name, value in self.strengths.items())])


def rehearse(
    library: Library, design: Design, votes: int, *, voters: int = 6, seed: int = 0, progress: Progress = silent
) -> Rehearsed:
    """Put `votes` votes of simulated voters in place of those of an earlier rehearsal.

    Each looks at the trials that a person would get, with checks, which they pass; what they like is drawn by the seed.
    """
    study = design.name + REHEARSAL
    library.delete("votes", study=study)
    rng = np.random.default_rng(seed)
    likes = {
        question: {
            arm.name: float(value)
            for arm, value in zip(design.arms, rng.normal(0, _SPREAD, len(design.arms)), strict=True)
        }
        for question in design.questions
    }
    own = {
        (question, arm.name, prompt.id): float(rng.normal(0, _PROMPTS))
        for question in design.questions
        for arm in design.arms
        for prompt in design.prompts
    }
    made, given = datetime(2000, 1, 1, tzinfo=UTC), 0
    while given < votes:
        batch: list[tuple[int, dict[str, str]]] = []
        for trial in trials(
            design, told(library, design, rehearsal=True), min(_AT_ONCE, votes - given), seed=seed + given
        ):
            expected = design.check(trial.left, trial.right, trial.question)
            left, right = design.video(trial.left), design.video(trial.right)
            assert left is not None
            assert right is not None
            choice = expected
            if not expected:
                seen = [
                    likes[trial.question][one.arm] + own[trial.question, one.arm, one.prompt] for one in (left, right)
                ]
                half = (seen[0] - seen[1]) / 2
                odds = np.array([np.exp(half), _TIE, np.exp(-half)])
                choice = str(rng.choice(["left", "tie", "right"], p=odds / odds.sum()))
            key = hashlib.sha256(f"{study} {seed} {given} {len(batch)}".encode()).hexdigest()[:32]
            batch.append((int(rng.integers(voters)), {"key": key, "choice": choice, **_asked(trial)}))
        for voter in sorted({one for one, _ in batch}):
            said = [Vote.model_validate({**vote, "made": made}) for one, vote in batch if one == voter]
            put(library, design, f"simulated {voter + 1}", said, study)
        given += sum(
            not design.check(str(vote["left"]), str(vote["right"]), str(vote["question"])) for _, vote in batch
        )
        progress("rehearsing", given, votes)
    middle = {question: float(np.mean(list(arms.values()))) for question, arms in likes.items()}
    strengths = {
        f"{question}: {arm}": 1000 + SCALE * (value - middle[question])
        for question, arms in likes.items()
        for arm, value in sorted(arms.items(), key=lambda pair: -pair[1])
    }
    return Rehearsed(given, strengths)


def _asked(trial: object) -> dict[str, str]:
    return {name: getattr(trial, name) for name in ("left", "right", "question")}
