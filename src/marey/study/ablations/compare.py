"""What the arms say of the claims: paired differences, clip by clip and seed by seed, with intervals over both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from marey.evaluate.intervals import Interval, crossed
from marey.recipe.ablations import Ablations
from marey.study.ablations.judge import MEASURES, PRIMARY, Measure
from marey.study.ablations.plan import CLAIMS, Comparison, arms, comparisons

Results = Mapping[str, Mapping[int, Mapping[str, Any]]]
"""By arm and seed, as `run.read` gives them."""


@dataclass(frozen=True)
class Gain:
    """By how much the first arm of a comparison is better, by one measure; less than 0 where it is worse."""

    measure: str
    interval: Interval | None
    """Of the loss in percent less of it, of the others in their units. None: nothing to compare yet."""
    first: float | None
    """The mean of the first arm, by the seeds that both have."""
    second: float | None


@dataclass(frozen=True)
class Row:
    """One comparison."""

    comparison: Comparison
    seeds: int
    """That have all its arms."""
    gains: tuple[Gain, ...]
    """By `MEASURES`, the primary one first."""

    @property
    def verdict(self) -> str:
        """By the primary measure: better, worse, not told apart, or none yet."""
        return verdict(self.gains[0].interval)


@dataclass(frozen=True)
class Table:
    """All comparisons, and what is still missing."""

    rows: tuple[Row, ...]
    seeds: int
    """That were asked for."""
    missing: int
    """Trainings that are not done."""
    trainings: int

    @property
    def partial(self) -> str:
        """What a reader of an unfinished table must know; empty of a whole one."""
        if not self.missing:
            return ""
        return f"PARTIAL: {self.trainings - self.missing} of {self.trainings} trainings are done."

    def __str__(self) -> str:
        lines = [self.partial] if self.partial else []
        claim = ""
        for row in self.rows:
            if row.comparison.claim != claim:
                claim = row.comparison.claim
                lines.append(f"\n({claim}) {CLAIMS[claim]}")
            gain = row.gains[0]
            said = f"{_interval(gain.interval)} % less loss" if gain.interval else "nothing yet"
            seeds = f"{row.seeds} of {self.seeds} seeds"
            lines.append(f"  {row.comparison.says}: {said}; {row.verdict} ({seeds})")
            others = [one for one in row.gains[1:] if one.interval is not None]
            if others:
                told = {measure.name: measure for measure in MEASURES}
                shown = ", ".join(
                    f"{told[one.measure].title} {_interval(one.interval)} {told[one.measure].unit}".rstrip()
                    for one in others
                )
                lines.append(f"      better by: {shown}")
        return "\n".join(lines).lstrip("\n")


def verdict(interval: Interval | None) -> str:
    """What an interval of a gain says; one that holds 0, or none, is no gain."""
    if interval is None:
        return "nothing yet"
    if interval.low is None or interval.high is None:
        return "one seed tells nothing"
    return "better" if interval.low > 0 else "worse" if interval.high < 0 else "not told apart"


def table(settings: Ablations, results: Results, *, seed: int = 0) -> Table:
    """The comparisons of what is done so far."""
    numbers = range(seed, seed + settings.seeds)
    planned = arms(settings)
    done = sum(number in results.get(arm.name, {}) for arm in planned for number in numbers)
    rows = []
    for one in comparisons(settings):
        names = [one.first, one.second, *(one.gain_over or ())]
        those = [number for number in numbers if all(number in results.get(name, {}) for name in names)]
        rows.append(Row(one, len(those), tuple(_gain(one, measure, those, results) for measure in MEASURES)))
    return Table(tuple(rows), settings.seeds, len(planned) * settings.seeds - done, len(planned) * settings.seeds)


def values(arm: str, measure: str, seeds: list[int], results: Results) -> npt.NDArray[np.float64]:
    """What an arm has by a measure, (seeds, clips); NaN where a measure says nothing of a clip."""
    rows = [np.atleast_1d(np.array(results[arm][number][measure], dtype=np.float64)) for number in seeds]
    return np.stack(rows)


def _gain(one: Comparison, measure: Measure, seeds: list[int], results: Results) -> Gain:
    if not seeds:
        return Gain(measure.name, None, None, None)
    first, second = (values(name, measure.name, seeds, results) for name in (one.first, one.second))
    gained = _better(first, second, measure)
    if one.gain_over is not None:
        less, least = (values(name, measure.name, seeds, results) for name in one.gain_over)
        gained = gained - _better(less, least, measure)
    told = ~np.isnan(gained).any(axis=0)
    if not told.any():
        return Gain(measure.name, None, None, None)
    interval = crossed(gained[:, told])
    if measure.name == PRIMARY:
        interval = _percent(interval)
    return Gain(measure.name, interval, float(first[:, told].mean()), float(second[:, told].mean()))


def _better(
    first: npt.NDArray[np.float64], second: npt.NDArray[np.float64], measure: Measure
) -> npt.NDArray[np.float64]:
    """By how much the first is better: of the loss the logarithm of the ratio, of the others the difference."""
    if measure.name == PRIMARY:
        return np.log(second) - np.log(first)
    return first - second if measure.better == "higher" else second - first


def _percent(interval: Interval) -> Interval:
    """Of logarithms of ratios: by how many percent less."""
    ends = [None if end is None else 100 * (1 - float(np.exp(-end))) for end in (interval.low, interval.high)]
    value = 100 * (1 - float(np.exp(-interval.value)))
    return Interval(value, ends[0], ends[1], interval.n, interval.groups, interval.method, interval.note)


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    if interval.low is None or interval.high is None:
        return f"{interval.value:+.2f}"
    return f"{interval.value:+.2f} ({interval.low:+.2f} to {interval.high:+.2f})"
