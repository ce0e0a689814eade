"""The frames between which motion was measured, in colour, for a network that measures it anew.

Where they are wanted before footage is read, the pass keeps them in the trace, and nothing is decoded for them. Footage
that was read without them is decoded once more, for them alone: no trace and no other signal changes by that.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from marey.catalog import Library, Shard, flatten, new_shard, path_text, shard_name, text_path, write_shard
from marey.curate.taps import Ask, Planes
from marey.engine import Result
from marey.errors import MareyError
from marey.media import Frame, Unusable, jpeg_bytes, probe, read
from marey.signals.motion import PAIR_SECONDS

Run = Callable[[Any, list[dict[str, Any]], str], Iterable[Result]]

KIND = "trace@pairs"
"""Among the tensors: where they lie of footage that was read without them."""
SIDE = 256
"""Their short side."""
QUALITY = 95
"""Of their JPEG."""
BYTES_A_SECOND = 120_000
"""About, at most."""


class PairsTap:
    """The frames that `taps.MotionTap` pairs: pair_frames (K,) their numbers, pair_bytes (K,) the lengths of their
    JPEGs, and pair_jpegs (sum of these,), end to end."""

    ask = Ask(PAIR_SECONDS, SIDE, "rgb")

    def __init__(self) -> None:
        self._frames: list[int] = []
        self._lengths: list[int] = []
        self._jpegs = bytearray()
        self._of_shot = 0

    def take(self, frame: Frame, planes: Planes) -> None:
        """Every half second."""
        self._keep(frame.n, planes[0])
        self._of_shot += 1

    def end_shot(self, last: Frame) -> None:
        """Of a shot that is too short for a pair, its last frame makes one."""
        if self._of_shot == 1 and last.n > self._frames[-1]:
            self._keep(last.n, last.rgb(SIDE))
        self._of_shot = 0

    def arrays(self) -> dict[str, np.ndarray]:
        """As the class says."""
        return _arrays(self._frames, self._lengths, self._jpegs)

    def _keep(self, n: int, picture: np.ndarray) -> None:
        data = jpeg_bytes(picture, QUALITY)
        self._frames.append(n)
        self._lengths.append(len(data))
        self._jpegs += data


class PairPictures:
    """The kept frames of a footage, each read when it is asked for.

    Args:
        shard, key: of the trace, or of what `WatchStage` wrote.

    Raises:
        MareyError: the shard is gone or damaged.
    """

    def __init__(self, library: Path, shard: str, key: str) -> None:
        self._shard, self._key = Shard(library / shard), key
        frames, lengths = (np.asarray(self._shard.read(f"{key}/{name}")) for name in ("pair_frames", "pair_bytes"))
        ends = np.cumsum(lengths, dtype=np.int64)
        self._at = {int(n): (int(end - length), int(end)) for n, length, end in zip(frames, lengths, ends, strict=True)}

    def __call__(self, n: int) -> np.ndarray:
        """Frame `n` of the footage: uint8 RGB (H, W, 3).

        Raises:
            MareyError: it was not kept, or is damaged.
        """
        if n not in self._at:
            raise MareyError(f"frame {n} was not kept in {self._shard.path}: curate again to make it.")
        data = self._shard.rows(f"{self._key}/pair_jpegs", *self._at[n])
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
        if picture is None:
            raise MareyError(f"frame {n} in {self._shard.path} is damaged: curate again to make it.")
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


class WatchStage:
    """The frames of pairs by a decode of their own. Item: id, path, library, trace (shard, key)."""

    name, version, cpus, gpus = "watch", "1", 1.0, 0.0

    def setup(self) -> None:
        """One thread for OpenCV: the workers are the parallelism."""
        cv2.setNumThreads(1)

    def process(self, item: dict[str, Any]) -> dict[str, Any]:
        """Writes them, and tells where."""
        library, (shard, key) = text_path(item["library"]), item["trace"]
        trace = Shard(library / shard)
        pts = np.asarray(trace.read(f"{key}/pts"))
        wanted = np.unique(np.asarray(trace.read(f"{key}/pairs"))).tolist()
        lengths, jpegs = [], bytearray()
        path = text_path(item["path"])
        left = set(wanted)
        try:
            for n, frame in enumerate(read(path, probe(path), threads=1) if wanted else ()):
                if n >= len(pts) or frame.pts != pts[n]:
                    break
                if n in left:
                    data = jpeg_bytes(frame.rgb(SIDE), QUALITY)
                    lengths.append(len(data))
                    jpegs += data
                    left.discard(n)
                if not left:
                    break
        except Unusable as error:
            raise Unusable(error.status, error.reason) from error
        if left:
            raise Unusable("failed", "its frames are not those of its trace any more")
        out = new_shard(library, KIND)
        write_shard(out, flatten({item["id"]: _arrays(wanted, lengths, jpegs)}))
        return {"shard": shard_name(library, out)}


def watch(library: Library, run: Run, footage: Iterable[str]) -> dict[str, Result]:
    """Get the frames of pairs of those of some footage of which they were not kept; returns what came of those of which
    they cannot be had, by footage."""
    rows = {row["id"]: row for row in library.rows("select id, path from footage")}
    traces = library.places("trace")
    there = places(library, footage)
    items = [
        {**rows[name], "library": path_text(library.path), "trace": (traces[name].shard, traces[name].key)}
        for name in sorted(set(footage) - set(there))
    ]
    blind: dict[str, Result] = {}
    for result in run(WatchStage(), items, "fetching frames for motion") if items else []:
        if result.status == "ok":
            place = {"shard": result.out["shard"], "key": result.id, "info": _made_from(traces[result.id].shard)}
            library.put("tensors", [{"kind": KIND, "item": result.id, **place}])
        else:
            blind[result.id] = result
    return blind


def places(library: Library, footage: Iterable[str]) -> dict[str, tuple[str, str]]:
    """(shard, key) of the frames of pairs, of those of some footage that have them."""
    traces, apart = library.places("trace"), library.places(KIND)
    found = {}
    for name in footage:
        trace = traces[name]
        if name in apart and apart[name].info == _made_from(trace.shard):
            found[name] = (apart[name].shard, apart[name].key)
        elif f"{trace.key}/pair_frames" in Shard(library.path / trace.shard).keys:
            found[name] = (trace.shard, trace.key)
    return found


def _arrays(frames: list[int], lengths: list[int], jpegs: bytearray) -> dict[str, np.ndarray]:
    return {
        "pair_frames": np.array(frames, np.int32),
        "pair_bytes": np.array(lengths, np.int32),
        "pair_jpegs": np.frombuffer(bytes(jpegs), np.uint8),
    }


def _made_from(trace: str) -> dict[str, str]:
    return {"version": WatchStage.version, "trace": trace}
