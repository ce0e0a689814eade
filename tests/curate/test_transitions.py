"""Transitions: found where they are, of their kind, and not found where there are none."""

import cv2
import numpy as np
import pytest
from panning import HEIGHT, WIDTH, shot

from marey.curate import transitions
from marey.curate.transitions import find_places, find_transitions, shots
from marey.recipe import Transitions
from marey.worlds.confounders import KINDS, confound
from marey.worlds.edits import EASES, WIPES, Join, compose, draw


def signature(video: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    planes = [cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb) for frame in video]
    luma = np.stack([cv2.resize(plane[..., 0], (64, 36), interpolation=cv2.INTER_AREA) for plane in planes])
    chroma = np.stack([cv2.resize(plane[..., [2, 1]], (32, 18), interpolation=cv2.INTER_AREA) for plane in planes])
    return luma, chroma


def found(video: np.ndarray, **settings: float) -> list[tuple[str, int, int]]:
    return [
        (one.kind, one.a_end, one.b_start) for one in find_transitions(*signature(video), 25, Transitions(**settings))
    ]


def test_hard_cuts_are_exact() -> None:
    video, truth = compose([shot(seed, 30 + seed) for seed in range(6)], [Join("cut")] * 5)
    assert found(video) == [("cut", one.a_end, one.b_start) for one in truth]


@pytest.mark.parametrize("frames", [6, 10, 18])
@pytest.mark.parametrize(("kind", "detail"), [("dissolve", ""), ("fade", "black"), ("fade", "white"), ("wipe", "left")])
def test_gradual_transitions_have_their_kind_and_both_ends(kind: str, detail: str, frames: int) -> None:
    video, (truth,) = compose([shot(31, 60), shot(32, 60)], [Join(kind, frames, detail)])
    ((found_kind, a_end, b_start),) = found(video)
    assert found_kind == kind
    assert abs(a_end - truth.a_end) <= 4
    assert abs(b_start - truth.b_start) <= 4


def test_a_long_mixed_edit() -> None:
    rng = np.random.default_rng(5)
    kinds = ["cut", "dissolve", "cut", "fade", "wipe", "cut", "cut", "dissolve", "cut", "fade"]
    joins = [
        Join(kind)
        if kind == "cut"
        else Join(kind, int(rng.integers(6, 20)), {"fade": "black", "wipe": "up"}.get(kind, ""))
        for kind in kinds
    ]
    video, truth = compose([shot(100 + n, 60) for n in range(11)], joins)
    hits = [one for one in truth if any(a < one.b_start and one.a_end < b for _, a, b in found(video))]
    assert len(hits) >= 9
    assert len(found(video)) <= 11


@pytest.mark.parametrize("speed", [0.0, 0.5, 2.5])
def test_one_shot_has_no_transition(speed: float) -> None:
    assert found(shot(7, 90, speed if speed < 2 else 1.2)) == []


def test_a_flash_is_no_transition() -> None:
    video = shot(8, 80)
    video[40:42] = 255
    assert found(video) == []


def test_a_freeze_and_a_change_of_light_are_none() -> None:
    video = shot(9, 90)
    assert found(np.concatenate([video[:30], video[30:31].repeat(20, axis=0), video[30:]])) == []
    video = shot(9, 90, 0.1)
    ramp = np.concatenate([np.ones(30), np.linspace(1, 0.6, 30), np.full(30, 0.6)])
    assert found((video * ramp[:, None, None, None]).astype(np.uint8)) == []


def test_thresholds_only_take_away() -> None:
    video, _ = compose([shot(seed, 30) for seed in range(5)], [Join("cut")] * 4)
    assert set(found(video, cut=0.99)) <= set(found(video, cut=0.2))
    assert len(found(video, cut=0.2)) == 4


def test_shots_are_trimmed_at_both_ends_of_a_transition_and_of_the_footage() -> None:
    video, (truth,) = compose([shot(11, 50), shot(12, 50)], [Join("fade", 12, "black")])
    black = np.zeros((6, HEIGHT, WIDTH, 3), np.uint8)
    video = np.concatenate([black, video, black])
    luma, chroma = signature(video)
    transitions = find_transitions(luma, chroma, 25, Transitions())
    (first, second) = shots(len(luma), transitions, luma)
    assert first[0] == 6
    assert second[1] == len(video) - 7
    assert first[1] < 6 + truth.a_end
    assert second[0] > 6 + truth.b_start


def test_too_short_for_anything() -> None:
    assert found(shot(1, 3)) == []


def test_the_length_of_a_footage_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    kinds = ["cut", "dissolve", "fade", "wipe", "cut", "cut", "dissolve", "cut", "wipe", "cut"]
    joins = [Join("cut") if kind == "cut" else draw(rng, kind, longest=25) for kind in kinds]
    video, _ = compose([shot(40 + n, 75) for n in range(11)], joins)
    whole = found(video)
    assert len(whole) >= 9
    for frames in (64, 101, 230):
        monkeypatch.setattr(transitions, "CHUNK", frames)
        assert found(video) == whole


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_laid_over_one_shot_is_no_transition(kind: str) -> None:
    for seed in range(4):
        video, _ = confound(shot(60 + seed, 90), kind, np.random.default_rng(seed), first=35)
        assert found(video) == [], seed


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_beside_it_is_found_all_the_same(kind: str) -> None:
    laid, _ = confound(shot(70, 60), kind, np.random.default_rng(3), first=15)
    assert ("cut", 59, 60) in found(np.concatenate([laid, shot(71, 40)]))


