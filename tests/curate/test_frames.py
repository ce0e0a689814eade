"""Curation's signals of frames in memory, on scenes whose truth is known."""

import numpy as np

from marey.curate.frames import TextShare, least_motion, transitions_in
from marey.worlds import scene
from marey.worlds.titles import titles


def shot(kind: str, seed: int) -> np.ndarray:
    return np.stack(list(scene(kind, seed, seconds=0.5, fps=24, height=96, width=128).render()))


def test_a_cut_is_found_where_it_is_and_nowhere_else():
    one, other = shot("car", 1), shot("comet", 2)
    assert transitions_in(one, 24.0) == []
    (found,) = transitions_in(np.concatenate([one, other]), 24.0)
    assert (found.kind, found.a_end, found.b_start) == ("cut", 11, 12)


def test_a_still_does_not_move_even_around_a_cut():
    one, other = shot("car", 1), shot("comet", 2)
    assert least_motion(one) > 0.05
    still = np.repeat(one[:1], 8, axis=0)
    assert least_motion(still) < 0.01
    assert least_motion(np.concatenate([still[:5], np.repeat(other[:1], 3, axis=0)])) < 0.01


def test_titles_are_covered_by_text_and_scenes_are_not():
    share = TextShare()
    written = next(iter(titles("night", np.random.default_rng(0), 1, 240, 320)))
    assert share(written) > 0.1
    assert share(shot("car", 1)[0]) < 0.05
