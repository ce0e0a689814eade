"""What the footage was cut into and what was kept: histograms with thresholds, cards of clips, filmstrips of
transitions."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from marey.catalog.paths import text_path
from marey.errors import MareyError
from marey.media import Tally, walk
from marey.report.pictures import evenly, jpeg_uri
from marey.report.plots import Mark, Series, histogram, legend
from marey.report.words import (
    PLOTTED,
    SIGNALS,
    amount,
    count,
    duration,
    moment,
    rule_said,
    rule_title,
    unit_said,
)

if TYPE_CHECKING:
    from marey.catalog import Library
    from marey.catalog.select import Selection

STILL_WIDTH = 224
STRIP_HEIGHT = 72
_AROUND = 2  # whole frames shown before and after a transition
_ON_CARDS = ("motion", "sharpness", "text_area", "brightness")
_INSIDE = 4  # frames of it shown at most


@dataclass(frozen=True)
class Histogram:
    """One signal over all usable clips."""

    name: str
    says: str
    plot: Markup
    legend: Markup
    facts: str
    missing: int
    why_missing: str


@dataclass(frozen=True)
class Line:
    """One signal over all usable clips, in numbers: of twenty clips one lies below `low`, and one above `high`."""

    name: str
    says: str
    clips: int
    low: str
    median: str
    high: str
    missing: int
    why_missing: str


@dataclass(frozen=True)
class Rule:
    """A rule of the selection and what it did."""

    title: str
    dropped: int
    alone: int


@dataclass(frozen=True)
class Card:
    """A clip with its stills."""

    footage: str
    start: str
    length: str
    caption: str
    stills: list[str]
    numbers: list[str]
    reasons: list[str]


@dataclass(frozen=True)
class Cell:
    """A frame of a filmstrip: within the transition, or a whole one beside it."""

    picture: str
    within: bool
    number: int


@dataclass(frozen=True)
class Strip:
    """The frames around a transition."""

    kind: str
    footage: str
    at: str
    length: str
    confidence: float
    cells: list[Cell]
    cut_before: int | None
    """The frame before which a hard cut falls; None for gradual ones."""


def histograms(library: "Library", selection: "Selection | None") -> list[Histogram]:
    """Of the signals that a rule looks at, and of those of `words.PLOTTED` that vary or are missing somewhere, in the
    order of `words.SIGNALS`, with what the selection did to them."""
    return [
        _histogram(name, rows[0]["unit"], _values(rows), [row for row in rows if row["status"] != "ok"], selection)
        for name, rows in _signals(library).items()
        if _is_plotted(name, rows, selection)
    ]


def others(library: "Library", selection: "Selection | None") -> list[Line]:
    """The other signals of numbers, or that are missing somewhere."""
    lines = []
    for name, rows in _signals(library).items():
        values = sorted(_values(rows).values())
        lacking = [row for row in rows if row["status"] != "ok"]
        if _is_plotted(name, rows, selection) or not (values or lacking):
            continue
        title, says = SIGNALS.get(name, (name, ""))
        ends = [values[min(int(share * len(values)), len(values) - 1)] for share in (0.05, 0.5, 0.95)] if values else []
        low, median, high = [amount(value, rows[0]["unit"]) for value in ends] or ["\N{EN DASH}"] * 3
        why = lacking[0]["reason"] if lacking else ""
        lines.append(Line(title, says, len(values), low, median, high, len(lacking), why))
    return lines


def _signals(library: "Library") -> dict[str, list[dict[str, Any]]]:
    """The rows of usable clips by signal, in the order of `words.SIGNALS`."""
    rows = library.rows(
        "select signals.* from signals join clips on clips.id = signals.clip "
        "where clips.status = 'ok' order by name, clip"
    )
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_name.setdefault(row["name"], []).append(row)
    return {name: by_name[name] for name in [*SIGNALS, *sorted(set(by_name) - set(SIGNALS))] if name in by_name}


def _values(rows: list[dict[str, Any]]) -> dict[str, float]:
    return {row["clip"]: float(row["value"]) for row in rows if row["value"] is not None}


def _is_plotted(name: str, rows: list[dict[str, Any]], selection: "Selection | None") -> bool:
    if selection is not None and any(one.signal.partition(".")[0] == name for one in selection.thresholds.values()):
        return True
    lacking = any(row["status"] != "ok" for row in rows)
    return name in PLOTTED and (lacking or len(set(_values(rows).values())) > 1)


def rules(library: "Library", selection: "Selection") -> list[Rule]:
    """What each rule of the selection asks and how many clips fall to it, and to it alone."""
    units = _units(library)
    return [
        Rule(
            rule_title(name, selection.thresholds.get(name), units.get(_signal_of(selection, name), "")),
            selection.matrix[name][name],
            selection.alone.get(name, 0),
        )
        for name in selection.matrix
    ]


def cards(
    library: "Library", selection: "Selection | None", names: dict[str, str], most: int, *, kept: bool
) -> list[Card]:
    """Kept clips, or those that were left out or rejected, at most so many: spread over footage, or over reasons."""
    rows = library.rows("select * from clips order by footage, n")
    chosen: list[dict[str, Any]]
    if kept:
        members = set(selection.clips) if selection else {row["id"] for row in rows if row["status"] == "ok"}
        chosen = in_turn([row for row in rows if row["id"] in members], lambda row: str(row["footage"]), most)
    else:
        dropped = selection.dropped if selection else {}
        out = [row for row in rows if row["id"] in dropped or row["status"] != "ok"]
        chosen = in_turn(out, lambda row: dropped[row["id"]][0] if row["id"] in dropped else str(row["reason"]), most)
    units = _units(library)
    signals = library.signals([row["id"] for row in chosen])
    captions = {
        row["clip"]: row["text"]
        for row in library.rows(
            "select clip, captioner, text from captions where status = 'ok' "
            "order by captioner = 'file', captioner = 'merged', captioner = 'facts', captioner"
        )
    }
    clock = _clock(library)
    made = []
    for row in chosen:
        of = signals[row["id"]]
        reasons = []
        for rule in selection.dropped.get(row["id"], []) if selection else []:
            threshold = selection.thresholds.get(rule) if selection else None
            value = of.get(threshold.signal, {}).get("value") if threshold else None
            reasons.append(rule_said(rule, threshold, value, units.get(threshold.signal, "") if threshold else ""))
        if row["status"] != "ok":
            reasons.append(row["reason"] or row["status"])
        photo = row["frames"] == 1
        made.append(
            Card(
                footage=names.get(row["footage"], row["footage"]),
                start="photograph" if photo else f"at {moment(clock(row['footage'], row['start_pts']))}",
                length="" if photo else duration(row["seconds"]),
                caption=captions.get(row["id"], ""),
                stills=stills(library, row),
                numbers=[_said(name, of[name]) for name in _ON_CARDS if name in of and of[name]["value"] is not None],
                reasons=reasons,
            )
        )
    return made


def stills(library: "Library", clip: dict[str, Any]) -> list[str]:
    """The stills of a clip that curation kept, as data URIs: first, middle, last. Nothing is decoded; none where none
    is."""
    pictures = []
    for n in json.loads(clip["stills"]):
        try:
            jpeg = np.asarray(library.tensor("stills", f"{clip['footage']}:{n}"))
        except (KeyError, MareyError):
            continue
        picture = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        if picture is not None:
            pictures.append(jpeg_uri(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), width=STILL_WIDTH))
    return pictures


def filmstrips(library: "Library", names: dict[str, str], most: int, tally: Tally) -> list[Strip]:
    """The frames around transitions, at most so many: each kind in turn, from the surest to the least sure.

    Args:
        tally: gets what is decoded for this, which is only the spans shown.
    """
    rows = library.rows(
        "select transitions.*, footage.path from transitions join footage on footage.id = transitions.footage "
        "where footage.status = 'ok' order by kind, confidence desc, footage, n"
    )
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_kind.setdefault(row["kind"], []).append(row)
    spread = [row for kind in by_kind.values() for row in (kind[n] for n in evenly(len(kind), most))]
    strips = []
    clock = _clock(library)
    for row in in_turn(spread, lambda row: str(row["kind"]), most):
        cells = _cells(library, row, tally)
        if cells:
            whole = row["b_start"] - row["a_end"] - 1
            strips.append(
                Strip(
                    kind=row["kind"],
                    footage=names.get(row["footage"], str(row["footage"])),
                    at=moment(clock(row["footage"], row["b_start_pts"])),
                    length="between two frames" if whole == 0 else f"{whole} frames",
                    confidence=row["confidence"],
                    cells=cells,
                    cut_before=row["b_start"] if whole == 0 else None,
                )
            )
    return strips


def in_turn(rows: Iterable[dict[str, Any]], key: Callable[[dict[str, Any]], str], most: int) -> list[dict[str, Any]]:
    """At most so many rows: one of each key after another, round and round, each key's own evenly spread over its
    rows."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    turns: dict[str, int] = dict.fromkeys(groups, 0)
    total = 0
    while total < most and any(turns[name] < len(groups[name]) for name in groups):
        for name in groups:
            if total < most and turns[name] < len(groups[name]):
                turns[name] += 1
                total += 1
    return [groups[name][n] for name in groups if turns[name] for n in evenly(len(groups[name]), turns[name])]


