"""Groups of near-duplicates against the slow way, and on photographs that were changed."""

from itertools import combinations

import cv2
import numpy as np
import pytest
from photographs import CAPTIONS, photograph

from marey.signals import near
from marey.signals.embedding import Lite, unit
from marey.signals.hashes import hamming, perceptual_hash
from marey.signals.near import Rule, near_groups


def slow(hashes: np.ndarray, hashed: np.ndarray, vectors: np.ndarray, rule: Rule) -> list[int]:
    """Pair by pair, and the least index that can be reached from each."""
    label = list(range(len(hashes)))
    units = unit(vectors)
    for i, j in combinations(range(len(hashes)), 2):
        if not (hashed[i] and hashed[j]):
            continue
        bits = hamming(int(hashes[i]), int(hashes[j]))
        cosine = float(units[i] @ units[j]) if vectors[i].any() and vectors[j].any() else None
        together = bits <= rule.bits and (cosine is None or cosine >= rule.contradicts)
        if cosine is not None:
            together |= bits <= rule.more_bits and cosine >= rule.agrees
            together |= cosine >= rule.same
        if together:
            old, new = max(label[i], label[j]), min(label[i], label[j])
            label = [new if one == old else one for one in label]
    return label


@pytest.mark.parametrize("seed", range(6))
def test_groups_are_those_that_the_slow_way_finds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "BLOCK", 16)
    rng = np.random.default_rng(seed)
    origin = rng.integers(0, 25, 70)
    hashes = rng.integers(0, 2**63, 25).astype(np.uint64)[origin]
    for n in range(70):
        for bit in rng.choice(64, rng.integers(0, 12), replace=False):
            hashes[n] ^= np.uint64(1) << np.uint64(bit)
    vectors = rng.normal(0, 1, (25, 12))[origin] + rng.normal(0, 0.25, (70, 12))
    vectors[rng.random(70) < 0.2] = 0
    hashed = rng.random(70) < 0.85
    found = near_groups(hashes, hashed, vectors.astype(np.float16), Rule())
    assert found.tolist() == slow(hashes, hashed, vectors.astype(np.float16), Rule())
    assert 10 < len(set(found.tolist())) < 65


def test_chains_across_blocks_end_in_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "BLOCK", 4)
    hashes = np.array([(1 << (6 * min(n, 10))) - 1 for n in (5, 3, 1, 0, 2, 4, 9, 7, 8, 6)], np.uint64)
    none = np.zeros((10, 0), np.float16)
    assert near_groups(hashes, np.ones(10, bool), none, Rule()).tolist() == [0] * 10
    assert near_groups(hashes, np.zeros(10, bool), none, Rule()).tolist() == list(range(10))


def test_nothing_is_no_group() -> None:
    assert near_groups(np.zeros(0, np.uint64), np.zeros(0, bool), np.zeros((0, 0)), Rule()).tolist() == []


def test_pictures_of_one_tone_are_like_no_other() -> None:
    flat = np.ones((3, 5), np.float16)
    assert near_groups(np.zeros(3, np.uint64), np.zeros(3, bool), flat, Rule()).tolist() == [0, 1, 2]


def test_equal_hashes_of_different_pictures_do_not_make_a_group_where_the_embeddings_contradict() -> None:
    vectors = np.array([[1, 0.1], [0.1, 1], [0, 0]], np.float16)
    labels = near_groups(np.zeros(3, np.uint64), np.array([True, True, False]), vectors, Rule())
    assert labels.tolist() == [0, 1, 2]


def test_changed_photographs_are_found_and_others_are_not() -> None:
    def jpeg(picture: np.ndarray) -> np.ndarray:
        data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 30])[1]
        return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]

    def cropped(picture: np.ndarray) -> np.ndarray:
        high, wide = (round(size * 0.025) for size in picture.shape[:2])
        return picture[high:-high, wide:-wide]

    changes = (
        jpeg,
        cropped,
        lambda picture: cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        lambda picture: np.clip(picture * 1.2 + 10, 0, 255).astype(np.uint8),
    )
    originals = [photograph(name) for name in CAPTIONS]
    pictures = originals + [np.ascontiguousarray(change(one)) for change in changes for one in originals]
    found = [perceptual_hash(cv2.cvtColor(one, cv2.COLOR_RGB2GRAY)) for one in pictures]
    hashed = np.array([one is not None for one in found])
    hashes = np.array([one or 0 for one in found], np.uint64)
    vectors = Lite().features(pictures).astype(np.float16)
    labels = near_groups(hashes, hashed, vectors, Rule())
    truth = np.arange(len(pictures)) % len(originals)
    assert all(truth[n] == truth[labels[n]] for n in range(len(pictures)))  # nothing is joined that differs
    again = labels[len(originals) :] == truth[len(originals) :]
    alone = near_groups(hashes, hashed, np.zeros((len(pictures), 0)), Rule())
    assert again.mean() >= 0.95
    assert again.sum() >= (alone[len(originals) :] == truth[len(originals) :]).sum()