def test_bars_do_not_make_two_shots_alike() -> None:
    video = np.concatenate([shot(80, 40), shot(81, 40)])
    video[:, :16] = video[:, -16:] = 0
    assert found(video) == [("cut", 39, 40)]
    video[:, :, :24] = video[:, :, -24:] = 0
    assert found(video) == [("cut", 39, 40)]


def test_a_dissolve_between_moving_shots_has_exact_ends() -> None:
    for seed in (90, 92, 94):
        video, (truth,) = compose([shot(seed, 70, 1.0), shot(seed + 1, 70, -0.1)], [Join("dissolve", 20)])
        ((kind, a_end, b_start),) = found(video)
        assert kind == "dissolve"
        assert abs(a_end - truth.a_end) <= 2
        assert abs(b_start - truth.b_start) <= 2


def test_a_fade_that_is_held_has_exact_ends() -> None:
    video, (truth,) = compose([shot(96, 60), shot(97, 60)], [Join("fade", 21, "black")])
    dark = truth.a_end + 11
    held = np.concatenate([video[:dark], video[dark : dark + 1].repeat(30, axis=0), video[dark:]])
    held[dark : dark + 30] = 0
    ((kind, a_end, b_start),) = found(held)
    assert kind == "fade"
    assert abs(a_end - truth.a_end) <= 1
    assert abs(b_start - truth.b_start - 30) <= 1


def test_twice_the_frame_rate_finds_the_same_moments() -> None:
    rng = np.random.default_rng(8)
    joins = [Join("dissolve", 24), Join("cut"), Join("fade", 16, "white"), Join("cut")]
    video, truth = compose([shot(100 + n, 80, 0.2) for n in range(5)], joins, rng)
    fast = find_transitions(*signature(video.repeat(2, axis=0)), 60, Transitions())
    assert [one.kind for one in fast] == ["dissolve", "cut", "fade", "cut"]
    for one, two in zip(fast, truth, strict=True):
        assert abs(one.a_end - 2 * two.a_end) <= 4
        assert abs(one.b_start - 2 * two.b_start) <= 4


@pytest.mark.parametrize("detail", WIPES)
def test_a_wipe_of_any_form_is_found(detail: str) -> None:
    video, (truth,) = compose([shot(110, 60, 0.2), shot(111, 60, 0.2)], [Join("wipe", 14, detail)])
    ((_, a_end, b_start),) = found(video)
    assert abs(a_end - truth.a_end) <= 4
    assert abs(b_start - truth.b_start) <= 4


@pytest.mark.parametrize("ease", EASES)
@pytest.mark.parametrize(("kind", "detail"), [("dissolve", ""), ("fade", "black")])
def test_the_slow_end_of_a_transition_belongs_to_it(kind: str, detail: str, ease: str) -> None:
    video, (truth,) = compose([shot(112, 70, 0.1), shot(113, 70, 0.1)], [Join(kind, 31, detail, ease=ease)])
    ((found_kind, a_end, b_start),) = found(video)
    assert found_kind == kind
    assert -5 <= a_end - truth.a_end <= 2
    assert -2 <= b_start - truth.b_start <= 5


def test_a_cut_to_black_and_one_out_of_it_are_one_transition() -> None:
    first, second = shot(114, 40), shot(115, 40)
    video = np.concatenate([first, np.zeros((6, *first.shape[1:]), np.uint8), second])
    assert found(video) == [("fade", 39, 46)]


def test_a_zoom_in_a_light_that_changes_is_one_shot() -> None:
    big = shot(116, 1)[0]
    frames = []
    for n in range(90):
        turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 0, 1.5 * 1.006**n)
        light = 1 - 0.5 * np.sin(np.pi * np.clip((n - 30) / 24, 0, 1))
        frames.append((cv2.warpAffine(big, turn, (WIDTH, HEIGHT)) * light).astype(np.uint8))
    assert found(np.stack(frames)) == []


def test_a_cut_between_two_views_with_the_same_colours_is_found() -> None:
    video = shot(117, 80, 0.2)
    video[40:] = video[40:, :, ::-1].copy()
    assert found(video) == [("cut", 39, 40)]


def test_a_place_in_doubt_divides_clips_and_is_no_transition() -> None:
    video, truth = compose([shot(seed, 40) for seed in (1, 2, 3)], [Join("cut"), Join("dissolve", 12)])
    luma, chroma = signature(video)
    sure = find_places(luma, chroma, 25, Transitions())
    assert [one.kind for one in sure.transitions] == ["cut", "dissolve"]
    assert abs(sure.transitions[1].a_end - truth[1].a_end) <= 4
    # With nothing sure enough, the same places are in doubt.
    doubted = find_places(luma, chroma, 25, Transitions(cut=0.9999, gradual=0.9999, doubt=0.2))
    places = sorted((one.a_end, one.b_start) for one in [*doubted.transitions, *doubted.doubts])
    assert places == [(one.a_end, one.b_start) for one in sure.transitions]
    assert doubted.doubts
    never = find_places(luma, chroma, 25, Transitions(doubt=0.5))
    assert never.doubts == []
    assert never.transitions == sure.transitions
