"""Several evaluations side by side: the same metrics of the same protocol on the same true videos, or none at all.

Where two models stand apart is asked of the videos that both have, one by one, so that what is hard for all does not
widen the interval; who cannot be told from the best shares the first place.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from marey.errors import MareyError
from marey.evaluate.distances import DISTANCES
from marey.evaluate.intervals import Interval, cluster_bootstrap
from marey.evaluate.measure import Metric
from marey.evaluate.metrics import METRICS
from marey.evaluate.record import METHODS, Evaluation, Row

BASELINES = ("frozen", "loop", "frozen_autoencoder", "drift", "autoencoder", "truth")
STILL = 0.5
"""Of the true videos' motion: who has less is told to be nearly a still."""


@dataclass(frozen=True)
class Score:
    """A number on the board."""

    found: Interval
    place: str = ""
    """first (best, or not to be told from the best) | after | "" (nothing is ranked by it)."""
    against_best: Interval | None = None
    """Minus the best one, video by video."""


@dataclass(frozen=True)
class Entry:
    """A line of the board: a model, or a baseline."""

    name: str
    method: str
    """"model", or which baseline."""
    scores: dict[str, Score]
    """By column."""


@dataclass(frozen=True)
class Column:
    """A metric on the board; two variants of one are two columns."""

    key: str
    metric: Metric
    id: str
    backbone: str


@dataclass(frozen=True)
class Board:
    """What stands on the page."""

    protocol: dict[str, Any]
    n: int
    groups: int
    columns: list[Column]
    entries: list[Entry]
    """Models in the order of the first ranked column, then the baselines."""
    models: dict[str, Evaluation]
    videos: list[str]
    """The names that all have."""
    notes: list[str]
    confidence: float
    hash: str
    """Of all that the board was made of."""


def read_records(paths: Sequence[Path | str]) -> dict[str, Evaluation]:
    """Evaluations by the name of their folder, or by a name of one's own: `NAME=PATH`.

    Raises:
        MareyError: no record is there, or two have one name.
    """
    found: dict[str, Evaluation] = {}
    for said in paths:
        name, equals, rest = str(said).partition("=")
        path = Path(rest if equals else str(said))
        if path.is_dir():
            file = next((path / one for one in ("record.json", "metrics.json") if (path / one).is_file()), None)
            if file is None:
                raise MareyError(f"{path} holds no record.json: `marey evaluate FAKE --out {path}` would make one.")
        else:
            file = path
        plain = file.parent.resolve().name if file.name in ("record.json", "metrics.json") else file.stem
        name = name if equals else plain
        if name in found:
            raise MareyError(f"Two records are called {name!r}: NAME=PATH gives one a name of its own.")
        found[name] = Evaluation.load(file)
    if not found:
        raise MareyError("A board needs one record or more.")
    return found


def leaderboard(models: Mapping[str, Evaluation]) -> Board:
    """The board of evaluations by name.

    Raises:
        MareyError: they are of different protocols or true videos, or share no video.
    """
    first_name, first = next(iter(models.items()))
    for name, one in models.items():
        for what in ("id", "given"):
            if one.protocol.get(what) != first.protocol.get(what):
                raise MareyError(
                    f"{first_name} and {name} cannot be ranked together: the protocol's {what} is "
                    f"{first.protocol.get(what)!r} of one and {one.protocol.get(what)!r} of the other."
                )
    windows = {name: {window["id"]: window for window in one.windows} for name, one in models.items()}
    shared = sorted(set.intersection(*(set(of) for of in windows.values())))
    if not shared:
        raise MareyError(f"{' and '.join(models)} have no video in common: there is nothing to rank them by.")
    for name, of in windows.items():
        other = next((v for v in shared if of[v].get("true_id") != windows[first_name][v].get("true_id")), None)
        if other is not None:
            raise MareyError(
                f"{first_name} and {name} cannot be ranked together: their true video of {other!r} is not the same."
            )
    notes = []
    for name, of in windows.items():
        if len(of) > len(shared):
            extra = len(of) - len(shared)
            notes.append(f"Left out: {_videos(extra)} of {name}, which not every record has.")
        failed = models[name].failed
        if failed:
            notes.append(f"Could not be scored: {_videos(len(failed))} of {name}, such as {failed[0]['id']!r}.")
    groups = [windows[first_name][video]["group"] for video in shared]
    columns = _columns(models)
    sets, said = _set_columns(models, shared)
    notes += said

    def scored(name: str, method: str) -> dict[str, Score]:
        of_videos = _scores(models, windows, name, method, columns, shared, groups)
        return {**of_videos, **_set_scores(models, name, method, sets)}

    entries = [Entry(name, "model", scored(name, "model")) for name in models]
    ranked = next((column.key for column in columns if column.metric.better != "near truth"), None)
    if ranked:
        falls = next(column for column in columns if column.key == ranked).metric.better == "higher"
        entries.sort(
            key=lambda entry: (
                ranked not in entry.scores,
                (-1 if falls else 1) * entry.scores[ranked].found.value if ranked in entry.scores else 0.0,
            )
        )
    for method in BASELINES:
        scores = scored(first_name, method)
        if scores:
            entries.append(Entry(METHODS[method], method, scores))
    notes += _still(entries)
    told = json.dumps([[name, one.data, one.seed, one.versions] for name, one in models.items()], sort_keys=True)
    return Board(
        dict(first.protocol),
        len(shared),
        len(set(groups)),
        [*columns, *sets],
        entries,
        dict(models),
        shared,
        notes,
        float(first.settings.get("confidence", 0.95)),
        hashlib.sha256(told.encode()).hexdigest()[:12],
    )


