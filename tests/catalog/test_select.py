"""Selections: percentiles from the bad end, absolute rules, ties, photographs, missing signals, near-duplicates."""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from made_library import add_clip, add_footage, group, new

from marey.catalog import Library, choose, read_selection, select
from marey.errors import MareyError
from marey.recipe import Select


@pytest.fixture
def library(tmp_path):
    with new(tmp_path) as library:
        add_footage(library, "video")
        yield library


def clips(library, signal, values, footage="video"):
    for n, value in enumerate(values):
        add_clip(library, f"c{n}", footage, {signal: value})


def rules(**given):
    return Select(duplicates="keep", **given)


def test_a_share_falls_from_the_low_end_and_the_threshold_is_kept(library):
    clips(library, "motion", [5.0, 1.0, 3.0, 2.0, 4.0, 6.0, 8.0, 7.0])
    chosen = select(library, rules(drop={"motion": 25}))
    assert chosen.dropped == {"c1": ["drop.motion"], "c3": ["drop.motion"]}
    threshold = chosen.thresholds["drop.motion"]
    assert (threshold.value, threshold.side, threshold.percent, threshold.clips) == (3.0, "low", 25, 8)
    assert chosen.clips == ("c0", "c2", "c4", "c5", "c6", "c7")


def test_a_share_falls_from_the_high_end_of_a_signal_whose_high_end_is_bad(library):
    clips(library, "text_area", [0.1, 0.0, 0.3, 0.2])
    chosen = select(library, rules(drop={"text_area": 25}))
    assert chosen.dropped == {"c2": ["drop.text_area"]}
    assert chosen.thresholds["drop.text_area"].value == 0.2


def test_ties_stay(library):
    clips(library, "motion", [0.0, 0.0, 0.0, 0.0, 9.0])
    assert select(library, rules(drop={"motion": 60})).dropped == {}
    assert select(library, rules(drop={"motion": 80})).dropped.keys() == {"c0", "c1", "c2", "c3"}
    assert select(library, rules(min={"motion": 9.0})).clips == ("c4",)
    assert select(library, rules(max={"motion": 0.0})).clips == ("c0", "c1", "c2", "c3")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(0, 99))
def test_at_most_the_share_falls_and_every_clip_that_falls_is_worse_than_every_one_that_stays(
    tmp_path_factory, values, percent
):
    with new(tmp_path_factory.mktemp("share")) as library:
        add_footage(library, "video")
        clips(library, "motion", [float(value) for value in values])
        chosen = select(library, rules(drop={"motion": percent}))
    kept = [values[int(clip[1:])] for clip in chosen.clips]
    fallen = [values[int(clip[1:])] for clip in chosen.dropped]
    assert len(fallen) <= len(values) * percent / 100
    assert not fallen or max(fallen) < min(kept)
    wanted = len(values) * percent // 100
    assert len(fallen) + values.count(min(kept)) > wanted  # no fewer than the ties force


def test_shares_that_rounding_would_lose(library):
    clips(library, "motion", [float(n) for n in range(100)])
    for percent in (29, 57, 58):  # 100 * 0.29 is 28.999999999999996
        assert len(select(library, rules(drop={"motion": percent})).dropped) == percent


def test_each_axis_is_taken_alone_and_the_matrix_tells_who_drops_what(library):
    for n in range(10):
        add_clip(library, f"c{n}", "video", {"motion": float(n), "sharpness": float((n + 9) % 10), "fps": 24.0})
    chosen = select(library, rules(drop={"motion": 20, "sharpness": 20}, min={"fps": 10}))
    assert chosen.dropped == {
        "c0": ["drop.motion"],
        "c1": ["drop.motion", "drop.sharpness"],
        "c2": ["drop.sharpness"],
    }
    assert chosen.matrix == {
        "drop.motion": {"drop.motion": 2, "drop.sharpness": 1, "min.fps": 0},
        "drop.sharpness": {"drop.motion": 1, "drop.sharpness": 2, "min.fps": 0},
        "min.fps": {"drop.motion": 0, "drop.sharpness": 0, "min.fps": 0},
    }
    assert chosen.alone == {"drop.motion": 1, "drop.sharpness": 1, "min.fps": 0}


