"""A study as it was planned: the arms, the prompts, the videos under names that give nothing away, and the checks.

It is kept in the catalog as the fact "study/NAME"; its videos and stills lie in runs/NAME/samples.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from marey.catalog import Library
from marey.errors import MareyError

BASELINE = "unfiltered"
"""The arm of which nothing was left out."""
QUESTIONS = ("quality", "prompt")
REHEARSAL = "@rehearsal"
"""Votes of simulated voters are kept under the study's name with this behind it."""
FORMAT = 1


@dataclass(frozen=True)
class Arm:
    """One subset, or whatever is compared."""

    name: str
    axis: str = ""
    """The signal that it was filtered by; empty of the baseline and of arms that are no subsets."""
    share: float = 0.0
    """Percent that was left out."""
    clips: int | None = None


@dataclass(frozen=True)
class Prompt:
    """One still, with its caption: what all arms were asked for."""

    id: str
    caption: str = ""
    still: str = ""
    """File of a picture in the study's folder, or empty."""


@dataclass(frozen=True)
class Shown:
    """A video as it is shown: its id says nothing of its arm."""

    id: str
    arm: str
    """Empty of a video that is made to be the worse one of a check."""
    prompt: str


@dataclass(frozen=True)
class Check:
    """A pair of which one is plainly better: who does not see it does not look."""

    question: str
    good: str
    bad: str


@dataclass(frozen=True)
class Design:
    """All that is fixed before the first vote."""

    name: str
    arms: tuple[Arm, ...]
    prompts: tuple[Prompt, ...]
    videos: tuple[Shown, ...]
    checks: tuple[Check, ...]
    questions: tuple[str, ...]
    fps: float
    frames: int
    width: int
    height: int
    seed: int
    made_from: str
    """What the videos were made from: a hash, by which a second plan finds that nothing changed."""

    @property
    def hash(self) -> str:
        """Twelve hex digits of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    def __str__(self) -> str:
        return (
            f"Study {self.name}: {len(self.arms)} arms ({', '.join(arm.name for arm in self.arms)}), "
            f"{len(self.prompts)} prompts, {sum(bool(one.arm) for one in self.videos)} videos of {self.frames} frames; "
            f"questions: {', '.join(self.questions)}. `marey study vote` shows them."
        )

    @property
    def families(self) -> list[list[str]]:
        """The arms that are compared with one another: those of an axis, and the baseline with each."""
        axes = sorted({arm.axis for arm in self.arms if arm.axis})
        free = [arm.name for arm in self.arms if not arm.axis]
        if not axes:
            return [free]
        return [[*free, *(arm.name for arm in self.arms if arm.axis == axis)] for axis in axes]

    def video(self, id: str) -> Shown | None:
        """The video of an id."""
        return self._by_id.get(id)

    def of(self, arm: str, prompt: str) -> str:
        """The id of an arm's video of a prompt."""
        return self._by_arm[arm, prompt]

    def check(self, left: str, right: str, question: str) -> str:
        """The side that is plainly better, left or right; empty if the two make no check."""
        for check in self.checks:
            if check.question == question and {check.good, check.bad} == {left, right}:
                return "left" if check.good == left else "right"
        return ""

    @cached_property
    def _by_arm(self) -> dict[tuple[str, str], str]:
        return {(one.arm, one.prompt): one.id for one in self.videos if one.arm}

    @cached_property
    def _by_id(self) -> dict[str, Shown]:
        return {one.id: one for one in self.videos}


def folder_of(library: Library, name: str) -> Path:
    """Where the videos and stills of a study lie."""
    return library.path / "runs" / name / "samples"


def keep(library: Library, design: Design) -> None:
    """Write a study down in place of an older one of its name. Votes stay."""
    library.facts[f"study/{design.name}"] = {"format": FORMAT, **asdict(design)}


def read(library: Library, name: str) -> Design:
    """The study `name`.

    Raises:
        MareyError: there is none; those that there are, are named.
    """
    fact = library.facts.get(f"study/{name}")
    if not isinstance(fact, Mapping) or fact.get("format") != FORMAT:
        known = [one.removeprefix("study/") for one in library.facts if one.startswith("study/")]
        would = f"one of {', '.join(known)} would do" if known else f"`marey study plan {library.path}` would make one"
        raise MareyError(f"{library.path} has no study {name!r}: {would}.")
    return _design(fact)


def _design(fact: Mapping[str, Any]) -> Design:
    table = {name: value for name, value in fact.items() if name != "format"}
    parts = {"arms": Arm, "prompts": Prompt, "videos": Shown, "checks": Check}
    lists = {name: tuple(kind(**row) for row in table[name]) for name, kind in parts.items()}
    return Design(**{**table, **lists, "questions": tuple(table["questions"])})


def opaque(seed: int, name: str, *parts: str) -> str:
    """Sixteen hex digits for a video: the same for the same parts, and telling nothing of them."""
    return hashlib.sha256("\n".join([str(seed), name, *parts]).encode()).hexdigest()[:16]
