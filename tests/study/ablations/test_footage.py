"""What the uncurated clips hold, what Marey's signals find of it, and how sets are paired."""

import numpy as np
import pytest

from marey.errors import MareyError
from marey.study.ablations.footage import AXES, SOURCE, Judge, Judged, Shot, clean, raw
from marey.study.ablations.sets import Sets, filled, sentences, sets

from .small import settings

FIGURES = settings("footage.frames=6").footage


def only(axis: str):
    shares = {one: 0.999 if one == axis else 0.0 for one in AXES}
    return FIGURES.model_copy(update=shares)


def changes(frames: np.ndarray) -> np.ndarray:
    return np.abs(np.diff(frames.astype(float), axis=0)).mean(axis=(1, 2, 3))


def test_a_clean_clip_moves_and_has_its_own_text():
    shot = clean(1, 0, FIGURES)
    assert shot.frames.shape == (6, SOURCE, SOURCE, 3)
    assert not shot.truth
    assert changes(shot.frames).min() > 0
    assert shot.text in sentences()


def test_each_defect_is_there_and_nothing_else():
    for number in range(4):
        good = clean(1, number, FIGURES)
        cut = raw(1, number, only("cuts"))
        assert cut.truth == {"cuts"}
        assert np.array_equal(cut.frames[:2], good.frames[:2])
        assert not np.array_equal(cut.frames[-1], good.frames[-1])
        static = raw(1, number, only("static"))
        assert np.array_equal(static.frames, np.repeat(good.frames[:1], 6, axis=0))
        text = raw(1, number, only("text"))
        written = np.abs(text.frames.astype(int) - good.frames).max(axis=(0, 3)) > 0
        assert 0.03 < written.mean() < 0.5
        captions = raw(1, number, only("captions"))
        assert np.array_equal(captions.frames, good.frames)
        assert captions.text != good.text
        assert captions.text in sentences()


def test_defects_come_by_their_shares():
    shots = [raw(3, number, FIGURES) for number in range(150)]
    for axis in AXES:
        share = sum(axis in shot.truth for shot in shots) / len(shots)
        assert abs(share - getattr(FIGURES, axis)) < 0.13, axis
    whole = sum(not shot.truth for shot in shots) / len(shots)
    assert 0.13 < whole < 0.4


def test_the_same_number_gives_the_same_clip():
    one, other = raw(3, 5, FIGURES), raw(3, 5, FIGURES)
    assert np.array_equal(one.frames, other.frames)
    assert (one.text, one.truth) == (other.text, other.truth)


def test_the_signals_find_the_defects_and_leave_clean_clips_alone():
    judge = Judge()
    shots = [clean(1, number, FIGURES) for number in range(12)]
    assert not any(judge(shot, FIGURES.fps).found for shot in shots)
    for axis, least in (("cuts", 0.5), ("static", 1.0), ("text", 0.9), ("captions", 1.0)):
        wrong = [judge(raw(1, number, only(axis)), FIGURES.fps).found for number in range(12)]
        assert sum(axis in found for found in wrong) >= least * 12, axis


def told(number: int, *found: str) -> Judged:
    return Judged(Shot(np.array([number]), "", frozenset()), frozenset(found))


def test_what_is_taken_out_is_replaced_where_it_stood():
    first = [told(0), told(1, "cuts"), told(2, "text"), told(3), told(4, "cuts", "text")]
    more = [told(5, "text"), told(6), told(7), told(8)]

    def numbers(*axes: str) -> list[int]:
        return [int(one.shot.frames[0]) for one in filled(first, iter(more), frozenset(axes))]

    assert numbers("cuts", "text") == [0, 6, 7, 3, 8]
    assert numbers("cuts") == [0, 5, 2, 3, 6]
    assert numbers() == [0, 1, 2, 3, 4]


@pytest.fixture(scope="module")
def made() -> Sets:
    return sets(0, FIGURES)


def test_the_sets_are_paired_place_by_place(made: Sets):
    curated, uncurated, few = made.small["curated"], made.small["uncurated"], made.small["small"]
    assert curated.videos.shape == uncurated.videos.shape == (12, 6, 16, 16, 3)
    same = [np.array_equal(a, b) for a, b in zip(curated.videos, uncurated.videos, strict=True)]
    assert same.count(True) == len(few.videos) == round(12 * made.found["clean"])
    assert 0 < len(few.videos) < 12
    assert np.array_equal(few.videos, uncurated.videos[np.array(same)])
    assert made.large["curated"].videos.shape == (12, 6, 32, 32, 3)
    still = [changes(video).max() == 0 for video in made.small["only static"].videos]
    assert not any(still)
    assert any(changes(video).max() == 0 for video in uncurated.videos)


def test_sets_are_kept_and_read_again(made: Sets, tmp_path):
    cache = tmp_path / "footage.npz"
    one, other = sets(0, FIGURES, cache=cache), sets(0, FIGURES, cache=cache)
    for name, some in made.small.items():
        assert np.array_equal(one.small[name].videos, some.videos)
        assert np.array_equal(other.small[name].videos, some.videos)
        assert other.small[name].texts == some.texts
    assert other.found == made.found
    assert not np.array_equal(sets(1, FIGURES).small["curated"].videos, made.small["curated"].videos)


def test_footage_of_which_nothing_passes_is_named(monkeypatch):
    monkeypatch.setattr("marey.study.ablations.sets._MOST", 2)
    with pytest.raises(MareyError, match="would do"):
        sets(0, FIGURES.model_copy(update={"cuts": 0.0, "static": 0.9999, "clips": 8}))
