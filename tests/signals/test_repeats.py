"""Repeated frames: patterns that were made are found, through an encoder too, and movement and noise are none."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from marey.media import probe, read, write_video
from marey.signals.repeats import Cadence, cadence, freeze_share, steps


def moving(frames: int, speed: float = 1.0, seed: int = 0) -> np.ndarray:
    """Signatures of a pan over a texture: uint8 (T, 36, 64)."""
    noise = np.random.default_rng(seed).integers(0, 255, (60, 200)).astype(np.uint8)
    big = cv2.resize(noise, (1600, 480), interpolation=cv2.INTER_CUBIC)
    out = []
    for t in range(frames):
        shift = np.float32([[1, 0, -(speed * t % 900)], [0, 1, -8]])
        out.append(cv2.resize(cv2.warpAffine(big, shift, (512, 288)), (64, 36), interpolation=cv2.INTER_AREA))
    return np.stack(out)


def repeated(frames: np.ndarray, of: tuple[int, ...]) -> np.ndarray:
    """Frame n shown of[n % len(of)] times."""
    return np.repeat(frames, [of[n % len(of)] for n in range(len(frames))], axis=0)


@pytest.mark.parametrize(
    ("shown", "pattern"),
    [
        ((1, 1, 1, 2), (5, 4)),  # 24 as 30
        ((2,), (2, 1)),  # 30 as 60
        ((3, 2), (5, 2)),  # 24 as 60
        ((1, 1, 1, 1, 2), (6, 5)),  # 25 as 30
        ((3,), (3, 1)),  # drawn on threes
        ((1,) * 23 + (2,), (25, 24)),  # 24 as 25
    ],
)
@pytest.mark.parametrize("shift", [0, 3])
def test_a_pattern_of_repeats_is_found(shown: tuple[int, ...], pattern: tuple[int, int], shift: int) -> None:
    video = repeated(moving(120), shown)[shift:]
    period, kept = pattern
    assert cadence(video) == Cadence((period - kept) / period, period, kept)


def test_a_dropped_frame_shifts_the_pattern_and_hides_nothing() -> None:
    video = np.delete(repeated(moving(480), (1, 1, 1, 2)), 333, axis=0)
    assert cadence(video) == Cadence(0.2, 5, 4)


def test_what_moves_at_every_frame_or_not_at_all_has_no_pattern() -> None:
    assert cadence(moving(100)) is None
    assert cadence(moving(100, speed=0.15)) is None
    assert cadence(np.repeat(moving(1), 100, axis=0)) is None
    noisy = np.repeat(moving(1), 100, axis=0).astype(int) + np.random.default_rng(1).integers(-1, 2, (100, 36, 64))
    assert cadence(np.clip(noisy, 0, 255).astype(np.uint8)) is None
    assert cadence(moving(3)) is None
    assert cadence(moving(1)) is None


@pytest.mark.parametrize("seed", range(4))
def test_repeats_at_random_are_no_pattern(seed: int) -> None:
    frames = moving(100, seed=seed)
    shown = np.random.default_rng(seed).choice([1, 2], 100, p=[0.7, 0.3])
    assert cadence(np.repeat(frames, shown, axis=0)) is None


def test_movement_that_rests_now_and_then_is_no_pattern() -> None:
    frames = moving(90)
    rests = np.concatenate(
        [frames[:20], np.repeat(frames[20:21], 25, axis=0), frames[20:50], frames[50:51], frames[51:]]
    )
    assert cadence(rests) is None
    assert freeze_share(rests) == pytest.approx(25 / (len(rests) - 1))


def test_frames_that_stand_are_counted() -> None:
    frames = moving(41)
    assert freeze_share(frames) == 0
    assert freeze_share(np.repeat(frames[:1], 41, axis=0)) == 1
    assert freeze_share(np.concatenate([frames, np.repeat(frames[-1:], 40, axis=0)])) == 0.5
    assert freeze_share(frames[:1]) == 0


def test_a_scene_at_rest_in_which_something_small_moves_does_not_stand() -> None:
    video = np.repeat(moving(1), 30, axis=0)
    for t in range(30):
        video[t, 10, 10 + t] = 255 - video[t, 10, 10 + t]
    assert freeze_share(video) == 0


def test_steps_are_those_that_the_slow_way_finds() -> None:
    video = np.random.default_rng(0).integers(0, 256, (700, 6, 8)).astype(np.uint8)
    slow = np.abs(np.diff(video.astype(int), axis=0)).reshape(699, -1)
    np.testing.assert_allclose(steps(video), np.stack([slow.mean(1), slow.max(1)], 1), rtol=1e-5)


def test_through_an_encoder(tmp_path: Path) -> None:
    noise = np.random.default_rng(5).integers(0, 255, (24, 60, 3)).astype(np.uint8)
    big = cv2.resize(noise, (800, 240), interpolation=cv2.INTER_CUBIC)
    frames = np.stack([big[20:200, 3 * t : 3 * t + 320] for t in range(64)])
    video = np.concatenate([repeated(frames, (1, 1, 1, 2)), np.repeat(frames[-1:], 20, axis=0)])
    write_video(tmp_path / "a.mp4", video, 30)
    luma = np.stack([frame.gray((36, 64)) for frame in read(tmp_path / "a.mp4", probe(tmp_path / "a.mp4"))])
    assert cadence(luma[:80]) == Cadence(0.2, 5, 4)
    assert freeze_share(luma[-20:]) > 0.9
