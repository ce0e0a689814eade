"""The mean and covariance of features, streamed and merged, and the Frechet distance between two such states.

A state of `d` features holds O(d^2) numbers, however many vectors it has seen; shards that were counted apart merge
exactly. Everything is float64: sums of squares in float32 lose the small differences that a distance is made of.
"""

import io
import json
import math
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from marey.errors import MareyError

Array = npt.NDArray[np.float64]
_FORMAT = "marey-moments/1"


class MomentState:
    """Count, mean `(d,)` and centred scatter `(d, d)` of the feature vectors seen so far."""

    def __init__(self, d: int) -> None:
        if d < 1:
            raise ValueError(f"A state of {d} features: one or more would do.")
        self.d = d
        self.n = 0
        self.mean: Array = np.zeros(d)
        self.scatter: Array = np.zeros((d, d))
        """Sum of (x - mean)(x - mean)^T."""

    @classmethod
    def of(cls, mean: npt.ArrayLike, covariance: npt.ArrayLike, n: int) -> "MomentState":
        """The state of `n` vectors with this mean `(d,)` and unbiased covariance `(d, d)`."""
        centre = np.array(mean, dtype=np.float64)
        state = cls(len(centre))
        state.n, state.mean = n, centre
        state.scatter = np.array(covariance, dtype=np.float64) * (n - 1)
        return state

    def update(self, x: npt.ArrayLike) -> "MomentState":
        """Take in vectors `(n, d)`, or one `(d,)`. Changes this state, and returns it."""
        rows = np.atleast_2d(np.asarray(x, dtype=np.float64))
        if rows.ndim != 2 or rows.shape[1] != self.d:
            raise MareyError(f"Features of shape {np.shape(x)} do not fit a state of {self.d}: (n, {self.d}) would do.")
        if not np.isfinite(rows).all():
            raise MareyError("A feature is not finite: a single NaN would spoil every distance made from this state.")
        if len(rows):
            seen = MomentState(self.d)
            seen.n, seen.mean = len(rows), rows.mean(axis=0)
            centred = rows - seen.mean
            seen.scatter = centred.T @ centred
            merged = self.merge(seen)
            self.n, self.mean, self.scatter = merged.n, merged.mean, merged.scatter
        return self

    def merge(self, other: "MomentState") -> "MomentState":
        """A new state of all the vectors that either has seen (Chan, Golub and LeVeque 1979, eq. 2.1)."""
        if other.d != self.d:
            raise MareyError(f"States of {self.d} and {other.d} features do not merge.")
        both = MomentState(self.d)
        both.n = self.n + other.n
        if both.n:
            apart = other.mean - self.mean
            both.mean = self.mean + apart * (other.n / both.n)
            both.scatter = self.scatter + other.scatter + np.outer(apart, apart) * (self.n * other.n / both.n)
        return both

    def covariance(self, *, biased: bool = False) -> Array:
        """`(d, d)`: the scatter over n - 1, or over n where `biased` (as StyleGAN-V and cd-fvd do)."""
        divisor = self.n - (0 if biased else 1)
        if divisor < 1:
            raise MareyError(f"{self.n} vectors have no covariance: two or more would do.")
        return self.scatter / divisor

    def save(self, path: str | Path) -> None:
        """Write one .npz: the arrays, and a JSON header as bytes. Never pickle. Atomic."""
        header = json.dumps({"format": _FORMAT, "d": self.d, "n": self.n}).encode()
        held = io.BytesIO()
        np.savez(held, header=np.frombuffer(header, dtype=np.uint8), mean=self.mean, scatter=self.scatter)
        path = Path(path)
        part = path.with_name(path.name + ".tmp")
        part.write_bytes(held.getvalue())
        os.replace(part, path)

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
            state = cls(int(header["d"]))
            fits = header["format"] == _FORMAT and mean.shape == (state.d,) and scatter.shape == (state.d, state.d)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MareyError(f"{path} holds no moments: {error}.") from error
        if not fits:
            raise MareyError(f"{path} holds moments of another format, {header.get('format')!r}: {_FORMAT!r} would do.")
        state.n, state.mean, state.scatter = int(header["n"]), mean.astype(np.float64), scatter.astype(np.float64)
        return state


def frechet(a: MomentState, b: MomentState, *, biased: bool = False) -> float:
    """The squared Frechet (2-Wasserstein) distance of the Gaussians with these moments. Symmetric, 0 or more.

    `|mu_a - mu_b|^2 + Tr(A + B - 2 (A B)^(1/2))` (Dowson and Landau 1982). The trace of the root is the sum of the
    roots of the eigenvalues of `L^T B L`, where `A = L L^T`: symmetric and positive, so there is no imaginary part to
    discard, unlike `sqrtm(A B)`. Where A is singular its symmetric root takes the place of L.

    It is biased upward by about 1/n: distances at different n do not compare.

    Raises:
        MareyError: the states differ in dimension, or one has no more vectors than features.
    """
    if a.d != b.d:
        raise MareyError(f"A state of {a.d} features cannot be compared with one of {b.d}.")
    for state in (a, b):
        if state.n <= state.d:
            raise MareyError(
                f"A Frechet distance on {state.d} features needs more than {state.d} videos a side; there are "
                f"{state.n}. More videos, or fewer dimensions, would do."
            )
    first, second = a.covariance(biased=biased), b.covariance(biased=biased)
    root = _root(first)
    eigenvalues = np.linalg.eigvalsh(root.T @ second @ root)
    overlap = float(np.sqrt(np.clip(eigenvalues, 0, None)).sum())
    apart = a.mean - b.mean
    distance = float(apart @ apart) + float(np.trace(first)) + float(np.trace(second)) - 2 * overlap
    return max(0.0, distance) if math.isfinite(distance) else distance


def _root(covariance: Array) -> Array:
    """R with R R^T = covariance: Cholesky's, or the symmetric one where the covariance is singular."""
    try:
        return np.asarray(np.linalg.cholesky(covariance))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        return np.asarray((vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T)