def _histogram(
    name: str, unit: str, values: dict[str, float], lacking: Sequence[dict[str, Any]], selection: "Selection | None"
) -> Histogram:
    title, says = SIGNALS.get(name, (name, ""))
    percent = 100.0 if unit == "1" else 1.0
    dropped = selection.dropped if selection else {}
    mine = (
        {rule for rule, threshold in selection.thresholds.items() if threshold.signal == name} if selection else set()
    )
    groups: dict[str, list[float]] = {"kept": [], "other": [], "mine": []}
    for clip, value in values.items():
        rules_of = dropped.get(clip, [])
        groups["mine" if mine & set(rules_of) else "other" if rules_of else "kept"].append(percent * value)
    named = [
        Series("kept" if selection else "clips", "tone-kept", groups["kept"]),
        Series("left out by another rule", "tone-other", groups["other"]),
        Series("left out by this rule", "tone-out", groups["mine"]),
    ]
    series = [one for one in named if one.values]
    marks = []
    for rule in sorted(mine):
        threshold = selection.thresholds[rule] if selection else None
        if threshold and threshold.value is not None:
            word = "keeps from" if threshold.side == "low" else "keeps to"
            marks.append(Mark(percent * threshold.value, f"{word} {amount(threshold.value, unit)}"))
    ordered = sorted(values.values())
    facts = f"{count(len(ordered), 'clip')}, median {amount(ordered[len(ordered) // 2], unit)}" if ordered else ""
    label = f"Histogram of {title.lower()} over {facts}" + "".join(f"; the selection {mark.text}" for mark in marks)
    return Histogram(
        name=title,
        says=says,
        plot=histogram(series, label=label, unit=unit_said(unit), marks=marks),
        legend=legend(series) if len(series) > 1 else Markup(""),
        facts=facts,
        missing=len(lacking),
        why_missing=lacking[0]["reason"] if lacking else "",
    )


