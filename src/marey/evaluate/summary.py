"""From numbers a window to rows with intervals: metrics of methods, paired differences, and Frechet distances."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from marey.errors import MareyError
from marey.evaluate.features import Projection
from marey.evaluate.intervals import cluster_bootstrap, group_jackknife
from marey.evaluate.metrics import METRICS
from marey.evaluate.moments import MomentState, frechet
from marey.evaluate.record import METHODS, Difference, Row, made_row, verdict
from marey.recipe import Evaluate as Settings

BASELINES = ("frozen", "loop", "frozen_autoencoder", "drift")


def summarise(
    per_window: Sequence[Mapping[str, Any]], settings: Settings, seed: int
) -> tuple[list[Row], list[Difference], list[dict[str, str]]]:
    """Rows and paired differences with intervals, for all windows and for real and made footage apart.

    Args:
        per_window: each with group, real and values (method to metric to number). Not every window need have every
            method and metric: a row is of those that have it, and a difference of those that have both.
    """
    rows: list[Row] = []
    differences: list[Difference] = []
    absent: list[dict[str, str]] = []
    for subset, members in _subsets(per_window).items():
        if not members:
            absent.append({"subset": subset, "metric": "all", "reason": "no held-out window is of this kind"})
            continue
        interval = partial(cluster_bootstrap, confidence=settings.confidence, resamples=settings.resamples, seed=seed)
        groups = np.array([str(window["group"]) for window in members], dtype=object)
        columns: dict[tuple[str, str], npt.NDArray[np.float64]] = {}
        for method in METHODS:
            for name in METRICS:
                column = np.array([window["values"].get(method, {}).get(name, np.nan) for window in members], float)
                there = np.isfinite(column)
                if there.any():
                    columns[method, name] = column
                    found = interval(column[there], groups[there].tolist())
                    rows.append(made_row(subset, method, described(name), found))
        for against in BASELINES:
            for name, metric in METRICS.items():
                if metric.better == "near truth" or not {("model", name), (against, name)} <= columns.keys():
                    continue
                gap = columns["model", name] - columns[against, name]
                there = np.isfinite(gap)
                if not there.any():
                    continue
                found = interval(gap[there], groups[there].tolist())
                row = asdict(made_row(subset, "model", described(name), found))
                for key in ("better", "corrected"):
                    del row[key]
                differences.append(Difference(**row, against=against, verdict=verdict(found, metric.better)))
    return rows, differences, absent


def described(name: str) -> dict[str, str]:
    """What a row says of its metric."""
    metric = METRICS[name]
    return {"name": name, "id": metric.id, "unit": metric.unit, "better": metric.better}


def distances(
    tables: Mapping[str, npt.NDArray[np.float64]],
    per_window: Sequence[Mapping[str, Any]],
    projection: Projection | None,
    reason: str,
    settings: Settings,
) -> tuple[list[Row], list[dict[str, str]]]:
    """A Frechet distance of each method to the truth, where there are windows enough; else the reason why not.

    Args:
        tables: features `(N, WIDTH)` by method, "truth" among them; may be empty where there is no projection.
        reason: why there is no projection.
    """
    rows: list[Row] = []
    absent: list[dict[str, str]] = []
    held = {method: projection(table) for method, table in tables.items()} if projection is not None else {}
    for subset, members in _subsets(per_window).items():
        if not members:
            continue
        least = max(settings.frechet_least, (projection.dims if projection else 0) + 2)
        if projection is None or len(members) < least:
            why = (
                reason
                if projection is None
                else f"{len(members)} videos; a distance needs at least {least} to mean anything"
            )
            absent.append({"subset": subset, "metric": "frechet", "reason": why})
            continue
        metric = {"name": "frechet", "id": projection.id, "unit": "", "better": "lower"}
        chosen = np.array([subset == "all" or window["real"] == (subset == "real") for window in per_window])
        groups = [window["group"] for window in members]
        try:
            for method in held:
                if method != "truth":
                    made, true = held[method][chosen], held["truth"][chosen]
                    found, plain = group_jackknife(groups, _Distance(made, true), confidence=settings.confidence)
                    rows.append(made_row(subset, method, metric, found, plain))
        except MareyError as error:  # a group so large that without it there are too few videos
            rows = [row for row in rows if row.subset != subset]
            absent.append({"subset": subset, "metric": "frechet", "reason": str(error)})
    return rows, absent


class _Distance:
    """The Frechet distance of the rows of two feature tables `(n, dims)` where a mask is true."""

    def __init__(self, made: npt.NDArray[np.float64], true: npt.NDArray[np.float64]) -> None:
        self._made, self._true = made, true

    def __call__(self, mask: npt.NDArray[np.bool_]) -> float:
        d = self._made.shape[1]
        return frechet(MomentState(d).update(self._made[mask]), MomentState(d).update(self._true[mask]))


def _subsets(per_window: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    return {
        "all": list(per_window),
        "real": [window for window in per_window if window["real"]],
        "made": [window for window in per_window if not window["real"]],
    }
