"""What an interval promises is that it covers; so that is what is tested, on data whose truth is known."""

from statistics import NormalDist

import numpy as np
import pytest

from marey.evaluate.intervals import cluster_bootstrap, group_jackknife, student_t, wilson


def clustered(rng: np.random.Generator, groups: int, members: int = 6, between: float = 1.0, within: float = 0.5):
    level = rng.normal(0, between, groups)
    values = np.repeat(level, members) + rng.normal(0, within, groups * members)
    return values, np.repeat(np.arange(groups), members)


def coverage(groups: int, runs: int = 400, by_window: bool = False) -> float:
    rng = np.random.default_rng(11)
    hits = 0
    for run in range(runs):
        values, names = clustered(rng, groups)
        clusters = range(len(values)) if by_window else names.tolist()
        found = cluster_bootstrap(values, list(clusters), resamples=400, seed=run)
        hits += found.low <= 0.0 <= found.high
    return hits / runs


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    assert 0.92 <= coverage(groups=24) <= 0.985
    assert 0.90 <= coverage(groups=8) <= 0.985


def test_windows_as_their_own_witnesses_would_not_cover() -> None:
    """The negative control: without groups the same data gives intervals that are far too sure."""
    assert coverage(groups=24, by_window=True) < 0.75


def test_the_value_is_the_mean_and_the_interval_is_around_it() -> None:
    values, groups = clustered(np.random.default_rng(0), 12)
    found = cluster_bootstrap(values, groups.tolist())
    assert found.value == pytest.approx(values.mean())
    assert found.low < found.value < found.high
    assert (found.n, found.groups, found.method, found.note) == (72, 12, "cluster-bootstrap", "")


def test_groups_of_unequal_size_weigh_by_their_windows() -> None:
    values = [0.0] * 9 + [1.0] * 3 + [0.5] * 4 + [0.2] * 2 + [0.7] * 5
    groups = ["a"] * 9 + ["b"] * 3 + ["c"] * 4 + ["d"] * 2 + ["e"] * 5
    found = cluster_bootstrap(values, groups)
    assert found.value == pytest.approx(np.mean(values))
    assert 0 <= found.low < found.high <= 1


def test_the_same_seed_gives_the_same_interval_and_names_do_not_matter() -> None:
    values, groups = clustered(np.random.default_rng(0), 9)
    one = cluster_bootstrap(values, [f"group {g}" for g in groups], seed=3)
    assert one == cluster_bootstrap(values, groups.tolist(), seed=3)
    assert one != cluster_bootstrap(values, groups.tolist(), seed=4)


def test_it_moves_and_scales_with_the_values() -> None:
    values, groups = clustered(np.random.default_rng(0), 9)
    one, other = cluster_bootstrap(values, groups.tolist()), cluster_bootstrap(3 * values + 7, groups.tolist())
    assert (other.low, other.high) == pytest.approx((3 * one.low + 7, 3 * one.high + 7))


def test_more_confidence_is_wider_and_more_groups_are_narrower() -> None:
    values, groups = clustered(np.random.default_rng(0), 40)
    wide = cluster_bootstrap(values, groups.tolist(), confidence=0.99)
    narrow = cluster_bootstrap(values, groups.tolist(), confidence=0.8)
    assert wide.high - wide.low > narrow.high - narrow.low
    few = cluster_bootstrap(values[:60], groups[:60].tolist(), confidence=0.8)
    assert few.high - few.low > narrow.high - narrow.low


def test_few_groups_fall_back_and_say_so() -> None:
    values, groups = clustered(np.random.default_rng(0), 4)
    found = cluster_bootstrap(values, groups.tolist())
    assert found.method == "window-bootstrap"
    assert "only 4 groups" in found.note
    assert found.low < found.value < found.high
    single = cluster_bootstrap([3.0], ["a"])
    assert (single.value, single.low, single.high, single.method) == (3.0, None, None, "none")
    assert single.note


def test_equal_values_have_an_interval_of_no_width() -> None:
    found = cluster_bootstrap([2.5] * 12, list(range(12)))
    assert (found.low, found.high) == (2.5, 2.5)


@pytest.mark.parametrize("bad", [([], []), ([1.0], ["a", "b"]), ([1.0, float("nan")], ["a", "b"])])
def test_what_has_no_interval_is_an_error(bad: tuple[list[float], list[str]]) -> None:
    with pytest.raises(ValueError, match=r"would do|finite"):
        cluster_bootstrap(*bad)


@pytest.mark.parametrize(
    ("probability", "freedom", "quantile"),
    # Tables of Student's t; one degree of freedom is the Cauchy law, two have a closed form.
    [
        (0.975, 1, 12.706204736),
        (0.975, 2, 4.302652730),
        (0.95, 5, 2.015048373),
        (0.975, 30, 2.042272456),
        (0.9, 4, 1.533206274),
    ],
)
def test_students_t(probability: float, freedom: int, quantile: float) -> None:
    assert student_t(probability, freedom) == pytest.approx(quantile, rel=1e-8)


def test_the_jackknife_of_a_mean_is_the_mean_with_its_usual_error() -> None:
    values = np.random.default_rng(0).normal(size=20)
    found, plain = group_jackknife(list(range(20)), lambda mask: float(values[mask].mean()))
    reach = student_t(0.975, 19) * values.std(ddof=1) / np.sqrt(20)
    assert plain == pytest.approx(values.mean())
    assert (found.value, found.low, found.high) == pytest.approx(
        (values.mean(), values.mean() - reach, values.mean() + reach)
    )


def test_the_jackknife_takes_off_a_bias_of_one_over_n() -> None:
    """The variance over n, not n - 1, is biased by exactly that; its jackknife is the unbiased one."""
    values = np.random.default_rng(1).normal(size=15)
    found, plain = group_jackknife(list(range(15)), lambda mask: float(values[mask].var()))
    assert plain == pytest.approx(values.var())
    assert found.value == pytest.approx(values.var(ddof=1))


def test_the_jackknife_with_groups_of_unequal_size_keeps_the_mean() -> None:
    values = np.random.default_rng(2).normal(size=18)
    groups = ["a"] * 5 + ["b"] * 2 + ["c"] * 7 + ["d"] * 4
    found, _ = group_jackknife(groups, lambda mask: float(values[mask].mean()))
    assert found.value == pytest.approx(values.mean())
    assert "only 4 groups" in found.note
    assert group_jackknife(["a"] * 5, lambda mask: 1.0)[0].method == "none"


def test_wilsons_interval_solves_its_equation_and_is_sound_at_the_ends() -> None:
    z = NormalDist().inv_cdf(0.975)
    for successes, n in ((1, 10), (7, 10), (389, 400)):
        one = wilson(successes, n)
        for end in (one.low, one.high):
            assert abs(successes / n - end) == pytest.approx(z * np.sqrt(end * (1 - end) / n))
        assert one.low < one.value < one.high
    assert (wilson(0, 20).low, wilson(20, 20).high) == (0.0, 1.0)
    assert wilson(0, 20).high == pytest.approx(0.1611, abs=1e-4)
    for wrong in ((3, 2), (-1, 2), (0, 0)):
        with pytest.raises(ValueError, match="trials"):
            wilson(*wrong)
