"""The pass: each source is decoded once, in order, and all that is known of it is taken from that.

Taps: a signature of every frame, Farneback's flow every half second, brightness and sharpness as often, and stills by
interval doubling. All go into shards that this worker writes; only pointers and numbers travel.
"""

from dataclasses import asdict, astuple
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from marey.catalog import flatten, new_shard, shard_name, text_path, write_shard
from marey.media import Frame, Probe, Stills, Unusable, content_id, jpeg_bytes, probe, read, read_photo
from marey.signals.light import LIGHT, SHARPNESS_SIDE, light
from marey.signals.motion import MOTION, PAIR_SECONDS, SHORT_SIDE, motion
from marey.signals.signature import LUMA

STILL_SIDE = 736
"""Stills are kept at this long side at most: what the text detector takes."""
STILL_SECONDS = 0.25
"""Stills are made no closer to each other, so that a short shot does not cost a picture of every frame."""
ALBUM_SECONDS = 10.0
"""Stills are thinned out within such a stretch of a shot at most: each piece of a shot that is divided has some."""
DRIFT = 0.08
"""Mean distance, 0..1, from the first frame of a stretch at which another begins: so that a dissolve, which no single
step betrays, leaves stills on both sides."""


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
        except Unusable as error:
            raise Unusable(error.status, error.reason) from error
        except OSError as error:
            raise Unusable("failed", f"it vanished or cannot be read: {error.strerror}".lower()) from error
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise Unusable("failed", "it changed while it was being read: run again")
        return {"footage": content, "size": after.st_size, "mtime_ns": after.st_mtime_ns, "facts": _columns(facts)}


class ReadStage:
    """One sequential decode of a footage. Item: id (the footage), path, library, kind, size, mtime_ns, limit (seconds
    or None)."""

    name, version, cpus, gpus = "read", "2", 1.0, 0.0

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads

    def setup(self) -> None:
        """One thread for OpenCV: the workers are the parallelism."""
        cv2.setNumThreads(self._threads)

    def process(self, item: dict[str, Any]) -> dict[str, Any]:
        """Writes the trace and the stills; returns where they lie, and what only the decode could tell."""
        path, library = text_path(item["path"]), text_path(item["library"])
        try:
            if item["kind"] == "photo":
                out, trace, stills = _photo(path)
            else:
                out, trace, stills = _video(path, item["limit"], self._threads)
            now = path.stat()
        except Unusable as error:
            raise Unusable(error.status, error.reason) from error
        except OSError as error:
            raise Unusable("failed", f"it vanished or cannot be read: {error.strerror}".lower()) from error
        if (now.st_size, now.st_mtime_ns) != (item["size"], item["mtime_ns"]):
            raise Unusable("failed", "it changed while it was being read: run again")
        shard = new_shard(library, "trace")
        write_shard(shard, flatten({item["id"]: trace}))
        pictures = {f"{item['id']}:{n}": np.frombuffer(data, np.uint8) for n, data in stills.items()}
        album = new_shard(library, "stills")
        write_shard(album, flatten(pictures))
        return {
            **out,
            "trace": shard_name(library, shard),
            "stills": shard_name(library, album),
            "still_frames": sorted(stills),
        }


def _columns(facts: Probe) -> dict[str, Any]:
    row = asdict(facts)
    names = (
        "kind container codec pixel_format bit_depth width height rotation interlaced fps vfr frames seconds has_audio"
    )
    columns = {name: row[name] for name in names.split()}
    return {
        **columns,
        "time_base": f"{facts.time_base.numerator}/{facts.time_base.denominator}",
        "reason": facts.reason,
    }


