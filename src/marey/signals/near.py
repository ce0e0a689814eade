"""Groups of pictures that show nearly the same, by perceptual hashes and embeddings together: exact, over all pairs.

Two pictures are near-duplicates if their hashes differ in few bits and their embeddings do not contradict; if the
hashes differ in some more and the embeddings are close; or if the embeddings are as good as the same. A picture without
an embedding goes by its hash; one without a hash, which is nearly of one tone, is like no other. How the thresholds
were chosen is in docs/curate.md.
"""

from dataclasses import dataclass

import numpy as np

from marey.signals.embedding import unit
from marey.signals.hashes import NEAR

BLOCK = 1024
"""So many pictures are compared with as many others at a time: no more than that is in memory at once."""


@dataclass(frozen=True)
class Rule:
    """When two pictures are near-duplicates. Cosines are those of EfficientNet-Lite0's features."""

    bits: int = NEAR
    """Hashes that differ in so many of 64 bits or fewer, unless the cosine is under `contradicts`."""
    contradicts: float = 0.35
    more_bits: int = 12
    """Hashes that differ in so many bits or fewer, if the cosine is `agrees` or more."""
    agrees: float = 0.93
    same: float = 0.97
    """The cosine from which on the hashes do not matter."""


def near_groups(hashes: np.ndarray, hashed: np.ndarray, vectors: np.ndarray, rule: Rule) -> np.ndarray:
    """For each of N pictures the least index of the group that it belongs to: int (N,). Groups are chains of pairs.

    Args:
        hashes: uint64 (N,).
        hashed: bool (N,), which pictures have a hash.
        vectors: (N, D) of any length; one of zeros says nothing. float16 halves what lies in memory.
    """
    count = len(hashes)
    labels = np.arange(count)
    known = np.asarray(vectors.any(axis=1))
    for top in range(0, count, BLOCK):
        rows = slice(top, top + BLOCK)
        ours = unit(vectors[rows])
        for left in range(top, count, BLOCK):
            columns = slice(left, left + BLOCK)
            cosines = ours @ unit(vectors[columns]).T
            apart = np.bitwise_count(hashes[rows, None] ^ hashes[None, columns])
            told = known[rows, None] & known[None, columns]
            near = (apart <= rule.bits) & ~(told & (cosines < rule.contradicts))
            near |= (apart <= rule.more_bits) & told & (cosines >= rule.agrees)
            near |= told & (cosines >= rule.same)
            near &= hashed[rows, None] & hashed[None, columns]
            near &= labels[rows, None] != labels[None, columns]
            i, j = np.nonzero(near)
            if len(i):
                labels = _joined(labels, top + i, left + j)
    return labels


def _joined(labels: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """The labels after the groups of each i and j have become one, under the least of their labels."""
    parent = np.arange(len(labels))

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = parent[parent[n]]
            n = int(parent[n])
        return n

    for a, b in np.unique(np.stack([labels[i], labels[j]], axis=1), axis=0):
        first, second = sorted((root(int(a)), root(int(b))))
        parent[second] = first
    changed = {int(n): root(int(n)) for n in np.unique(np.concatenate([labels[i], labels[j]]))}
    result = labels.copy()
    moved = np.isin(labels, list(changed))
    result[moved] = [changed[int(n)] for n in labels[moved]]
    return result
