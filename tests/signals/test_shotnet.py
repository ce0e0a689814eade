"""TransNet V2 over whole videos: windows, and the transitions that its answers mean."""

import numpy as np
import pytest

from marey.errors import MissingExtra
from marey.signals import shotnet
from marey.signals.shotnet import STRIDE, ShotNet, runs, weights, windows


@pytest.mark.parametrize("count", [1, 49, 50, 51, 100, 230])
def test_the_middles_of_the_windows_are_the_video_and_its_ends_are_repeated(count: int) -> None:
    numbers = np.arange(count)
    found = list(windows(numbers))
    assert all(len(window) == 100 for window in found)
    assert np.array_equal(np.concatenate([window[25:75] for window in found])[:count], numbers)
    assert len(found) == -(-count // STRIDE)
    assert (found[0][:25] == 0).all()
    assert (found[-1][75:] == count - 1).all()


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("00000", []),
        ("00100", [(2, 3)]),
        ("0111000", [(1, 4)]),
        ("0101000", [(1, 2), (3, 4)]),
        ("1100100", [(4, 5)]),
        ("00111", []),
        ("1", []),
        ("", []),
    ],
)
def test_runs_are_transitions_between_two_shots(said: str, found: list[tuple[int, int]]) -> None:
    assert runs(np.array([letter == "1" for letter in said], bool)) == found


def test_runs_as_scenes_are_those_of_the_authors_rule() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        above = rng.random(int(rng.integers(1, 40))) < 0.4
        scenes, start, before = [], 0, False
        for n, now in enumerate(above):  # the published loop, in words: a rise ends a scene, a fall begins the next
            if before and not now:
                start = n
            if now and not before and n != 0:
                scenes.append((start, n))
            before = bool(now)
        if not above[-1]:
            scenes.append((start, len(above) - 1))
        found = runs(above)
        assert [a for a, _ in found] == [end for _, end in scenes[: len(found)]]
        assert [b for _, b in found] == [first for first, _ in scenes[1:]]


def test_a_cut_is_seen_where_it_is_and_a_video_may_be_of_any_length() -> None:
    rng = np.random.default_rng(3)
    shots = [np.repeat(rng.integers(0, 256, (1, 27, 48, 3), dtype=np.uint8), n, axis=0) for n in (37, 80)]
    net = ShotNet()
    said = net(np.concatenate(shots))
    assert said.shape == (117, 2)
    assert runs(said[:, 0] > 0.5) == [(36, 37)]
    assert net(shots[0][:3]).shape == (3, 2)
    assert runs(net(shots[0])[:, 0] > 0.5) == []
    assert net(np.zeros((0, 27, 48, 3), np.uint8)).shape == (0, 2)


def test_without_the_wheel_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shotnet, "_PACKAGE", "no_such_package_of_shots")
    with pytest.raises(MissingExtra, match=r"marey\[shots\]"):
        weights()
