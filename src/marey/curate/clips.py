"""From a footage's trace to its transitions, clips and signals: pure, and no decode."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from marey.curate.transitions import Transition, find_transitions, shots
from marey.recipe import Curate
from marey.signals.hashes import perceptual_hash
from marey.signals.light import brightness, sharpness
from marey.signals.motion import PAIR_SECONDS, diagonal, motion

VERSION = "1"
SIGNALS = {  # name: (unit, which end is bad)
    "motion": ("px", "low"),
    "motion_share": ("1", "low"),
    "brightness": ("1", ""),
    "sharpness": ("grey levels^2", "low"),
    "fps": ("1/s", ""),
    "phash": ("", ""),
}
_MOTION_PARAMS = {"flow": "farneback 0.5 3 15 3 5 1.2 0", "short_side": 128, "pair_seconds": PAIR_SECONDS}


@dataclass(frozen=True)
class Cut:
    """What a trace gives: rows for the catalog."""

    transitions: list[dict[str, Any]]
    clips: list[dict[str, Any]]
    signals: list[dict[str, Any]]


def cut(footage: dict[str, Any], trace: dict[str, np.ndarray], stills: Sequence[int], settings: Curate) -> Cut:
    """The transitions of a footage, its clips, and their signals.

    Args:
        footage: its row: id, kind, fps, width, height, time_base.
        trace: as `read.Taps.trace` describes it.
        stills: the frames of which a still was kept.
    """
    luma, pts = trace["luma"], trace["pts"]
    found = find_transitions(luma, trace["chroma"], footage["fps"], settings.transitions) if len(pts) > 1 else []
    clips: list[dict[str, Any]] = []
    signals: list[dict[str, Any]] = []
    for start, end in _pieces(shots(len(pts), found, luma), footage, pts, settings):
        clip = _clip(footage, pts, start, end, len(clips), settings)
        clip["stills"] = first_middle_last(stills, start, end)
        clips.append(clip)
        if clip["status"] == "ok":
            signals += _signals(clip, footage, trace)
    return Cut([_transition(footage["id"], n, one, pts) for n, one in enumerate(found)], clips, signals)


def first_middle_last(stills: Sequence[int], start: int, end: int) -> list[int]:
    """Of the kept frames those nearest to a clip's start, middle and end, inside it, without repeats."""
    inside = sorted(n for n in stills if start <= n <= end)
    if not inside:
        return []
    middle = min(inside, key=lambda n: (abs(2 * n - start - end), n))
    return sorted({inside[0], middle, inside[-1]})


def hash_signal(clip: str, luma: np.ndarray) -> dict[str, Any]:
    """The row of a clip's perceptual hash, of its middle frame's signature: every frame has one, stills are few."""
    value = perceptual_hash(luma)
    row = _row(clip, "phash", None, f"{value:016x}" if value is not None else None)
    if value is None:
        row["reason"] = "the picture is nearly of one tone"
    return row


