"""The paper's subsets of each axis alone, and random ones of equal size."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_library import add_clip, add_footage, group, new

from marey.catalog import grid_table, read_selection, subset_grid
from marey.errors import MareyError


@pytest.fixture
def library(tmp_path):
    with new(tmp_path) as library:
        add_footage(library, "video")
        for n in range(32):
            more = {"duplicate_group": group("g")} if n < 4 else {}
            add_clip(library, f"c{n:02}", "video", {"motion": float(n), "text_area": float(n // 8), **more})
        yield library


def test_each_axis_alone_less_its_worst(library):
    grid = {one.name: one for one in subset_grid(library, ["motion", "text_area"])}
    assert list(grid) == [f"{axis}-drop-{share}" for axis in ("motion", "text_area") for share in ("12.5", "25", "50")]
    assert [len(grid[f"motion-drop-{share}"].clips) for share in ("12.5", "25", "50")] == [28, 24, 16]
    assert set(grid["motion-drop-25"].dropped) == {f"c{n:02}" for n in range(8)}
    assert [len(grid[f"text_area-drop-{share}"].clips) for share in ("12.5", "25", "50")] == [32, 24, 16]  # ties stay
    assert set(grid["text_area-drop-50"].dropped) == {f"c{n:02}" for n in range(16, 32)}
    for name, one in grid.items():
        assert read_selection(library, name) == one
    assert "motion-drop-12.5" in grid_table(list(grid.values()))


def test_a_random_subset_of_equal_size_for_each(library):
    one = {made.name: made for made in subset_grid(library, ["motion", "text_area"], seed=3)}
    again = {made.name: made for made in subset_grid(library, ["motion", "text_area"], seed=3)}
    other = {made.name: made for made in subset_grid(library, ["motion", "text_area"], seed=4)}
    assert one == again
    assert len(one) == 12
    for name, made in one.items():
        if not name.endswith("-random"):
            twin = one[f"{name}-random"]
            assert len(twin.clips) == len(made.clips)
            assert len(twin.clips) + len(twin.dropped) == 32
    sizes = ("12.5", "25", "50")
    nested = [set(one[f"motion-drop-{share}-random"].clips) for share in sizes]
    assert nested[2] < nested[1] < nested[0]
    assert one["motion-drop-50-random"].clips not in (one["motion-drop-50"].clips, other["motion-drop-50-random"].clips)
    assert set(one["motion-drop-50-random"].motion_bucket) == set(one["motion-drop-50-random"].clips)


def test_nothing_is_written_where_one_axis_cannot_be(library):
    with pytest.raises(MareyError, match="did you mean 'motion'"):
        subset_grid(library, ["motion", "moton"])
    with pytest.raises(MareyError, match="no axis"):
        subset_grid(library, [])
    assert library.rows("select name from selections") == []
