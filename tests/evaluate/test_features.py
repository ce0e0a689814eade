import cv2
import numpy as np
import pytest

from marey.errors import MareyError
from marey.evaluate.features import BLOCKS, WIDTH, Describer, features, fit
from marey.evaluate.moments import MomentState, frechet

from .moving import texture


def block(x: np.ndarray, name: str) -> np.ndarray:
    start = 0
    for other, width in BLOCKS.items():
        if other == name:
            return x[start : start + width]
        start += width
    raise KeyError(name)


def videos(n: int, seed: int, frames: int = 5, side: int = 32) -> np.ndarray:
    """Pans of random speed over pieces of a texture."""
    rng = np.random.default_rng(seed)
    wide = texture(0, 240)
    made = []
    for _ in range(n):
        x, y = rng.integers(40, 160, 2)
        right, down = rng.integers(-3, 4, 2)
        made.append(np.stack([wide[y + t * down :, x + t * right :][:side, :side] for t in range(frames)]))
    return np.stack(made)


def test_a_flat_grey_still_video_has_only_luma() -> None:
    x = features(np.full((4, 16, 16, 3), 77, np.uint8))
    assert x.shape == (WIDTH,)
    assert block(x, "luma") == pytest.approx(77)
    for name in ("colour", "edges", "change", "jerk"):
        assert block(x, name) == pytest.approx(0, abs=1e-9)


def test_change_and_jerk_of_a_brightening() -> None:
    levels = [10, 20, 30, 60]
    x = features(np.stack([np.full((16, 16, 3), level, np.uint8) for level in levels]))
    assert block(x, "luma") == pytest.approx(np.mean(levels[1:]))
    assert block(x, "change") == pytest.approx(np.mean([10, 10, 30]))
    assert block(x, "jerk") == pytest.approx(np.mean([0, 20]))


def test_colour_is_apart_from_luma() -> None:
    red = np.zeros((4, 16, 16, 3), np.uint8)
    red[..., 0] = 200
    assert block(features(red), "colour")[:16] == pytest.approx(200 * (1 - 0.299))
    assert block(features(red), "colour")[16:] == pytest.approx(-200 * 0.299)


def test_any_size_and_length_in_one_pass() -> None:
    video = videos(1, 0, frames=9, side=40)[0]
    describer = Describer()
    for frame in video:
        describer.add(frame)
    assert (describer.values() == features(iter(video))).all()
    with pytest.raises(MareyError, match="three frames"):
        features(video[:2])


def test_the_axes_are_found_and_reduce() -> None:
    rows = np.stack([features(video) for video in videos(40, 1)])
    projection = fit(rows, 8)
    reduced = projection(rows)
    assert reduced.shape == (40, 8)
    assert projection.dims == 8
    assert projection.id == "frechet/marey-td8"
    assert 0.3 < projection.share <= 1
    assert reduced.mean(axis=0) == pytest.approx(np.zeros(8), abs=1e-9)
    spread = reduced.var(axis=0)
    assert (np.diff(spread) <= 1e-12).all(), "principal axes come in order"
    apart = np.cov(reduced.T) - np.diag(reduced.var(axis=0, ddof=1))
    assert apart == pytest.approx(np.zeros((8, 8)), abs=1e-9)


def test_each_block_has_the_same_weight() -> None:
    rows = np.random.default_rng(0).normal(size=(50, WIDTH))
    loud = rows.copy()
    loud[:, :64] *= 1000
    quiet, shouting = fit(rows, 5)(rows), fit(loud, 5)(loud)
    assert np.abs(quiet) == pytest.approx(np.abs(shouting))


def test_too_few_or_equal_videos_have_no_axes() -> None:
    with pytest.raises(MareyError, match="more than 16 training videos; there are 16"):
        fit(np.zeros((16, WIDTH)), 16)
    with pytest.raises(MareyError, match="all alike"):
        fit(np.zeros((17, WIDTH)), 16)


def test_the_distance_grows_with_noise_blur_freezing_and_shuffling() -> None:
    """What random-network features miss (a freeze) these must see: the negative control is the truth against more
    truth."""
    train, true = videos(60, 1), videos(80, 2)
    projection = fit(np.stack([features(video) for video in train]), 8)

    def distance(shown: np.ndarray) -> float:
        a, b = (MomentState(8).update(projection(np.stack([features(v) for v in each]))) for each in (shown, true))
        return frechet(a, b)

    floor = distance(videos(80, 3))
    noise = np.random.default_rng(0).normal(size=true.shape)
    noisy = [distance(np.clip(true + s * noise, 0, 255).astype(np.uint8)) for s in (3, 10, 30)]
    blurred = [distance(np.stack([[cv2.GaussianBlur(f, (0, 0), s) for f in v] for v in true])) for s in (1, 2, 4)]
    frozen = distance(np.repeat(true[:, :1], true.shape[1], axis=1))
    shuffled = distance(true[:, [0, 3, 1, 4, 2]])
    assert noisy == sorted(noisy)
    assert noisy[-1] > 10 * floor
    assert blurred == sorted(blurred)
    assert blurred[-1] > floor
    assert frozen > 3 * floor
    assert shuffled > 2 * floor
