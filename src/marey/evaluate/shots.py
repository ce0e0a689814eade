"""How well transitions are detected, where the truth is known: precision, recall and F1, by kind, under two protocols.

`sbd/transnetv2-tol2` (`detection`): a found and a true transition match when their intervals, each widened by half the
tolerance at both ends, overlap; each is matched once, in order (TransNetV2, Soucek and Lokoc 2020, as in its
evaluation; a cut may so be off by two frames). Most published figures are of this one.

`sbd/pyscenedetect-tol0` (`point_detection`): what is found is one frame number. One that lies in a gradual transition
finds it, and each further one there is wrong; the rest and the true cuts are matched one to one, the nearest first, at
most the tolerance apart (PySceneDetect's benchmark, after TRECVID). With `-end` the end of each file counts as a cut
that is always found, as in its older tables.

The same answers score several points apart under them: figures of two protocols are never added. The start of a file
is no transition, nor is its end. The kind need not agree for a match; it is counted apart.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from marey.evaluate.intervals import Interval, wilson

PROTOCOL = "sbd/transnetv2-tol2"
TOLERANCE = 2


@dataclass(frozen=True)
class Detection:
    """Counts over one or more videos, by kind. Add two to have both (micro averages)."""

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
    distance: float = 0.0
    """Frames between the middles of true hard cuts and of what found them, in all."""
    protocol: str = ""
    """Under which matches were made; empty where nothing was counted yet."""

    def __add__(self, other: "Detection") -> "Detection":
        def both(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
            return {kind: a.get(kind, 0) + b.get(kind, 0) for kind in sorted({*a, *b})}

        if self.protocol and other.protocol and self.protocol != other.protocol:
            raise ValueError(f"counts of {self.protocol} and of {other.protocol} cannot be added")
        return Detection(
            both(self.true, other.true),
            both(self.recalled, other.recalled),
            both(self.found, other.found),
            both(self.right, other.right),
            self.named + other.named,
            self.distance + other.distance,
            self.protocol or other.protocol,
        )

    def counts(self) -> tuple[int, int, int]:
        """True positives, false positives and false negatives."""
        matched = sum(self.recalled.values())
        return matched, sum(self.found.values()) - matched, sum(self.true.values()) - matched

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

    def offset(self) -> float | None:
        """Mean distance, in frames, of the hard cuts that were found from where they were found; None if none was."""
        count = self.recalled.get("cut", 0)
        return self.distance / count if count else None

    def recall_interval(self, kind: str | None = None, *, confidence: float = 0.95) -> Interval | None:
        """Recall with its Wilson interval."""
        return _interval_of(self.recalled, self.true, kind, confidence)

    def precision_interval(self, kind: str | None = None, *, confidence: float = 0.95) -> Interval | None:
        """Precision with its Wilson interval."""
        return _interval_of(self.right, self.found, kind, confidence)


def detection(
    true: Iterable[Mapping[str, Any]], found: Iterable[Mapping[str, Any]], *, tolerance: float = TOLERANCE
) -> Detection:
    """Match the transitions of one video by TransNetV2's rule.

    Args:
        true, found: in any order; each with kind, a_end (last whole frame before) and b_start (first whole frame
            after).
        tolerance: in frames.
    """
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
        distance=sum(abs(_middle(a) - _middle(b)) for a, b in matches if a["kind"] == "cut"),
        protocol=f"sbd/transnetv2-tol{tolerance:g}",
    )


def point_detection(
    true: Iterable[Mapping[str, Any]],
    found: Iterable[Mapping[str, Any]],
    *,
    tolerance: int = 0,
    frames: int | None = None,
) -> Detection:
    """Match the transitions of one video by PySceneDetect's rule; `cut` and `gradual` are its only kinds.

    A true transition is a hard cut if nothing lies between its shots, whatever its kind says.

    Args:
        true, found: as in `detection`. The point of a found cut is its b_start, of another one its middle.
        tolerance: of hard cuts, in frames.
        frames: of the file. Its end then counts as a cut, there and found.
    """
    wanted, points = _ordered(true), sorted(_point(one) for one in found)
    cuts = [one["b_start"] for one in wanted if one["b_start"] - one["a_end"] == 1]
    spans = [(one["a_end"], one["b_start"]) for one in wanted if one["b_start"] - one["a_end"] > 1]
    if frames is not None:
        cuts, points = [*cuts, frames], [*points, frames]
    inside = [next((span for span in spans if span[0] <= point <= span[1]), None) for point in points]
    hit = {span for span in inside if span is not None}
    rest = [point for point, span in zip(points, inside, strict=True) if span is None]
    apart = _nearest(rest, cuts, tolerance)
    recalled = _only({"cut": len(apart), "gradual": len(hit)})
    return Detection(
        true=_only({"cut": len(cuts), "gradual": len(spans)}),
        recalled=recalled,
        found=_only({"cut": len(rest), "gradual": len(points) - len(rest)}),
        right=recalled,
        named=len(apart) + len(hit),
        distance=float(sum(apart)),
        protocol=f"sbd/pyscenedetect-tol{tolerance}{'' if frames is None else '-end'}",
    )


@dataclass(frozen=True)
class ClipScore:
    """What a data set gets of the shots of one or more videos. Add two to have both."""

    clips: int = 0
    contaminated: int = 0
    """Clips with a leftover transition inside: frames of two shots, or of what lies between them."""
    shots: int = 0
    split: int = 0
    """Shots that wrongly lie in more than one clip."""

    def __add__(self, other: "ClipScore") -> "ClipScore":
        return ClipScore(
            self.clips + other.clips,
            self.contaminated + other.contaminated,
            self.shots + other.shots,
            self.split + other.split,
        )

    def contamination(self) -> float | None:
        """Share of the clips that hold a leftover transition; None where there are no clips."""
        return self.contaminated / self.clips if self.clips else None

    def fragmentation(self) -> float | None:
        """Share of the shots that are split; None where there are no shots."""
        return self.split / self.shots if self.shots else None


def clip_score(true: Iterable[Mapping[str, Any]], clips: Iterable[tuple[int, int]], frames: int) -> ClipScore:
    """How clean the clips of one video are.

    Args:
        true: its transitions, as in `detection`.
        clips: the first and the last frame of each, both included.
        frames: of the video.
    """
    wanted, pieces = _ordered(true), list(clips)
    starts, ends = [0, *(one["b_start"] for one in wanted)], [*(one["a_end"] for one in wanted), frames - 1]
    shots = [(start, end) for start, end in zip(starts, ends, strict=True) if end >= start]
    # A clip belongs to the shot that its middle is in: one that reaches over an edge a little splits nothing.
    middles = [(first + last) / 2 for first, last in pieces]
    return ClipScore(
        clips=len(pieces),
        contaminated=sum(any(first < t["b_start"] and last > t["a_end"] for t in wanted) for first, last in pieces),
        shots=len(shots),
        split=sum(sum(start <= middle <= end for middle in middles) > 1 for start, end in shots),
    )


def _nearest(points: Sequence[int], cuts: Sequence[int], tolerance: int) -> list[int]:
    """The distances of pairs of one of each, the nearest pairs first, none taken twice."""
    pairs = sorted(
        (abs(point - cut), n, m)
        for n, point in enumerate(points)
        for m, cut in enumerate(cuts)
        if abs(point - cut) <= tolerance
    )
    taken: set[int] = set()
    matched: set[int] = set()
    apart = []
    for distance, n, m in pairs:
        if n not in taken and m not in matched:
            taken.add(n)
            matched.add(m)
            apart.append(distance)
    return apart


def _interval(transition: Mapping[str, Any], tolerance: float) -> tuple[float, float]:
    return transition["a_end"] + 0.5 - tolerance / 2, transition["b_start"] - 0.5 + tolerance / 2


def _middle(transition: Mapping[str, Any]) -> float:
    return (transition["a_end"] + transition["b_start"]) / 2


def _point(transition: Mapping[str, Any]) -> int:
    return int(transition["a_end"] + transition["b_start"] + 1) // 2


def _ordered(transitions: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(transitions, key=lambda t: (t["a_end"], t["b_start"]))


def _count(transitions: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for transition in transitions:
        counts[transition["kind"]] = counts.get(transition["kind"], 0) + 1
    return dict(sorted(counts.items()))


def _only(counts: dict[str, int]) -> dict[str, int]:
    return {kind: count for kind, count in counts.items() if count}


def _parts(part: Mapping[str, int], whole: Mapping[str, int], kind: str | None) -> tuple[int, int]:
    if kind:
        return part.get(kind, 0), whole.get(kind, 0)
    return sum(part.values()), sum(whole.values())


def _share(part: Mapping[str, int], whole: Mapping[str, int], kind: str | None) -> float | None:
    some, total = _parts(part, whole, kind)
    return some / total if total else None


def _interval_of(
    part: Mapping[str, int], whole: Mapping[str, int], kind: str | None, confidence: float
) -> Interval | None:
    some, total = _parts(part, whole, kind)
    return wilson(some, total, confidence=confidence) if total else None
