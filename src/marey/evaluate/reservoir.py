"""The streaming state of a set of videos under one backbone: moments by blocks of groups, and a capped reservoir.

Its size depends on the features and on the cap, not on how many videos went by. Everything that is compared (Frechet,
kernel distances, JEDi, their jackknives) is computed from two of these. Shards merge: which vectors the reservoir
keeps depends on their ids alone, so that neither the order of the videos nor how they were dealt out matters.
"""

import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import numpy.typing as npt

from marey.errors import MareyError
from marey.evaluate.moments import MomentState

Array = npt.NDArray[np.float64]
_FORMAT = "marey-features/1"
CAP = 4096
BLOCKS = 20
WIDE, WIDE_BLOCKS = 512, 10
"""Above so many features there are fewer blocks, for the sake of memory."""


@dataclass(frozen=True)
class Reservoir:
    """The vectors that were kept, in the order of their keys (a random one, as far as the videos are concerned)."""

    ids: tuple[str, ...]
    vectors: Array
    """(m, d)"""
    blocks: npt.NDArray[np.int64]
    """(m,): the block of each."""


class FeatureSet:
    """What is kept of the feature vectors of one set of videos.

    Args:
        d: features a vector.
        backbone: id of what made them, with the `sha256` of its weights.
        protocol: id of how the clips were drawn and prepared.
        cap: the reservoir keeps so many vectors: those with the smallest keys, and the key is a hash of the id.
        blocks: the groups are dealt out, by a hash of their names, into so many blocks, whose moments are kept apart so
            that a jackknife can leave one out. Each costs O(d^2) at most. By default 20, above 512 features 10.
    """

    def __init__(
        self,
        d: int,
        *,
        backbone: str = "",
        sha256: str = "",
        protocol: str = "",
        cap: int = CAP,
        blocks: int | None = None,
    ) -> None:
        blocks = (BLOCKS if d <= WIDE else WIDE_BLOCKS) if blocks is None else blocks
        if cap < 0 or blocks < 2:
            raise ValueError(f"A cap of {cap} and {blocks} blocks: 0 or more, and two or more, would do.")
        self.d = d
        self.backbone, self.sha256, self.protocol = backbone, sha256, protocol
        self.cap = cap
        self.blocks = [MomentState(d) for _ in range(blocks)]
        self.extra: dict[str, str] = {}
        """Whatever the caller wants to keep with the state, such as how far a run has come: it is saved in one write
        with the state, so that the two agree after a kill."""
        self._kept: dict[tuple[int, str], tuple[int, Array]] = {}
        self._limit: int | None = None

    @property
    def n(self) -> int:
        """How many vectors were seen."""
        return sum(block.n for block in self.blocks)

    @property
    def moments(self) -> MomentState:
        """Of all vectors seen."""
        return reduce(MomentState.merge, self.blocks)

    @property
    def whole(self) -> bool:
        """Whether the reservoir holds every vector seen."""
        return len(self._kept) == self.n

    @property
    def reservoir(self) -> Reservoir:
        """The vectors that were kept."""
        keys = sorted(self._kept)[: self.cap]
        vectors = [self._kept[key][1] for key in keys]
        return Reservoir(
            tuple(key[1] for key in keys),
            np.stack(vectors) if vectors else np.zeros((0, self.d)),
            np.array([self._kept[key][0] for key in keys], dtype=np.int64),
        )

    def update(self, x: npt.ArrayLike, ids: Sequence[str], groups: Sequence[str] | None = None) -> "FeatureSet":
        """Take in vectors `(n, d)`. Changes this state, and returns it.

        Args:
            ids: one a vector, unique in the whole set: a video's content id, with "#3" for its fourth clip or frame.
            groups: what each vector shares an origin with; by default the id up to its first "#", so that the clips or
                frames of one video are one group. On both sides of a comparison the same group falls into the same
                block.

        Raises:
            MareyError: shapes do not fit, a feature is not finite, or an id that is still in the reservoir comes again.
        """
        rows = np.atleast_2d(np.asarray(x, dtype=np.float64))
        groups = [name.split("#", 1)[0] for name in ids] if groups is None else groups
        if not len(rows) == len(ids) == len(groups):
            raise MareyError(
                f"{len(rows)} vectors, {len(ids)} ids and {len(groups)} groups: one of each a vector would do."
            )
        numbers = np.array([_hash("group", group) % len(self.blocks) for group in groups], dtype=np.int64)
        keys = [(_hash("key", name), name) for name in ids]
        again = sorted(key[1] for key, times in Counter(keys).items() if times > 1 or key in self._kept)
        if again:
            raise MareyError(
                f"{again[0]!r} was added twice: each video counts once, or has an id of its own each time."
            )
        for number in sorted(set(numbers.tolist())):
            self.blocks[number].update(rows[numbers == number])
        for key, number, row in zip(keys, numbers.tolist(), rows, strict=True):
            self._keep(key, number, row.copy())
        return self

    def merge(self, other: "FeatureSet") -> "FeatureSet":
        """A new state of both. The smaller cap of the two holds.

        Raises:
            MareyError: they are of different kinds, or hold the same id.
        """
        self.same_kind(other)
        twice = self._kept.keys() & other._kept.keys()
        if twice:
            raise MareyError(f"{min(twice)[1]!r} is in both states: each video counts once.")
        both = FeatureSet(
            self.d,
            backbone=self.backbone,
            sha256=self.sha256,
            protocol=self.protocol,
            cap=min(self.cap, other.cap),
            blocks=len(self.blocks),
        )
        both.blocks = [a.merge(b) for a, b in zip(self.blocks, other.blocks, strict=True)]
        both.extra = {**self.extra, **other.extra}
        for key, (number, row) in [*self._kept.items(), *other._kept.items()]:
            both._keep(key, number, row)
        return both

    def leaving(self) -> Iterator[MomentState | None]:
        """For each block the moments of all the others; None for a block that is empty."""
        whole = self.moments
        for number, block in enumerate(self.blocks):
            if not block.n:
                yield None
            elif whole.vectors is None:
                yield whole.without(block)
            else:  # while the vectors are at hand, nothing need be subtracted
                yield reduce(MomentState.merge, [one for n, one in enumerate(self.blocks) if n != number])

    def same_kind(self, other: "FeatureSet") -> None:
        """Nothing, if the two can be compared and merged.

        Raises:
            MareyError: they were made by different backbones, weights or protocols.
        """
        for what in ("d", "backbone", "sha256", "protocol"):
            ours, theirs = getattr(self, what), getattr(other, what)
            if ours != theirs:
                raise MareyError(f"Two sets with different {what}, {ours!r} and {theirs!r}, do not compare or merge.")
        if len(self.blocks) != len(other.blocks):
            raise MareyError(f"Two sets of {len(self.blocks)} and {len(other.blocks)} blocks do not compare or merge.")

    def save(self, path: str | Path) -> None:
        """Write one .npz with a JSON header. Never pickle. Atomic."""
        kept = self.reservoir
        header = {
            "format": _FORMAT,
            "d": self.d,
            "n": self.n,
            "backbone": self.backbone,
            "sha256": self.sha256,
            "protocol": self.protocol,
            "cap": self.cap,
            "blocks": len(self.blocks),
            "ids": kept.ids,
            "extra": self.extra,
        }
        arrays: dict[str, npt.NDArray[np.generic]] = {
            "header": np.frombuffer(json.dumps(header, ensure_ascii=False).encode(), dtype=np.uint8),
            "vectors": kept.vectors,
            "block_of": kept.blocks,
        }
        upper = np.triu_indices(self.d)
        for number, block in enumerate(self.blocks):
            for name, array in block.arrays().items():
                if name != "header":  # scatters are symmetric: half of each is enough
                    arrays[f"{number}/{name}"] = array[upper] if name == "scatter" else array
            if f"{number}/vectors" in arrays:  # the rest follows from these
                for name in ("mean", "scatter", "fourth"):
                    del arrays[f"{number}/{name}"]
            arrays[f"{number}/n"] = np.array(block.n)
        held = io.BytesIO()
        np.savez(held, allow_pickle=False, **arrays)
        path = Path(path)
        part = path.with_name(path.name + ".tmp")
        part.write_bytes(held.getbuffer())
        os.replace(part, path)

    @classmethod
    def load(cls, path: str | Path) -> "FeatureSet":
        """What `save` wrote.

        Raises:
            MareyError: no such file, or not one of these.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                header = json.loads(file["header"].tobytes())
                if header["format"] != _FORMAT:
                    raise MareyError(f"{path} holds {header['format']!r}: {_FORMAT!r} would do.")
                named = {name: header[name] for name in ("backbone", "sha256", "protocol", "cap", "blocks")}
                found = cls(header["d"], **named)
                found.extra = dict(header["extra"])
                vectors, blocks = file["vectors"], file["block_of"]
                for number in range(len(found.blocks)):
                    found.blocks[number] = _block(file, number, found.d)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MareyError(f"{path} holds no features: {error}.") from error
        for name, number, row in zip(header["ids"], blocks.tolist(), vectors, strict=True):
            found._keep((_hash("key", name), name), number, row)
        return found

    def _keep(self, key: tuple[int, str], number: int, row: Array) -> None:
        if self._limit is not None and key[0] > self._limit:
            return
        self._kept[key] = number, row
        if len(self._kept) > self.cap + max(64, self.cap // 4):  # cut back now and then, not at each vector
            self._cut()

    def _cut(self) -> None:
        keys = sorted(self._kept)[: self.cap]
        self._kept = {key: self._kept[key] for key in keys}
        self._limit = keys[-1][0] if keys else -1


def _block(file: "np.lib.npyio.NpzFile", number: int, d: int) -> MomentState:
    if f"{number}/vectors" in file:
        return MomentState(d).update(file[f"{number}/vectors"])
    scatter = np.zeros((d, d))
    scatter[np.triu_indices(d)] = file[f"{number}/scatter"]
    scatter = scatter + np.triu(scatter, 1).T
    mean, fourth = file[f"{number}/mean"], float(file[f"{number}/fourth"])
    return MomentState.summed(int(file[f"{number}/n"]), mean, scatter, fourth)


def _hash(kind: str, name: str) -> int:
    """63 bits: the same on every machine, unlike `hash`."""
    digest = hashlib.blake2b(name.encode(), digest_size=8, person=kind.encode()).digest()
    return int.from_bytes(digest, "little") >> 1
