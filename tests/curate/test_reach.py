"""The ends of gradual transitions: from a window inside, out to where the course says."""

import numpy as np
import pytest
from panning import shot
from test_transitions import signature

from marey.curate.features import Area, Features
from marey.curate.reach import reach
from marey.worlds.edits import EASES, Join, compose


@pytest.mark.parametrize("ease", EASES)
@pytest.mark.parametrize(("kind", "detail"), [("dissolve", ""), ("fade", "white"), ("wipe", "right")])
def test_a_window_inside_grows_to_the_whole(kind: str, detail: str, ease: str) -> None:
    video, (truth,) = compose([shot(1, 70, 0.05), shot(2, 70, 0.05)], [Join(kind, 29, detail, ease=ease)])
    luma, chroma = signature(video)
    window = truth.a_end + 6, truth.b_start - 6
    a_end, b_start = reach(Features(luma, chroma, Area.of(luma)), kind, *window, 0, len(video) - 1)
    assert -4 <= a_end - truth.a_end <= 2
    assert -2 <= b_start - truth.b_start <= 4


def test_it_does_not_reach_into_a_neighbour() -> None:
    video, (truth,) = compose([shot(3, 70, 0.05), shot(4, 70, 0.05)], [Join("dissolve", 29)])
    luma, chroma = signature(video)
    limits = truth.a_end + 4, truth.b_start - 3
    ends = reach(Features(luma, chroma, Area.of(luma)), "dissolve", truth.a_end + 8, truth.b_start - 8, *limits)
    assert ends[0] >= limits[0]
    assert ends[1] <= limits[1]


def test_a_still_pair_of_shots_keeps_its_exact_ends() -> None:
    a, b = shot(5, 1).repeat(50, axis=0), shot(6, 1).repeat(50, axis=0)
    video, (truth,) = compose([a, b], [Join("dissolve", 20)])
    luma, chroma = signature(video)
    ends = reach(Features(luma, chroma, Area.of(luma)), "dissolve", truth.a_end, truth.b_start, 0, len(video) - 1)
    assert np.abs(np.array(ends) - (truth.a_end, truth.b_start)).max() <= 1