def values(evaluation: Evaluation, method: str, metric: str) -> dict[str, float]:
    """A metric of each video, by its name."""
    found = ((one["id"], one["values"].get(method, {}).get(metric)) for one in evaluation.windows)
    return {name: value for name, value in found if value is not None}


def _still(entries: Sequence[Entry]) -> list[str]:
    """Who hardly moves is told: a still wins by every measure of consistency."""
    true = next((entry.scores["motion"].found for entry in entries if entry.method == "truth"), None)
    if true is None or true.value <= 0:
        return []
    return [
        f"{entry.name} moves by {entry.scores['motion'].found.value:.2f} pixels a frame where the true videos move by "
        f"{true.value:.2f}: a still is consistent, so its consistency says little."
        for entry in entries
        if entry.method == "model"
        and "motion" in entry.scores
        and entry.scores["motion"].found.value < STILL * true.value
    ]


def _videos(count: int) -> str:
    return "1 video" if count == 1 else f"{count} videos"


def _columns(models: Mapping[str, Evaluation]) -> list[Column]:
    columns = []
    for name, metric in METRICS.items():
        kinds = {
            (row.id, one.backbones.get(name, ""))
            for one in models.values()
            for row in one.rows
            if row.metric == name and row.method == "model"
        }
        for id, backbone in sorted(kinds):
            key = name if len(kinds) == 1 else f"{name} {backbone[:8]}"
            columns.append(Column(key, metric, id, backbone))
    return columns


def _set_columns(models: Mapping[str, Evaluation], shared: Sequence[str]) -> tuple[list[Column], list[str]]:
    """Distances of sets, where all records have them of the same kind and of no other videos than the shared ones."""
    columns, notes = [], []
    for name, distance in DISTANCES.items():
        rows = {model: one.row("model", name) for model, one in models.items()}
        there = [row for row in rows.values() if row is not None]
        if not there:
            continue
        kinds = {(row.id, models[model].backbones.get(name, "")) for model, row in rows.items() if row is not None}
        whole = all(len(one.windows) == len(shared) for one in models.values())
        if len(there) < len(rows) or len(kinds) > 1 or len({row.n for row in there}) > 1 or not whole:
            notes.append(f"{distance.title}: not on the board, for the records differ in protocol, network or videos.")
            continue
        ((id, backbone),) = kinds
        says = f"{distance.says} Not a mean over videos: the interval is around the value without bias."
        about = Metric(name, id, distance.title, distance.unit, "lower", says, "sets")
        columns.append(Column(name, about, id, backbone))
    return columns, notes


def _set_scores(
    models: Mapping[str, Evaluation], name: str, method: str, columns: Sequence[Column]
) -> dict[str, Score]:
    scores = {}
    for column in columns:
        row = models[name].row(method, column.metric.name)
        if row is None:
            continue
        rivals = {model: one.row("model", column.metric.name) for model, one in models.items()}
        best = min((_believed(rival) for rival in rivals.values() if rival is not None), key=lambda one: one.value)
        mine = _believed(row)
        place = ""
        if method == "model" and None not in (mine.low, best.high):
            # Of two sets against a third there are no pairs: only intervals that lie apart tell them apart.
            place = "first" if (mine.low or 0.0) <= (best.high or 0.0) else "after"
        scores[column.key] = Score(mine, place)
    return scores


def _believed(row: Row) -> Interval:
    value = row.value if row.corrected is None else row.corrected
    return Interval(value, row.low, row.high, row.n, row.groups, row.interval, row.note)


def _scores(
    models: Mapping[str, Evaluation],
    windows: Mapping[str, Mapping[str, Any]],
    name: str,
    method: str,
    columns: Sequence[Column],
    shared: Sequence[str],
    groups: Sequence[str],
) -> dict[str, Score]:
    """The scores of one entry over the shared videos."""
    scores = {}
    settings = models[name].settings
    plan: dict[str, Any] = {
        "confidence": float(settings.get("confidence", 0.95)),
        "resamples": int(settings.get("resamples", 1000)),
        "seed": models[name].seed,
    }
    for column in columns:
        rivals = {
            other: _column(of, shared, "model", column.metric.name)
            for other, of in windows.items()
            if models[other].backbones.get(column.metric.name, "") == column.backbone
        }
        if name not in rivals:
            continue
        mine = _column(windows[name], shared, method, column.metric.name)
        there = np.isfinite(mine)
        if not there.any():
            continue
        found = cluster_bootstrap(mine[there], [g for g, here in zip(groups, there, strict=True) if here], **plan)
        place, gap = "", None
        if method == "model" and column.metric.better != "near truth":
            place, gap = _place(name, rivals, column.metric, groups, plan)
        scores[column.key] = Score(found, place, gap)
    return scores


def _place(
    name: str, rivals: Mapping[str, np.ndarray], metric: Metric, groups: Sequence[str], plan: Mapping[str, Any]
) -> tuple[str, Interval | None]:
    sign = 1.0 if metric.better == "higher" else -1.0
    # Of videos that lack the number (too short for it) no mean can be compared with the others'.
    whole = {other: column for other, column in rivals.items() if np.isfinite(column).all()}
    if name not in whole:
        return "", None
    best = max(whole, key=lambda other: sign * float(whole[other].mean()))
    if best == name:
        return "first", None
    gap = cluster_bootstrap(whole[name] - whole[best], groups, **plan)
    if gap.low is None or gap.high is None or gap.method != "cluster-bootstrap":
        return "", gap
    return ("first" if gap.low <= 0 <= gap.high else "after"), gap


def _column(windows: Mapping[str, Any], shared: Sequence[str], method: str, metric: str) -> np.ndarray:
    return np.array([windows[video]["values"].get(method, {}).get(metric, np.nan) for video in shared], float)
