"""The scenes: reproducible, in motion, and true to their sentences."""

import cv2
import numpy as np
import pytest

from marey.worlds.palette import PALETTES
from marey.worlds.scenes import KINDS, scene


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_scene_and_another_another(kind: str) -> None:
    frames = [scene(kind, seed, seconds=0.2).frame(3) for seed in (5, 5, 6)]
    np.testing.assert_array_equal(frames[0], frames[1])
    assert (frames[0] != frames[2]).mean() > 0.2
    assert scene(kind, 5, seconds=0.2).sentence == scene(kind, 5, seconds=0.2).sentence


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(240, 320), (216, 384)])
def test_something_moves_in_the_middle_square_all_the_time(kind: str, size: tuple[int, int]) -> None:
    height, width = size
    made = scene(kind, 11, seconds=3.2, height=height, width=width)
    assert made.frames == 80
    left = (width - height) // 2
    for n in (0, 20, 40, 60, 74):
        now, then = (made.frame(m)[:, left : left + height].astype(int) for m in (n, n + 5))
        assert now.shape == (height, height, 3)
        assert (np.abs(then - now).max(axis=2) > 12).mean() > 0.002


@pytest.mark.parametrize("kind", ["car", "boat", "fish", "dart", "roll", "train", "comet"])
@pytest.mark.parametrize("seed", range(6))
def test_a_sentence_tells_the_direction(kind: str, seed: int) -> None:
    made = scene(kind, seed, seconds=2)
    x, y = made.movers[0].positions[-1] - made.movers[0].positions[0]
    said = [way for way in ("to the right", "to the left", "upwards", "downwards") if way in made.sentence]
    expected = ("to the right" if x > 0 else "to the left") if abs(x) > abs(y) else "downwards" if y > 0 else "upwards"
    assert said == [expected]


@pytest.mark.parametrize("kind", ["car", "boat", "fish", "train"])
def test_things_look_where_they_go(kind: str) -> None:
    """The two ways are mirror images, so that a still tells which of them it is."""
    outlines: dict[bool, np.ndarray] = {}
    for seed in range(30):
        made = scene(kind, seed, seconds=0.2)
        small = cv2.resize(made.movers[0].sprite[..., 3], (64, 64), interpolation=cv2.INTER_AREA) > 0.5
        outlines["right" in made.sentence] = small
        if len(outlines) == 2:
            break
    right, left = outlines[True], outlines[False]
    assert (right == left[:, ::-1]).mean() > 0.98
    assert (right == left).mean() < 0.97


def test_a_camera_that_follows_moves_the_land_the_other_way() -> None:
    made = scene("drive", 2, seconds=1)
    side = 1 if "right" in made.sentence else -1
    flow = made.flow(5)[..., 0]
    ground, sky = flow[-8:].mean(), flow[:40].mean()
    assert np.sign(ground) == -side
    assert sky == 0
    assert abs(ground) == pytest.approx(abs(made.camera[6] - made.camera[5]))


def test_a_planet_grows_and_a_mill_turns() -> None:
    planet = scene("planet", 1, seconds=3).movers[0]
    assert np.all(np.diff(planet.scales) > 0)
    mill = scene("windmill", 1, seconds=3).movers[0]
    assert np.all(np.diff(mill.angles) > 0)


def test_the_time_of_day_can_be_chosen() -> None:
    sentences = {scene("car", 1, seconds=0.1, palette=n).sentence for n in range(len(PALETTES))}
    assert len(sentences) == len(PALETTES)
    assert any(sentence.endswith("at dusk") for sentence in sentences)


def test_no_such_kind() -> None:
    with pytest.raises(ValueError, match="there is no scene 'volcano'"):
        scene("volcano", 0)
