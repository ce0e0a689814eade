"""The sound of a footage, heard once: what signals of sound need is kept as a trace, like what is kept of its picture.

Nothing is heard before a clip lacks a signal of sound, and no picture is decoded for it.
"""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from marey.catalog import Library, flatten, new_shard, path_text, shard_name, text_path, write_shard
from marey.curate.measure import Trace
from marey.engine import Result
from marey.errors import MareyError
from marey.media import Unusable
from marey.media.sound import RATE, Heard, hear
from marey.signals.loudness import HOP, KFilter, powers, weights
from marey.signals.speech import BANDS, Analyser

Run = Callable[[Any, list[dict[str, Any]], str], Iterable[Result]]


class ListenStage:
    """The sound of one footage. Item: id, path, library, trace (shard, key), time_base, fps."""

    name, version, cpus, gpus = "listen", "1", 1.0, 0.0

    def setup(self) -> None:
        """Nothing to load."""

    def process(self, item: dict[str, Any]) -> dict[str, Any]:
        """Writes the trace of the sound, from the first picture's time to the end of the last one's."""
        library = text_path(item["library"])
        pts = Trace(library, *item["trace"])["pts"]
        base = Fraction(item["time_base"])
        start, end = int(pts[0]) * base, int(pts[-1]) * base + (1 / Fraction(item["fps"]) if item["fps"] else 0)
        heard = Heard()
        try:
            trace = taken(hear(text_path(item["path"]), start, end, heard), heard)
        except Unusable as error:
            raise Unusable(error.status, error.reason) from error
        shard = new_shard(library, "sound")
        write_shard(shard, flatten({item["id"]: trace}))
        return {"shard": shard_name(library, shard)}


def taken(pieces: Iterable[np.ndarray], heard: Heard) -> dict[str, np.ndarray]:
    """What is kept of a sound, a row for each 0.02 s.

    Args:
        pieces: float32 (C, samples) at 48 kHz, end to end.
        heard: has the channels once the first piece is there.

    Returns:
        power float32 (N,) behind the filter of the ear, summed over the channels; level float32 (N,), the mean square
        of the loudest channel; speech float16 (N, BANDS + 1), as `signals.speech.Analyser` gives them.
    """
    power: list[np.ndarray] = []
    level: list[np.ndarray] = []
    speech: list[np.ndarray] = []
    ear, analyser, weight = None, Analyser(), np.zeros(0)
    for piece in _even(pieces):
        if ear is None:
            ear, weight = KFilter(len(piece)), weights(heard.channels)
        near = piece[weight > 0] if (weight > 0).any() else piece
        power.append(weight @ powers(ear(piece)))
        level.append(powers(near).max(axis=0))
        speech.append(analyser(near.mean(axis=0)).astype(np.float16))
    count = sum(map(len, power))
    speech.append(analyser.end(count - sum(map(len, speech))).astype(np.float16))
    return {
        "power": _joined(power, np.float32),
        "level": _joined(level, np.float32),
        "speech": np.concatenate(speech).reshape(-1, BANDS + 1),
    }


def listen(library: Library, run: Run, footage: Iterable[str]) -> dict[str, Result]:
    """Hear those of some footage that have a sound and were not heard yet, or whose trace is damaged; returns what came
    of those that could not be heard, by footage."""
    rows = {row["id"]: row for row in library.rows("select id, path, time_base, fps from footage where has_audio")}
    traces, sounds = library.places("trace"), library.places("sound")
    items = []
    for name in sorted(set(footage) & set(rows)):
        if name in sounds and sounds[name].info == _made_from(traces[name].shard) and _is_whole(library, name):
            continue
        items.append(
            {
                **rows[name],
                "library": path_text(library.path),
                "trace": (traces[name].shard, traces[name].key),
            }
        )
    deaf: dict[str, Result] = {}
    for result in run(ListenStage(), items, "listening to footage") if items else []:
        if result.status == "ok":
            place = {"shard": result.out["shard"], "key": result.id, "info": _made_from(traces[result.id].shard)}
            library.put("tensors", [{"kind": "sound", "item": result.id, **place}])
        else:
            deaf[result.id] = result
    return deaf


def _is_whole(library: Library, name: str) -> bool:
    try:
        library.tensor("sound", name)
    except (MareyError, KeyError):
        return False
    return True


def _made_from(trace: str) -> dict[str, str]:
    return {"version": ListenStage.version, "trace": trace}


def _even(pieces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The same sound in pieces of one second, the last one filled up to a whole hop with silence."""
    waiting: list[np.ndarray] = []
    count = 0
    for piece in pieces:
        waiting.append(piece)
        count += piece.shape[1]
        if count >= RATE:
            joined = np.concatenate(waiting, axis=1)
            whole = count // RATE * RATE
            for n in range(0, whole, RATE):
                yield joined[:, n : n + RATE]
            waiting, count = [joined[:, whole:]], count - whole
    if count:
        joined = np.concatenate(waiting, axis=1)
        yield np.pad(joined, ((0, 0), (0, -count % HOP)))


def _joined(parts: list[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate(parts).astype(kind) if parts else np.zeros(0, kind)
