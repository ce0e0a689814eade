"""The measures of sampled videos, on videos of which the answer is known."""

import numpy as np
import pytest

from marey.study.ablations.judge import distance, judged
from marey.study.ablations.sets import heldout

from .small import settings

HELD, TRUTH = heldout(settings("footage.heldout=40", "footage.frames=6").footage, 24)


def means(videos: np.ndarray) -> dict[str, float]:
    found = judged(videos, TRUTH)
    return {name: float(np.mean([one for one in values if one is not None])) for name, values in found.items()}


def test_the_truth_is_perfect_and_goes_where_it_is_told():
    found = means(HELD.videos)
    assert found["psnr"] > 60
    assert found["place"] == 0
    assert found["way"] >= 0.95
    assert distance(HELD.videos, HELD.videos) == pytest.approx(0, abs=1e-6)


def test_a_frozen_still_goes_nowhere():
    frozen = np.repeat(HELD.videos[:, :1], 6, axis=1)
    found = means(frozen)
    assert found["way"] == 0
    assert found["place"] > 1
    assert distance(frozen, HELD.videos) > 0.5


def test_a_video_that_runs_backwards_goes_the_wrong_way():
    assert means(HELD.videos[:, ::-1].copy())["way"] <= 0.05


def test_only_clips_with_a_way_are_asked_for_it():
    ways = judged(HELD.videos, TRUTH)["way"]
    for way, figure in zip(ways, TRUTH.figures, strict=True):
        assert (way is None) == (figure.told.motion in ("turn", "grow", "bounce"))


def test_too_few_clips_have_no_distance():
    assert distance(HELD.videos[:4], HELD.videos[:4]) is None
