import pytest

from marey.evaluate.shots import Detection, detection


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
