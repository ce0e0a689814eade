"""Distances of whole sets of videos, whose features are taken from the same decode as all else.

The features of each video are kept in its row, so that a run goes on where it was stopped; at the end they go, in the
order of names, through one streaming state a side.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from marey.errors import MareyError
from marey.evaluate.backbones import Backbone
from marey.evaluate.distances import DISTANCES
from marey.evaluate.features import Describer, scaled
from marey.evaluate.frames import Picture
from marey.evaluate.protocols import PROTOCOLS, Protocol, Side
from marey.evaluate.record import Row, made_row
from marey.evaluate.reservoir import FeatureSet

USUAL_PROTOCOL = "frechet/marey-td"
_AT_ONCE = 16
Features = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Plan:
    """What is to be known of each side."""

    protocol: Protocol
    backbone: Backbone
    distances: tuple[str, ...]
    drawn: Mapping[Side, Mapping[str, tuple[str, ...]]]
    """By side and name of the video: the ids of the clips that are drawn from it."""

    @property
    def stamp(self) -> str:
        """What the features are known under."""
        return f"{self.protocol.id} {self.backbone.id} {self.backbone.sha256[:16]}"


def planned(
    distances: Sequence[str],
    protocol: str,
    weights: Path | None,
    sha256: str | None,
    fake: Iterable[str],
    real: Iterable[str],
) -> Plan:
    """The plan for videos of these names.

    Raises:
        MareyError: no such protocol, or its weights are not there.
    """
    if protocol not in PROTOCOLS:
        raise MareyError(f"There is no protocol {protocol!r}: one of {', '.join(PROTOCOLS)} would do.")
    found = PROTOCOLS[protocol]
    drawn: dict[Side, dict[str, tuple[str, ...]]] = {"fake": {}, "real": {}}
    sides: tuple[tuple[Side, Iterable[str]], ...] = (("fake", fake), ("real", real))
    for side, names in sides:
        for name, id in found.listing(names, side):
            drawn[side][name] = (*drawn[side].get(name, ()), id)
    return Plan(found, found.open(weights, sha256=sha256), tuple(distances), drawn)


class Gatherer:
    """Takes one video frame by frame, keeps what the protocol draws from it, and gives the features.

    Args:
        total: frames of the video, as its packets tell.
    """

    def __init__(self, plan: Plan, name: str, side: Side, total: int, fps: float) -> None:
        self._plan = plan
        self._clips: dict[str, list[Picture]] = {}
        self._wanted: dict[int, list[str]] = {}
        self._length: dict[str, int] = {}
        self._parts: dict[str, list[npt.NDArray[np.float64]]] = {}
        self._hand: dict[str, Describer] = {}
        for id in plan.drawn[side].get(name, ()):
            chosen = plan.protocol.indices(total, fps, id=id, side=side)
            if chosen is None:
                continue
            self._length[id] = len(chosen)
            if plan.protocol.backbone == USUAL_PROTOCOL.split("/")[1]:
                self._hand[id] = Describer(given=0)
            for n in chosen.tolist():
                self._wanted.setdefault(n, []).append(id)

    def add(self, n: int, frame: Picture) -> None:
        """Frame `n` of the video, from 0."""
        ids = self._wanted.get(n)
        if not ids:
            return
        prepared = self._plan.protocol.prepare(frame)
        for id in ids:
            self._length[id] -= 1
            if id in self._hand:
                self._hand[id].add(prepared)
                continue
            held = self._clips.setdefault(id, [])
            held.append(prepared)
            if self._plan.backbone.per == "frame" and len(held) == _AT_ONCE:
                self._parts.setdefault(id, []).append(self._plan.backbone.features(np.stack(held)))
                held.clear()

    def features(self) -> Features:
        """By the id of each clip that came whole: (k, d)."""
        found: Features = {}
        for id, lacking in self._length.items():
            if lacking:
                continue
            if id in self._hand:
                try:
                    found[id] = scaled(self._hand[id].values())[None]
                except MareyError:
                    continue  # fewer than three frames
            else:
                held = self._clips.get(id, [])
                last = [self._plan.backbone.features(np.stack(held))] if held else []
                found[id] = np.concatenate([*self._parts.get(id, []), *last])
        return found


def packed(features: Features) -> list[list[Any]]:
    """For a line of JSON: id, shape, type and bytes; in single precision where nothing is lost by that."""
    rows = []
    for id, table in features.items():
        short = table.astype(np.float32)
        kept = short if np.array_equal(short.astype(np.float64), table) else table
        rows.append([id, list(table.shape), kept.dtype.str, base64.b64encode(kept.tobytes()).decode("ascii")])
    return rows


def unpacked(rows: Sequence[Sequence[Any]]) -> Features:
    """What `packed` was given."""
    return {
        id: np.frombuffer(base64.b64decode(text), dtype=np.dtype(kind)).reshape(shape).astype(np.float64)
        for id, shape, kind, text in rows
    }


def set_distances(
    plan: Plan, rows: Sequence[Mapping[str, Any]], *, least: int, confidence: float
) -> tuple[list[Row], list[dict[str, str]], list[str]]:
    """Rows of the distances of each method to the truth, what is absent and why, and what a reader must be told.

    Args:
        rows: of the videos, each with `id`, `group` and `sets`, in the order of their names.
        least: with fewer vectors a side there is no distance.
    """
    states: dict[str, FeatureSet] = {}
    for row in rows:
        for method, held in row["sets"].get(plan.stamp, {}).items():
            for id, table in unpacked(held).items():
                state = states.setdefault(
                    method,
                    FeatureSet(
                        plan.backbone.d,
                        backbone=plan.backbone.id,
                        sha256=plan.backbone.sha256,
                        protocol=plan.protocol.id,
                    ),
                )
                ids = [id] if len(table) == 1 else [f"{id}/{n}" for n in range(len(table))]
                state.update(table, ids, [row["group"]] * len(table))
    absent, found = [], []
    made, true = states.get("model"), states.get("truth")
    counts = (made.n if made else 0, true.n if true else 0)
    for name in plan.distances:
        if made is None or true is None or min(counts) < least:
            why = f"{counts[0]} and {counts[1]} clips are there; a distance needs at least {least} to mean anything"
            absent.append({"subset": "all", "metric": name, "reason": why})
            continue
        distance = DISTANCES[name]
        said = {
            "name": name,
            "id": f"{distance.id} on {plan.protocol.id}",
            "unit": distance.unit,
            "better": distance.better,
        }
        for method in ("model", "frozen", "loop"):
            if method in states:
                try:
                    one = distance(states[method], true, biased=plan.protocol.biased, confidence=confidence)
                except MareyError as error:
                    absent.append({"subset": "all", "metric": name, "reason": str(error)})
                    break
                found.append(made_row("all", method, said, one.interval, one.plain))
    notes = [f"{note}." for note in plan.protocol.notes(*counts)] if found else []
    return found, absent, notes
