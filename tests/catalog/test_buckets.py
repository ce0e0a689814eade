"""Motion buckets: quantiles over the selection, stored with it, and the same when it is read again."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from made_library import add_clip, add_footage, new

from marey.catalog import UNKNOWN_MOTION, motion_buckets, read_selection, select
from marey.catalog.select import without
from marey.recipe import Select


def test_motion_buckets_are_quantiles():
    buckets = motion_buckets({str(n): float(n**2) for n in range(256)} | {"unknown": None})
    assert [buckets[str(n)] for n in range(256)] == list(range(256))
    assert buckets["unknown"] == UNKNOWN_MOTION
    assert set(motion_buckets({"a": 1.0, "b": 1.0, "c": 1.0}).values()) == {128}
    assert motion_buckets({"low": 0.1, "high": 9.0}) == {"low": 64, "high": 192}


def test_they_are_of_the_clips_that_stay_and_do_not_move_afterwards(tmp_path):
    with new(tmp_path) as library:
        add_footage(library, "video")
        add_footage(library, "photo", kind="photo")
        for n, motion in enumerate([0.0, 1.0, 1.0, 8.0, 9.0]):
            add_clip(library, f"c{n}", "video", {"motion": motion})
        add_clip(library, "still", "photo")
        add_clip(library, "unknown", "video", {"motion": {"status": "failed", "reason": "no flow"}})
        chosen = select(library, Select(min={"motion": 0.5}, duplicates="keep", allow_missing=True))
        assert chosen.motion_bucket == {"c1": 64, "c2": 64, "c3": 160, "c4": 224, "unknown": UNKNOWN_MOTION}
        library.put("signals", [{"clip": "c1", "name": "motion", "version": "2", "value": 100.0}])
        assert read_selection(library, "selected").motion_bucket == chosen.motion_bucket
        without(library, {"c3"})
        assert "c3" not in read_selection(library, "selected").motion_bucket
