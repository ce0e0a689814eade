"""The pass: who gets which frame, beside the slow way in which every tap looks at every frame."""

from dataclasses import astuple
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from filming import film
from panning import shot

from marey.curate.album import StillsTap, still_size
from marey.curate.roll import Roll
from marey.curate.taps import Ask, LightTap, MotionTap, Pass, Planes, SignatureTap, flow_input
from marey.media import Frame, probe, read, write_video
from marey.signals.light import light
from marey.signals.motion import PAIR_SECONDS, motion
from marey.signals.signature import LUMA


class Watcher:
    """A tap that writes down what it is given."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.frames: list[int] = []
        self.shapes: set[tuple[int, ...]] = set()
        self.ends: list[int] = []

    def take(self, frame: Frame, planes: Planes) -> None:
        self.frames.append(frame.n)
        self.shapes |= {plane.shape for plane in planes}

    def end_shot(self, last: Frame) -> None:
        self.ends.append(last.n)

    def arrays(self) -> dict[str, np.ndarray]:
        return {}


def run(path: Path, *taps: Any) -> dict[str, np.ndarray]:
    through = Pass(taps)
    for frame in read(path, probe(path), threads=1):
        through.take(frame)
    return through.end()


@pytest.fixture(scope="module")
def two_shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of one shot, then two and a half of another."""
    path = tmp_path_factory.mktemp("taps") / "a.mp4"
    write_video(path, np.concatenate([shot(1, 50), shot(2, 63)]), 25)
    return path


def test_each_tap_is_given_what_it_asks_for(two_shots: Path) -> None:
    every, half, colour = Watcher(Ask(0, 32)), Watcher(Ask(0.5, LUMA, "yuv")), Watcher(Ask(10, (20, 30), "rgb"))
    run(two_shots, every, half, colour)
    assert every.frames == list(range(113))
    assert half.frames == [0, 13, 26, 39, 50, 63, 76, 89, 102]  # the first at or after half a second
    assert colour.frames == [0, 50]
    assert every.ends == half.ends == [49, 112]
    assert {shape[0] for shape in every.shapes} == {32}
    assert half.shapes == {LUMA, (LUMA[0] // 2, LUMA[1] // 2, 2)}
    assert colour.shapes == {(20, 30, 3)}


def test_times_decide_and_not_counts(tmp_path: Path) -> None:
    pts = [0, 40, 90, 100, 480, 499, 500, 760, 1000, 1001, 1499, 1500, 1501]
    path = film(tmp_path / "varying.mkv", pts=pts, time_base=Fraction(1, 1000), options={"bf": "0"})
    half = Watcher(Ask(0.5, 16))
    run(path, half)
    times = [pts[n] for n in half.frames if n not in {end + 1 for end in half.ends}]
    for before, after in pairwise(times):
        assert after - before >= 500 or any(before <= pts[end] < after for end in half.ends)


def test_numbers_are_those_of_the_slow_way(two_shots: Path) -> None:
    arrays = run(two_shots, SignatureTap(), MotionTap(), LightTap())
    frames = list(read(two_shots, probe(two_shots), threads=1))
    np.testing.assert_array_equal(arrays["pts"], [frame.pts for frame in frames])
    for n in (0, 49, 50, 112):
        small = cv2.resize(frames[n].gray().astype(np.float32), LUMA[::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(arrays["luma"][n] - small).mean() < 1.5
    assert arrays["pairs"].tolist() == [[0, 13], [13, 26], [26, 39], [50, 63], [63, 76], [76, 89], [89, 102]]
    for (a, b), row in zip(arrays["pairs"], arrays["motion"], strict=True):
        scale = PAIR_SECONDS / float(frames[b].seconds - frames[a].seconds)
        size = frames[a].height, frames[a].width
        found = motion(*(flow_input(frames[n].gray(128)) for n in (a, b)), *size)
        np.testing.assert_allclose(row, np.array(astuple(found)) * scale, rtol=1e-5, atol=1e-6)
        slow = motion(frames[a].gray(96), frames[b].gray(96), *size)  # scaled from the source itself
        assert row[0] == pytest.approx(slow.magnitude * scale, rel=0.05)
    for n, row in zip(arrays["sampled"], arrays["light"], strict=True):
        slow = light(frames[n].gray(128), frames[n].yuv(LUMA)[1], frames[n].lines())
        np.testing.assert_allclose(row, slow, rtol=1e-5)


def test_a_shot_too_short_for_a_pair_has_its_widest(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", np.concatenate([shot(1, 30), shot(2, 9), shot(3, 30)]), 25)
    pairs = run(tmp_path / "a.mp4", MotionTap())["pairs"].tolist()
    assert [30, 38] in pairs
    assert all((a < 30) == (b < 30) and (a < 39) == (b < 39) for a, b in pairs)


def test_nothing_passed() -> None:
    arrays = Roll().end()[0]
    assert {name: len(array) for name, array in arrays.items()} == dict.fromkeys(arrays, 0)


def stills(path: Path) -> tuple[list[int], dict[int, bytes]]:
    tap = StillsTap()
    run(path, tap)
    return sorted(tap.stills), tap.stills


def test_stills_have_the_ends_of_each_shot_and_lie_evenly_between(two_shots: Path) -> None:
    numbers, pictures = stills(two_shots)
    assert {0, 49, 50, 112} <= set(numbers)
    for start, end in ((0, 49), (50, 112)):
        inside = [n for n in numbers if start <= n <= end]
        assert 5 <= len(inside) <= 15  # the pan drifts away from where it began, and another stretch begins
        assert max(np.diff(inside)) <= 26
    frames = list(read(two_shots, probe(two_shots), threads=1))
    picture = cv2.imdecode(np.frombuffer(pictures[50], np.uint8), cv2.IMREAD_GRAYSCALE).astype(int)
    assert picture.shape == still_size(frames[50].height, frames[50].width)
    own, before = (cv2.cvtColor(frames[n].rgb(), cv2.COLOR_RGB2GRAY) for n in (50, 49))
    assert np.abs(picture - own).mean() < 3 < 10 < np.abs(picture - before).mean()


def test_a_long_shot_has_one_a_second_and_never_all_of_it_in_hand(tmp_path: Path) -> None:
    calm = np.repeat(shot(4, 1), 25 * 23, axis=0)
    write_video(tmp_path / "calm.mp4", calm, 25)
    numbers, _ = stills(tmp_path / "calm.mp4")
    assert 23 <= len(numbers) <= 40
    assert max(np.diff(numbers)) <= 26
    assert {249, 250, 499, 500} <= set(numbers)  # stretches of ten seconds have ends of their own


def test_stills_are_no_larger_than_the_text_detector_takes() -> None:
    assert still_size(1080, 1920) == (414, 736)
    assert still_size(1920, 1080) == (736, 414)
    assert still_size(240, 320) == (240, 320)
    assert still_size(1, 9000) == (1, 736)
