from statistics import NormalDist

import numpy as np
import pytest

from marey.errors import MareyError
from marey.evaluate.calibration import auroc, average_precision, ece, ece_id, reliability, softmax, strangeness


def slow_width(sure: np.ndarray, right: np.ndarray, bins: int) -> float:
    """Guo's sum, bin by bin."""
    total = 0.0
    for k in range(bins):
        low, high = k / bins, (k + 1) / bins
        inside = (sure > low) & (sure <= high) if k else sure <= high
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    return total


def answers(seed: int, n: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sure = rng.uniform(0.2, 1, n)
    return sure, (rng.uniform(size=n) < sure**2).astype(int)


def test_who_is_always_as_sure_as_right_has_no_error() -> None:
    sure = np.repeat([0.25, 0.5, 0.75], 40)
    right = np.concatenate([np.arange(40) < 40 * level for level in (0.25, 0.5, 0.75)])
    for binning in ("width", "mass"):
        assert ece(sure, right, bins=3, binning=binning) == pytest.approx(0, abs=1e-12)


def test_who_says_09_and_is_right_half_the_time_errs_by_04() -> None:
    sure, right = np.full(10, 0.9), np.arange(10) % 2
    for binning in ("width", "mass"):
        for bins in (1, 10, 15):
            assert ece(sure, right, bins=bins, binning=binning) == pytest.approx(0.4)


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_equal_width_is_the_slow_sum(bins: int) -> None:
    sure, right = answers(0)
    assert ece(sure, right, bins=bins) == pytest.approx(slow_width(sure, right, bins))


def test_of_a_known_curve() -> None:
    """Confidence uniform on 0.2..1, right with chance c^2: the error is the mean of c - c^2."""
    sure, right = answers(1, 200_000)
    expected = (0.48 - (1 - 0.008) / 3) / 0.8
    for binning in ("width", "mass"):
        assert ece(sure, right, binning=binning) == pytest.approx(expected, abs=0.005)


def test_equal_mass_has_equal_bins_and_keeps_the_equal_together() -> None:
    sure, right = answers(2, 150)
    bars = reliability(sure, right, bins=15, binning="mass")
    assert [bar.n for bar in bars] == [10] * 15
    assert [bar.confidence for bar in bars] == sorted(bar.confidence for bar in bars)
    assert sum(bar.n * bar.accuracy for bar in bars) == pytest.approx(right.sum())
    flat = reliability(np.full(150, 0.7), right, binning="mass")
    assert len(flat) == 1


def test_the_ends_of_bins_are_where_the_variants_differ() -> None:
    sure, right = np.array([0.5, 0.4, 1.0, 0.95]), np.array([1, 0, 0, 1])
    assert [bar.n for bar in reliability(sure, right, bins=2)] == [2, 2]
    left = reliability(sure, right, bins=2, closed="left")
    assert [bar.n for bar in left] == [1, 2, 1], "one has a bin of its own"
    assert ece(sure, right, bins=2) != ece(sure, right, bins=2, closed="left")
    assert ece_id() == "ece/width-15-right"
    assert ece_id(closed="left", bins=10) == "ece/width-10-left"
    assert ece_id(binning="mass") == "ece/mass-15"
    assert reliability([0.0], [1], bins=4)[0].n == 1


@pytest.mark.parametrize("apart", [0.0, 0.5, 2.0])
def test_auroc_of_two_gaussians(apart: float) -> None:
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(size=20_000), rng.normal(apart, size=10_000)])
    positive = np.arange(30_000) >= 20_000
    assert auroc(scores, positive) == pytest.approx(NormalDist().cdf(apart / np.sqrt(2)), abs=0.01)
    assert auroc(-scores, positive) == pytest.approx(1 - auroc(scores, positive))


def test_auroc_and_precision_by_counting_pairs() -> None:
    rng = np.random.default_rng(3)
    scores, positive = rng.integers(0, 6, 60).astype(float), rng.uniform(size=60) < 0.3
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[positive] for b in scores[~positive]]
    assert auroc(scores, positive) == pytest.approx(np.mean(pairs))
    expected, before = 0.0, 0
    for level in sorted(set(scores), reverse=True):
        taken = scores >= level
        hits = int(positive[taken].sum())
        expected += (hits - before) * hits / int(taken.sum())
        before = hits
    assert average_precision(scores, positive) == pytest.approx(expected / positive.sum())
    assert average_precision([3, 2, 1], [1, 1, 0]) == 1
    assert auroc([1, 1, 1, 1], [0, 1, 0, 1]) == 0.5


def test_strangeness_by_hand() -> None:
    logits = np.array([[0.0, 0.0, 0.0, 0.0], [9.0, 0.0, 0.0, 0.0], [1000.0, 0.0, 0.0, 0.0]])
    assert softmax(logits).sum(axis=1) == pytest.approx(1)
    assert strangeness(logits, "softmax")[0] == pytest.approx(-0.25)
    assert strangeness(logits, "entropy")[0] == pytest.approx(np.log(4))
    assert strangeness(logits, "energy")[:2] == pytest.approx([-np.log(4), -np.log(np.exp(9) + 3)])
    assert strangeness(logits, "dempster-shafer")[:2] == pytest.approx([0.5, 4 / (4 + np.exp(9) + 3)])
    for how in ("softmax", "entropy", "energy", "dempster-shafer"):
        found = strangeness(logits, how)
        assert np.isfinite(found).all()
        assert (np.diff(found) <= 0).all(), "the flattest is the strangest"


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(MareyError, match=r"shape \(2,\).*shape \(3,\)"):
        ece([0.1, 0.2], [1, 0, 1])
    with pytest.raises(MareyError, match="between 0 and 1"):
        ece([1.2], [1])
    with pytest.raises(MareyError, match="neither right"):
        ece([0.2], [2])
    with pytest.raises(MareyError, match="one or more"):
        ece([0.2], [1], bins=0)
    with pytest.raises(MareyError, match="of one kind"):
        auroc([0.1, 0.2], [1, 1])
    with pytest.raises(MareyError, match="finite"):
        average_precision([0.1, float("nan")], [1, 0])
