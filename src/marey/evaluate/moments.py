"""The mean and covariance of features, streamed and merged, and the Frechet distance between two such states.

A state of `d` features holds O(d^2) numbers, however many vectors it has seen; shards that were counted apart merge
exactly. Everything is float64: sums of squares in float32 lose the small differences that a distance is made of.
"""

import io
import json
import math
import os
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from marey.errors import MareyError

Array = npt.NDArray[np.float64]
_FORMAT = "marey-moments/1"
_LEAST_FOLD = 256
_STRIPS, _LEAST_STRIP = 6, 64


class Sums(NamedTuple):
    """Moments of `n` vectors: mean `(d,)`, centred scatter `(d, d)`, and the sum of |x|^4 (NaN where unknown)."""

    n: int
    mean: Array
    scatter: Array
    fourth: float


class MomentState:
    """Count, mean and centred scatter of the feature vectors seen so far, and the sum of their fourth powers.

    The vectors themselves are held until there are more than `d` of them, which costs no more than their scatter does,
    and are then folded in. So a state of few vectors still has them, as the Gram form of the Frechet distance needs,
    and how the stream was cut into updates changes no bit of the result.
    """

    def __init__(self, d: int) -> None:
        if d < 1:
            raise ValueError(f"A state of {d} features: one or more would do.")
        self.d = d
        self._folded = Sums(0, np.zeros(d), np.zeros((d, d)), 0.0)
        self._held: list[Array] = []
        self._waiting = 0
        self._fold = max(d + 1, _LEAST_FOLD)
        self._total: Sums | None = None

    @classmethod
    def of(cls, mean: npt.ArrayLike, covariance: npt.ArrayLike, n: int) -> "MomentState":
        """The state of `n` vectors with this mean `(d,)` and unbiased covariance `(d, d)`."""
        centre = np.array(mean, dtype=np.float64)
        return cls.summed(n, centre, np.array(covariance, dtype=np.float64) * (n - 1), math.nan)

    @classmethod
    def summed(cls, n: int, mean: Array, scatter: Array, fourth: float) -> "MomentState":
        """The state with these sums."""
        state = cls(len(mean))
        state._folded = Sums(n, mean, scatter, fourth)
        return state

    @property
    def n(self) -> int:
        """How many vectors were seen."""
        return self._folded.n + self._waiting

    @property
    def mean(self) -> Array:
        """`(d,)`, zero of no vectors."""
        return self.sums().mean

    @property
    def scatter(self) -> Array:
        """`(d, d)`: the sum of (x - mean)(x - mean)^T."""
        return self.sums().scatter

    @property
    def fourth(self) -> float:
        """The sum of |x|^4 (about zero, not the mean); NaN where the state was made `of` a mean and a covariance."""
        return self.sums().fourth

    @property
    def vectors(self) -> Array | None:
        """All vectors seen `(n, d)`, while they are few enough to be held; else None."""
        return None if self._folded.n else self._rows()

    def sums(self) -> Sums:
        """All moments at once."""
        if self._total is None:
            self._total = _chan(self._folded, _sums(self._rows()))
        return self._total

    def second(self) -> Array:
        """E[x x^T] `(d, d)`, not centred.

        Raises:
            MareyError: no vector was seen.
        """
        if not self.n:
            raise MareyError("A state of no vectors has no second moments: one vector or more would do.")
        n, mean, scatter, _ = self.sums()
        return scatter / n + np.outer(mean, mean)

    def update(self, x: npt.ArrayLike) -> "MomentState":
        """Take in vectors `(n, d)`, or one `(d,)`. Changes this state, and returns it."""
        rows = np.atleast_2d(np.asarray(x, dtype=np.float64))
        if rows.ndim != 2 or rows.shape[1] != self.d:
            raise MareyError(f"Features of shape {np.shape(x)} do not fit a state of {self.d}: (n, {self.d}) would do.")
        if not np.isfinite(rows).all():
            raise MareyError("A feature is not finite: a single NaN would spoil every distance made from this state.")
        while len(rows):
            taken = rows[: self._fold - self._waiting]
            self._hold(taken.copy())
            rows = rows[len(taken) :]
        return self

    def merge(self, other: "MomentState") -> "MomentState":
        """A new state of all the vectors that either has seen (Chan, Golub and LeVeque 1979, eq. 2.1)."""
        self._alike(other)
        both = MomentState(self.d)
        both._folded = _chan(self._folded, other._folded)
        both._hold(np.concatenate([self._rows(), other._rows()]))
        return both

    def without(self, other: "MomentState") -> "MomentState":
        """A new state of what this one has seen and `other`, which is part of it, has not.

        By subtraction: as many digits are lost as the rest is smaller than the whole.

        Raises:
            MareyError: `other` has seen more than this one.
        """
        self._alike(other)
        rest = MomentState(self.d)
        whole, part = self.sums(), other.sums()
        n = whole.n - part.n
        if n < 0:
            raise MareyError(f"A state of {whole.n} vectors cannot give up {part.n}.")
        if n:
            mean = whole.mean + (whole.mean - part.mean) * (part.n / n)
            apart = part.mean - mean
            scatter = whole.scatter - part.scatter - np.outer(apart, apart) * (n * part.n / whole.n)
            rest._folded = Sums(n, mean, scatter, whole.fourth - part.fourth)
        return rest

    def covariance(self, *, biased: bool = False) -> Array:
        """`(d, d)`: the scatter over n - 1, or over n where `biased` (as StyleGAN-V and cd-fvd do)."""
        return self.scatter / self.divisor(biased=biased)

    def divisor(self, *, biased: bool = False) -> int:
        """What the scatter is divided by.

        Raises:
            MareyError: there are too few vectors.
        """
        found = self.n - (0 if biased else 1)
        if found < 1:
            raise MareyError(f"{self.n} vectors have no covariance: two or more would do.")
        return found

    def save(self, path: str | Path) -> None:
        """Write one .npz: the arrays, and a JSON header as bytes. Never pickle. Atomic."""
        held = io.BytesIO()
        np.savez(held, allow_pickle=False, **self.arrays())
        path = Path(path)
        part = path.with_name(path.name + ".tmp")
        part.write_bytes(held.getvalue())
        os.replace(part, path)

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """What `save` writes. What waits beside folded vectors is folded in first, here too, so that going on from
        the file and going on from this state give the same bits."""
        if self._folded.n and self._waiting:
            self._settle()
        sums = self.sums()
        header = json.dumps({"format": _FORMAT, "d": self.d, "n": sums.n}).encode()
        arrays: dict[str, npt.NDArray[np.generic]] = {
            "header": np.frombuffer(header, dtype=np.uint8),
            "mean": sums.mean,
            "scatter": sums.scatter,
            "fourth": np.array(sums.fourth),
        }
        if self.vectors is not None:
            arrays["vectors"] = self.vectors
        return arrays

    @classmethod
    def load(cls, path: str | Path) -> "MomentState":
        """What `save` wrote.

        Raises:
            MareyError: no such file, or not one of these.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                header = json.loads(file["header"].tobytes())
                mean, scatter = file["mean"], file["scatter"]
                fourth = float(file["fourth"]) if "fourth" in file else math.nan
                vectors = file.get("vectors")
            state = cls(int(header["d"]))
            n = int(header["n"])
            fits = header["format"] == _FORMAT and mean.shape == (state.d,) and scatter.shape == (state.d, state.d)
            fits = fits and (vectors is None or vectors.shape == (n, state.d))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MareyError(f"{path} holds no moments: {error}.") from error
        if not fits:
            raise MareyError(f"{path} holds moments of another format, {header.get('format')!r}: {_FORMAT!r} would do.")
        if vectors is not None:
            state._hold(vectors.astype(np.float64))
        else:
            state = cls.summed(n, mean.astype(np.float64), scatter.astype(np.float64), fourth)
        return state

    def _settle(self) -> None:
        self._folded, self._held, self._waiting = self.sums(), [], 0

    def _hold(self, rows: Array) -> None:
        self._total = None
        self._held.append(rows)
        self._waiting += len(rows)
        if self._waiting >= self._fold:
            self._settle()

    def _rows(self) -> Array:
        if len(self._held) != 1:
            self._held = [np.concatenate([np.zeros((0, self.d)), *self._held])]
        return self._held[0]

    def _alike(self, other: "MomentState") -> None:
        if other.d != self.d:
            raise MareyError(f"States of {self.d} and {other.d} features do not merge.")


def frechet(a: MomentState, b: MomentState, *, biased: bool = False) -> float:
    """The squared Frechet (2-Wasserstein) distance of the Gaussians with these moments. Symmetric, 0 or more.

    `|mu_a - mu_b|^2 + Tr(A + B - 2 (A B)^(1/2))` (Dowson and Landau 1982). The trace of the root is the sum of the
    roots of the eigenvalues of `L^T B L`, where `A = L L^T`: symmetric and positive, so there is no imaginary part to
    discard, unlike `sqrtm(A B)`. Where A is singular B takes its place, and where both are a symmetric root does.
    Where a side has no more vectors than features it still holds them, and the smaller Gram form does: with centred
    vectors X and Y on both sides the trace is the sum of the singular values of `X Y^T`, over both divisors' root.

    It is biased upward by about 1/n, and more so the fewer vectors there are a feature: distances at different n do
    not compare (see `distances` for what to do about it).

    Args:
        biased: divide by n, as StyleGAN-V and cd-fvd do, and not by n - 1.

    Raises:
        MareyError: the states differ in dimension, or one has fewer than two vectors.
    """
    if a.d != b.d:
        raise MareyError(f"A state of {a.d} features cannot be compared with one of {b.d}.")
    divisors = a.divisor(biased=biased), b.divisor(biased=biased)
    for state in (a, b):
        if state.n < 2:
            raise MareyError(f"A Frechet distance needs two vectors or more a side; there are {state.n}.")
    first, second = _few(a), _few(b)
    scale = 1 / math.sqrt(divisors[0] * divisors[1])
    if first is not None and second is not None:
        overlap = float(np.linalg.svd(first @ second.T, compute_uv=False).sum()) * scale
    elif first is not None:
        overlap = _roots(first @ b.scatter @ first.T) * scale
    elif second is not None:
        overlap = _roots(second @ a.scatter @ second.T) * scale
    else:
        one, other = a.scatter, b.scatter
        root = _cholesky(one)
        if root is None:
            one, other = other, one
            root = _cholesky(one)
        if root is None:
            root = _symmetric_root(one)
            overlap = _roots(root @ other @ root) * scale
        else:
            overlap = _roots(_between(root, other)) * scale
    spread = float(np.trace(a.scatter)) / divisors[0] + float(np.trace(b.scatter)) / divisors[1]
    apart = a.mean - b.mean
    return max(0.0, float(apart @ apart) + spread - 2 * overlap)


def _sums(rows: Array) -> Sums:
    if not len(rows):
        d = rows.shape[1]
        return Sums(0, np.zeros(d), np.zeros((d, d)), 0.0)
    mean = rows.mean(axis=0)
    centred = rows - mean
    return Sums(len(rows), mean, centred.T @ centred, _fourth(rows))


def _fourth(rows: Array) -> float:
    return float((np.einsum("nd,nd->n", rows, rows) ** 2).sum())


def _chan(a: Sums, b: Sums) -> Sums:
    if not a.n or not b.n:
        return a if a.n else b
    n = a.n + b.n
    apart = b.mean - a.mean
    scatter = a.scatter + b.scatter + np.outer(apart, apart) * (a.n * b.n / n)
    return Sums(n, a.mean + apart * (b.n / n), scatter, a.fourth + b.fourth)


def _few(state: MomentState) -> Array | None:
    """The centred vectors, where there are no more of them than features."""
    if state.vectors is None or state.n > state.d:
        return None
    return np.asarray(state.vectors - state.vectors.mean(axis=0))


def _between(lower: Array, symmetric: Array) -> Array:
    """L^T S L of a lower triangular L: right in its lower triangle, which is all that `_roots` reads.

    In strips, so that what is zero or not needed costs nothing: less than half the work of two products.
    """
    d = len(lower)
    edges = np.linspace(0, d, 1 + min(_STRIPS, 1 + d // _LEAST_STRIP)).astype(int).tolist()
    strips = list(pairwise(edges))
    half, out = np.empty((d, d)), np.zeros((d, d))
    for start, end in strips:
        half[:, start:end] = symmetric[:, start:] @ lower[start:, start:end]
    for start, end in strips:
        out[start:end, :end] = lower[start:, start:end].T @ half[start:, :end]
    return out


def _roots(symmetric: Array) -> float:
    """The sum of the roots of the eigenvalues; only the lower triangle is read."""
    return float(np.sqrt(np.clip(np.linalg.eigvalsh(symmetric), 0, None)).sum())


def _cholesky(scatter: Array) -> Array | None:
    """L with L L^T = scatter; None where it is singular."""
    try:
        return np.asarray(np.linalg.cholesky(scatter))
    except np.linalg.LinAlgError:
        return None


def _symmetric_root(scatter: Array) -> Array:
    """R with R R^T = scatter, singular or not; some ten times as much work."""
    values, vectors = np.linalg.eigh(scatter)
    return np.asarray((vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T)