def _cells(library: "Library", row: dict[str, Any], tally: Tally) -> list[Cell]:
    """Two whole frames, at most four of the transition itself, and two whole frames, decoded as one span."""
    times = _times(library, row["footage"])
    if times is not None:
        first, last = max(0, row["a_end"] - _AROUND + 1), min(len(times) - 1, row["b_start"] + _AROUND - 1)
        start, end = int(times[first]), int(times[last])
    else:
        first, last, start, end = row["a_end"], row["b_start"], row["a_end_pts"], row["b_start_pts"]
    inside = range(row["a_end"] + 1, row["b_start"])
    wanted = {inside[n] for n in evenly(len(inside), _INSIDE)} | set(range(first, row["a_end"] + 1))
    wanted |= set(range(row["b_start"], last + 1))
    try:
        return [
            Cell(
                jpeg_uri(frame.rgb(_fitting(frame.height, frame.width)), quality=68),
                first + frame.n in inside,
                first + frame.n,
            )
            for frame in walk(text_path(row["path"]), start, end, threads=1, tally=tally)
            if first + frame.n in wanted
        ]
    except (MareyError, OSError):
        return []  # the file was moved or changed since; the page shows what is left


def _times(library: "Library", footage: str) -> npt.NDArray[np.int64] | None:
    """The pts of every frame that was read, from the trace."""
    try:
        trace = library.tensor("trace", footage)
    except (KeyError, MareyError):
        return None
    return np.asarray(trace["pts"]) if isinstance(trace, dict) and "pts" in trace else None


def _fitting(height: int, width: int) -> tuple[int, int]:
    return STRIP_HEIGHT, min(max(2, round(width * STRIP_HEIGHT / height)), 4 * STRIP_HEIGHT)


def _said(name: str, row: dict[str, Any]) -> str:
    return f"{SIGNALS[name][0].lower()} {amount(row['value'], row['unit'])}"


def _units(library: "Library") -> dict[str, str]:
    return {row["name"]: row["unit"] for row in library.rows("select distinct name, unit from signals")}


def _signal_of(selection: "Selection", rule: str) -> str:
    threshold = selection.thresholds.get(rule)
    return threshold.signal if threshold else ""


def _clock(library: "Library") -> Callable[[str, int], float]:
    """Seconds since the first frame of a footage, of a pts in it."""
    bases = {row["id"]: Fraction(row["time_base"] or 0) for row in library.rows("select id, time_base from footage")}
    firsts = {
        row["footage"]: row["first"]
        for row in library.rows("select footage, min(start_pts) as first from clips group by footage")
    }
    return lambda footage, pts: float((pts - firsts.get(footage, 0)) * bases.get(footage, Fraction(0)))
