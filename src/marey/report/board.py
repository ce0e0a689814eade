"""The leaderboard as one self-contained page: intervals, baselines, motion beside consistency, the worst and the best
clips of each model, and the commands that made every number. It loads nothing and sends nothing."""

import math
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np
import numpy.typing as npt
from markupsafe import Markup

import marey
from marey.errors import MareyError
from marey.evaluate.intervals import Interval
from marey.evaluate.leaderboard import Board, Column, Entry, leaderboard, read_records, values
from marey.evaluate.metrics import METRICS
from marey.evaluate.record import METHODS
from marey.media import probe, read
from marey.progress import Progress, follow, silent
from marey.report import words
from marey.report.pictures import jpeg_uri, video_uri
from marey.report.plots import Whisker, short, whiskers
from marey.report.scatter import Dot, scatter
from marey.report.words import interval, signed

TONES = 6
"""So many colours for models; then they begin anew."""
_BETTER = {"higher": "higher is better", "lower": "lower is better", "near truth": "compare with the truth"}
_HEIGHT = 160
_SECONDS = 4.0
_ROWS = 400
"""Videos in a model's table at most: the hardest ones."""


@dataclass(frozen=True)
class Cell:
    """A number with its interval, and its place."""

    value: str
    interval: str
    place: str
    says: str


@dataclass(frozen=True)
class Clip:
    """One video of a model beside its truth."""

    name: str
    rank: str
    score: str
    text: str
    video: str
    poster: str
    aspect: float
    paired: bool


def board(
    records: Sequence[Path | str],
    out: Path,
    *,
    by: str = "",
    clips: int = 3,
    title: str = "Leaderboard",
    progress: Progress = silent,
) -> Path:
    """Write the page and return its path.

    Args:
        records: folders or files with a record, each `PATH` or `NAME=PATH`.
        by: the metric by which clips are called worst and best; the first ranked one otherwise.
        clips: so many of the worst and of the best clips of each model play on the page.

    Raises:
        MareyError: a record is missing, or they cannot be ranked together.
    """
    found = leaderboard(read_records(records))
    ranked = [
        column.key
        for column in found.columns
        if column.metric.better != "near truth" and column.metric.family != "sets"  # a set has no worst clip
    ]
    by = by or (ranked[0] if ranked else "")
    if by not in ranked:
        raise MareyError(f"No model has {by!r} in its record: one of {', '.join(ranked) or 'none'} would do.")
    column = next(column for column in found.columns if column.key == by)
    models = [entry for entry in found.entries if entry.method == "model"]
    tones = {entry.name: f"m{n % TONES}" for n, entry in enumerate(models)}
    drilled = []
    for entry in follow(models, progress, "showing videos", len(models)):
        drilled.append(_drill(found, entry, column, clips, tones[entry.name]))
    text = _render(
        {
            "title": title,
            "version": marey.__version__,
            "board": found,
            "verdict": _verdict(found, column, models),
            "tiles": _tiles(found, column, models),
            "columns": [_head(one) for one in found.columns],
            "rows": [(entry, _tone(entry, tones), _cells(found, entry)) for entry in found.entries],
            "pairs": _side_by_side(found, tones),
            "plots": [_plot(found, one, tones) for one in found.columns],
            "drilled": drilled,
            "by": column,
            "commands": _commands(found, records, by, out),
            "methods": [
                (METHODS[e.method], found.protocol.get(e.method, "")) for e in found.entries if e.method in _SAID
            ],
        }
    )
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".tmp")
    part.write_text(text, encoding="utf-8")
    os.replace(part, out)
    return out


_SAID = ("frozen", "loop", "drift", "frozen_autoencoder", "autoencoder")


def _verdict(found: Board, column: Column, models: Sequence[Entry]) -> str:
    """One or two sentences that say what the page comes to, and no more than it does."""
    there = [entry for entry in models if column.key in entry.scores]
    first = [entry.name for entry in there if entry.scores[column.key].place == "first"]
    title = column.metric.title
    if len(models) == 1:
        name = models[0].name
        said = f"{name}: {title} {short(models[0].scores[column.key].found.value)}"
        frozen = next((entry for entry in found.entries if entry.method == "frozen"), None)
        if frozen is not None and column.key in frozen.scores:
            said += f", where a frozen still has {short(frozen.scores[column.key].found.value)}"
        return f"{said}, over {words.count(found.n, 'video')}."
    if len(first) == 1:
        said = f"By {title}, {first[0]} stands before the others, over {words.count(found.n, 'video')}."
    elif len(first) == len(there):
        said = f"By {title} these models cannot be told apart, over {words.count(found.n, 'video')}."
    elif first:
        said = f"By {title}, {words.listed(first)} lead and cannot be told apart, over {words.count(found.n, 'video')}."
    else:
        said = f"Too few groups of videos to say which is best by {title}."
    return f"{said} One number is not the whole: read it beside the motion, and look at the clips."


