"""Distances between two sets of videos, each with an interval, from their streaming states: registered in one place.

The Frechet distance is biased upward by about 1/n, and a bootstrap adds that bias a second time, so that its interval
may lie wholly above the truth. So the interval here is that of the group jackknife around the corrected value, and the
plain value, which papers print, stands beside it. The unbiased kernel distances need no correction; their jackknife
gives the width.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from marey.errors import MareyError
from marey.evaluate.intervals import LEAST_GROUPS, Interval, student_t
from marey.evaluate.moments import MomentState, frechet
from marey.evaluate.reservoir import FeatureSet

Array = npt.NDArray[np.float64]
_SLAB = 512


@dataclass(frozen=True)
class Found:
    """A distance: `interval` around the value to be believed, and the `plain` value to be compared with papers."""

    id: str
    interval: Interval
    plain: float


@dataclass(frozen=True)
class Distance:
    """What a distance between two sets is called, what exactly it is, and how it is computed."""

    name: str
    id: str
    """The variant; numbers with different ids are not compared."""
    title: str
    says: str
    """One sentence for a reader."""
    compute: Callable[[FeatureSet, FeatureSet, bool, float], tuple[Interval, float]]
    better: str = "lower"
    unit: str = ""

    def __call__(self, fake: FeatureSet, real: FeatureSet, *, biased: bool = False, confidence: float = 0.95) -> Found:
        """The distance of two sets.

        Args:
            biased: covariances over n, for those that have any; a protocol says so.

        Raises:
            MareyError: the sets were made by different backbones, weights or protocols, or are too small.
        """
        fake.same_kind(real)
        if min(fake.n, real.n) < 2:
            raise MareyError(f"{fake.n} and {real.n} vectors: a distance of sets needs two or more a side.")
        interval, plain = self.compute(fake, real, biased, confidence)
        return Found(self.id + ("-biased" if biased and "frechet" in self.id else ""), interval, plain)


def jackknife(plain: float, without: Sequence[float], n: int, confidence: float) -> Interval:
    """The bias-corrected value and its interval, from a statistic of all and of all but one block each.

    `g p - (g - 1) mean(p_-k)`, and the variance `(g - 1) / g sum (p_-k - mean)^2` (Efron and Tibshirani, "An
    introduction to the bootstrap", 1993, eqs. 11.4 and 10.8), with Student's t of g - 1 degrees of freedom.
    """
    g = len(without)
    if g < 2:
        return Interval(plain, None, None, n, g, "none", "one block of groups has no interval")
    left = np.asarray(without, dtype=np.float64)
    value = g * plain - (g - 1) * float(left.mean())
    error = math.sqrt((g - 1) / g * float(((left - left.mean()) ** 2).sum()))
    reach = student_t(0.5 + confidence / 2, g - 1) * error
    note = f"only {g} blocks of groups: the interval is rough" if g < LEAST_GROUPS else ""
    return Interval(value, value - reach, value + reach, n, g, "group-jackknife", note)


def frechet_sets(fake: FeatureSet, real: FeatureSet, biased: bool, confidence: float) -> tuple[Interval, float]:
    """The Frechet distance; the same block is left out on both sides at a time."""

    def statistic(a: MomentState, b: MomentState) -> float:
        return frechet(a, b, biased=biased)

    plain = statistic(fake.moments, real.moments)
    without = [statistic(a, b) for a, b in _leaving(fake, real)]
    found = jackknife(plain, without, min(fake.n, real.n), confidence)
    if min(fake.n, real.n) <= 2 * fake.d:
        few = f"{min(fake.n, real.n)} vectors of {fake.d} features: too few to take all of the bias off"
        found = replace(found, note="; ".join(part for part in (found.note, few) if part))
    return found, plain


def frechet_infinity(fake: FeatureSet, real: FeatureSet, biased: bool, confidence: float) -> tuple[Interval, float]:
    """The Frechet distance as it would be at infinite n: the intercept of the distances of parts on 1/n.

    Chong and Forsyth, "Effectively unbiased FID and Inception Score and where to find them" (CVPR 2020), §3, but with
    parts of both sets, because both add to the bias. The parts are runs of blocks, so that nothing but the moments is
    needed: from a quarter of the blocks to all of them. The interval is the jackknife's over blocks.
    """
    pairs = [(a, b) for a, b in zip(fake.blocks, real.blocks, strict=True) if a.n and b.n]
    if len(pairs) < 4:
        raise MareyError(
            f"{len(pairs)} blocks of groups have videos on both sides: an extrapolation needs four or more, that is, "
            "more videos or more groups."
        )
    value = _intercept(pairs, biased)
    without = [_intercept(pairs[:n] + pairs[n + 1 :], biased) for n in range(len(pairs))] if len(pairs) > 4 else []
    found = jackknife(value, without, min(fake.n, real.n), confidence)
    # The extrapolation took the bias off; the jackknife only says how sure it is.
    shift = value - found.value
    low, high = (None, None) if found.low is None or found.high is None else (found.low + shift, found.high + shift)
    return replace(found, value=value, low=low, high=high), frechet(fake.moments, real.moments, biased=biased)


def jedi(fake: FeatureSet, real: FeatureSet, biased: bool, confidence: float) -> tuple[Interval, float]:
    """JEDi's distance, `100 MMD^2` with the kernel `(<x, y> / d)^2`, as the unbiased U-statistic.

    Luo, Lyu and others, "Beyond FVD: enhanced evaluation metrics for video generation quality" (2024). This kernel
    needs only the second moments: `sum_ij <x_i, x_j>^2 = |sum x x^T|^2`, and the sum of |x|^4 for the terms with i = j.
    The plain value is the biased V-statistic that the authors print.
    """
    plain = quadratic_mmd(fake.moments, real.moments, unbiased=False)
    value = quadratic_mmd(fake.moments, real.moments, unbiased=True)
    without = [quadratic_mmd(a, b, unbiased=True) for a, b in _leaving(fake, real)]
    return jackknife(value, without, min(fake.n, real.n), confidence), plain


def quadratic_mmd(a: MomentState, b: MomentState, *, unbiased: bool) -> float:
    """`100 MMD^2` with the kernel `(<x, y> / d)^2` from moments alone.

    Raises:
        MareyError: unbiased, and a state does not know the sum of |x|^4.
    """
    one, other = a.second(), b.second()
    if not unbiased:
        return 100 / a.d**2 * float(((one - other) ** 2).sum())
    within = 0.0
    for state, second in ((a, one), (b, other)):
        if not math.isfinite(state.fourth):
            raise MareyError("A state made of a mean and a covariance lacks fourth moments: the biased form would do.")
        within += (float((second**2).sum()) * state.n - state.fourth / state.n) / (state.n - 1)
    return 100 / a.d**2 * (within - 2 * float((one * other).sum()))


def polynomial(x: Array, y: Array) -> Array:
    """`(<x, y> / d + 1)^3`: the kernel of KID and KVD (Binkowski et al. 2018, §4)."""
    return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)


def kvd(fake: FeatureSet, real: FeatureSet, biased: bool, confidence: float) -> tuple[Interval, float]:
    """The squared MMD with the cubic kernel, as the unbiased U-statistic over the reservoir's vectors (TATS's KVD)."""
    return _kernel_distance(fake, real, polynomial, confidence)


def rbf(fake: FeatureSet, real: FeatureSet, biased: bool, confidence: float) -> tuple[Interval, float]:
    """The squared MMD with a Gaussian kernel whose width is the root mean squared distance between the real vectors.

    That width follows from the real moments (`2 Tr(covariance)`), so that it does not depend on what was made.
    """
    width = 2 * float(np.trace(real.moments.covariance()))
    if width <= 0:
        raise MareyError("The real vectors are all alike: a Gaussian kernel has no width in them.")

    def kernel(x: Array, y: Array) -> Array:
        apart = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)[None] - 2 * x @ y.T
        return np.asarray(np.exp(-apart.clip(0) / (2 * width)))

    return _kernel_distance(fake, real, kernel, confidence)


def mmd_blocks(
    x: Array, y: Array, x_block: npt.NDArray[np.int64], y_block: npt.NDArray[np.int64], blocks: int, kernel: "Kernel"
) -> tuple[Array, Array, Array]:
    """Sums of a kernel by pairs of blocks, `(blocks, blocks)` each: within x, within y (both without i = j), and
    between. Computed in slabs, so that no more than 512 rows of the kernel exist at a time."""
    first, second = np.eye(blocks)[x_block], np.eye(blocks)[y_block]
    return (
        _slabs(x, x, first, first, kernel, same=True),
        _slabs(y, y, second, second, kernel, same=True),
        _slabs(x, y, first, second, kernel, same=False),
    )


Kernel = Callable[[Array, Array], Array]


def _slabs(x: Array, y: Array, x_in: Array, y_in: Array, kernel: Kernel, *, same: bool) -> Array:
    total = np.zeros((x_in.shape[1], y_in.shape[1]))
    for start in range(0, len(x), _SLAB):
        rows = slice(start, start + _SLAB)
        table = kernel(x[rows], y)
        if same:
            here = np.arange(len(table))
            table[here, start + here] = 0
        total += x_in[rows].T @ table @ y_in
    return total


def _kernel_distance(fake: FeatureSet, real: FeatureSet, kernel: Kernel, confidence: float) -> tuple[Interval, float]:
    ours, theirs = fake.reservoir, real.reservoir
    if min(len(ours.vectors), len(theirs.vectors)) < 2:
        raise MareyError("A kernel distance needs vectors in the reservoirs: a cap of two or more would do.")
    count = len(fake.blocks)
    xx, yy, xy = mmd_blocks(ours.vectors, theirs.vectors, ours.blocks, theirs.blocks, count, kernel)
    n, m = (np.bincount(kept.blocks, minlength=count) for kept in (ours, theirs))
    value = _unbiased(xx, yy, xy, n, m)
    present = [k for k in range(count) if n[k] or m[k]]
    without = []
    for left in present:
        rest = np.arange(count) != left
        if min(n[rest].sum(), m[rest].sum()) >= 2:
            square = np.ix_(rest, rest)
            without.append(_unbiased(xx[square], yy[square], xy[square], n[rest], m[rest]))
    found = jackknife(value, without, min(int(n.sum()), int(m.sum())), confidence)
    kept = len(ours.vectors) < fake.n or len(theirs.vectors) < real.n
    note = f"over the {len(ours.vectors)} and {len(theirs.vectors)} vectors that the reservoirs kept" if kept else ""
    return replace(found, note="; ".join(part for part in (found.note, note) if part)), value


def _unbiased(xx: Array, yy: Array, xy: Array, n: npt.NDArray[np.int64], m: npt.NDArray[np.int64]) -> float:
    a, b = int(n.sum()), int(m.sum())
    return float(xx.sum() / (a * (a - 1)) + yy.sum() / (b * (b - 1)) - 2 * xy.sum() / (a * b))


def _leaving(fake: FeatureSet, real: FeatureSet) -> Iterator[tuple[MomentState, MomentState]]:
    """The moments of both sets without a block, for each block that has vectors on either side."""
    whole = fake.moments, real.moments
    for a, b in zip(fake.leaving(), real.leaving(), strict=True):
        if (a is None and b is None) or min((a or whole[0]).n, (b or whole[1]).n) < 2:
            continue
        yield a or whole[0], b or whole[1]


def _intercept(pairs: Sequence[tuple[MomentState, MomentState]], biased: bool) -> float:
    """Of the distance on 1/n, by least squares, over runs of neighbouring blocks on a ring.

    Each size has as many runs as make it cover the ring about twice, so that small parts, whose distances scatter
    more, are averaged more; and each size counts by its vectors.
    """
    count = len(pairs)
    least = max(2, count // 4)
    sizes = sorted({round(size) for size in np.linspace(least, count, min(8, count - least + 1))})
    inverse, values, weights = [], [], []
    for size in sizes:
        runs = 1 if size == count else max(2, round(2 * count / size))
        for run in range(runs):
            start = round(run * count / runs)
            chosen = [pairs[(start + step) % count] for step in range(size)]
            a, b = chosen[0]
            for more in chosen[1:]:
                a, b = a.merge(more[0]), b.merge(more[1])
            if min(a.n, b.n) >= 2:
                inverse.append((1 / a.n + 1 / b.n) / 2)
                values.append(frechet(a, b, biased=biased))
                weights.append(min(a.n, b.n))
    design = np.stack([np.ones(len(inverse)), np.array(inverse)], axis=1)
    root = np.sqrt(np.array(weights, dtype=np.float64))
    fitted, *_ = np.linalg.lstsq(design * root[:, None], np.array(values) * root, rcond=None)
    return float(fitted[0])


DISTANCES: dict[str, Distance] = {
    distance.name: distance
    for distance in (
        Distance(
            "frechet",
            "frechet",
            "Frechet distance",
            "How far apart the features of the two sets are, as if each set were a Gaussian.",
            frechet_sets,
        ),
        Distance(
            "frechet-infinity",
            "frechet-infinity/blocks",
            "Frechet distance, extrapolated",
            "The Frechet distance that endless videos would give: the bias of small sets is taken off.",
            frechet_infinity,
        ),
        Distance(
            "jedi",
            "mmd/jedi-u",
            "Quadratic kernel distance",
            "JEDi's kernel: how far apart the second moments of the features are, 100 times the squared MMD.",
            jedi,
        ),
        Distance(
            "kvd",
            "mmd/cubic-u",
            "Cubic kernel distance",
            "KID's and KVD's kernel: unbiased at any number of videos, and free of the Gaussian assumption.",
            kvd,
        ),
        Distance(
            "rbf",
            "mmd/rbf-rms-u",
            "Gaussian kernel distance",
            "Zero only where the two distributions are the same, at the scale of the real videos.",
            rbf,
        ),
    )
}
"""All distances of sets, by name, in the order in which they are shown."""