def test_only_ok_clips_count(library):
    clips(library, "motion", [1.0, 2.0, 3.0, 4.0])
    add_clip(library, "short", "video", {"motion": 0.0}, status="rejected", reason="too short")
    chosen = select(library, rules(drop={"motion": 25}))
    assert chosen.dropped.keys() == {"c0"}
    assert "short" not in chosen.clips


def test_a_photograph_is_exempt_from_what_it_cannot_have(library):
    clips(library, "motion", [1.0, 2.0, 3.0, 4.0])
    add_footage(library, "photo", kind="photo")
    add_clip(library, "still", "photo", {"sharpness": 1.0})
    chosen = select(library, rules(drop={"motion": 25}))
    assert "still" in chosen.clips
    assert chosen.thresholds["drop.motion"].clips == 4
    assert chosen.thresholds["drop.motion"].missing == 0
    library.put(
        "signals",
        [{"clip": f"c{n}", "name": "sharpness", "version": "1", "value": 9.0, "bad": "low"} for n in range(4)],
    )
    assert select(library, rules(min={"sharpness": 2.0})).dropped == {"still": ["min.sharpness"]}  # it has this one


def test_a_library_of_photographs_alone(library):
    add_footage(library, "photo", kind="photo")
    add_clip(library, "still", "photo")
    chosen = select(library, rules(drop={"motion": 25}))
    assert chosen.clips == ("still",)
    assert chosen.thresholds["drop.motion"].value is None


MISSING = {"status": "missing", "reason": 'rapidocr is not installed: pip install "marey[ocr]".'}


def test_a_missing_signal_is_an_error_that_says_what_would_give_it(library):
    clips(library, "text_area", [0.1, MISSING, MISSING, 0.3])
    with pytest.raises(
        MareyError, match=r'text_area of 2 of 4 clips \(rapidocr .*pip install "marey\[ocr\]"\).*allow_missing'
    ):
        select(library, rules(drop={"text_area": 50}))
    assert library.rows("select * from selections") == []
    chosen = select(library, rules(drop={"text_area": 50}, allow_missing=True))
    assert chosen.clips == ("c0", "c1", "c2")
    assert (chosen.thresholds["drop.text_area"].clips, chosen.thresholds["drop.text_area"].missing) == (2, 2)


NOTHING = {"value": None, "reason": "there is no sound in it"}


def test_a_rule_does_not_concern_a_clip_in_which_there_is_nothing_to_measure(library):
    add_footage(library, "v")
    for name, loudness in (("a", -30.0), ("b", -12.0), ("c", NOTHING), ("d", NOTHING)):
        add_clip(library, name, "v", {"loudness": loudness})
    chosen = select(library, rules(min={"loudness": -20}))
    assert chosen.clips == ("b", "c", "d")
    assert (chosen.thresholds["min.loudness"].clips, chosen.thresholds["min.loudness"].missing) == (2, 0)


def test_a_vector_or_a_value_without_a_reason_is_no_such_case(library):
    add_footage(library, "v")
    add_clip(library, "a", "v", {"embedding": {"data": "[0.5, 0.25]"}, "loudness": {"value": None}})
    for name in ("embedding", "loudness"):
        with pytest.raises(MareyError, match=f"{name} of 1 of 1 clips"):
            select(library, rules(min={name: 0}))


def test_a_signal_that_no_clip_has_names_the_nearest(library):
    clips(library, "motion", [1.0, 2.0])
    with pytest.raises(MareyError, match=r"moton of 2 of 2 clips .no clip has it; did you mean 'motion'"):
        select(library, rules(drop={"moton": 10}))
    add_clip(library, "new", "video")
    with pytest.raises(MareyError, match=r"motion of 1 of 3 clips .curate again"):
        select(library, rules(drop={"motion": 10}))


def test_a_share_of_a_signal_without_a_bad_end_is_refused(library):
    clips(library, "brightness", [0.1, 0.2])
    with pytest.raises(
        MareyError, match=r"neither end of the signal 'brightness' is bad; min.brightness or max.brightness"
    ):
        select(library, rules(drop={"brightness": 10}))
    assert select(library, rules(min={"brightness": 0.15})).clips == ("c1",)


