"""What was trained and how good it is: curves, generated videos beside the truth, and the table of metrics."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from marey.errors import MareyError
from marey.evaluate import Evaluation
from marey.evaluate.evaluate import read_samples
from marey.evaluate.metrics import METRICS
from marey.evaluate.record import METHODS, SUBSETS
from marey.report.pictures import jpeg_uri, sheet, side_by_side, video_uri
from marey.report.plots import Line, Whisker, curves, legend, short, whiskers
from marey.report.words import finite, interval, signed

STAGES = {
    "autoencoder": ("Autoencoder", "pixels to latents and back"),
    "image": ("Image", "single pictures from captions"),
    "video": ("Video", "a still begins to move"),
    "finetune": ("Finetune", "the best clips only"),
}
_METRIC_TITLES = {**{name: metric.title for name, metric in METRICS.items()}, "frechet": "Fréchet distance"}
_BETTER = {"higher": "higher is better", "lower": "lower is better", "near truth": "nearer to the truth's is better"}
_FEW = 12  # points or fewer are shown as they are


@dataclass(frozen=True)
class Curve:
    """The losses of one training stage."""

    title: str
    says: str
    steps: int
    plot: Markup
    legend: Markup
    last: str
    levels: str
    """The held-out loss at the end by noise level, where it was measured so."""


@dataclass(frozen=True)
class Example:
    """A held-out window, animated: still, generated, truth and autoencoder in one video."""

    video: str
    poster: str
    aspect: float
    footage: str
    caption: str
    facts: str
    score: str


@dataclass(frozen=True)
class Samples:
    """All that `generate` left, in pictures."""

    examples: list[Example]
    sheets: list[tuple[str, str]]
    """Name and picture, as a data URI: the truth above, generated below."""
    n: int
    frames: int
    height: int
    width: int


@dataclass(frozen=True)
class Cell:
    """A number in the table of metrics."""

    value: str
    interval: str
    note: str


@dataclass(frozen=True)
class Table:
    """Methods by metrics over one subset, with a plot a metric."""

    subset: str
    title: str
    n: int
    groups: int
    columns: list[tuple[str, str, str, str]]
    """Title, unit, which way is better, id."""
    rows: list[tuple[str, str, list[Cell | None]]]
    """Method, its name, its cells."""
    plots: list[tuple[str, str, Markup]]
    """Title, what the metric says, the plot."""
    differences: list[tuple[str, str, str, str, str, str]]
    """Against, metric, difference, interval, verdict, note."""


def read_metrics(run_folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; a last half line, as a running or killed process leaves it, is none."""
    path = run_folder / "metrics.jsonl"
    if not path.is_file():
        return []
    found = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and "stage" in line and "step" in line:
            found.append(line)
    return found


def training(run_folder: Path) -> list[Curve]:
    """The curves of each stage that has steps, in the order of training."""
    by_stage: dict[str, list[dict[str, Any]]] = {}
    for line in read_metrics(run_folder):
        by_stage.setdefault(str(line["stage"]), []).append(line)
    order = [*STAGES, *(stage for stage in by_stage if stage not in STAGES)]
    return [_curve(stage, by_stage[stage]) for stage in order if stage in by_stage]


def samples(run_folder: Path, evaluation: Evaluation | None, names: dict[str, str], most: int) -> Samples | None:
    """At most so many generated videos, chosen by footage and order and never by score; None where nothing was
    generated."""
    try:
        windows, videos = read_samples(run_folder / "samples")
    except MareyError:
        return None
    truth, generated, rebuilt = videos["truth"], videos["generated"], videos["autoencoder"]
    scores = {row["id"]: row["values"] for row in evaluation.windows} if evaluation else {}
    examples = []
    for n in _a_group_each([str(window["group"]) for window in windows], most):
        window = windows[n]
        still = np.repeat(truth[n][:1], truth.shape[1], axis=0)
        joined = side_by_side([still, generated[n], truth[n], rebuilt[n]])
        examples.append(
            Example(
                video=video_uri(joined, float(window["fps"])),
                poster=jpeg_uri(joined[0]),
                aspect=joined.shape[2] / joined.shape[1],
                footage=names.get(window["footage"], window["footage"]),
                caption=window.get("caption") or "",
                facts=f"{float(window['fps']):.3g} frames a second, motion bucket {float(window['motion_bucket']):.3g}",
                score=_score(scores.get(window["id"])),
            )
        )
    sheets = []
    for n in _a_group_each([str(window["group"]) for window in windows], most):
        name = names.get(windows[n]["footage"], windows[n]["footage"])
        sheets.append((f"{name}, window {windows[n]['id']}", jpeg_uri(sheet([truth[n], generated[n]]), quality=80)))
    count, frames, height, width, _ = truth.shape
    return Samples(examples, sheets, count, frames, height, width)


def tables(evaluation: Evaluation) -> list[Table]:
    """One table a subset that has windows; real footage apart from footage made by Marey only where there are both."""
    subsets = [subset for subset in SUBSETS if any(row.subset == subset for row in evaluation.rows)]
    if len(subsets) == 2:  # all windows are of one kind, so that "all" says the same
        subsets = subsets[1:]
    return [_table(evaluation, subset) for subset in subsets]


