"""Does a classifier know how sure it is, and can it tell what it never saw: calibration error, and areas under curves.

"ECE" is several metrics: of bins of equal width or of equal mass, closed on one side or the other. They differ most
where a network is saturated, and each has its own id here.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from marey.errors import MareyError

Array = npt.NDArray[np.float64]
Binning = Literal["width", "mass"]
Closed = Literal["right", "left"]


@dataclass(frozen=True)
class Bin:
    """One bar of a reliability diagram."""

    n: int
    confidence: float
    """The mean of those in it, 0..1."""
    accuracy: float
    """The share of those in it that are right, 0..1."""


def reliability(
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    *,
    bins: int = 15,
    binning: Binning = "width",
    closed: Closed = "right",
) -> list[Bin]:
    """Bars of the confidences `(n,)` in 0..1, with how many of each are right; empty bins are left out.

    Args:
        correct: whether each was right, `(n,)` of 0 and 1.
        binning: of equal width (Guo et al., "On calibration of modern neural networks", 2017), or of equal mass (Nixon
            et al., "Measuring calibration in deep learning", 2019); equal confidences stay together there.
        closed: which end belongs to a bin of equal width. `right`, `(low, high]`, is Guo's and RegMixup's; `left`,
            `[low, high)`, is torchmetrics', where a confidence of exactly one has a bin of its own.

    Raises:
        MareyError: shapes do not fit, or a confidence is not in 0..1.
    """
    sure, right = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    if sure.ndim != 1 or sure.shape != right.shape or not len(sure):
        raise MareyError(
            f"Confidences of shape {sure.shape} and answers of shape {right.shape}: (n,) of both would do."
        )
    if not ((sure >= 0) & (sure <= 1)).all():
        raise MareyError("A confidence is not between 0 and 1.")
    if not np.isin(right, (0, 1)).all():
        raise MareyError("An answer is neither right (1) nor wrong (0).")
    if bins < 1:
        raise MareyError(f"{bins} bins: one or more would do.")
    if binning == "mass":
        places = np.minimum((_ranks(sure) * bins / len(sure)).astype(np.int64), bins - 1)
    else:
        edges = np.linspace(0, 1, bins + 1)
        if closed == "right":
            places = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, bins - 1)
        else:
            places = np.searchsorted(edges, sure, side="right") - 1
    return [
        Bin(int((places == place).sum()), float(sure[places == place].mean()), float(right[places == place].mean()))
        for place in np.unique(places)
    ]


def ece(
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    *,
    bins: int = 15,
    binning: Binning = "width",
    closed: Closed = "right",
) -> float:
    """The expected calibration error, 0..1: the mean of |accuracy - confidence| over bins, by their numbers.

    For arguments and errors see `reliability`; `ece_id` names the variant.
    """
    bars = reliability(confidence, correct, bins=bins, binning=binning, closed=closed)
    return sum(bar.n * abs(bar.accuracy - bar.confidence) for bar in bars) / sum(bar.n for bar in bars)


def ece_id(*, bins: int = 15, binning: Binning = "width", closed: Closed = "right") -> str:
    """The variant's id, such as `ece/width-15-right`."""
    return f"ece/{binning}-{bins}" + (f"-{closed}" if binning == "width" else "")


def auroc(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """The chance that a positive has a higher score than a negative, ties counting half: 0..1, 0.5 of no knowledge.

    Raises:
        MareyError: shapes do not fit, or one of the two kinds is absent.
    """
    values, kind = _two_kinds(scores, positive)
    ranks = _ranks(values) + 0.5  # from one, as the formula has them
    n, m = int(kind.sum()), int((~kind).sum())
    return float((ranks[kind].sum() - n * (n + 1) / 2) / (n * m))


def average_precision(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """The mean precision over the positives, in falling order of score: 0..1. `ap/step`, not the trapezoid under the
    same curve, which is too kind (Davis and Goadrich 2006). Equal scores are one step.

    Raises:
        MareyError: shapes do not fit, or one of the two kinds is absent.
    """
    values, kind = _two_kinds(scores, positive)
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(kind[order])
    last = np.append(np.diff(values[order]) != 0, True)
    precision = (hits / np.arange(1, len(values) + 1))[last]
    gained = np.diff(hits[last], prepend=0)
    return float((precision * gained).sum() / hits[-1])


def softmax(logits: npt.ArrayLike) -> Array:
    """Probabilities `(n, classes)` of class scores."""
    scores = np.asarray(logits, np.float64)
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def strangeness(logits: npt.ArrayLike, how: Literal["softmax", "entropy", "energy", "dempster-shafer"]) -> Array:
    """How little like its training data each input looks to a classifier, from class scores `(n, classes)`; higher is
    stranger. For `auroc` of what was never seen.

    `softmax`: minus the largest probability; `entropy`: in nats; `energy`: minus the log of the summed exponentials
    (Liu et al. 2020, eq. 4); `dempster-shafer`: K / (K + sum exp z), as RegMixup has it.
    """
    scores = np.asarray(logits, np.float64)
    if how == "softmax":
        return np.asarray(-softmax(scores).max(axis=-1))
    if how == "entropy":
        chances = softmax(scores)
        return np.asarray(-(chances * np.log(np.maximum(chances, 1e-300))).sum(axis=-1))
    top = scores.max(axis=-1)
    total = top + np.log(np.exp(scores - top[..., None]).sum(axis=-1))
    if how == "energy":
        return np.asarray(-total)
    return np.asarray(1 / (1 + np.exp(np.minimum(total - np.log(scores.shape[-1]), 700.0))))


def _two_kinds(scores: npt.ArrayLike, positive: npt.ArrayLike) -> tuple[Array, npt.NDArray[np.bool_]]:
    values, kind = np.asarray(scores, np.float64), np.asarray(positive).astype(bool)
    if values.ndim != 1 or values.shape != kind.shape or not np.isfinite(values).all():
        raise MareyError(f"Scores of shape {values.shape} and kinds of shape {kind.shape}: finite (n,) would do.")
    if kind.all() or not kind.any():
        raise MareyError("All are of one kind: an area under a curve needs positives and negatives.")
    return values, kind


def _ranks(values: Array) -> Array:
    """Of each, from 0.5 to n - 0.5; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    return np.asarray(middle[place])
