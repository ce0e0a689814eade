"""How sure a number is: intervals from resampling whole groups, because windows of one shot are not independent.

Resampling windows one by one would treat the eight windows of a shot as eight witnesses; the interval would be too
narrow.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

LEAST_GROUPS = 5
"""With fewer groups there is nothing to resample: 5 give 126 different resamples, 3 give 10."""
_CELLS = 1 << 22


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its confidence interval (None where there is none) and how it was found."""

    value: float
    low: float | None
    high: float | None
    n: int
    groups: int
    method: str
    """cluster-bootstrap | window-bootstrap | group-jackknife | crossed | wilson | none."""
    note: str = ""
    """What a reader must know of the interval; empty where it means what it says."""


def cluster_bootstrap(
    values: Sequence[float] | npt.NDArray[np.float64],
    groups: Sequence[Hashable],
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    least_groups: int = LEAST_GROUPS,
) -> Interval:
    """The mean of `values` `(n,)`, with the percentile interval over resampled groups.

    Whole groups are drawn with replacement, as many as there are; the statistic is the mean over all windows drawn.
    The percentiles are widened for few groups (Hesterberg, "What teachers should know about the bootstrap", 2015,
    §"expanded percentile"), without which ten groups at 95 % would cover about 90 %. With fewer than `least_groups`
    groups single windows are resampled instead, and the note says that the interval is then too narrow.

    Args:
        groups: the group of each value.
        confidence: of the interval, 0.5..1.
        seed: the same values, groups and seed give the same interval.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or len(numbers) != len(groups) or not len(numbers):
        raise ValueError(
            f"{numbers.shape} values and {len(groups)} groups: one group a value, and at least one, would do."
        )
    if not np.isfinite(numbers).all():
        raise ValueError("A value is not finite.")
    index = _numbered(groups)
    count = int(index.max()) + 1
    value = float(numbers.mean())
    if len(numbers) < 2:
        return Interval(value, None, None, 1, count, "none", "one window has no interval")
    note, method = "", "cluster-bootstrap"
    if count < least_groups:
        plural = "group" if count == 1 else "groups"
        note = f"only {count} {plural}: single windows were resampled, so the interval is too narrow"
        method, index = "window-bootstrap", np.arange(len(numbers))
    units = int(index.max()) + 1
    sums = np.bincount(index, weights=numbers, minlength=units)
    sizes = np.bincount(index, minlength=units)
    rng, share = np.random.default_rng(seed), np.full(units, 1 / units)
    means = np.empty(resamples)
    # A few resamples at a time: of many groups all of them at once would need more memory than the videos.
    at_once = max(1, _CELLS // units)
    for start in range(0, resamples, at_once):
        drawn = rng.multinomial(units, share, size=min(at_once, resamples - start))  # (at_once, units)
        means[start : start + len(drawn)] = (drawn @ sums) / (drawn @ sizes)
    tail = _tail(confidence, units)
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(value, float(low), float(high), len(numbers), count, method, note)


def group_jackknife(
    groups: Sequence[Hashable], statistic: Callable[[npt.NDArray[np.bool_]], float], *, confidence: float = 0.95
) -> tuple[Interval, float]:
    """A bias-corrected estimate with its interval, by leaving out one group at a time: for statistics that are no
    means.

    A Frechet distance is biased upward by about 1/n and the bootstrap adds the same bias again, so that its interval
    may lie wholly above the truth; the jackknife takes the bias off. Groups of unequal size are weighted as in Busing,
    Meijer and van der Leeden, "Delete-m jackknife for unequal m", Statistics and Computing 1999, eqs. 6-8.

    Args:
        statistic: of the windows where the mask `(n,)` is true.

    Returns:
        (the interval around the corrected estimate, the plain estimate).
    """
    index = _numbered(groups)
    n, count = len(index), int(index.max()) + 1
    plain = statistic(np.ones(n, dtype=bool))
    if count < 2:
        return Interval(plain, None, None, n, count, "none", "one group has no interval"), plain
    sizes = np.bincount(index, minlength=count)
    without = np.array([statistic(index != group) for group in range(count)])
    share = n / sizes
    corrected = count * plain - float(np.sum((1 - sizes / n) * without))
    pseudo = share * plain - (share - 1) * without
    error = math.sqrt(float(np.mean((pseudo - corrected) ** 2 / (share - 1))))
    reach = student_t(0.5 + confidence / 2, count - 1) * error
    note = f"only {count} groups: the interval is rough" if count < LEAST_GROUPS else ""
    return Interval(corrected, corrected - reach, corrected + reach, n, count, "group-jackknife", note), plain


def crossed(values: npt.ArrayLike, *, confidence: float = 0.95) -> Interval:
    """The mean of `values` `(R, C)`, where all of a row and all of a column have something in common, such as trainings
    with R seeds that are measured on the same C clips: for other rows and other columns.

    The variance of the mean is that of the rows' means and that of the columns' means less what both count of the rest
    (Cameron, Gelbach and Miller, "Robust inference with multiway clustering", 2011, eq. 2.11, with the corrections for
    few groups), and never less than either; the quantile is Student's, with Satterthwaite's degrees of freedom. One
    column alone has the interval of the rows.

    Raises:
        ValueError: no table, or a value that is not finite.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise ValueError(f"{table.shape} values: a table (rows, columns) of finite values would do.")
    rows, columns = table.shape
    value = float(table.mean())
    if rows < 2:
        return Interval(value, None, None, table.size, rows, "none", "one row has no interval")
    of_rows, of_columns = table.mean(axis=1), table.mean(axis=0)
    by_rows = float(of_rows.var(ddof=1)) / rows
    by_columns = rest = 0.0
    if columns > 1:
        by_columns = float(of_columns.var(ddof=1)) / columns
        left = table - of_rows[:, None] - of_columns + value
        rest = float((left**2).sum()) / ((rows - 1) * (columns - 1)) / table.size
    variance = max(by_rows + by_columns - rest, by_rows, by_columns)
    weights = by_rows**2 / (rows - 1) + by_columns**2 / max(1, columns - 1)
    freedom = max(rows - 1, int(variance**2 / weights)) if weights > 0 else rows - 1
    reach = student_t(0.5 + confidence / 2, min(freedom, table.size - 1)) * math.sqrt(variance)
    note = f"only {rows} rows: the interval is rough" if rows < LEAST_GROUPS else ""
    return Interval(value, value - reach, value + reach, table.size, rows, "crossed", note)


