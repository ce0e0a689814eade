"""ConSE and embeddings on photographs whose content is known."""

import numpy as np
import pytest
from photographs import CAPTIONS, photograph

from marey.errors import MareyError
from marey.signals import match
from marey.signals.embedding import Lite, centred, unit
from marey.signals.match import Conse


@pytest.fixture(scope="module")
def lite() -> Lite:
    return Lite()


@pytest.fixture(scope="module")
def conse(lite: Lite) -> Conse:
    return Conse(lite)


@pytest.fixture(scope="module")
def features(lite: Lite) -> np.ndarray:
    return lite.features([photograph(name) for name in CAPTIONS])


def test_the_classes_are_what_the_photographs_show(conse: Conse, features: np.ndarray) -> None:
    likeliest = dict(zip(CAPTIONS, conse.labels(features), strict=True))
    assert likeliest["coffee.png"][0][0] == "espresso"
    assert likeliest["camera.png"][0][0] == "tripod"
    assert "cat" in likeliest["chelsea.png"][0][0]
    assert "missile" in likeliest["rocket.jpg"][0][0]
    assert all(len(labels) == 10 and labels[0][1] >= labels[-1][1] > 0 for labels in likeliest.values())


def test_a_photograph_matches_its_own_caption_best_in_most_cases(conse: Conse, features: np.ndarray) -> None:
    cosines = conse.match(features, list(CAPTIONS.values())).T  # (pictures, captions)
    own = np.diag(cosines)
    assert (cosines.argmax(axis=1) == np.arange(8)).sum() >= 5
    assert (cosines.argmax(axis=0) == np.arange(8)).sum() >= 5
    others = cosines[~np.eye(8, dtype=bool)]
    assert own.mean() > others.mean() + 0.15
    assert np.abs(cosines).max() <= 1


def test_the_match_is_the_cosine_with_the_weighted_mean_of_labels(conse: Conse, features: np.ndarray) -> None:
    (labels,) = conse.labels(features[:1])
    vectors = conse._vectors([name for name, _ in labels])
    mean = sum(chance * vector for (_, chance), vector in zip(labels, vectors, strict=True))
    text = conse._vectors(["A rocket."])[0]
    expected = float(mean @ text / np.linalg.norm(mean))
    assert conse.match(features[:1], ["A rocket."])[0, 0] == pytest.approx(expected, abs=1e-6)


def test_a_pair_scores_the_same_whatever_stands_beside_it(conse: Conse, lite: Lite) -> None:
    pictures = [photograph(name) for name in ("coffee.png", "rocket.jpg")]
    texts = list(CAPTIONS.values())
    together = conse.match(lite.features(pictures), texts)
    alone = Conse(lite).match(lite.features(pictures[1:]), texts[3:4])
    assert alone[0, 0] == pytest.approx(together[3, 1], abs=1e-5)


def test_the_same_scene_is_near_and_others_are_far(lite: Lite, features: np.ndarray) -> None:
    picture = photograph("coffee.png")
    small = picture[10:-10:2, 15:-15:2]
    again = unit(lite.features([small])) @ unit(features).T
    assert again.argmax() == list(CAPTIONS).index("coffee.png")
    assert again.max() > 0.85
    assert np.sort(again[0])[-2] < 0.6


def test_the_square_is_the_middle_of_the_picture() -> None:
    wide = np.zeros((40, 100, 3), np.uint8)
    wide[:, 30:70] = 200
    assert centred(wide, 20).shape == (20, 20, 3)
    assert centred(wide, 20).min() == 200
    assert centred(wide.transpose(1, 0, 2), 60).min() == 200


def test_torch_keeps_the_threads_it_had(lite: Lite) -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        lite.features([photograph("coffee.png")])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_other_labels_are_refused(lite: Lite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(match, "_LABELS_SHA256", "0" * 64)
    with pytest.raises(MareyError, match="not the pinned 000"):
        Conse(lite)
