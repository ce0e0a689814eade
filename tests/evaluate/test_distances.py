from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from marey.errors import MareyError
from marey.evaluate.distances import DISTANCES, Found, jackknife, mmd_blocks, polynomial, quadratic_mmd
from marey.evaluate.moments import MomentState, frechet
from marey.evaluate.reservoir import FeatureSet


def held(x: np.ndarray, name: str = "v", **kwargs: int) -> FeatureSet:
    return FeatureSet(x.shape[1], **kwargs).update(x, [f"{name}{k}" for k in range(len(x))])


def pair(seed: int, n: int, d: int, shift: float = 0.0, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) * scale + shift, rng.normal(size=(n, d))


def test_each_has_its_own_id_and_says_what_it_is() -> None:
    assert len({distance.id for distance in DISTANCES.values()}) == len(DISTANCES) == 5
    for name, distance in DISTANCES.items():
        assert distance.name == name
        assert distance.says.endswith(".")


@pytest.mark.parametrize("name", list(DISTANCES))
def test_a_set_is_near_itself_and_far_from_another(name: str) -> None:
    x, y = pair(0, 400, 6)
    same, far = DISTANCES[name](held(x), held(y, "w")), DISTANCES[name](held(x * 1.5 + 1), held(y, "w"))
    assert isinstance(same, Found)
    assert same.interval.low < 0 < same.interval.high, "the truth is zero"
    assert far.interval.low > 0
    assert far.interval.value > 10 * abs(same.interval.value)
    assert same.interval.method == "group-jackknife"
    assert same.interval.groups == 20


@pytest.mark.parametrize("name", list(DISTANCES))
def test_it_is_symmetric_and_blind_to_the_order(name: str) -> None:
    x, y = pair(1, 120, 4, shift=0.5)
    a, b = held(x), held(y, "w")
    there, back = DISTANCES[name](a, b), DISTANCES[name](b, a)
    if name != "rbf":  # whose width is the real side's
        assert back.interval.value == pytest.approx(there.interval.value)
    order = np.random.default_rng(0).permutation(120)
    mixed = FeatureSet(4).update(x[order], [f"v{k}" for k in order])
    again = DISTANCES[name](mixed, b)
    assert again.interval.value == pytest.approx(there.interval.value)
    assert again.interval.low == pytest.approx(there.interval.low)


def test_frechet_is_the_moments_own_with_a_switch_for_the_divisor() -> None:
    x, y = pair(2, 50, 8, shift=0.3)
    distance = DISTANCES["frechet"]
    assert distance(held(x), held(y, "w")).plain == pytest.approx(
        frechet(MomentState(8).update(x), MomentState(8).update(y))
    )
    biased = distance(held(x), held(y, "w"), biased=True)
    covariances = np.cov(x.T, bias=True), np.cov(y.T, bias=True)
    states = [MomentState.of(z.mean(axis=0), c, 50) for z, c in zip((x, y), covariances, strict=True)]
    assert biased.plain == pytest.approx(frechet(*states))
    assert biased.id == "frechet-biased"
    assert DISTANCES["kvd"](held(x), held(y, "w"), biased=True).id == "mmd/cubic-u", "it has no covariance"