def wilson(successes: int, n: int, *, confidence: float = 0.95) -> Interval:
    """A share of `n` independent trials with its score interval (Wilson 1927, "Probable inference"): sound for few
    trials and for shares of 0 and 1, where the textbook's interval has no width.

    Raises:
        ValueError: no trials, or more successes than trials.
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"{successes} successes in {n} trials: at least one trial, and no more successes, would do")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends the sum is 0 or 1 but for rounding.
    low = 0.0 if successes == 0 else middle - reach
    high = 1.0 if successes == n else middle + reach
    return Interval(share, low, high, n, n, "wilson")


@lru_cache(maxsize=256)
def student_t(probability: float, freedom: int) -> float:
    """The quantile of Student's t for 0.5 < probability < 1, to 1e-8: Simpson's rule under the density, then
    bisection."""
    if not 0.5 < probability < 1 or freedom < 1:
        raise ValueError(f"No quantile for probability {probability} and {freedom} degrees of freedom.")
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    # With x = tan(angle) the half-line is a finite interval, and the integrand is smooth on it for any tail.
    weights = np.ones(2001)
    weights[1:-1:2], weights[2:-1:2] = 4.0, 2.0

    def below(angle: float) -> float:
        angles = np.linspace(0.0, angle, 2001)
        x = np.tan(angles)
        density = scale * (1 + x * x / freedom) ** (-(freedom + 1) / 2) * (1 + x * x)
        return 0.5 + float(weights @ density) * angle / 2000 / 3

    low, high = 0.0, math.pi / 2 - 1e-9
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < probability else (low, middle)
    return math.tan((low + high) / 2)


def _tail(confidence: float, units: int) -> float:
    """The share to cut from each end: the normal tail that is as far out as t's, times sqrt(n / (n - 1))."""
    reach = student_t(0.5 + confidence / 2, units - 1) * math.sqrt(units / (units - 1))
    return NormalDist().cdf(-reach)


def _numbered(groups: Sequence[Hashable]) -> npt.NDArray[np.int64]:
    """Each group as a number from 0, in the order of first appearance (so that no order of hashing comes in)."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)
