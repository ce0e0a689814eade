"""The composer: the truth of every join, held against the frames themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.worlds.edits import KINDS, WIPES, Join, compose, draw


def shot(n: int, frames: int = 30, height: int = 24, width: int = 32) -> np.ndarray:
    """Noise around its own tone; no two frames are alike, nor two shots."""
    rng = np.random.default_rng(n)
    return np.clip(rng.normal(40 + 55 * (n % 4), 8, (frames, height, width, 3)), 1, 254).astype(np.uint8)


JOINS = st.one_of(
    st.just(Join("cut")),
    st.builds(Join, st.just("dissolve"), st.integers(2, 12)),
    st.builds(Join, st.just("fade"), st.integers(2, 12), st.sampled_from(["black", "white"])),
    st.builds(Join, st.just("wipe"), st.integers(2, 12), st.sampled_from(WIPES)),
)


@settings(max_examples=60, deadline=None)
@given(joins=st.lists(JOINS, min_size=1, max_size=4))
def test_whole_frames_are_whole_and_the_others_are_mixed(joins: list[Join]) -> None:
    shots = [shot(n) for n in range(len(joins) + 1)]
    frames, truth = compose(shots, joins)
    assert len(frames) == sum(map(len, shots)) - sum(join.frames for join in joins)
    begins = 0
    for n, (join, one) in enumerate(zip(joins, truth, strict=True)):
        assert (one.kind, one.detail) == (join.kind, join.detail)
        assert one.b_start - one.a_end == join.frames + 1
        whole = range(0 if n == 0 else truth[n - 1].b_start, one.a_end + 1)
        np.testing.assert_array_equal(frames[whole], shots[n][[m - begins for m in whole]])
        nexts = one.a_end + 1  # where the next shot's own frame 0 lies
        np.testing.assert_array_equal(frames[one.b_start], shots[n + 1][one.b_start - nexts])
        for m in range(one.a_end + 1, one.b_start):
            assert (frames[m] != shots[n][m - begins]).any()
            assert (frames[m] != shots[n + 1][m - nexts]).any()
        begins = nexts
    np.testing.assert_array_equal(frames[-1], shots[-1][-1])


def test_a_dissolve_is_a_linear_blend() -> None:
    a, b = np.full((20, 8, 8, 3), 50, np.uint8), np.full((20, 8, 8, 3), 150, np.uint8)
    frames, (one,) = compose([a, b], [Join("dissolve", 9)])
    levels = frames[one.a_end : one.b_start + 1, 0, 0, 0].astype(int)
    np.testing.assert_array_equal(levels, np.arange(50, 151, 10))


@pytest.mark.parametrize(("colour", "level"), [("black", 0), ("white", 255)])
def test_a_fade_goes_through_its_colour(colour: str, level: int) -> None:
    frames, (one,) = compose([shot(1), shot(2)], [Join("fade", 9, colour)])
    middle = frames[(one.a_end + one.b_start) // 2]
    assert (middle == level).all()
    distance = np.abs(frames[one.a_end : one.b_start + 1].astype(float) - level).mean(axis=(1, 2, 3))
    assert (np.diff(distance[:6]) < 0).all()
    assert (np.diff(distance[5:]) > 0).all()


@pytest.mark.parametrize("detail", [wipe for wipe in WIPES if wipe != "push"])
def test_a_wipe_covers_more_and_more(detail: str) -> None:
    a, b = np.zeros((40, 60, 80, 3), np.uint8), np.full((40, 60, 80, 3), 200, np.uint8)
    frames, (one,) = compose([a, b], [Join("wipe", 15, detail)])
    covered = (frames[one.a_end : one.b_start + 1, :, :, 0] > 100).mean(axis=(1, 2))
    assert (np.diff(covered) >= 0).all()
    assert (covered[0], covered[-1]) == (0, 1)
    assert 0.2 < covered[8] < 0.8
    middle = frames[one.a_end + 8, :, :, 0] > 100
    first = {
        "right": (30, 2),
        "left": (30, -3),
        "down": (2, 40),
        "up": (-3, 40),
        "diagonal": (1, 1),
        "iris": (30, 40),
        "slide": (30, -3),
        "zoom": (30, 40),
    }
    assert middle[first[detail]]
    opposite = tuple(-1 - n if n not in (30, 40) else n for n in first[detail])
    assert not middle[(0, 0) if detail in ("iris", "zoom") else opposite]


def test_a_push_moves_both_shots_and_a_slide_the_second_one() -> None:
    columns = np.broadcast_to(np.arange(80, dtype=np.uint8)[None, None, :, None], (20, 10, 80, 3)).copy()
    frames, (one,) = compose([columns, columns + 100], [Join("wipe", 3, "push")])
    np.testing.assert_array_equal(frames[one.a_end + 2, 0, :, 0], [*range(40, 80), *range(100, 140)])
    frames, (one,) = compose([columns, columns + 100], [Join("wipe", 3, "slide")])
    np.testing.assert_array_equal(frames[one.a_end + 2, 0, :, 0], [*range(40), *range(100, 140)])


def test_a_held_fade_shows_its_colour_alone_for_that_share() -> None:
    a, b = np.full((60, 8, 8, 3), 50, np.uint8), np.full((60, 8, 8, 3), 150, np.uint8)
    frames, (one,) = compose([a, b], [Join("fade", 39, "black", hold=0.5)])
    dark = np.flatnonzero(frames[:, 0, 0, 0] == 0)
    assert len(dark) == 21
    assert dark[0] - one.a_end == one.b_start - dark[-1] == 10
    np.testing.assert_array_equal(np.diff(frames[one.a_end : dark[0] + 1, 0, 0, 0].astype(int)), -5)


@pytest.mark.parametrize(("ease", "quarter"), [("linear", 0.25), ("smooth", 0.15625), ("in", 0.0625), ("out", 0.4375)])
def test_a_transition_goes_on_as_its_ease_says(ease: str, quarter: float) -> None:
    a, b = np.zeros((20, 8, 8, 3), np.uint8), np.full((20, 8, 8, 3), 200, np.uint8)
    frames, (one,) = compose([a, b], [Join("dissolve", 15, ease=ease)])
    assert abs(int(frames[one.a_end + 4, 0, 0, 0]) - 200 * quarter) <= 1
    levels = frames[one.a_end : one.b_start + 1, 0, 0, 0].astype(int)
    assert (np.diff(levels) >= 0).all()
    assert (levels[0], levels[-1]) == (0, 200)


def test_the_edge_of_a_wipe_is_as_wide_as_it_says() -> None:
    a, b = np.zeros((20, 10, 100, 3), np.uint8), np.full((20, 10, 100, 3), 200, np.uint8)
    widths = []
    for soft in (0.0, 0.2):
        frames, (one,) = compose([a, b], [Join("wipe", 9, "right", soft=soft)])
        row = frames[one.a_end + 5, 5, :, 0]
        widths.append(int(((row > 0) & (row < 200)).sum()))
    assert widths[0] <= 1
    assert 16 <= widths[1] <= 22


def test_names_leave_the_rest_to_chance_and_to_the_seed() -> None:
    shots = [shot(n, 80) for n in range(4)]
    first = compose(shots, ["dissolve", "wipe", "cut"], np.random.default_rng(4))
    again = compose(shots, ["dissolve", "wipe", "cut"], np.random.default_rng(4))
    assert first[1] == again[1]
    np.testing.assert_array_equal(first[0], again[0])
    assert [one.kind for one in first[1]] == ["dissolve", "wipe", "cut"]
    assert first[1] != compose(shots, ["dissolve", "wipe", "cut"], np.random.default_rng(5))[1]


def test_draws_are_mostly_cuts_of_every_kind_and_length() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw(rng) for _ in range(2000)]
    share = {kind: sum(one.kind == kind for one in drawn) / 2000 for kind in KINDS}
    assert 0.55 < share["cut"] < 0.65
    assert all(0.09 < share[kind] < 0.2 for kind in KINDS[1:])
    lengths = [one.frames for one in drawn if one.kind != "cut"]
    assert min(lengths) == 2
    assert 55 < max(lengths) <= 60
    assert max(draw(rng, "dissolve", longest=10).frames for _ in range(200)) <= 10


def test_what_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match="shot 1 has 20 frames, and its joins take 22"):
        compose([shot(0), shot(1, 20), shot(2)], [Join("dissolve", 12), Join("dissolve", 10)])
    with pytest.raises(ValueError, match="0 joins for 2 shots"):
        compose([shot(0), shot(1)], [])
    with pytest.raises(ValueError, match="differ in size"):
        compose([shot(0), shot(1, width=40)], [Join("cut")])
    for wrong in (("jump",), ("cut", 3), ("dissolve", 61), ("fade", 5), ("fade", 5, "red"), ("wipe", 5, "spiral")):
        with pytest.raises(ValueError, match=r"would do|no frames"):
            Join(*wrong)
    for more in ({"ease": "jerky"}, {"hold": 1.0}, {"soft": -0.1}):
        with pytest.raises(ValueError, match="would do"):
            Join("fade", 5, "black", **more)