def test_jedi_is_the_mean_of_its_kernel() -> None:
    x, y = pair(3, 60, 7, shift=0.4)
    a, b = MomentState(7).update(x), MomentState(7).update(y)

    def kernel(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return (p @ q.T / 7) ** 2

    xx, yy, xy = kernel(x, x), kernel(y, y), kernel(x, y)
    direct = 100 * (xx.mean() + yy.mean() - 2 * xy.mean())
    assert quadratic_mmd(a, b, unbiased=False) == pytest.approx(direct, rel=1e-12)
    off = ~np.eye(60, dtype=bool)
    assert quadratic_mmd(a, b, unbiased=True) == pytest.approx(100 * (xx[off].mean() + yy[off].mean() - 2 * xy.mean()))
    found = DISTANCES["jedi"](held(x), held(y, "w"))
    assert found.plain == pytest.approx(direct)
    with pytest.raises(MareyError, match="fourth moments"):
        quadratic_mmd(MomentState.of([0.0], [[1.0]], 9), MomentState(1).update([[1.0], [2.0]]), unbiased=True)


@pytest.mark.parametrize("n", [40, 1100])
def test_kvd_is_the_unbiased_mean_over_pairs(n: int) -> None:
    x, y = pair(4, n, 3, shift=0.2)
    y = y[: n - 7]
    off, out = ~np.eye(n, dtype=bool), ~np.eye(n - 7, dtype=bool)
    xx, yy, xy = (x @ x.T / 3 + 1) ** 3, (y @ y.T / 3 + 1) ** 3, (x @ y.T / 3 + 1) ** 3
    direct = xx[off].mean() + yy[out].mean() - 2 * xy.mean()
    found = DISTANCES["kvd"](held(x), held(y, "w"))
    assert found.plain == pytest.approx(direct, rel=1e-9)


def test_rbf_has_a_closed_form_for_gaussians() -> None:
    """MMD^2 of N(0, 1) and N(m, 1) with the kernel exp(-|x - y|^2 / 2w): both terms are Gaussian integrals."""
    x, y = pair(5, 4000, 1, shift=1.0)
    found = DISTANCES["rbf"](held(x), held(y, "w"))
    w = 2.0
    expected = 2 * np.sqrt(w / (w + 2)) * (1 - np.exp(-1.0 / (2 * (w + 2))))
    assert found.interval.value == pytest.approx(expected, rel=0.1)
    assert found.interval.low < expected < found.interval.high
    with pytest.raises(MareyError, match="all alike"):
        DISTANCES["rbf"](held(x[:20]), held(np.zeros((20, 1)), "w"))


def test_leaving_out_a_block_is_counting_again_without_it() -> None:
    x, y = pair(6, 90, 4)
    a, b = held(x, blocks=6).reservoir, held(y, "w", blocks=6).reservoir
    sums = mmd_blocks(a.vectors, b.vectors, a.blocks, b.blocks, 6, polynomial)
    rest = np.arange(6) != 2
    fewer = mmd_blocks(
        a.vectors[a.blocks != 2],
        b.vectors[b.blocks != 2],
        a.blocks[a.blocks != 2],
        b.blocks[b.blocks != 2],
        6,
        polynomial,
    )
    for table, less in zip(sums, fewer, strict=True):
        assert table[np.ix_(rest, rest)].sum() == pytest.approx(less.sum())


def test_the_jackknife_of_a_mean_is_the_textbooks() -> None:
    x = np.random.default_rng(0).normal(size=20)
    found = jackknife(float(x.mean()), [float(np.delete(x, k).mean()) for k in range(20)], 20, 0.95)
    assert found.value == pytest.approx(x.mean())
    assert (found.high - found.low) / 2 == pytest.approx(2.093024 * x.std(ddof=1) / np.sqrt(20), rel=1e-5)
    assert jackknife(1.0, [1.0], 3, 0.95).method == "none"
    assert "rough" in jackknife(1.0, [1.0, 2.0], 3, 0.95).note


def shifted(seed: int, n: int, d: int) -> tuple[FeatureSet, FeatureSet, float]:
    """Two Gaussians that differ in mean and spread, with their true distance."""
    x, y = pair(seed, n, d, shift=0.2, scale=1.1)
    return held(x), held(y, "w"), d * (0.2**2 + 0.1**2)


def test_the_naive_bootstrap_misses_the_truth_and_the_jackknife_does_not() -> None:
    """Resampling with replacement adds the bias of small sets a second time: its interval lies above even the plain
    value, which lies above the truth. This is why no distance here has a bootstrap interval."""
    covered, missed, infinite = 0, 0, []
    for seed in range(8):
        fake, real, truth = shifted(seed, 240, 40)
        plain = DISTANCES["frechet"](fake, real)
        x, y = fake.reservoir.vectors, real.reservoir.vectors
        rng = np.random.default_rng(seed)
        drawn = [
            frechet(
                MomentState(40).update(x[rng.integers(0, 240, 240)]),
                MomentState(40).update(y[rng.integers(0, 240, 240)]),
            )
            for _ in range(40)
        ]
        low = np.quantile(drawn, 0.025)
        assert low > plain.plain > 2 * truth
        missed += bool(low > truth)
        covered += plain.interval.low <= truth <= plain.interval.high
        infinite.append(DISTANCES["frechet-infinity"](fake, real).interval.value)
        assert abs(plain.interval.value - truth) < 0.5 * (plain.plain - truth)
    assert missed == 8
    assert covered >= 6
    assert np.mean(infinite) == pytest.approx(truth, rel=0.3)


@settings(max_examples=25, deadline=None)
@given(some.integers(0, 10**6), some.integers(3, 40), some.integers(3, 40), some.integers(1, 12))
def test_frechet_is_a_distance_at_any_size(seed: int, n: int, m: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, d)) * rng.uniform(0.1, 10, d), rng.normal(size=(m, d))
    a, b = held(x), held(y, "w")
    value = frechet(a.moments, b.moments)
    assert value >= 0
    assert frechet(b.moments, a.moments) == pytest.approx(value, rel=1e-6, abs=1e-9)
    assert frechet(a.moments, a.moments) == pytest.approx(0, abs=1e-6 * float(np.trace(a.moments.scatter)))
    turn, _ = np.linalg.qr(rng.normal(size=(d, d)))
    moved = frechet(held(x @ turn - 7).moments, held(y @ turn - 7, "w").moments)
    assert moved == pytest.approx(value, rel=1e-5, abs=1e-6)


