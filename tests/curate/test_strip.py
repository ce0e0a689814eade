"""The strips: the right frames in the right places, whatever the length of the file."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import filming
import numpy as np
import pytest

from marey.curate import strip
from marey.curate.strip import COLOURS, FRAMES, HEIGHT, Album, draw_strip, shown
from marey.curate.transitions import Transition
from marey.media import probe, read

COUNT = 60
FOUND = [Transition("cut", 11, 12, 0.98), Transition("dissolve", 25, 36, 0.7), Transition("wipe", 57, 59, 0.9)]
TIMES = [f"0:{n / 25:06.3f}" for n in range(COUNT)]


@pytest.fixture
def album(tmp_path: Path) -> Iterator[Album]:
    path = filming.film(tmp_path / "numbered.mp4", COUNT)
    with Album() as made:
        for frame in read(path, probe(path)):
            made.take(frame)
        yield made


def test_the_pictures_are_those_of_their_frames_in_memory_and_beyond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filming.film(tmp_path / "numbered.mp4", COUNT)
    for held in (strip.IN_MEMORY, 1):
        monkeypatch.setattr(strip, "IN_MEMORY", held)
        with Album() as album:
            for frame in read(path, probe(path)):
                album.take(frame)
            assert len(album) == COUNT
            assert album[7].shape == (HEIGHT, round(128 * HEIGHT / 96), 3)
            for n in (COUNT - 1, 0, 33):  # in any order
                assert filming.number(cv2.cvtColor(album[n], cv2.COLOR_RGB2GRAY)) == n


@pytest.mark.parametrize(
    ("a_end", "b_start"), [(30, 31), (30, 32), (30, 33), (30, 36), (30, 50), (0, 1), (58, 59), (2, 5)]
)
def test_both_ends_are_shown_and_what_lies_between(a_end: int, b_start: int) -> None:
    before, inside, after = shown(Transition("dissolve", a_end, b_start, 1.0), COUNT)
    frames = [*before, *inside, *after]
    assert frames == sorted(set(frames))
    assert (before[-1], after[0]) == (a_end, b_start)
    assert before == list(range(before[0], a_end + 1))
    assert after == list(range(b_start, after[-1] + 1))
    assert all(a_end < n < b_start for n in inside)
    assert bool(inside) == (b_start - a_end > 1)
    assert frames[0] >= 0
    assert frames[-1] < COUNT
    if 5 <= a_end < 50:
        assert len(frames) == FRAMES


def test_a_sheet_has_a_strip_each_with_the_pictures_in_order(album: Album) -> None:
    sheet = draw_strip(FOUND, album, TIMES, "numbered.mp4")
    width = album[0].shape[1]
    for n, one in enumerate(FOUND):
        frames = [number for part in shown(one, COUNT) for number in part]
        top = found_at(sheet, album[frames[0]])
        for k, number in enumerate(frames):
            left = top[1] + k * (width + 4)
            assert np.array_equal(sheet[top[0] : top[0] + HEIGHT - 3, left : left + width], album[number][: HEIGHT - 3])
        assert (sheet == COLOURS[one.kind]).all(axis=2).any(), n
    assert not (sheet == COLOURS["fade"]).all(axis=2).any()


def found_at(sheet: np.ndarray, picture: np.ndarray) -> tuple[int, int]:
    """Row and column where a picture stands on the sheet."""
    score = cv2.matchTemplate(sheet, picture, cv2.TM_SQDIFF)
    row, column = np.unravel_index(int(score.argmin()), score.shape)
    return int(row), int(column)


def test_many_strips_stand_in_two_columns_and_no_sheet_grows_without_end(
    album: Album, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts = [Transition("cut", n, n + 1, 0.9) for n in range(0, 58, 2)]
    tall = draw_strip(cuts[:8], album, TIMES, "")
    two = draw_strip(cuts[:10], album, TIMES, "")
    assert two.shape[0] < tall.shape[0]
    assert two.shape[1] > 1.9 * tall.shape[1]
    monkeypatch.setattr(strip, "MOST", 10)
    assert draw_strip(cuts, album, TIMES, "").shape == two.shape
    assert draw_strip([], album, TIMES, "").shape[0] < 100
