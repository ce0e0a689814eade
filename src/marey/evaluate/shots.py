"""How well transitions are detected, where the truth is known: precision, recall and F1, by kind.

Protocol `sbd/transnetv2-tol2`: a found and a true transition match when their intervals, each widened by half the
tolerance at both ends, overlap; each is matched once, in order (TransNetV2, Soucek and Lokoc 2020, as in its
evaluation; a cut may so be off by two frames). The start and the end of a file are no transitions. The kind need not
agree for a match; it is counted apart.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PROTOCOL = "sbd/transnetv2-tol2"
TOLERANCE = 2


@dataclass(frozen=True)
class Detection:
    """Counts over one or more videos, by kind. Add two to have both."""

    true: dict[str, int] = field(default_factory=dict)
    """How many transitions of each true kind there are."""
    recalled: dict[str, int] = field(default_factory=dict)
    """How many of them were found, by their true kind."""
    found: dict[str, int] = field(default_factory=dict)
    """How many were said to be there, by the kind that was said."""
    right: dict[str, int] = field(default_factory=dict)
    """How many of those are there, by the kind that was said."""
    named: int = 0
    """How many matches have the kind right, too."""

    def __add__(self, other: "Detection") -> "Detection":
        def both(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
            return {kind: a.get(kind, 0) + b.get(kind, 0) for kind in sorted({*a, *b})}

        return Detection(
            both(self.true, other.true),
            both(self.recalled, other.recalled),
            both(self.found, other.found),
            both(self.right, other.right),
            self.named + other.named,
        )

    def recall(self, kind: str | None = None) -> float | None:
        """Share of the true transitions (of a kind) that were found; None where there are none."""
        return _share(self.recalled, self.true, kind)

    def precision(self, kind: str | None = None) -> float | None:
        """Share of the found transitions (of a kind) that are there; None where none was found."""
        return _share(self.right, self.found, kind)

    def f1(self) -> float | None:
        """2 TP / (2 TP + FP + FN); None where there is nothing to find and nothing was found."""
        total = sum(self.true.values()) + sum(self.found.values())
        return 2 * sum(self.recalled.values()) / total if total else None


def detection(
    true: Iterable[Mapping[str, Any]], found: Iterable[Mapping[str, Any]], *, tolerance: float = TOLERANCE
) -> Detection:
    """Match the transitions of one video: each with kind, a_end (last whole frame before) and b_start (first whole
    frame after)."""
    wanted, given = _ordered(true), _ordered(found)
    matches: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
    i = j = 0
    while i < len(wanted) and j < len(given):
        start, end = _interval(wanted[i], tolerance)
        other_start, other_end = _interval(given[j], tolerance)
        if end < other_start:
            i += 1
        elif other_end < start:
            j += 1
        else:
            matches.append((wanted[i], given[j]))
            i, j = i + 1, j + 1
    return Detection(
        true=_count(wanted),
        recalled=_count([a for a, _ in matches]),
        found=_count(given),
        right=_count([b for _, b in matches]),
        named=sum(a["kind"] == b["kind"] for a, b in matches),
    )


def _interval(transition: Mapping[str, Any], tolerance: float) -> tuple[float, float]:
    return transition["a_end"] + 0.5 - tolerance / 2, transition["b_start"] - 0.5 + tolerance / 2


def _ordered(transitions: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(transitions, key=lambda t: (t["a_end"], t["b_start"]))


def _count(transitions: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for transition in transitions:
        counts[transition["kind"]] = counts.get(transition["kind"], 0) + 1
    return dict(sorted(counts.items()))


def _share(part: Mapping[str, int], whole: Mapping[str, int], kind: str | None) -> float | None:
    total = whole.get(kind, 0) if kind else sum(whole.values())
    return (part.get(kind, 0) if kind else sum(part.values())) / total if total else None
