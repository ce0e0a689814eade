"""Stills by interval doubling."""

import numpy as np
import pytest

from marey.media import Stills


def offered(count: int, start: int = 0) -> tuple[list[int], int]:
    stills, made = Stills(), []
    for n in range(start, start + count):
        stills.offer(n, lambda n=n: made.append(n) or np.full((2, 2), n % 256))
    kept = stills.kept
    assert all((image == n % 256).all() for n, image in kept)
    return [n for n, _ in kept], len(made)


@pytest.mark.parametrize("count", [1, 2, 7, 16, 17, 33, 100, 1000, 5000])
def test_eight_to_sixteen_even_ones_and_the_ends(count: int) -> None:
    kept, made = offered(count, start=40)
    assert kept[0] == 40
    assert kept[-1] == 40 + count - 1
    assert min(count, 8) <= len(kept) <= 17
    steps = np.diff(kept[:-1])
    assert len(set(steps)) <= 1
    assert made <= 8 * (np.log2(count) + 2)  # few are made into pictures, however many are offered


def test_nothing_offered() -> None:
    assert Stills().kept == []


def test_frames_must_come_in_order() -> None:
    stills = Stills()
    stills.offer(3, lambda: np.zeros((2, 2)))
    with pytest.raises(ValueError, match="frame 3 came after frame 3"):
        stills.offer(3, lambda: np.zeros((2, 2)))
