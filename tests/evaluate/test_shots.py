import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from marey.evaluate.shots import ClipScore, Detection, clip_score, detection, point_detection
from marey.signals.shotnet import runs


def cut(a_end: int, kind: str = "cut", length: int = 1) -> dict[str, object]:
    return {"kind": kind, "a_end": a_end, "b_start": a_end + length}


def test_perfect() -> None:
    true = [cut(10), cut(40, "dissolve", 12), cut(80, "fade", 20)]
    found = detection(true, true)
    assert found.recall() == found.precision() == found.f1() == 1.0
    assert found.named == 3
    assert found.true == {"cut": 1, "dissolve": 1, "fade": 1}


@pytest.mark.parametrize(("offset", "hit"), [(0, True), (2, True), (-2, True), (3, False), (-3, False)])
def test_a_cut_may_be_off_by_two_frames(offset: int, hit: bool) -> None:
    assert (detection([cut(50)], [cut(50 + offset)]).recall() == 1.0) is hit


def test_any_overlap_finds_a_dissolve() -> None:
    assert detection([cut(50, "dissolve", 20)], [cut(68)]).recall("dissolve") == 1.0
    assert detection([cut(50, "dissolve", 20)], [cut(75)]).recall("dissolve") == 0.0


def test_each_is_matched_once() -> None:
    twice = detection([cut(50)], [cut(49), cut(51)])
    assert twice.recall() == 1.0
    assert twice.precision() == 0.5
    assert twice.f1() == pytest.approx(2 / 3)


def test_by_kind() -> None:
    true = [cut(10), cut(30), cut(60, "dissolve", 10)]
    found = detection(true, [cut(10), cut(62, "cut"), cut(90, "fade", 5)])
    assert found.recall("cut") == 0.5
    assert found.recall("dissolve") == 1.0, "found, though under another name"
    assert found.named == 1
    assert found.precision("cut") == 1.0
    assert found.precision("fade") == 0.0
    assert found.recall("wipe") is None


def test_nothing_to_find() -> None:
    nothing = detection([], [])
    assert nothing.recall() is nothing.precision() is nothing.f1() is None
    assert detection([], [cut(5)]).precision() == 0.0
    assert detection([cut(5)], []).recall() == 0.0


def test_order_does_not_matter_and_counts_add() -> None:
    true, found = [cut(90), cut(10)], [cut(91), cut(30), cut(11)]
    one = detection(true, found)
    assert one == detection(true[::-1], found[::-1])
    both = one + detection([cut(5, "fade", 9)], []) + Detection()
    assert both.true == {"cut": 2, "fade": 1}
    assert both.recall() == pytest.approx(2 / 3)
    assert both.precision() == pytest.approx(2 / 3)


# the protocols, against slow and obvious references, and against published answers


def edit(rng: np.random.Generator, count: int) -> list[dict[str, object]]:
    """Transitions in order, none overlapping, at random places."""
    made, at = [], 0
    for _ in range(count):
        length = int(rng.choice([1, 1, 1, 3, 9]))
        at += int(rng.integers(1, 12))
        made.append(cut(at, "cut" if length == 1 else "dissolve", length))
        at += length
    return made


def touching(a: dict[str, object], b: dict[str, object], tolerance: int) -> bool:
    """In doubled frame numbers, so that all are whole."""
    low, high = max(a["a_end"], b["a_end"]), min(a["b_start"], b["b_start"])
    return 2 * low + 1 - tolerance <= 2 * high - 1 + tolerance


def most_pairs(true: list[dict[str, object]], found: list[dict[str, object]], tolerance: int) -> int:
    """The size of the largest matching, by augmenting paths."""
    partner: dict[int, int] = {}

    def augment(n: int, seen: set[int]) -> bool:
        for m, other in enumerate(found):
            if m not in seen and touching(true[n], other, tolerance):
                seen.add(m)
                if m not in partner or augment(partner[m], seen):
                    partner[m] = n
                    return True
        return False

    return sum(augment(n, set()) for n in range(len(true)))


