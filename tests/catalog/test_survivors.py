"""The matrix of survivors as a person reads it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from made_library import add_clip, add_footage, new

from marey.catalog import select, survivor_table
from marey.recipe import Select


def test_every_rule_has_a_line_with_its_threshold_and_its_overlaps(tmp_path):
    with new(tmp_path) as library:
        add_footage(library, "video")
        for n in range(10):
            add_clip(library, f"c{n}", "video", {"motion": float(n), "sharpness": float((n + 9) % 10)})
        chosen = select(library, Select(name="hq", duplicates="keep", drop={"motion": 20, "sharpness": 20}))
        plain = select(library, Select(name="all", duplicates="keep"))
    first, _, head, *rows = survivor_table(chosen).splitlines()
    assert first == "hq: 7 of 10 clips selected, 3 left out"
    assert head.split() == ["rule", "drops", "below", "/", "above", "clips", "alone", "&1", "&2"]
    assert [row.split() for row in rows] == [
        ["1", "drop.motion", "20", "%", "<", "2", "2", "1", "2", "1"],
        ["2", "drop.sharpness", "20", "%", "<", "2", "2", "1", "1", "2"],
    ]
    assert survivor_table(plain) == "all: 10 of 10 clips selected, 0 left out"


def test_clips_that_pass_for_want_of_a_signal_are_told(tmp_path):
    with new(tmp_path) as library:
        add_footage(library, "video")
        add_clip(library, "a", "video", {"motion": 1.0})
        add_clip(library, "b", "video")
        chosen = select(library, Select(min={"motion": 0.5}, allow_missing=True))
    assert survivor_table(chosen).endswith("1 clips lack what min.motion looks at; they pass.")
