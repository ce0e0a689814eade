"""The judge: weights that fit the evidence, and evidence that does not ask how bright a shot is."""

from pathlib import Path

import numpy as np
import pytest
from panning import shot
from safetensors.numpy import load_file, save_file
from test_transitions import signature

from marey.curate.candidate import Candidate
from marey.curate.evidence import NAMES, evidence
from marey.curate.features import Area, Features
from marey.curate.judge import FILE, WAYS, Judge, judges
from marey.worlds.edits import Join, compose


def features(video: np.ndarray) -> Features:
    luma, chroma = signature(video)
    return Features(luma, chroma, Area.of(luma))


def numbers(video: np.ndarray, a_end: int, b_start: int) -> dict[str, float]:
    return dict(zip(NAMES, evidence(features(video), Candidate("wipe", a_end, b_start, 0.5, 0.5)), strict=True))


def test_the_weights_fit_the_evidence() -> None:
    for way in WAYS:
        judge = judges()[way]
        assert judge.mean.shape == judge.deviation.shape == (len(NAMES),)
        assert judge.hidden.shape == (len(judge.weight), len(NAMES))
        assert (judge.deviation > 0).all()
        assert 0 <= judge.sure(judge.mean) <= 1
        assert judge.sure(np.full(len(NAMES), 1e9)) == judge.sure(np.full(len(NAMES), 1e7))


def test_weights_of_other_evidence_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "judge.safetensors"
    save_file(load_file(FILE), other, {"evidence": ",".join(NAMES[:-1])})
    with pytest.raises(ValueError, match="fitted on other evidence"):
        judges(other)


def test_a_judge_is_a_network_of_one_layer() -> None:
    judge = Judge(np.zeros(2), np.ones(2), np.array([[1.0, -1.0]]), np.zeros(1), np.array([2.0]), np.array([0.5]))
    assert judge.sure(np.array([1.0, 0.5])) == pytest.approx(1 / (1 + np.exp(-(2 * np.tanh(0.5) + 0.5))))


def test_evidence_is_a_number_at_every_place() -> None:
    video = np.concatenate([shot(1, 20), shot(2, 20)])
    made = features(video)
    for a, b in ((0, 1), (0, 39), (19, 20), (38, 39), (10, 30)):
        assert np.isfinite(evidence(made, Candidate("cut", a, b, 0.5, 0.5))).all()


def test_another_light_leaves_the_shape_and_another_shot_does_not() -> None:
    one, other = shot(3, 30, 0.0), shot(4, 30, 0.0)
    darker = (one * 0.5).astype(np.uint8)
    same = numbers(np.concatenate([one, darker]), 29, 30)
    cut = numbers(np.concatenate([one, other]), 29, 30)
    assert same["shape"] > 0.95
    assert same["alike_shifted"] > 0.9
    assert cut["shape"] < 0.6
    assert cut["alike_shifted"] < 0.4


def test_a_pan_and_a_zoom_are_seen_through() -> None:
    video = shot(5, 60, 1.0)
    panned = numbers(video, 10, 22)
    assert panned["alike"] < 0.5 < panned["alike_shifted"]


def test_what_something_hides_and_uncovers_is_known_again() -> None:
    video, other = shot(6, 60, 0.1), shot(7, 60, 0.1)
    hidden = video.copy()
    hidden[24:34] = other[24:34]
    passed = numbers(hidden, 23, 24)
    gone = numbers(np.concatenate([video[:24], other[24:]]), 23, 24)
    assert passed["back_shape"] > 0.95 > 0.7 > gone["back_shape"]
    assert passed["back_alike"] > 0.9 > 0.5 > gone["back_alike"]
    assert passed["back_colours_more"] > gone["back_colours_more"] + 0.1


def test_a_push_is_two_pictures_that_move_along() -> None:
    for detail, sign in (("push", 1), ("left", 0)):
        video, (truth,) = compose([shot(8, 40, 0.1), shot(9, 40, 0.1)], [Join("wipe", 15, detail)])
        seen = numbers(video, truth.a_end, truth.b_start)
        assert (seen["pushed"] < -1.5) == bool(sign)
        if sign:
            assert 0.3 < seen["pushed_far"] < 0.7
        turned = numbers(video.transpose(0, 2, 1, 3), truth.a_end, truth.b_start)
        assert (turned["pushed"] < -1.5) == bool(sign)
