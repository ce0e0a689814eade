"""Every metric that needs no network, by what must not change it, what must make it worse step by step, and closed
forms; with controls that a constant would fail."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from marey.errors import MareyError
from marey.evaluate.baselines import loop_place
from marey.evaluate.dimensions import MEASURES
from marey.evaluate.frames import mse, psnr, psnr_of
from marey.evaluate.measure import Subject
from marey.evaluate.metrics import FAMILIES, METRICS, Scorer, chosen
from marey.evaluate.models import Models
from marey.evaluate.views import View

from .moving import pan, texture

PLAIN = [name for name, metric in METRICS.items() if not metric.models and "text" not in metric.needs]
JUDGED = [name for name in PLAIN if "truth" in METRICS[name].needs]
FPS = 8.0


def scored(video: np.ndarray, truth: np.ndarray | None = None, names=None, given: int = 0) -> dict[str, float]:
    names = names or [name for name in PLAIN if truth is not None or "truth" not in METRICS[name].needs]
    scorer = Scorer(names, Subject(Models(), "", FPS), given=given)
    for n, frame in enumerate(video):
        scorer.add(View(frame, n / FPS), None if truth is None else View(truth[n], n / FPS))
    return scorer.values()


def worse(name: str, values: list[float]) -> bool:
    """Whether each step is worse than the one before, clearly so at the end."""
    falls = METRICS[name].better == "higher"
    signed = [-value if falls else value for value in values]
    return all(b >= a - 1e-9 for a, b in pairwise(signed)) and signed[-1] > signed[0] + 1e-3


def noisy(video: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=video.shape)
    return np.clip(video + sigma * noise, 0, 255).astype(np.uint8)


def blurred(video: np.ndarray, sigma: float) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in video])


def turn(step: int, frames: int = 8, side: int = 96) -> np.ndarray:
    """A pan to the right by `step` pixels a frame."""
    return pan(step, 0, frames, side) if side <= 64 else _wide(step, frames, side)


def _wide(step: int, frames: int, side: int) -> np.ndarray:
    wide = texture(side=400)
    return np.stack([wide[60:, 250 - n * step :][:side, :side] for n in range(frames)])


def test_ids_are_unique_and_each_metric_speaks_for_itself() -> None:
    ids = [measure.about.id for measure in MEASURES]
    assert len(set(ids)) == len(ids) == len(METRICS)
    for metric in METRICS.values():
        assert "/" in metric.id
        assert metric.says.endswith(".")
        assert not metric.id.startswith(("fvd", "clipscore")), "a stand-in bears no other's name"


def test_the_truth_itself_is_perfect_by_all_that_know_it() -> None:
    true = turn(3)
    found = scored(true, true)
    for name in JUDGED:
        perfect = {"psnr": 100.0, "psnr_video": 100.0}.get(name, 1.0 if METRICS[name].better == "higher" else 0.0)
        assert found[name] == pytest.approx(perfect, abs=1e-6), name


def test_a_still_is_perfectly_consistent_and_does_not_move() -> None:
    still = np.repeat(turn(0)[:1], 8, axis=0)
    found = scored(still)
    for name in ("flicker", "smoothness", "background_consistency"):
        assert found[name] == pytest.approx(1.0)
    for name in ("motion", "camera_motion", "object_motion", "dynamic_degree", "warp_error"):
        assert found[name] == pytest.approx(0.0, abs=1e-6)


def test_black_and_white_in_turn_is_the_worst_flicker() -> None:
    turns = np.stack([np.full((64, 64, 3), 255 * (n % 2), np.uint8) for n in range(6)])
    assert scored(turns, names=["flicker"])["flicker"] == 0.0
    assert scored(turns, names=["smoothness"])["smoothness"] == 0.0


def test_flicker_is_the_formula() -> None:
    video = noisy(turn(2), 12)
    changes = np.abs(np.diff(video.astype(float), axis=0)).mean(axis=(1, 2, 3))
    assert scored(video, names=["flicker"])["flicker"] == pytest.approx((255 - changes.mean()) / 255)


def test_consistency_is_vbenchs_formula() -> None:
    from marey.evaluate.dimensions.likeness import border, cosine

    video = noisy(turn(6), 20)
    vectors = [border(View(frame)) for frame in video]
    expected = np.mean(
        [0.5 * (max(0.0, cosine(v, before)) + max(0.0, cosine(v, vectors[0]))) for before, v in pairwise(vectors)]
    )
    found = scored(video, names=["background_consistency"])["background_consistency"]
    assert found == pytest.approx(expected)
    assert found < 0.999


@pytest.mark.parametrize("name", ["psnr", "psnr_video", "ssim", "ssim_tf", "ssim_torchmetrics", "ssim_zero",
                                  "ssim_skimage", "difference", "flow_error"])  # fmt: skip
def test_more_noise_is_worse(name: str) -> None:
    true = turn(3)
    assert worse(name, [scored(noisy(true, s), true, [name])[name] for s in (0, 4, 12, 36)])


@pytest.mark.parametrize("name", ["psnr", "ssim", "ssim_tf", "ssim_skimage", "difference"])
def test_more_blur_is_worse(name: str) -> None:
    true = turn(3)
    assert worse(name, [scored(blurred(true, s), true, [name])[name] for s in (0.3, 1, 2, 5)])


@pytest.mark.parametrize("name", ["flicker", "smoothness", "background_consistency"])
def test_more_noise_is_less_consistent(name: str) -> None:
    still = np.repeat(turn(0)[:1], 8, axis=0)
    steps = []
    for sigma in (0, 6, 20, 60):
        noise = np.random.default_rng(1).normal(size=still.shape)
        steps.append(scored(np.clip(still + sigma * noise, 0, 255).astype(np.uint8), names=[name])[name])
    assert worse(name, steps)


@pytest.mark.parametrize("name", ["looks", "clarity"])
def test_looks_fall_with_noise_and_blur(name: str) -> None:
    sharp = np.repeat(cv2.resize(texture(side=64), (160, 160), interpolation=cv2.INTER_NEAREST)[None], 2, axis=0)
    assert worse(name, [scored(noisy(sharp, s), names=[name])[name] for s in (0, 10, 40)])
    assert worse(name, [scored(blurred(sharp, s), names=[name])[name] for s in (0.3, 2, 6)])


@pytest.mark.parametrize("name", ["difference", "flow_error", "psnr", "smoothness", "flicker"])
def test_shuffled_frames_are_worse(name: str) -> None:
    true = turn(4)
    order = np.array([3, 6, 1, 7, 0, 4, 2, 5])
    apart = scored(true[order], true, [name])[name], scored(true, true, [name])[name]
    assert worse(name, [apart[1], apart[0]])


@pytest.mark.parametrize("name", ["difference", "flow_error", "motion_error", "camera_match", "psnr"])
def test_a_freeze_is_seen_by_all_that_know_the_truth(name: str) -> None:
    true = turn(4)
    frozen = np.repeat(true[:1], len(true), axis=0)
    assert worse(name, [scored(true, true, [name])[name], scored(frozen, true, [name])[name]])


def test_motion_is_the_number_of_pixels() -> None:
    for step in (1, 2, 4):
        found = scored(turn(step))
        assert found["motion"] == pytest.approx(step, rel=0.2)
        assert found["camera_motion"] == pytest.approx(step, rel=0.2), "a pan is the camera's"
        assert found["object_motion"] < 0.3 * step


def test_the_dynamic_degree_turns_where_vbench_says() -> None:
    """At a short side of 96 the threshold is 6 * 96 / 256 = 2.25 pixels a pair."""
    assert scored(turn(1), names=["dynamic_degree"])["dynamic_degree"] == 0.0
    assert scored(turn(4), names=["dynamic_degree"])["dynamic_degree"] == 1.0


def test_the_camera_matches_only_where_it_goes_the_same_way() -> None:
    right, left = turn(3), turn(3)[::-1]
    assert scored(right, right, ["camera_match"])["camera_match"] == 1.0
    assert scored(np.ascontiguousarray(left), right, ["camera_match"])["camera_match"] == 0.0


def test_an_offset_that_stays_is_no_change() -> None:
    true = np.clip(turn(3), 0, 200)
    found = scored(true + np.uint8(30), true)
    assert found["difference"] == 0.0
    assert found["flow_error"] < 0.05
    assert found["psnr"] == pytest.approx(psnr_of(900.0), abs=1e-6)


def test_mirroring_both_changes_nothing() -> None:
    true, shown = turn(3), noisy(turn(2), 8)
    plain = scored(shown, true)
    mirrored = scored(np.ascontiguousarray(shown[:, :, ::-1]), np.ascontiguousarray(true[:, :, ::-1]))
    for name in PLAIN:
        assert mirrored[name] == pytest.approx(plain[name], rel=0.05, abs=0.02), name


def test_a_single_bad_frame_weighs_on_the_mean_error() -> None:
    true = turn(2)
    shown = true.copy()
    shown[3] = 255 - shown[3]
    found = scored(shown, true, ["psnr", "psnr_video"])
    assert found["psnr"] > 80
    assert found["psnr_video"] == pytest.approx(psnr_of(np.mean([mse(a, b) for a, b in zip(shown, true, strict=True)])))
    assert found["psnr_video"] < 30
    assert found["psnr"] == pytest.approx(np.mean([psnr(a, b) for a, b in zip(shown, true, strict=True)]))


def test_what_was_given_is_not_scored() -> None:
    true = turn(2)
    shown = true.copy()
    shown[0] = 0
    assert scored(shown, true, ["psnr"], given=1)["psnr"] == 100
    assert scored(shown, true, ["psnr"])["psnr"] < 100


def test_too_few_frames_leave_a_metric_out() -> None:
    assert "smoothness" not in scored(turn(2)[:2])
    assert "motion" in scored(turn(2)[:2])
    with pytest.raises(MareyError, match="cannot be scored"):
        scored(turn(2)[:1])


def test_the_loop_goes_to_and_fro() -> None:
    assert [loop_place(n, 3) for n in range(7)] == [0, 1, 2, 1, 0, 1, 2]
    assert [loop_place(n, 1) for n in range(3)] == [0, 0, 0]


def test_words_choose_metrics() -> None:
    assert chosen(["movement"]) == [name for name, metric in METRICS.items() if metric.family == "movement"]
    assert chosen(["ssim", "psnr"]) == ["psnr", "ssim"]
    assert set(chosen(["all"])) == set(METRICS)
    assert chosen(["dynamic-degree", "smoothness"]) == ["motion", "dynamic_degree", "smoothness"]
    with pytest.raises(MareyError, match="'psnr' is near"):
        chosen(["psnrr"])


def test_no_family_is_called_like_a_metric() -> None:
    assert not set(FAMILIES) & set(METRICS)
    assert {metric.family for metric in METRICS.values()} == set(FAMILIES)
    assert chosen(["motion"]) == ["motion"]