def test_fewer_videos_than_features() -> None:
    x, y = pair(8, 30, 64, shift=1.0)
    found = DISTANCES["frechet"](held(x), held(y, "w"))
    assert 64 < found.interval.value < found.plain, "the truth is 64 times one"
    assert "30 vectors of 64 features: too few" in found.interval.note
    many, others = pair(8, 300, 64, shift=1.0)
    enough = DISTANCES["frechet"](held(many), held(others, "w"))
    assert enough.interval.low < 64 < enough.interval.high
    assert not enough.interval.note


def test_a_reservoir_that_kept_a_part_says_so() -> None:
    x, y = pair(9, 400, 4, shift=1.0)
    part = DISTANCES["kvd"](held(x, cap=100), held(y, "w"))
    assert "100 and 400 vectors" in part.interval.note
    assert part.interval.n == 100
    whole = DISTANCES["kvd"](held(x), held(y, "w"))
    assert part.interval.low < whole.interval.value < part.interval.high
    with pytest.raises(MareyError, match="cap of two"):
        DISTANCES["kvd"](held(x, cap=0), held(y, "w"))


def test_what_cannot_be_compared_is_refused() -> None:
    x, y = pair(10, 20, 4)
    other = FeatureSet(4, backbone="i3d").update(y, [str(k) for k in range(20)])
    with pytest.raises(MareyError, match="different backbone"):
        DISTANCES["frechet"](held(x), other)
    with pytest.raises(MareyError, match="two or more a side"):
        DISTANCES["frechet"](held(x[:1]), held(y, "w"))
    with pytest.raises(MareyError, match="four or more"):
        DISTANCES["frechet-infinity"](held(x, blocks=3), held(y, "w", blocks=3))
    with pytest.raises(MareyError, match="20 and 3 blocks"):
        DISTANCES["frechet"](held(x), held(y, "w", blocks=3))


def test_a_new_distance_is_one_entry() -> None:
    named = replace(DISTANCES["frechet"], name="mine", id="frechet/mine")
    x, y = pair(11, 60, 3)
    assert named(held(x), held(y, "w")).id == "frechet/mine"