def _head(column: Column) -> dict[str, str]:
    metric = column.metric
    return {
        "title": metric.title,
        "unit": metric.unit,
        "better": _BETTER[metric.better],
        "id": column.id,
        "backbone": column.backbone[:12],
        "family": metric.family,
        "says": metric.says,
        "sort": {"higher": "desc", "lower": "asc"}.get(metric.better, "desc"),
    }


def _cells(found: Board, entry: Entry) -> list[Cell | None]:
    cells: list[Cell | None] = []
    for column in found.columns:
        score = entry.scores.get(column.key)
        if score is None:
            cells.append(None)
            continue
        says = score.found.note
        if score.against_best is not None:
            gap = score.against_best
            says = f"{signed(gap.value)} against the best, {interval(gap.low, gap.high)}"
        cells.append(Cell(*_figures(score.found), score.place, says))
    return cells


def _figures(found: Interval) -> tuple[str, str]:
    """A number and its interval, with as many figures as the interval bears out: two of its width."""
    if found.low is None or found.high is None or found.high <= found.low:
        exact = found.low is not None and found.low == found.high
        ends = "" if exact else interval(found.low, found.high)
        return _rounded(found.value, 4 if abs(found.value) < 1 else 1), ends
    places = min(5, max(0, 1 - math.floor(math.log10(found.high - found.low))))
    return _rounded(found.value, places), f"{_rounded(found.low, places)} to {_rounded(found.high, places)}"


def _rounded(value: float, places: int) -> str:
    text = f"{value:.{places}f}"
    if value == round(value) and abs(value) < 2:
        text = f"{value:.0f}"  # a whole 0 or 1 is exact: a still, or all of the videos
    return text.replace("-", "\N{MINUS SIGN}")


def _tiles(found: Board, column: Column, models: Sequence[Entry]) -> list[dict[str, str]]:
    there = [entry for entry in models if column.key in entry.scores]
    title, unit = column.metric.title, column.metric.unit
    tiles = []
    if there:
        first = there[0].scores[column.key].found
        value, ends = _figures(first)
        tiles.append({"what": f"{title} of {there[0].name}", "number": value, "unit": unit, "more": ends})
    frozen = next((entry for entry in found.entries if entry.method == "frozen" and column.key in entry.scores), None)
    if frozen is not None:
        value, ends = _figures(frozen.scores[column.key].found)
        tiles.append({"what": f"{title} of a frozen still", "number": value, "unit": unit, "more": ends})
    moves = [(entry, entry.scores["motion"].found) for entry in found.entries if "motion" in entry.scores]
    mine = next((one for entry, one in moves if there and entry.name == there[0].name), None)
    true = next((one for entry, one in moves if entry.method == "truth"), None)
    if mine is not None:
        more = f"the true videos have {_figures(true)[0]}" if true is not None else "no truth to compare it with"
        tiles.append(
            {"what": f"Motion of {there[0].name}", "number": _figures(mine)[0], "unit": "px/frame", "more": more}
        )
    count = f"{words.count(len(models), 'model')}, {words.count(len(found.columns), 'metric')}"
    tiles.append(
        {
            "what": "Judged",
            "number": str(found.n),
            "unit": "videos" if found.n != 1 else "video",
            "more": f"{count}, one decode of each",
        }
    )
    return tiles


def _plot(found: Board, column: Column, tones: dict[str, str]) -> tuple[str, str, Markup]:
    rows = []
    for entry in found.entries:
        score = entry.scores.get(column.key)
        if score is not None:
            one = score.found
            rows.append(Whisker(_shortened(entry.name), f"tone-{_tone(entry, tones)}", one.value, one.low, one.high))
    said = ", ".join(f"{row.name} {short(row.value)}" for row in rows)
    title = column.metric.title
    return title, f"{column.metric.says}", whiskers(rows, label=f"{title}: {said}", unit=column.metric.unit)


def _side_by_side(found: Board, tones: dict[str, str]) -> list[tuple[str, Markup]]:
    """Each measure of consistency against the motion."""
    plots = []
    for column in found.columns:
        if column.metric.family != "consistency":
            continue
        dots = []
        for entry in found.entries:
            across, up = entry.scores.get("motion"), entry.scores.get(column.key)
            if across is not None and up is not None:
                a, b = across.found, up.found
                dots.append(
                    Dot(
                        _shortened(entry.name),
                        f"tone-{_tone(entry, tones)}",
                        a.value,
                        b.value,
                        (a.low, a.high),
                        (b.low, b.high),
                    )
                )
        if dots:
            said = "; ".join(f"{dot.name}: motion {short(dot.x)}, {short(dot.y)}" for dot in dots)
            label = f"{column.metric.title} against motion. {said}"
            unit = METRICS["motion"].unit
            plots.append((column.metric.title, scatter(dots, label=label, x_name=f"motion ({unit})", y_name="")))
    return plots


