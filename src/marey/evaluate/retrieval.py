"""Retrieval: which text belongs to which video, and the other way round, judged by where the right one stands.

Texts repeat: a protocol that counts only the paired item as right asks for what cannot be told from the text, and has a
ceiling under 1. So each text and each video is a query once, an item that bears the same text is as right as the paired
one, and the ceiling of the strict protocol is told beside it.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from marey.evaluate.intervals import Interval, wilson

PROTOCOL = "retrieval/recall-distinct"
STRICT = "retrieval/recall-paired"
AT = (1, 5, 10)


@dataclass(frozen=True)
class Retrieval:
    """How often the right item is among the first k."""

    protocol: str
    queries: int
    candidates: int
    recall: dict[int, Interval]
    """By k: the share of queries, with Wilson's interval."""
    ceiling: dict[int, float]
    """By k: what one would reach who knows the texts perfectly, and nothing more."""
    chance: dict[int, float]
    """By k: what guessing reaches."""
    median_rank: float
    """Of the best right item, from 1."""


def retrieval(similarity: np.ndarray, texts: Sequence[Hashable], *, to: str, confidence: float = 0.95) -> Retrieval:
    """The protocol `PROTOCOL`: an item is right if it bears the query's text.

    Args:
        similarity: (N, N), of each video (row) to the text of each video (column); higher is nearer.
        texts: of each video.
        to: "text": each video looks for its text among the distinct texts; "video": each distinct text looks for a
            video that bears it.

    Raises:
        ValueError: another `to`, or sizes that do not fit.
    """
    _check(similarity, texts, to)
    first = {text: n for n, text in reversed(list(enumerate(texts)))}
    columns = np.array(sorted(first.values()))
    right = np.array([[texts[row] == texts[column] for column in columns] for row in range(len(texts))])
    scores = similarity[:, columns]
    if to == "video":
        right, scores = right.T, scores.T
    return _judged(PROTOCOL, scores, right, confidence, dict.fromkeys(AT, 1.0))


def paired_retrieval(
    similarity: np.ndarray, texts: Sequence[Hashable], *, to: str, confidence: float = 0.95
) -> Retrieval:
    """The protocol `STRICT`: only the paired item is right, as in published tables. Arguments as in `retrieval`."""
    _check(similarity, texts, to)
    scores = similarity if to == "text" else similarity.T
    shared = Counter(texts)
    ceiling = {k: float(np.mean([min(1.0, k / shared[text]) for text in texts])) for k in AT}
    return _judged(STRICT, scores, np.eye(len(texts), dtype=bool), confidence, ceiling)


def _check(similarity: np.ndarray, texts: Sequence[Hashable], to: str) -> None:
    if to not in ("text", "video"):
        raise ValueError(f"to is {to!r}: text or video would do")
    if similarity.shape != (len(texts), len(texts)) or not texts:
        raise ValueError(f"similarities {similarity.shape} of {len(texts)} texts: (N, N) of N would do")


def _judged(
    protocol: str, scores: np.ndarray, right: np.ndarray, confidence: float, ceiling: dict[int, float]
) -> Retrieval:
    count, candidates = scores.shape
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    # Of equal scores the wrong ones count as nearer: who gives all the same score finds nothing.
    ranks = 1 + (np.where(right, -np.inf, scores) >= best).sum(axis=1)
    each = right.sum(axis=1)
    chance = {k: float(np.mean([_guessed(candidates, int(n), k) for n in each])) for k in AT}
    recall = {k: wilson(int((ranks <= k).sum()), count, confidence=confidence) for k in AT}
    return Retrieval(protocol, count, candidates, recall, ceiling, chance, float(np.median(ranks)))


def _guessed(candidates: int, right: int, k: int) -> float:
    """The chance that among k drawn without replacement one of the right ones is."""
    missed = 1.0
    for n in range(min(k, candidates)):
        missed *= max(0, candidates - right - n) / (candidates - n)
    return 1 - missed
