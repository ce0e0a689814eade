"""The table of ablations in words and plain values, for pages and files."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from marey.evaluate.intervals import Interval
from marey.recipe.ablations import Ablations
from marey.study.ablations.compare import Results, Row, Table
from marey.study.ablations.footage import AXES
from marey.study.ablations.judge import MEASURES, distance, judged
from marey.study.ablations.plan import CLAIMS, arms
from marey.study.ablations.sets import found_in, heldout

CURVES = MappingProxyType(
    {
        "a": ("images first, or not", ("curated", "scratch", "scratch, equal computing")),
        "b": ("what the clips are", ("curated", "small curated", "uncurated")),
        "d": ("one filter alone", ("uncurated", "filtered by cuts", "filtered by static", "filtered by captions")),
    }
)
"""Arms whose curves stand in one picture, by the claim, with its title."""


def columns() -> list[str]:
    """Heads of the columns of a table: each a measure's gain."""
    return ["% less loss", *(f"{one.title}{f', {one.unit}' if one.unit else ''}" for one in MEASURES[1:])]


def cells(row: Row) -> dict[str, Any]:
    """A comparison as `report.ablations.Told` takes it."""
    primary = row.gains[0].interval
    return {
        "claim": row.comparison.claim,
        "says": row.comparison.says,
        "seeds": row.seeds,
        "verdict": row.verdict,
        "cells": [_cell(gain.interval) for gain in row.gains],
        "value": None if primary is None else primary.value,
        "low": None if primary is None else primary.low,
        "high": None if primary is None else primary.high,
    }


def curves(results: Results, names: Sequence[str]) -> dict[str, list[tuple[float, float]]]:
    """The mean held-out loss by step of some arms, over the seeds that all of those have that have any."""
    there = [name for name in names if results.get(name)]
    seeds = sorted(set.intersection(*(set(results[name]) for name in there))) if there else []
    return {name: _averaged([results[name][seed]["curve"] for seed in seeds]) for name in there if seeds}


def _averaged(points: Sequence[Sequence[Sequence[float]]]) -> list[tuple[float, float]]:
    return [(float(at[0][0]), sum(float(loss) for _, loss in at) / len(at)) for at in zip(*points, strict=True)]


def levels(settings: Ablations, results: Results) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table of the arms themselves: means over clips and seeds, and the time that one took; first
    what a still that does not move would come to."""
    sigmas = [f"loss at {sigma:g}" for sigma in settings.sigmas]
    head = ["", "seeds", "clips", "steps", *sigmas, *(one.title for one in MEASURES), "CPU seconds"]
    _, truth = heldout(settings.footage, settings.footage.size)
    frozen = np.repeat(truth.videos[:, :1], truth.videos.shape[1], axis=1)
    still = {**judged(frozen, truth), "frechet": distance(frozen, truth.videos)}
    blanks = ["-"] * (2 + len(sigmas))
    rows = [["a still", "-", *blanks, *(_mean([still.get(one.name)]) for one in MEASURES), "-"]]
    for arm in arms(settings):
        seeds = [results.get(arm.name, {})[number] for number in sorted(results.get(arm.name, {}))]
        if arm.stage == "image" or not seeds:
            continue
        by_sigma = np.mean([one["by_sigma"] for one in seeds], axis=0)
        rows.append(
            [
                arm.name,
                str(len(seeds)),
                f"{np.mean([one['clips'] for one in seeds]):.0f}",
                str(seeds[0]["steps"]),
                *(f"{value:.3f}" for value in by_sigma),
                *(_mean([one[measure.name] for one in seeds]) for measure in MEASURES),
                f"{np.mean([one['cpu_seconds'] for one in seeds]):.0f}",
            ]
        )
    return head, rows


def curated(folder: Path, settings: Ablations, seed: int) -> str:
    """What curation found of the uncurated clips, over the seeds whose footage is made."""
    caches = [folder / f"seed-{number}" / "footage.npz" for number in range(seed, seed + settings.seeds)]
    found = [found_in(cache) for cache in caches if cache.is_file()]
    if not found:
        return ""
    mean = {name: 100 * float(np.mean([one[name] for one in found])) for name in found[0]}
    axes = [
        f"{axis}: {mean[f'{axis} found']:.0f} % of them found, {mean[f'{axis} mistaken']:.1f} % of the others taken "
        "for such"
        for axis in AXES
        if f"{axis} found" in mean and f"{axis} mistaken" in mean
    ]
    return f"Of the uncurated clips {mean['clean']:.0f} % pass curation. {'; '.join(axes).capitalize()}."


def plain(table: Table) -> dict[str, Any]:
    """The table as JSON."""
    return {
        "partial": table.partial,
        "seeds": table.seeds,
        "trainings": table.trainings,
        "missing": table.missing,
        "claims": dict(CLAIMS),
        "rows": [{**asdict(row), "verdict": row.verdict} for row in table.rows],
    }


def _cell(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    if interval.low is None or interval.high is None:
        return _signed(interval.value)
    bold = "**" if interval.low > 0 or interval.high < 0 else ""
    return f"{bold}{_signed(interval.value)}{bold} ({_signed(interval.low)} to {_signed(interval.high)})"


def _mean(values: Sequence[Any]) -> str:
    """Of numbers and of lists of numbers, without what is None."""
    rows = [np.mean([one for one in np.atleast_1d(np.array(value, dtype=np.float64)) if one == one]) for value in values
            if value is not None]  # fmt: skip
    return f"{np.mean(rows):.3g}" if rows else "-"


def _signed(value: float) -> str:
    places = 1 if abs(value) >= 10 else 2
    return f"{value:+.{places}f}".replace("-", "\N{MINUS SIGN}")
