"""Which frames of which clip, for training or held out."""

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey import recipe
from marey.errors import MareyError
from marey.train.windows import Window, cap, plan, rate, stride_of

from . import made

SETTINGS = made.ENCODE.windows


@pytest.mark.parametrize(
    ("fps", "stride"), [(25, 3), (24, 3), (30, 4), (12, 2), (8, 1), (6, 1), (1, 1), (59.94, 8), (9.9, 1), (120, 15)]
)
def test_the_stride_comes_nearest_to_the_wanted_rate(fps, stride):
    assert stride_of(fps, 8) == stride
    assert all(abs(fps / stride - 8) <= abs(fps / other - 8) for other in range(1, 40))


@given(
    counts=st.dictionaries(st.text("abc", min_size=1, max_size=4), st.integers(0, 12), max_size=8),
    most=st.integers(1, 40),
)
def test_a_cap_is_shared_evenly(counts, most):
    taken = cap(counts, most)
    assert sum(map(len, taken.values())) == min(most, sum(counts.values()))
    for clip, chosen in taken.items():
        assert sorted(set(chosen)) == chosen
        assert not chosen or chosen[-1] < counts[clip]
    # A clip that was cut short has no fewer than any other clip has, less one.
    cut = [len(taken[clip]) for clip in counts if len(taken[clip]) < counts[clip]]
    if cut:
        assert max(len(chosen) for chosen in taken.values()) - min(cut) <= 1
    assert cap(dict(reversed(counts.items())), most) == taken


def test_without_a_cap_every_window_is_taken():
    assert cap({"a": 3, "b": 0}, None) == {"a": [0, 1, 2], "b": []}


def test_the_rate_is_that_of_the_whole_window():
    assert rate([0, 100, 350, 600], Fraction(1, 1000)) == pytest.approx(5.0)


def test_a_plan_covers_clips_without_overlap(tmp_path):
    with made.library(tmp_path, videos=8, frames=18) as library:
        found = plan(library, SETTINGS, "chosen", seed=0)
    by_clip: dict[str, list[Window]] = {}
    for window in found.windows:
        by_clip.setdefault(window.clip, []).append(window)
    for clip in (f"v{n}" for n in range(8)):
        windows = by_clip[clip]
        assert [window.id for window in windows] == [f"{clip}:{n}" for n in range(4)]
        frames = [window.first_frame + k * window.stride for window in windows for k in range(SETTINGS.frames)]
        assert frames == list(range(1, 17))  # 18 frames, 16 used: one is left over at each end
        assert all(window.fps == pytest.approx(8.0) for window in windows)
        pts = [time for window in windows for time in window.pts]
        assert len(set(pts)) == len(pts) == 16  # with a trace and without one
    photo = by_clip["s0"][0]
    assert (photo.photo, len(photo.pts), photo.fps) == (True, 1, 0.0)
    assert found.short == 0
    assert by_clip["v0"][0].caption == "a disc of colour 0"  # the file's, before that made from facts
    assert by_clip["v1"][0].caption == "a clip"
    buckets = [by_clip[f"v{n}"][0].motion_bucket for n in range(8)]
    assert buckets == sorted(buckets)
    assert len(set(buckets)) == 8


def test_whole_groups_are_held_out_and_no_neighbour_is_trained_on(tmp_path):
    with made.library(tmp_path, videos=8) as library:
        made.add_photo(library, tmp_path, 7, origin=["work"])
        made.add_video(library, tmp_path, 8, origin=["work"])
        made.choose(library, [f"v{n}" for n in range(9)] + ["s7"])
        plans = [plan(library, SETTINGS, "chosen", seed=seed) for seed in range(6)]
    sides = set()
    for found in plans:
        held = {window.group for window in found.windows if window.heldout}
        assert held
        assert not held & {window.group for window in found.windows if not window.heldout}
        assert sum(window.heldout and not window.photo for window in found.windows) >= SETTINGS.heldout_least
        sides.add(frozenset(window.clip for window in found.windows if window.heldout))
        shared = {window.group for window in found.windows if window.clip in ("s7", "v8")}
        assert len(shared) == 1
    assert len(sides) > 1  # the seed decides


def test_the_fingerprint_knows_everything_that_is_known_of_a_window(tmp_path):
    with made.library(tmp_path, videos=6) as library:
        first = plan(library, SETTINGS, "chosen", seed=0)
        assert plan(library, SETTINGS, "chosen", seed=0) == first
        library.put("captions", [{"clip": "v1", "captioner": "file", "version": "1", "text": "another"}])
        assert plan(library, SETTINGS, "chosen", seed=0).fingerprint != first.fingerprint
    row = first.windows[0].info()
    assert Window.of(first.windows[0].id, row) == first.windows[0]


def test_short_clips_give_no_window_and_are_counted(tmp_path):
    with made.library(tmp_path, videos=6) as library:
        made.add_video(library, tmp_path, 9, frames=3)
        made.choose(library, [f"v{n}" for n in (0, 1, 2, 3, 4, 5, 9)])
        found = plan(library, SETTINGS, "chosen", seed=0)
        assert found.short == 1
        assert "v9" not in {window.clip for window in found.windows}
        with pytest.raises(MareyError, match=r"No clip .* long enough .* 400 frames .* longest has 2\.00 s"):
            plan(library, recipe.Windows(frames=400), "chosen", seed=0)


def test_an_unknown_selection_names_those_that_are_there(tmp_path):
    with (
        made.library(tmp_path, videos=2) as library,
        pytest.raises(MareyError, match="no selection 'other': one of chosen"),
    ):
        plan(library, SETTINGS, "other", seed=0)


def test_a_window_has_all_captions_that_the_selection_weighs(tmp_path):
    def captions(weights):
        made.choose(library, ["v0", "v1", "v2", "v3", "v4", "v5"])
        rules = {"dropped": {}, "thresholds": {}, "matrix": {}, "alone": {}, "captions": weights}
        library.put("selections", [{"name": "chosen", "rules": rules}])
        return {window.clip: window for window in plan(library, SETTINGS, "chosen", seed=0).windows}

    with made.library(tmp_path, videos=6, photos=0) as library:
        for column in ("image", "video", "merged"):
            library.put("captions", [{"clip": "v0", "captioner": column, "version": "1", "text": column}])
            library.put("captions", [{"clip": "v1", "captioner": column, "version": "1", "text": column}])
        library.put("captions", [{"clip": "v1", "captioner": "merged", "version": "1", "text": "", "status": "failed"}])
        paper = captions({"image": 0.5, "video": 0.25, "merged": 0.25, "file": 1.0})
        assert dict(paper["v0"].captions) == pytest.approx(
            {"a disc of colour 0": 0.5, "image": 0.25, "video": 0.125, "merged": 0.125}
        )
        assert paper["v0"].caption == "a disc of colour 0"
        assert dict(paper["v1"].captions) == pytest.approx({"image": 2 / 3, "video": 1 / 3})
        assert paper["v1"].caption == "image"
        assert paper["v2"].captions == (("a clip", 1.0),)  # facts, where there is nothing else
        assert captions({"video": 1.0})["v0"].captions == (("video", 1.0),)
        row = json.loads(json.dumps(paper["v0"].info()))
        assert Window.of(paper["v0"].id, row) == paper["v0"]
        del row["captions"]
        assert Window.of("v0:0", row).captions == (("a disc of colour 0", 1.0),)