def _drill(found: Board, entry: Entry, column: Column, clips: int, tone: str) -> dict[str, Any]:
    evaluation = found.models[entry.name]
    shared = set(found.videos)
    scores = {name: one for name, one in values(evaluation, "model", column.metric.name).items() if name in shared}
    falls = column.metric.better == "higher"
    worst_first = sorted(scores, key=lambda name: (scores[name] if falls else -scores[name], name))
    bad = worst_first[:clips]
    good = [name for name in reversed(worst_first) if name not in bad][:clips]
    windows = {one["id"]: one for one in evaluation.windows}
    title = column.metric.title
    made = []
    for rank, names in (("worst", bad), ("best", good)):
        for name in names:
            clip = _clip(windows[name], rank, f"{title} {short(scores[name])} {column.metric.unit}".rstrip())
            if clip is not None:
                made.append(clip)
    names = [one.metric.name for one in found.columns if one.metric.family != "sets"]
    table = []
    for name in worst_first[:_ROWS]:
        of = windows[name]["values"].get("model", {})
        table.append((name, windows[name].get("text", ""), [of.get(metric) for metric in names]))
    return {
        "name": entry.name,
        "tone": tone,
        "clips": made,
        "lost": len(bad) + len(good) - len(made),
        "table": table,
        "total": len(scores),
        "failed": evaluation.failed,
        "notes": evaluation.notes[:20],
        "absent": evaluation.absent,
        "versions": evaluation.versions,
        "data": evaluation.data,
    }


def _clip(window: dict[str, Any], rank: str, score: str) -> Clip | None:
    """A clip for the page: the generated video, and the true one to its right where there is one. None where the
    files are gone."""
    paths = [Path(window[key]) for key in ("shown", "true") if window.get(key)]
    if not paths or not all(path.is_file() for path in paths):
        return None
    try:
        videos = [_small(path, float(window.get("fps") or 8.0)) for path in paths]
    except MareyError:
        return None
    frames = min(len(video) for video in videos)
    width = max(video.shape[2] for video in videos)
    joined = np.concatenate([_wide(video[:frames], width) for video in videos], axis=2)
    return Clip(
        window["id"],
        rank,
        score,
        window.get("text", ""),
        video_uri(joined, float(window.get("fps") or 8.0)),
        jpeg_uri(joined[0], quality=70),
        joined.shape[2] / joined.shape[1],
        len(paths) == 2,
    )


def _small(path: Path, fps: float) -> npt.NDArray[np.uint8]:
    """The start of a video, small: (T, H, W, 3) with even sides."""
    reading = read(path, probe(path), limit_seconds=_SECONDS)
    frames = []
    for frame in reading:
        height = min(_HEIGHT, frame.height) // 2 * 2
        width = max(2, round(frame.width * height / frame.height / 2) * 2)
        frames.append(frame.rgb((height, width)))
    return np.stack(frames).astype(np.uint8)


def _wide(video: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.uint8]:
    """Grey at both sides of a narrower video, and a height that all have."""
    if video.shape[1] != _HEIGHT:
        size = max(2, round(video.shape[2] * _HEIGHT / video.shape[1] / 2) * 2), _HEIGHT
        video = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC) for frame in video]).astype(np.uint8)
    lacking = max(0, width - video.shape[2])
    return np.pad(video, ((0, 0), (0, 0), (lacking // 2, lacking - lacking // 2), (0, 0)), constant_values=128)


def _commands(found: Board, records: Sequence[Path | str], by: str, out: Path) -> list[dict[str, str]]:
    lines = [
        {"says": f"{name}, {words.count(len(one.windows), 'video')}", "line": one.command}
        for name, one in found.models.items()
        if one.command
    ]
    said = " ".join(shlex.quote(str(record)) for record in records)
    return [
        *lines,
        {"says": "This page", "line": f"marey evaluate board {said} --by {by} --out {shlex.quote(str(out))}"},
    ]


def _tone(entry: Entry, tones: dict[str, str]) -> str:
    return tones[entry.name] if entry.method == "model" else entry.method


def _shortened(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:22]}…"


def _render(context: dict[str, Any]) -> str:
    here = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(here),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=words.count, figure=lambda value: f"{value:.4g}")
    told = {
        name: Markup("\n".join((here / file).read_text(encoding="utf-8") for file in files))
        for name, files in (("style", ("style.css", "board.css")), ("script", ("page.js", "board.js")))
    }
    return environment.get_template("board.html.j2").render(**context, **told)