@pytest.mark.parametrize("tolerance", [0, 1, 2, 4])
def test_no_other_matching_has_more_pairs(tolerance: int) -> None:
    rng = np.random.default_rng(tolerance)
    for _ in range(60):
        true, found = edit(rng, int(rng.integers(0, 9))), edit(rng, int(rng.integers(0, 9)))
        score = detection(true, found, tolerance=tolerance)
        matched, wrong, missed = score.counts()
        assert matched == most_pairs(true, found, tolerance)
        assert (matched + wrong, matched + missed) == (len(found), len(true))
        assert score.protocol == f"sbd/transnetv2-tol{tolerance}"


def golden() -> dict[str, np.ndarray] | None:
    """Published answers of one model for 200 videos, where they are stored: in the folder that MAREY_GOLDEN names, or
    beside the checkout."""
    beside = Path(__file__).parents[3] / "shared" / "specs" / "data"
    path = Path(os.environ.get("MAREY_GOLDEN", beside)) / "autoshot.npz"
    return dict(np.load(path, allow_pickle=False)) if path.is_file() else None


def of_scenes(scenes: np.ndarray) -> list[dict[str, object]]:
    return [cut(int(a), length=int(b - a)) for a, b in zip(scenes[:-1, 1], scenes[1:, 0], strict=True)]


def of_points(ends: Iterable[int]) -> list[dict[str, object]]:
    return [cut(int(end)) for end in ends]


@pytest.mark.parametrize(
    ("threshold", "tolerance", "counts", "f1"),
    [
        (0.296, 0, (2073, 403, 443), 0.830529),
        (0.296, 1, (2092, 384, 424), 0.838141),
        (0.296, 2, (2098, 378, 418), 0.840545),
        (0.296, 4, (2111, 365, 405), 0.845753),
        (0.5, 2, (1971, 265, 545), 0.829545),
    ],
)
def test_published_answers_score_as_published(
    threshold: float, tolerance: int, counts: tuple[int, int, int], f1: float
) -> None:
    data = golden()
    if data is None:
        return  # the references above hold the protocol, too
    total = Detection()
    for name in [key.removesuffix("/prob") for key in data if key.endswith("/prob")]:
        found = [cut(a, length=b - a) for a, b in runs(data[f"{name}/prob"] > threshold)]
        total += detection(of_scenes(data[f"{name}/scenes"]), found, tolerance=tolerance)
    assert total.counts() == counts
    assert total.f1() == pytest.approx(f1, abs=5e-7)


@pytest.mark.parametrize(
    ("tolerance", "end", "f1"), [(0, False, 0.769631), (1, False, 0.808894), (0, True, 0.786721), (2, True, 0.834199)]
)
def test_the_same_answers_under_the_other_protocol(tolerance: int, end: bool, f1: float) -> None:
    data = golden()
    if data is None:
        return
    total = Detection()
    for name in [key.removesuffix("/prob") for key in data if key.endswith("/prob")]:
        prob, scenes = data[f"{name}/prob"], data[f"{name}/scenes"]
        true, found = of_points(scenes[:-1, 1]), of_points(a for a, _ in runs(prob > 0.296))
        total += point_detection(true, found, tolerance=tolerance, frames=len(prob) if end else None)
    assert total.f1() == pytest.approx(f1, abs=5e-7)
    assert total.protocol == f"sbd/pyscenedetect-tol{tolerance}" + ("-end" if end else "")


def test_the_nearest_pair_counts_first() -> None:
    score = point_detection([cut(50), cut(53)], [cut(52)], tolerance=3)
    assert (score.counts(), score.offset()) == ((1, 0, 1), 1.0)
    assert point_detection([cut(50)], [cut(51)]).counts() == (0, 1, 1)
    assert point_detection([cut(50)], [cut(51)], tolerance=1).counts() == (1, 0, 0)


