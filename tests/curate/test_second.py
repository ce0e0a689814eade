"""The second opinion: what is made of its answers, alone and together with our own detector."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from counting import counted
from panning import shot

from marey.curate import find_cuts, second
from marey.curate.second import POSSIBLE, agreed_transitions
from marey.curate.transitions import Places, Transition, find_transitions
from marey.errors import MissingExtra
from marey.media import write_video
from marey.recipe import Transitions
from marey.signals import shotnet
from marey.worlds.edits import Join, compose

Signature = tuple[np.ndarray, np.ndarray]
ALONE = Transitions(second="transnetv2", how="alone")
FUSED = Transitions(second="transnetv2", how="fused")


@pytest.fixture(scope="module")
def signature() -> Signature:
    """Of shots of 50 frames with a cut, a dissolve of 12 frames, and a fade of as many."""
    joins = [Join("cut"), Join("dissolve", 12), Join("fade", 12, "black")]
    video, truth = compose([shot(40 + n, 50) for n in range(4)], joins)
    assert [(one.a_end, one.b_start) for one in truth] == [(49, 50), (87, 100), (125, 138)]
    planes = [cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb) for frame in video]
    luma = np.stack([cv2.resize(plane[..., 0], (64, 36), interpolation=cv2.INTER_AREA) for plane in planes])
    chroma = np.stack([cv2.resize(plane[..., [2, 1]], (32, 18), interpolation=cv2.INTER_AREA) for plane in planes])
    return luma, chroma


def saying(count: int, ends: dict[int, float], inside: tuple[int, int] | None = None) -> np.ndarray:
    """Answers of the network: probabilities of ends by frame, and the frames that it marks, both included."""
    said = np.zeros((count, 2), np.float32)
    for frame, probability in ends.items():
        said[frame] = probability
    if inside:
        said[inside[0] : inside[1] + 1, 1] = 0.9
    return said


def found(signature: Signature, said: np.ndarray | None, settings: Transitions) -> list[Transition]:
    return agreed_transitions(*signature, said, 25, settings)


def test_where_none_is_asked_it_changes_nothing(signature: Signature) -> None:
    ours = find_transitions(*signature, 25, Transitions())
    everywhere = np.ones((len(signature[0]), 2), np.float32)
    assert len(ours) == 3
    assert found(signature, everywhere, Transitions()) == ours
    assert found(signature, None, ALONE) == ours, "it could not be had"


def test_fused_it_takes_nothing_away_and_invents_nothing(signature: Signature) -> None:
    count = len(signature[0])
    ours = find_transitions(*signature, 25, Transitions())
    assert found(signature, np.zeros((count, 2), np.float32), FUSED) == ours
    everywhere = found(signature, np.ones((count, 2), np.float32), FUSED)
    low = Transitions(cut=POSSIBLE, gradual=POSSIBLE)
    assert {(one.a_end, one.b_start) for one in everywhere} <= {
        (one.a_end, one.b_start) for one in [*ours, *find_transitions(*signature, 25, low)]
    }
    assert set(ours) <= set(everywhere)


def test_fused_it_brings_back_what_a_threshold_took(signature: Signature) -> None:
    count = len(signature[0])
    strict = FUSED.model_copy(update={"cut": 0.9999, "gradual": 0.9999})
    assert [one.kind for one in found(signature, np.zeros((count, 2), np.float32), strict)] == []
    cut, dissolve, _ = find_transitions(*signature, 25, Transitions())
    assert found(signature, saying(count, {49: 0.8}), strict) == [cut]
    assert found(signature, saying(count, {49: 0.8, 93: 0.7}), strict) == [cut, dissolve]
    assert found(signature, saying(count, {49: 0.4, 20: 0.9}), strict) == []
    surer = strict.model_copy(update={"second_sure": 0.75})
    assert found(signature, saying(count, {49: 0.8, 93: 0.7}), surer) == [cut]


def test_fused_what_it_says_of_one_place_speaks_for_no_place_beside_it(
    signature: Signature, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut, slow = Transition("cut", 49, 50, 0.9), Transition("wipe", 50, 70, 0.3)
    answers = {0.5: [cut], POSSIBLE: [cut, slow]}
    monkeypatch.setattr(second, "find_transitions", lambda luma, chroma, fps, settings: answers[settings.gradual])
    monkeypatch.setattr(
        second, "find_places", lambda luma, chroma, fps, settings: Places(answers[settings.gradual], [])
    )
    count = len(signature[0])
    for beside in (48, 49, 50):
        assert found(signature, saying(count, {beside: 0.9}), FUSED) == [cut]
    assert found(signature, saying(count, {49: 0.9, 60: 0.9}), FUSED) == [cut, slow]


def test_alone_a_frame_by_itself_is_a_cut_and_frame_0_is_none(signature: Signature) -> None:
    count = len(signature[0])
    answers = found(signature, saying(count, {0: 0.9, 20: 0.75, 49: 0.6, count - 1: 0.9}), ALONE)
    assert answers == [Transition("cut", 20, 21, 0.75), Transition("cut", 49, 50, 0.6)]


def test_alone_the_second_head_gives_the_ends_and_our_features_the_kind(signature: Signature) -> None:
    count = len(signature[0])
    for kind, inside in (("dissolve", (88, 99)), ("fade", (126, 137)), ("dissolve", (10, 21))):
        middle = sum(inside) // 2
        (one,) = found(signature, saying(count, {middle: 0.8, middle + 1: 0.7}, inside), ALONE)
        assert (one.kind, one.a_end, one.b_start) == (kind, inside[0] - 1, inside[1] + 1)
        assert one.confidence == pytest.approx(0.8)


def test_alone_the_halves_of_a_fade_are_one(signature: Signature) -> None:
    said = saying(len(signature[0]), {128: 0.6, 134: 0.8}, (126, 137))
    assert found(signature, said, ALONE) == [Transition("fade", 125, 138, 0.8)]


def test_it_is_fed_from_the_same_decode(tmp_path: Path) -> None:
    video, (truth,) = compose([shot(1, 20), shot(2, 20)], [Join("cut")])
    write_video(tmp_path / "two.mp4", video, 25)
    with counted() as count:
        answers = find_cuts(tmp_path / "two.mp4", settings=ALONE, threads=1)
    assert (count.pictures, count.seeks) == (40, 0)
    ((kind, a_end, b_start),) = [(one.kind, one.a_end, one.b_start) for one in answers.transitions]
    assert (kind, a_end, b_start) == ("cut", truth.a_end, truth.b_start)


def test_without_its_extra_nothing_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "one.mp4", shot(1, 20), 25)
    monkeypatch.setattr(shotnet, "_PACKAGE", "no_such_package_of_shots")
    with counted() as count, pytest.raises(MissingExtra, match=r"marey\[shots\]"):
        find_cuts(tmp_path / "one.mp4", settings=FUSED)
    assert count.pictures == 0
