"""Retrieval: closed forms, ceilings and chance."""

import numpy as np
import pytest

from marey.evaluate.retrieval import paired_retrieval, retrieval


def test_one_who_knows_all_finds_all_and_the_strict_protocol_says_what_cannot_be_known() -> None:
    texts = ["a", "b", "b", "c"] * 5
    knows = np.equal.outer(np.array(texts), np.array(texts)).astype(float)
    for to in ("text", "video"):
        told = retrieval(knows, texts, to=to)
        assert [told.recall[k].value for k in (1, 5, 10)] == [1, 1, 1]
        assert told.median_rank == 1
    told = retrieval(knows, texts, to="text")
    assert (told.queries, told.candidates) == (20, 3)
    told = retrieval(knows, texts, to="video")
    assert (told.queries, told.candidates) == (3, 20)
    strict = paired_retrieval(knows + 1e-3 * np.random.default_rng(0).random((20, 20)), texts, to="text")
    assert strict.ceiling == {1: pytest.approx((10 / 5 + 10 / 10) / 20), 5: pytest.approx(0.75), 10: 1.0}
    assert strict.recall[10].value == 1
    assert strict.recall[1].value < 0.5


@pytest.mark.parametrize("to", ["text", "video"])
def test_noise_is_at_chance(to: str) -> None:
    rng = np.random.default_rng(1)
    texts = [f"text {n % 120}" for n in range(200)]
    told = [retrieval(rng.random((200, 200)), texts, to=to) for _ in range(30)]
    for k in (1, 5, 10):
        mean = np.mean([one.recall[k].value for one in told])
        assert mean == pytest.approx(told[0].chance[k], abs=0.012)


def test_who_gives_all_the_same_score_finds_nothing() -> None:
    texts = [str(n) for n in range(30)]
    told = retrieval(np.zeros((30, 30)), texts, to="text")
    assert told.recall[10].value == 0
    assert told.median_rank == 30


def test_shuffled_pairs_fall_to_chance() -> None:
    rng = np.random.default_rng(2)
    texts = [str(n) for n in range(300)]
    features = rng.normal(size=(300, 32))
    near = features @ (features + 0.3 * rng.normal(size=features.shape)).T
    assert retrieval(near, texts, to="text").recall[1].value > 0.9
    shuffled = retrieval(near[:, rng.permutation(300)], texts, to="text")
    low, high = shuffled.recall[10].low, shuffled.recall[10].high
    assert low is not None
    assert high is not None
    assert low <= shuffled.chance[10] <= high


def test_ranks_by_hand() -> None:
    scores = np.array([[0.9, 0.1, 0.2], [0.8, 0.5, 0.1], [0.3, 0.2, 0.1]])
    told = retrieval(scores, ["x", "y", "z"], to="text")  # ranks 1, 2, 3
    assert told.recall[1].value == pytest.approx(1 / 3)
    assert told.median_rank == 2
    assert told.chance[1] == pytest.approx(1 / 3)
    assert told.chance[5] == 1


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="to is 'sound'"):
        retrieval(np.zeros((2, 2)), ["a", "b"], to="sound")
    with pytest.raises(ValueError, match=r"\(2, 3\) of 2 texts"):
        retrieval(np.zeros((2, 3)), ["a", "b"], to="text")
