"""Found and true transitions from files, scored under each published protocol: `marey evaluate shots FOUND TRUE`."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marey.errors import MareyError
from marey.evaluate.intervals import Interval
from marey.evaluate.shots import Detection, detection, point_detection

Transitions = dict[str, list[dict[str, Any]]]

_RULES: tuple[Callable[..., Detection], ...] = (
    detection,
    point_detection,
    lambda true, found: point_detection(true, found, tolerance=1),
)


@dataclass(frozen=True)
class ShotScore:
    """Counts over all videos together (micro averages) under one protocol."""

    protocol: str
    videos: int
    right: int
    wrong: int
    missed: int
    precision: float | None
    recall: float | None
    f1: float | None
    precision_interval: Interval | None
    recall_interval: Interval | None

    def __str__(self) -> str:
        numbers = (("P", self.precision), ("R", self.recall), ("F1", self.f1))
        said = "  ".join(f"{name} {'-' if value is None else f'{value:.4f}'}" for name, value in numbers)
        return f"{self.protocol:<26} {said}  ({self.right} right, {self.wrong} wrong, {self.missed} missed)"


def score_shots(found: Path, true: Path) -> list[ShotScore]:
    """The scores of found transitions under TransNetV2's rule and PySceneDetect's at 0 and 1 frames.

    Args:
        found, true: JSON: a table from a video's name to its transitions, or a list of them, as `marey cuts --json`
            prints it, for one video. A transition has `kind`, `a_end` (the last whole frame before, from 0) and
            `b_start` (the first whole frame after).

    Raises:
        MareyError: a file is not there or holds something else, or the truth lacks a video.
    """
    said, known = _read(found), _read(true)
    unknown = sorted(said.keys() - known.keys())
    if unknown:
        raise MareyError(f"{true} says nothing of {unknown[0]!r}, of which {found} does: the same names would do.")
    scores = []
    for rule in _RULES:
        total = Detection()
        for name, transitions in sorted(known.items()):
            total = total + rule(transitions, said.get(name, []))
        right, wrong, missed = total.counts()
        scores.append(
            ShotScore(
                total.protocol,
                len(known),
                right,
                wrong,
                missed,
                total.precision(),
                total.recall(),
                total.f1(),
                total.precision_interval(),
                total.recall_interval(),
            )
        )
    return scores


def _read(path: Path) -> Transitions:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        named: Mapping[str, Any] = {"": table} if isinstance(table, list) else table
        return {
            str(name): [
                {"kind": str(one["kind"]), "a_end": int(one["a_end"]), "b_start": int(one["b_start"])} for one in of
            ]
            for name, of in named.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MareyError(
            f"{path} holds no transitions ({error!r}): what `marey cuts FILE --json` prints, or a table of such lists "
            "by the videos' names, would do."
        ) from error