def test_a_point_within_a_span_finds_it_once() -> None:
    true = [cut(10, "dissolve", 9), cut(21)]
    assert point_detection(true, [cut(12), cut(21)]).counts() == (2, 0, 0)
    twice = point_detection(true, [cut(12), cut(15), cut(21)])
    assert twice.counts() == (2, 1, 0)
    assert twice.precision("gradual") == 0.5
    assert twice.precision("cut") == 1.0
    assert point_detection(true, [cut(10, "dissolve", 9)]).recall("gradual") == 1.0
    beside = point_detection(true, [cut(19)], tolerance=5)  # its point is frame 20, a frame behind the span
    assert (beside.recall("gradual"), beside.recall("cut")) == (0.0, 1.0)


def test_the_end_of_a_file_counts_only_where_it_is_asked_for() -> None:
    assert point_detection([], []).f1() is None
    assert point_detection([], [], frames=100).counts() == (1, 0, 0)


def test_counts_of_two_protocols_are_not_added() -> None:
    with pytest.raises(ValueError, match="pyscenedetect-tol0"):
        detection([cut(5)], []) + point_detection([cut(5)], [])
    with pytest.raises(ValueError, match="tol4"):
        detection([cut(5)], []) + detection([cut(5)], [], tolerance=4)


@pytest.mark.parametrize("rule", [detection, point_detection])
def test_answers_that_know_nothing_score_nothing(rule: Callable[..., Detection]) -> None:
    true = [cut(25 * n + 9) for n in range(40)]
    everywhere = rule(true, [cut(n) for n in range(1000)])
    assert everywhere.recall() == 1.0
    assert everywhere.f1() == pytest.approx(2 * 40 / 1040)
    one_span = rule(true, [cut(0, "dissolve", 999)])
    assert (one_span.f1() or 0) < 0.06
    assert rule(true, []).f1() == 0.0
    assert rule(true, [cut(one["a_end"] + 3) for one in true]).f1() == 0.0
    assert rule(true, true).f1() == 1.0


def test_the_offset_of_hard_cuts() -> None:
    score = detection([cut(10), cut(30), cut(60, "fade", 9)], [cut(11), cut(28), cut(70)])
    assert score.counts() == (3, 0, 0)
    assert score.offset() == 1.5
    assert (score + detection([cut(5)], [cut(5)])).offset() == 1.0
    assert detection([cut(10)], []).offset() is None


def test_intervals_hold_the_share_and_narrow_with_more() -> None:
    few, many = (
        detection([cut(9 * n) for n in range(count)], [cut(9 * n) for n in range(count // 2)]) for count in (8, 800)
    )
    for score, width in ((few, 0.57), (many, 0.07)):
        one = score.recall_interval()
        assert one is not None
        assert one.value == 0.5
        assert one.high - one.low == pytest.approx(width, abs=0.01)
        sure = score.precision_interval("cut")
        assert sure is not None
        assert sure.high == 1.0
        assert sure.low < 1.0
    assert few.recall_interval("wipe") is None


# what a data set gets of it


def test_clips_that_end_at_the_transitions_are_clean() -> None:
    true = [cut(49), cut(99, "dissolve", 12)]
    score = clip_score(true, [(0, 49), (50, 99), (111, 200)], 201)
    assert (score.contamination(), score.fragmentation()) == (0.0, 0.0)
    assert (score.clips, score.shots) == (3, 3)


def test_each_frame_too_many_contaminates_and_each_cut_too_many_splits() -> None:
    true = [cut(49), cut(99, "dissolve", 12)]
    for clips in ([(0, 50)], [(49, 99)], [(50, 100)], [(110, 200)], [(0, 200)]):
        assert clip_score(true, clips, 201).contamination() == 1.0, clips
    split = clip_score(true, [(0, 20), (21, 49), (50, 99), (111, 200)], 201)
    assert (split.contaminated, split.split) == (0, 1)
    late = clip_score(true, [(0, 50), (51, 99)], 201)
    assert (late.contaminated, late.split) == (1, 0), "a cut that is a frame late splits no shot"
    both = split + late + ClipScore()
    assert both.contamination() == pytest.approx(1 / 6)
    assert both.fragmentation() == pytest.approx(1 / 6)
    assert ClipScore().contamination() is None