def _curve(stage: str, lines: Sequence[dict[str, Any]]) -> Curve:
    title, says = STAGES.get(stage, (stage, ""))
    raw = [(int(line["step"]), loss) for line in lines if (loss := finite(line.get("loss"))) is not None]
    held = [(int(line["step"]), loss) for line in lines if (loss := finite(line.get("heldout"))) is not None]
    smooth = _smoothed(raw)
    drawn = [
        Line("each step", "tone-other", *_columns(_thinned(raw)), faint=True),
        Line("training, smoothed", "tone-model", *_columns(smooth)),
        Line("held out", "tone-held", *_columns(held), dots=True),
    ]
    drawn = [line for line in drawn if len(line.x)]
    steps = max((step for step, _ in raw), default=0)
    by_sigma: dict[str, Any] = next(
        (line["heldout_by_sigma"] for line in reversed(lines) if line.get("heldout_by_sigma")), {}
    )
    levels = [f"{short(loss)} at {sigma}" for sigma, value in by_sigma.items() if (loss := finite(value)) is not None]
    last = f"training {short(smooth[-1][1])}" if smooth else ""
    if held:
        last += ", " if last else ""
        last += f"held out {short(held[0][1])} at step {held[0][0]} and {short(held[-1][1])} at the end"
    return Curve(
        title=title,
        says=says,
        steps=steps,
        plot=curves(drawn, label=f"{title} loss over {steps} steps: {last}", x_name="step", y_name="loss"),
        legend=legend(drawn),
        last=last,
        levels=f"Held out at the end, by noise level: {', '.join(levels)}" if levels else "",
    )


def _smoothed(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Means over equal pieces: few enough to be read, enough to have a shape."""
    if len(points) <= _FEW:
        return list(points)
    pieces = np.array_split(np.array(points, dtype=np.float64), min(40, max(_FEW, len(points) // 12)))
    return [(round(float(piece[:, 0].mean())), float(piece[:, 1].mean())) for piece in pieces]


def _thinned(points: Sequence[tuple[int, float]], most: int = 400) -> list[tuple[int, float]]:
    return [points[n] for n in range(0, len(points), max(1, -(-len(points) // most)))]


def _columns(points: Sequence[tuple[int, float]]) -> tuple[list[float], list[float]]:
    return [float(x) for x, _ in points], [y for _, y in points]


def _a_group_each(groups: Sequence[str], most: int) -> list[int]:
    """Which windows are shown, at most so many: the first of each group, then the second of each, and so on."""
    turn: dict[str, int] = {}
    ranked = []
    for n, group in enumerate(groups):
        turn[group] = turn.get(group, -1) + 1
        ranked.append((turn[group], n))
    return [n for _, n in sorted(ranked)[:most]]


def _score(values: dict[str, dict[str, float]] | None) -> str:
    if not values:
        return ""
    return f"PSNR {short(values['model']['psnr'])} dB; frozen still {short(values['frozen']['psnr'])} dB"


def _table(evaluation: Evaluation, subset: str) -> Table:
    rows = [row for row in evaluation.rows if row.subset == subset]
    metrics = [name for name in _METRIC_TITLES if any(row.metric == name for row in rows)]
    found = {(row.method, row.metric): row for row in rows}
    columns = []
    for name in metrics:
        one = next(row for row in rows if row.metric == name)
        columns.append((_METRIC_TITLES[name], one.unit, _BETTER.get(one.better, ""), one.id))
    lines: list[tuple[str, str, list[Cell | None]]] = []
    for method, title in METHODS.items():
        cells: list[Cell | None] = []
        for name in metrics:
            row = found.get((method, name))
            if row is None:
                cells.append(None)
                continue
            corrected = f"{short(row.corrected)} without bias, " if row.corrected is not None else ""
            said = corrected + interval(row.low, row.high)
            cells.append(Cell(short(row.value), said, row.note))
        if any(cells):
            lines.append((method, title, cells))
    plots = [(_METRIC_TITLES[name], _says(name), _whiskers(name, found)) for name in metrics]
    gaps = [
        (
            METHODS.get(gap.against, gap.against),
            _METRIC_TITLES.get(gap.metric, gap.metric),
            f"{signed(gap.value)} {gap.unit}".strip(),
            interval(gap.low, gap.high),
            gap.verdict,
            gap.note,
        )
        for _, of in groupby(evaluation.differences, key=lambda gap: gap.against)
        for gap in of
        if gap.subset == subset
    ]
    first = rows[0]
    return Table(subset, SUBSETS.get(subset, subset), first.n, first.groups, columns, lines, plots, gaps)


_FRECHET_SAYS = (
    "Distance of the set of videos from the set of true ones, on hand-made features of our own. This is not FVD, and "
    "compares with no other paper's number."
)


def _says(name: str) -> str:
    if name not in METRICS:
        return f"{_FRECHET_SAYS} Lower is better."
    metric = METRICS[name]
    return metric.says if metric.better == "near truth" else f"{metric.says} {_BETTER[metric.better].capitalize()}."


def _whiskers(name: str, found: dict[tuple[str, str], Any]) -> Markup:
    rows = []
    for method, title in METHODS.items():
        row = found.get((method, name))
        if row is not None:
            value = row.value if row.corrected is None else row.corrected  # the interval is around that
            rows.append(Whisker(title, f"tone-{method}", value, row.low, row.high))
    unit = next(row.unit for (_, metric), row in found.items() if metric == name)
    said = ", ".join(f"{row.name} {short(row.value)}" for row in rows)
    return whiskers(rows, label=f"{_METRIC_TITLES[name]}: {said}", unit=unit)
