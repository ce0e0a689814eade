"""Ten kinds of monsters, each with a motion of its own that follows from the time."""

import numpy as np
import pytest

from marey.worlds.game.monsters import KINDS, Monster


def path(kind: str, frames: int = 400) -> np.ndarray:
    monster = Monster(kind, 10.0, 14.0, 12.0, 0.0)
    return np.array([monster.at(t) for t in range(frames)])


@pytest.mark.parametrize("kind", KINDS)
def test_it_keeps_to_its_stretch_looks_where_it_goes_and_does_not_leap_about(kind: str) -> None:
    x, y, side = path(kind).T
    assert x.min() >= 10
    assert x.max() <= 14
    assert y.max() <= 12
    steps = np.diff(x)
    moving = np.abs(steps) > 1e-9
    turning = np.abs(np.diff(side)) > 0
    assert np.all(np.sign(steps[moving & ~turning]) == side[:-1][moving & ~turning])
    assert np.abs(steps).max() < 0.12
    assert np.abs(np.diff(y)).max() < 0.3


def test_no_two_kinds_move_alike() -> None:
    paths = [path(kind)[:, :2] for kind in KINDS]
    for n, one in enumerate(paths):
        for other in paths[n + 1 :]:
            assert np.abs(one - other).max() > 0.2


def test_jumpers_leap_fliers_fly_and_the_barnacle_sits() -> None:
    height = {kind: 12 - path(kind)[:, 1] for kind in KINDS}
    assert all(height[kind].max() > 0.8 and height[kind].min() == 0 for kind in ("slime", "jelly", "frog"))
    assert height["bee"].min() > 0.5
    assert np.ptp(path("barnacle")[:, 0]) == 0
    assert all(height[kind].max() == 0 for kind in ("worm", "ladybug", "snail", "mouse", "gear", "barnacle"))
