"""The pass in a worker: each source is decoded once, in order, and all that is known of it is taken from that.

What the taps give goes into shards that this worker writes, a reel at a time, so that its memory does not grow with the
length of a source; only pointers and numbers travel.
"""

from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from marey.catalog import text_path
from marey.curate.photograph import photograph
from marey.curate.roll import Roll, write_part
from marey.media import SLOW, Probe, Reel, Unusable, content_id, divide, probe, read, read_reel, seekable

REEL_SECONDS = 60.0
"""A source is read in reels of about this length; those of a long one by several workers."""
_FACTS = "kind container codec pixel_format bit_depth width height rotation interlaced fps vfr frames seconds has_audio"
_SEEN = "width height rotation interlaced"  # what the decoder may correct


class ProbeStage:
    """Content id and facts of an input, without decoding it. Item: id, path."""

    name, version, cpus, gpus = "probe", "1", 1.0, 0.0

    def setup(self) -> None:
        """Nothing to load."""

    def process(self, item: dict[str, Any]) -> dict[str, Any]:
        """Facts as the columns of the table footage."""
        path = text_path(item["path"])
        try:
            facts = probe(path)
            before = path.stat()
            content = content_id(path)
            after = path.stat()
        except (Unusable, OSError) as error:
            raise _explained(error) from error
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise _changed()
        return {"footage": content, "size": after.st_size, "mtime_ns": after.st_mtime_ns, "facts": _columns(facts)}


class DivideStage:
    """Where a source can be divided, without decoding it. Item: id (the footage), path."""

    name, version, cpus, gpus = "divide", "1", 1.0, 0.0

    def __init__(self, reel_seconds: float = REEL_SECONDS) -> None:
        self._seconds = reel_seconds

    def setup(self) -> None:
        """Nothing to load."""

    def process(self, item: dict[str, Any]) -> dict[str, Any]:
        """The facts without the index, and the reels: one, where it must be read as a whole."""
        path = text_path(item["path"])
        facts = probe(path)
        reels = divide(facts, self._seconds)
        if len(reels) > 1 and not seekable(path, reels):
            reels = reels[:1]
        nothing = np.zeros(0, np.int64)
        return {"facts": replace(facts, pts=nothing, keyframes=nothing), "reels": reels}


class ReadStage:
    """One sequential decode of a footage, or of one reel of it.

    Item: id, footage, path, library, kind, size, mtime_ns, limit (seconds or None); to read one reel alone, `reel` and
    `facts` as `DivideStage` gives them.
    """

    name, version, cpus, gpus = "read", "2", 1.0, 0.0

    def __init__(
        self, threads: int = 1, reel_seconds: float = REEL_SECONDS, second: bool = False, pairs: bool = False
    ) -> None:
        self._threads = threads
        self._seconds = reel_seconds
        self._kept = (second, pairs)

    def setup(self) -> None:
        """One thread for OpenCV: the workers are the parallelism."""
        cv2.setNumThreads(self._threads)

    def process(self, item: dict[str, Any]) -> dict[str, Any]:
        """Writes traces and stills; returns where they lie (`parts`, a reel each), and what only the decode could
        tell."""
        path, library = text_path(item["path"]), text_path(item["library"])
        try:
            if item["kind"] == "photo":
                out = photograph(path, library, item["footage"])
            elif item.get("reel") is not None:
                out = self._reel(path, library, item["footage"], item["facts"], item["reel"])
            else:
                out = self._whole(path, library, item["footage"], item["limit"])
            same = _is_same(path, item)
        except (Unusable, OSError) as error:
            # What is said of a file that is another one by now does not hold of the one that was to be read.
            raise (_explained(error) if not path.exists() or _is_same(path, item) else _changed()) from error
        if not same:
            raise _changed()
        return out

    def _whole(self, path: Path, library: Path, footage: str, limit: float | None) -> dict[str, Any]:
        facts = probe(path)
        reading = read(path, facts, limit_seconds=limit, threads=self._threads)
        reels = divide(facts, self._seconds)
        starts = iter(reel.start for reel in reels[1:])
        following = next(starts, None)
        parts, roll = [], Roll(*self._kept)
        for frame in reading:
            if len(reels) > 1:
                over = following is not None and frame.pts >= following
            else:
                # No index to go by, and nothing to agree with. Of a slow source many seconds are few frames.
                over = roll.frames >= 2 * SLOW * self._seconds and roll.seconds_to(frame) >= 2 * self._seconds
            if over:
                parts.append(write_part(library, footage, roll))
                # Taps that are new, as if each reel was read by itself.
                roll, following = Roll(*self._kept), next(starts, None)
            roll.take(frame)
        parts.append(write_part(library, footage, roll))
        return {
            **_seen(reading.probe),
            "announced": None if reading.limited else facts.frames,
            "decoded": reading.decoded,
            "limited": reading.limited,
            "reason": reading.reason,
            "parts": parts,
        }

    def _reel(self, path: Path, library: Path, footage: str, facts: Probe, reel: Reel) -> dict[str, Any]:
        reading = read_reel(path, facts, reel, threads=self._threads)
        roll = Roll(*self._kept)
        for frame in reading:
            roll.take(frame)
        part = write_part(library, footage, roll)
        return {
            **_seen(reading.probe),
            "announced": facts.frames,
            "decoded": reading.decoded,
            "limited": False,
            "reason": facts.reason,
            "parts": [part],
            "reel": [reel.start, reel.end],
            "kept": list(self._kept),
            "opening": reading.opening,
            "closing": reading.closing,
        }


def _explained(error: Unusable | OSError) -> Unusable:
    """An error as it is entered: without the name of the file."""
    if isinstance(error, Unusable):
        return Unusable(error.status, error.reason, again=error.again)
    return Unusable("failed", f"it vanished or cannot be read: {error.strerror or error}".lower(), again=True)


def _changed() -> Unusable:
    return Unusable("failed", "it changed while it was being read: run again", again=True)


def _is_same(path: Path, item: dict[str, Any]) -> bool:
    now = path.stat()
    return bool((now.st_size, now.st_mtime_ns) == (item["size"], item["mtime_ns"]))


def _columns(facts: Probe) -> dict[str, Any]:
    row = asdict(facts)
    return {
        **{name: row[name] for name in _FACTS.split()},
        "time_base": _text(facts.time_base),
        "reason": facts.reason,
    }


def _seen(facts: Probe) -> dict[str, Any]:
    seen = {name: getattr(facts, name) for name in _SEEN.split()}
    return {**seen, "announced_fps": facts.fps, "time_base": _text(facts.time_base)}


def _text(time_base: Fraction) -> str:
    return f"{time_base.numerator}/{time_base.denominator}"