def _video(
    path: Path, limit: float | None, threads: int
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[int, bytes]]:
    facts = probe(path)
    reading = read(path, facts, limit_seconds=limit, threads=threads)
    taps = Taps()
    for frame in reading:
        taps.take(frame)
    taps.end()
    facts = reading.probe
    pts = np.array(taps.pts, np.int64)
    span = float((int(pts[-1]) - int(pts[0])) * facts.time_base)
    fps = (len(pts) - 1) / span if span > 0 else facts.fps
    out = {
        "frames": reading.frames if reading.limited else (facts.frames or reading.frames),
        "decoded": reading.decoded,
        "seconds": span + (1 / fps if fps else 0),
        "fps": fps,
        "width": facts.width,
        "height": facts.height,
        "rotation": facts.rotation,
        "interlaced": facts.interlaced,
        "limited": reading.limited,
        "reason": reading.reason,
    }
    return out, taps.trace(), taps.stills


def _photo(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[int, bytes]]:
    picture = read_photo(path)
    height, width = picture.shape[:2]
    small = cv2.cvtColor(cv2.resize(picture, LUMA[::-1], interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2YCrCb)
    chroma = cv2.resize(small[..., [2, 1]], (LUMA[1] // 2, LUMA[0] // 2), interpolation=cv2.INTER_AREA)
    scale = SHARPNESS_SIDE / min(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    luma = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    trace = {
        "pts": np.zeros(1, np.int64),
        "luma": small[None, ..., 0],
        "chroma": chroma[None],
        "pairs": np.zeros((0, 2), np.int32),
        "motion": np.zeros((0, len(MOTION)), np.float32),
        "sampled": np.zeros(1, np.int32),
        "light": np.array([light(luma, chroma, cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))], np.float32),
    }
    shrink = min(1.0, STILL_SIDE / max(height, width))
    still = cv2.resize(
        picture, (max(1, round(width * shrink)), max(1, round(height * shrink))), interpolation=cv2.INTER_AREA
    )
    out = {"frames": 1, "decoded": 1, "seconds": 0.0, "fps": 0.0, "width": width, "height": height, "limited": False}
    return {**out, "rotation": 0, "interlaced": False, "reason": ""}, trace, {0: jpeg_bytes(still, 92)}


class Taps:
    """What is taken from each frame as it passes. A provisional shot ends where the signature leaps; too many do no
    harm."""

    def __init__(self) -> None:
        self.pts: list[int] = []
        self.stills: dict[int, bytes] = {}
        # All signatures end to end: of a long source a list of arrays, and then a stack of them, would be twice that.
        self._luma = bytearray()
        self._chroma = bytearray()
        self._previous: np.ndarray | None = None
        self._pairs: list[tuple[int, int]] = []
        self._motion: list[tuple[float, ...]] = []
        self._sampled: list[int] = []
        self._light: list[tuple[float, ...]] = []
        self._album = _Album()
        self._first: tuple[Frame, np.ndarray] | None = None  # of the provisional shot, with its small luma
        self._anchor: tuple[Frame, np.ndarray] | None = None  # the earlier frame of the next pair
        self._paired = False
        self._last: Frame | None = None
        self._pace = 0.0

    def take(self, frame: Frame) -> None:
        """One frame, in order."""
        luma, chroma = frame.yuv(LUMA)
        if self._leaps(luma):
            self._end_shot()
        elif self._album.is_over(luma, frame):
            self._close_album()
        self._luma += luma.tobytes()
        self._chroma += chroma.tobytes()
        self._previous = luma
        self.pts.append(frame.pts)
        self._album.take(luma, frame)
        if self._anchor is None:
            self._first = self._anchor = (frame, frame.gray(SHORT_SIDE))
            self._sample(frame)
        elif float(frame.seconds - self._anchor[0].seconds) >= PAIR_SECONDS - 1e-6:
            self._pair(*self._anchor, frame)
            self._anchor = (frame, frame.gray(SHORT_SIDE))
            self._sample(frame)
        self._last = frame

    def end(self) -> None:
        """After the last frame."""
        self._end_shot()

    def trace(self) -> dict[str, np.ndarray]:
        """What is kept: pts (N,), luma (N, 36, 64), chroma (N, 18, 32, 2); pairs (P, 2) of frames and motion (P, 7)
        between them over half a second, in the columns of `signals.motion.MOTION`; sampled (S,) frames and their light
        (S, 5), in the columns of `signals.light.LIGHT`."""
        return {
            "pts": np.array(self.pts, np.int64),
            "luma": np.frombuffer(self._luma, np.uint8).reshape(-1, *LUMA),
            "chroma": np.frombuffer(self._chroma, np.uint8).reshape(-1, LUMA[0] // 2, LUMA[1] // 2, 2),
            "pairs": np.array(self._pairs, np.int32).reshape(-1, 2),
            "motion": np.array(self._motion, np.float32).reshape(-1, len(MOTION)),
            "sampled": np.array(self._sampled, np.int32),
            "light": np.array(self._light, np.float32).reshape(-1, len(LIGHT)),
        }

    def _leaps(self, luma: np.ndarray) -> bool:
        if self._previous is None:
            return False
        step = float(cv2.absdiff(luma, self._previous).mean()) / 255
        leaps = step > 0.05 and step > 3 * self._pace
        self._pace = 0.0 if leaps else 0.8 * self._pace + 0.2 * step
        return leaps

    def _end_shot(self) -> None:
        if self._last is None or self._first is None:
            return
        if not self._paired and self._last.n > self._first[0].n:
            self._pair(*self._first, self._last)  # too short for a pair: its widest, scaled
        self._close_album()
        self._first, self._anchor, self._paired = None, None, False

    def _close_album(self) -> None:
        self.stills.update((n, jpeg_bytes(picture, 92)) for n, picture in self._album.kept())
        self._album = _Album()

    def _pair(self, before: Frame, small: np.ndarray, after: Frame) -> None:
        moved = motion(small, after.gray(SHORT_SIDE), after.height, after.width)
        scale = PAIR_SECONDS / max(float(after.seconds - before.seconds), 1e-6)
        self._pairs.append((before.n, after.n))
        self._motion.append(astuple(moved.scaled(scale)))
        self._paired = True

    def _sample(self, frame: Frame) -> None:
        self._sampled.append(frame.n)
        self._light.append(light(frame.gray(SHARPNESS_SIDE), frame.yuv(LUMA)[1], frame.lines()))


class _Album:
    """The stills of a stretch of a provisional shot: its ends, and between them one a second at least."""

    def __init__(self) -> None:
        self._stills = Stills()
        self._luma: np.ndarray | None = None
        self._first: Frame | None = None
        self._last: Frame | None = None
        self._offered = Fraction(-1)

    def is_over(self, luma: np.ndarray, frame: Frame) -> bool:
        """Whether this frame begins another stretch: after ten seconds, or where the picture has become another one."""
        if self._first is None or self._luma is None:
            return False
        seconds = frame.seconds - self._first.seconds
        drifted = seconds >= 1 and float(cv2.absdiff(luma, self._luma).mean()) / 255 > DRIFT
        return drifted or seconds >= ALBUM_SECONDS

    def take(self, luma: np.ndarray, frame: Frame) -> None:
        """One frame of it, in order."""
        if self._first is None:
            self._first, self._luma = frame, luma
        if frame is self._first or frame.seconds - self._offered >= STILL_SECONDS:
            self._stills.offer(frame.n, lambda: still(frame))
            self._offered = frame.seconds
        self._last = frame

    def kept(self) -> list[tuple[int, np.ndarray]]:
        """(frame number, picture) in order, the first and the last frame with them."""
        first, last = self._first, self._last
        if first is None or last is None:
            return []
        if last.seconds > self._offered:
            self._stills.offer(last.n, lambda: still(last))
        every = self._stills.kept
        count = min(len(every), max(5, 2 + int(last.seconds - first.seconds)))
        return [every[n] for n in np.unique(np.linspace(0, len(every) - 1, count).round().astype(int))]


def still(frame: Frame) -> np.ndarray:
    """A frame in colour, its long side at most 736 pixels: uint8 (H, W, 3)."""
    long = max(frame.height, frame.width)
    if long <= STILL_SIDE:
        return frame.rgb()
    return frame.rgb((max(1, round(frame.height * STILL_SIDE / long)), max(1, round(frame.width * STILL_SIDE / long))))