def test_of_near_duplicates_the_sharpest_stays(library):
    for name, sharpness, twins in (
        ("a", 1.0, "g"),
        ("b", 3.0, "g"),
        ("c", 2.0, "g"),
        ("d", 0.5, "h"),
        ("e", 0.1, None),
    ):
        signals = {"sharpness": sharpness} | ({"duplicate_group": group(twins)} if twins else {})
        add_clip(library, name, "video", signals)
    chosen = select(library, Select())
    assert chosen.clips == ("b", "d", "e")
    assert chosen.dropped == {"a": ["duplicates"], "c": ["duplicates"]}
    assert select(library, Select(duplicates="keep")).dropped == {}


def test_of_near_duplicates_the_one_that_stays_is_one_that_passes_the_other_rules(library):
    for name, sharpness, text in (("a", 1.0, 0.0), ("b", 3.0, 0.5), ("c", 2.0, 0.0), ("z", 2.0, 0.0)):
        add_clip(library, name, "video", {"sharpness": sharpness, "text_area": text, "duplicate_group": group("g")})
    chosen = select(library, Select(max={"text_area": 0.1}))
    assert chosen.clips == ("c",)  # as sharp as z, and first by name
    assert chosen.dropped["b"] == ["max.text_area", "duplicates"]
    assert chosen.matrix["max.text_area"]["duplicates"] == 1


def test_duplicates_that_are_not_known_are_an_error(library):
    add_clip(library, "a", "video", {"duplicate_group": {"status": "failed", "reason": "no still"}})
    with pytest.raises(MareyError, match=r"near-duplicates of 1 of 1 clips are not known .no still"):
        select(library, Select())
    assert select(library, Select(allow_missing=True)).clips == ("a",)


def test_the_same_selection_again_changes_nothing(library):
    clips(library, "motion", [1.0, 2.0, 3.0, 4.0])
    first = select(library, rules(name="x", drop={"motion": 25}))
    row = library.one("select * from selections")
    assert select(library, rules(name="x", drop={"motion": 25})) == first
    assert library.one("select * from selections") == row
    assert read_selection(library, "x") == first
    other = select(library, rules(name="x", drop={"motion": 50}))
    assert other.hash != first.hash
    assert read_selection(library, "x").clips == other.clips == ("c2", "c3")
    assert library.rows("select clip from selected order by clip") == [{"clip": "c2"}, {"clip": "c3"}]
    assert select(library, rules(name="y", min={"motion": 3.0})).hash == other.hash  # of the clips, not of the rules
    assert json.loads(row["rules"])["settings"]["drop"] == {"motion": 25}


def test_choosing_writes_nothing_and_works_beside_a_writer(library):
    clips(library, "motion", [1.0, 2.0])
    with Library.open(library.path) as reader:
        assert choose(reader, rules(min={"motion": 2.0})).clips == ("c1",)
        with pytest.raises(MareyError, match="reading only"):
            select(reader, rules())
    assert library.rows("select * from selections") == []


def test_nothing_to_select_from_and_nothing_left(library):
    with pytest.raises(MareyError, match="no usable clips"):
        select(library, rules())
    clips(library, "motion", [1.0, 2.0])
    with pytest.raises(MareyError, match=r"leaves none of 2 clips \(each rule drops: min.motion 2\)"):
        select(library, rules(min={"motion": 5.0}))


def test_a_selection_that_is_not_there_names_those_that_are(library):
    with pytest.raises(MareyError, match="no selection 'x': `marey select"):
        read_selection(library, "x")
    clips(library, "motion", [1.0])
    select(library, rules(name="good"))
    with pytest.raises(MareyError, match="one of good would do"):
        read_selection(library, "x")


def test_progress_ends(library):
    clips(library, "motion", [1.0])
    calls = []
    select(library, rules(drop={"motion": 10}), progress=lambda *call: calls.append(call))
    assert calls[0][1] == 0
    assert calls[-1][1] == calls[-1][2]