def _pieces(
    found: list[tuple[int, int]], footage: dict[str, Any], pts: np.ndarray, settings: Curate
) -> list[tuple[int, int]]:
    """Shots, the long ones divided evenly."""
    if settings.longest_seconds is None or not footage["fps"]:
        return found
    most = max(2, int(settings.longest_seconds * footage["fps"]))
    pieces = []
    for start, end in found:
        parts = -(-(end - start + 1) // most)
        edges = np.linspace(start, end + 1, parts + 1).round().astype(int)
        pieces += [(int(a), int(b) - 1) for a, b in pairwise(edges)]
    return pieces


def _clip(footage: dict[str, Any], pts: np.ndarray, start: int, end: int, n: int, settings: Curate) -> dict[str, Any]:
    first, last = int(pts[start]), int(pts[end])
    top, bottom = (int(part) for part in footage["time_base"].split("/"))
    span = (last - first) * top / bottom
    fps = (end - start) / span if span > 0 else footage["fps"]
    seconds = span + (1 / fps if fps else 0.0)
    name = hashlib.sha256(f"{footage['id']} {first} {last}".encode()).hexdigest()[:24]
    status, reason = "ok", ""
    if footage["kind"] == "video" and seconds < settings.shortest_seconds:
        status = "rejected"
        reason = f"{seconds:.2f} s is shorter than curate.shortest_seconds = {settings.shortest_seconds:g}"
    elif footage["kind"] == "video" and end == start:
        status, reason = "rejected", "it is one frame"
    return {
        "id": name,
        "footage": footage["id"],
        "n": n,
        "start_frame": start,
        "end_frame": end,
        "start_pts": first,
        "end_pts": last,
        "frames": end - start + 1,
        "seconds": round(seconds, 6),
        "width": footage["width"],
        "height": footage["height"],
        "fps": round(fps, 6),
        "status": status,
        "stage": "cut",
        "reason": reason,
    }


def _signals(clip: dict[str, Any], footage: dict[str, Any], trace: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    name, start, end = clip["id"], clip["start_frame"], clip["end_frame"]
    sampled = trace["sampled"]
    inside = (sampled >= start) & (sampled <= end)
    light = trace["light"][inside].mean(axis=0) if inside.any() else _light_of_signature(trace["luma"], start, end)
    rows = [
        _row(name, "brightness", float(light[0])),
        _row(name, "sharpness", float(light[1])),
        _row(name, "fps", clip["fps"]),
    ]
    if footage["kind"] == "video":
        value, data = _motion(clip, footage, trace)
        rows.append(_row(name, "motion", value, data))
        rows.append(_row(name, "motion_share", value / diagonal(footage["height"], footage["width"]), data))
    return rows


def _motion(
    clip: dict[str, Any], footage: dict[str, Any], trace: dict[str, np.ndarray]
) -> tuple[float, dict[str, Any]]:
    """Mean magnitude over half a second in source pixels, and what else the flow says."""
    start, end = clip["start_frame"], clip["end_frame"]
    pairs = trace["pairs"]
    inside = (pairs[:, 0] >= start) & (pairs[:, 1] <= end)
    if inside.any():
        mean = trace["motion"][inside].mean(axis=0)
        magnitude, right, down, zoom = (float(v) for v in mean)
        top, bottom = (int(part) for part in footage["time_base"].split("/"))
        widths = np.diff(trace["pts"][pairs[inside]], axis=1) * top / bottom
        short = bool(widths.max() < PAIR_SECONDS - 1e-3)
    else:
        # No pair of the pass lies in it: its widest, from the signatures that were kept, scaled.
        moved = motion(trace["luma"][start], trace["luma"][end], footage["height"], footage["width"])
        scale = PAIR_SECONDS / max((end - start) / clip["fps"], 1e-6) if clip["fps"] else 1.0
        magnitude, right, down, zoom = (scale * v for v in (moved.magnitude, moved.right, moved.down, moved.zoom))
        short = True
    data = {"right": right, "down": down, "zoom": zoom, "pairs": int(inside.sum()), "short": short}
    return magnitude, {key: round(value, 6) if isinstance(value, float) else value for key, value in data.items()}


def _light_of_signature(luma: np.ndarray, start: int, end: int) -> np.ndarray:
    middle = luma[(start + end) // 2]
    return np.array([brightness(middle), sharpness(middle)], np.float32)


def _row(clip: str, name: str, value: float | None, data: Any = None) -> dict[str, Any]:
    unit, bad = SIGNALS[name]
    return {
        "clip": clip,
        "name": name,
        "version": VERSION,
        "value": value,
        "data": data,
        "unit": unit,
        "bad": bad,
        "params": _MOTION_PARAMS if name.startswith("motion") else {},
        "status": "ok",
        "reason": "",
    }


def _transition(footage: str, n: int, one: Transition, pts: np.ndarray) -> dict[str, Any]:
    return {
        "footage": footage,
        "n": n,
        "kind": one.kind,
        "a_end": one.a_end,
        "b_start": one.b_start,
        "a_end_pts": int(pts[one.a_end]),
        "b_start_pts": int(pts[one.b_start]),
        "confidence": round(one.confidence, 4),
    }
