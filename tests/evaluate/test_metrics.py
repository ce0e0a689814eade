import cv2
import numpy as np
import pytest

from marey.errors import MareyError
from marey.evaluate.frames import psnr, ssim
from marey.evaluate.metrics import CONTINUATION, Scorer, mean_motion, scores
from marey.evaluate.views import View

from .moving import pan


def test_the_given_frame_is_not_scored() -> None:
    true = pan(2, 1)
    spoiled = true.copy()
    spoiled[0] = 255 - spoiled[0]
    assert scores(spoiled, true)["psnr"] == 100.0
    assert scores(spoiled, true)["ssim"] == pytest.approx(1.0)
    assert scores(spoiled, true, given=0)["psnr"] < 80
    assert scores(spoiled, true)["difference"] > 0, "the first change starts from the given frame"


def test_each_metric_is_the_mean_over_the_scored_frames() -> None:
    true, shown = pan(2, 1), pan(1, 1)
    found = scores(shown, true)
    assert found["psnr"] == pytest.approx(np.mean([psnr(a, b) for a, b in zip(shown[1:], true[1:], strict=True)]))
    assert found["ssim"] == pytest.approx(np.mean([ssim(a, b) for a, b in zip(shown[1:], true[1:], strict=True)]))
    changes = np.abs(np.diff(shown.astype(float), axis=0) - np.diff(true.astype(float), axis=0))
    assert found["difference"] == pytest.approx(changes.mean())
    assert found["motion"] == pytest.approx(mean_motion(shown))
    assert found["motion_error"] == pytest.approx(abs(mean_motion(shown) - mean_motion(true)))
    assert list(found) == list(CONTINUATION)


def test_the_truth_itself_is_perfect() -> None:
    true = pan(2, 1)
    assert scores(true, true) == {
        "psnr": 100.0,
        "ssim": pytest.approx(1.0),
        "difference": 0.0,
        "motion_error": 0.0,
        "motion": pytest.approx(mean_motion(true)),
    }


def test_a_freeze_is_seen_by_motion_and_not_by_a_spoiled_still_alone() -> None:
    true = pan(3, 0)
    frozen = np.repeat(true[:1], len(true), axis=0)
    blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), 2) for frame in true])
    frozen_scores, blurred_scores = scores(frozen, true), scores(blurred, true)
    assert frozen_scores["motion"] == 0.0
    assert frozen_scores["motion_error"] == pytest.approx(mean_motion(true))
    assert blurred_scores["motion_error"] < 0.3 * frozen_scores["motion_error"]


def test_more_noise_is_worse_by_every_picture_metric() -> None:
    true = pan(2, 0)
    noise = np.random.default_rng(0).normal(size=true.shape)
    ladder = [scores(np.clip(true + s * noise, 0, 255).astype(np.uint8), true) for s in (1, 4, 16, 48)]
    for name in ("psnr", "ssim"):
        values = [one[name] for one in ladder]
        assert values == sorted(values, reverse=True)
    assert [one["difference"] for one in ladder] == sorted(one["difference"] for one in ladder)


def test_frame_by_frame_is_the_same_as_at_once() -> None:
    true, shown = pan(2, 1), pan(1, 0)
    scorer = Scorer()
    for a, b in zip(shown, true, strict=True):
        scorer.add(View(a), View(b))
    assert scorer.values() == scores(shown, true)


def test_what_cannot_be_scored_is_refused() -> None:
    true = pan(2, 1)
    with pytest.raises(MareyError, match="cannot be scored"):
        scores(true[:1], true[:1])
    with pytest.raises(MareyError, match="cannot be scored against"):
        scores(true[:2], true)
    with pytest.raises(MareyError, match="fewer than two frames"):
        mean_motion(true[:1])
