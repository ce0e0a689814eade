"""The table of ablations in words and plain values, for pages and files."""

from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from marey.evaluate.intervals import Interval
from marey.study.ablations.compare import Row, Table
from marey.study.ablations.judge import MEASURES
from marey.study.ablations.plan import CLAIMS

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


def averaged(seeds: Mapping[int, Mapping[str, Any]]) -> list[tuple[float, float]]:
    """The mean curve of an arm over the seeds that it has."""
    curves = [seeds[number]["curve"] for number in sorted(seeds)]
    return [
        (float(points[0][0]), sum(float(loss) for _, loss in points) / len(points))
        for points in zip(*curves, strict=True)
    ]


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


def _signed(value: float) -> str:
    places = 1 if abs(value) >= 10 else 2
    return f"{value:+.{places}f}".replace("-", "\N{MINUS SIGN}")
