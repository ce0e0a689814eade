"""What a table says of results whose truth is known: gains are found, nothing is not called a gain, and a table that is
not whole says so."""

import numpy as np
import pytest

from marey.evaluate.intervals import crossed
from marey.study.ablations.compare import Table, table, verdict
from marey.study.ablations.judge import MEASURES
from marey.study.ablations.plan import arms, comparisons, equal_steps
from marey.study.ablations.words import curves

from .small import settings

CLIPS = 40


def results(better: dict[str, float], seeds: int = 5, *, run: int = 0, leave: tuple = ()) -> dict:
    """By arm and seed; an arm of `better` has so many percent less loss. Seeds and clips have levels of their own."""
    rng = np.random.default_rng(run)
    of_clips = rng.normal(0, 0.3, CLIPS)
    found: dict = {}
    for arm in arms(settings()):
        for seed in range(seeds):
            if (arm.name, seed) in leave:
                continue
            level = np.log(1 - better.get(arm.name, 0.0) / 100)
            loss = np.exp(level + of_clips + rng.normal(0, 0.02) + rng.normal(0, 0.1, CLIPS))
            way = [None if n % 4 == 0 else float(n % 3 == 0) for n in range(CLIPS)]
            flat = [1.0] * CLIPS
            found.setdefault(arm.name, {})[seed] = {
                "loss": loss.tolist(), "psnr": flat, "place": flat, "way": way, "frechet": 2.0,
            }  # fmt: skip
    return found


def by_name(found: Table) -> dict:
    return {row.comparison.name: row for row in found.rows}


def test_a_gain_is_found_with_its_size():
    found = by_name(table(settings("seeds=5"), results({"curated": 20.0})))
    for name in ("pretrained", "curated"):
        interval = found[name].gains[0].interval
        assert found[name].verdict == "better"
        assert interval.low < 20.0 < interval.high
        assert interval.high - interval.low < 10


def test_a_loss_is_told_as_one():
    assert by_name(table(settings("seeds=5"), results({"scratch": 20.0})))["pretrained"].verdict == "worse"


def test_nothing_is_called_a_gain_only_as_often_as_the_intervals_say():
    said = [
        row.verdict
        for run in range(12)
        for row in table(settings("seeds=5", "claims=['a','b','c','d']"), results({}, run=run)).rows
    ]
    assert said.count("not told apart") >= 0.85 * len(said)


def test_equal_results_are_no_gain():
    for row in table(settings("seeds=5"), results({})).rows:
        assert [gain.measure for gain in row.gains] == [measure.name for measure in MEASURES]
        for gain in row.gains[1:]:
            assert verdict(gain.interval) == "not told apart"


def test_clips_of_which_a_measure_says_nothing_are_left_out():
    way = by_name(table(settings("seeds=5"), results({})))["curated"].gains[3]
    assert way.measure == "way"
    assert way.interval.n == 5 * (CLIPS - CLIPS // 4)


def test_a_larger_gain_at_a_larger_size_is_the_difference_of_two():
    better = {"large law 1": 30.0, "small law 1": 10.0}
    found = by_name(table(settings("seeds=5"), results(better)))
    assert found["large law 1"].verdict == found["small law 1"].verdict == found["law 1 by size"].verdict == "better"
    interval = found["law 1 by size"].gains[0].interval
    assert interval.low < 100 * (1 - 0.7 / 0.9) < interval.high


def test_a_partial_table_says_so_and_uses_only_whole_pairs():
    whole = table(settings("seeds=5"), results({"curated": 20.0}))
    assert whole.partial == ""
    assert "PARTIAL" not in str(whole)
    leave = (("scratch", 3), ("scratch", 4), ("large law 1", 0))
    part = table(settings("seeds=5"), results({"curated": 20.0}, leave=leave))
    assert part.missing == 3
    assert "PARTIAL: 82 of 85" in part.partial
    assert str(part).startswith("PARTIAL")
    assert by_name(part)["pretrained"].seeds == 3
    assert by_name(part)["curated"].seeds == 5
    none = table(settings("seeds=5"), {})
    assert {row.verdict for row in none.rows} == {"nothing yet"}
    one = table(settings("seeds=5"), results({"curated": 20.0}, seeds=1))
    assert by_name(one)["curated"].verdict == "one seed tells nothing"


def test_a_curve_is_of_seeds_that_all_its_arms_have():
    def told(*losses: float) -> dict:
        return {seed: {"curve": [[10, loss], [20, loss / 2]]} for seed, loss in enumerate(losses)}

    drawn = curves({"curated": told(1.0, 2.0, 9.0), "uncurated": told(3.0, 5.0)}, ("curated", "uncurated", "absent"))
    assert drawn == {"curated": [(10.0, 1.5), (20.0, 0.75)], "uncurated": [(10.0, 4.0), (20.0, 2.0)]}


def test_claims_a_to_c_come_first_and_starts_before_what_goes_on_from_them():
    planned = arms(settings())
    claims = [arm.claim for arm in planned]
    assert claims == sorted(claims)
    names = [arm.name for arm in planned]
    for arm in planned:
        assert arm.start is None or names.index(arm.start) < names.index(arm.name)
    assert {one.claim for one in comparisons(settings("claims=['b']"))} == {"b"}
    assert [arm.name for arm in arms(settings("claims=['b']"))] == ["image", "curated", "uncurated", "small curated"]


def test_equal_computing_counts_all_frames():
    assert equal_steps(settings("image.steps=30", "image.batch=10", "footage.frames=5")) == 4 + 30


@pytest.mark.parametrize(("rows", "columns"), [(5, 40), (3, 40)])
@pytest.mark.parametrize("spread", [(1, 1, 1), (1, 0, 1), (0, 1, 1), (0.2, 1, 3)])
def test_an_interval_over_seeds_and_clips_covers_the_truth(rows: int, columns: int, spread: tuple[float, ...]):
    rng, hits = np.random.default_rng(2), 0
    for _ in range(200):
        of_rows, of_columns, rest = (width * rng.normal(size=size) for width, size in zip(
            spread, ((rows, 1), (1, columns), (rows, columns)), strict=True
        ))  # fmt: skip
        found = crossed(of_rows + of_columns + rest)
        hits += found.low <= 0 <= found.high
    assert hits >= 0.9 * 200


def test_an_interval_of_clips_alone_would_be_too_narrow():
    rng, hits = np.random.default_rng(2), 0
    for _ in range(200):
        values = rng.normal(size=(5, 1)) + 0.2 * rng.normal(size=(5, 40))
        found = crossed(values.mean(axis=0)[:, None])
        hits += found.low <= 0 <= found.high
    assert hits < 0.5 * 200


def test_one_seed_has_no_interval():
    assert crossed(np.ones((1, 4))).low is None
    with pytest.raises(ValueError, match="finite"):
        crossed([[1.0, float("nan")]])
