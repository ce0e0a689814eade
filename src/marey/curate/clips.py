"""From a footage's trace to its transitions and clips: pure, and no decode."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from marey.curate.second import agreed_places
from marey.curate.transitions import Places, Transition, shots
from marey.recipe import Curate

VERSION = "3"


@dataclass(frozen=True)
class Cut:
    """What a trace gives: rows for the catalog."""

    transitions: list[dict[str, Any]]
    clips: list[dict[str, Any]]


def cut(
    footage: dict[str, Any],
    trace: dict[str, np.ndarray],
    stills: Sequence[int],
    settings: Curate,
    said: np.ndarray | None = None,
) -> Cut:
    """The transitions of a footage, and its clips, which are divided where one is in doubt, too.

    Args:
        footage: its row: id, kind, fps, width, height, time_base.
        trace: as `read.Taps.trace` describes it.
        stills: the frames of which a still was kept.
        said: the answers of a second opinion on transitions, as `signals.shotnet.ShotNet` gives them, if any.
    """
    luma, pts = trace["luma"], trace["pts"]
    places = Places([], [])
    if len(pts) > 1:
        places = agreed_places(luma, trace["chroma"], said, footage["fps"], settings.transitions)
    found, everywhere = places.transitions, sorted([*places.transitions, *places.doubts], key=lambda one: one.a_end)
    clips: list[dict[str, Any]] = []
    for start, end in _pieces(shots(len(pts), everywhere, luma), footage, pts, settings):
        clip = _clip(footage, pts, start, end, len(clips), settings)
        clip["stills"] = first_middle_last(stills, start, end)
        clips.append(clip)
    return Cut([_transition(footage["id"], n, one, pts) for n, one in enumerate(found)], clips)


def first_middle_last(stills: Sequence[int], start: int, end: int) -> list[int]:
    """Of the kept frames those nearest to a clip's start, middle and end, inside it, without repeats."""
    inside = sorted(n for n in stills if start <= n <= end)
    if not inside:
        return []
    middle = min(inside, key=lambda n: (abs(2 * n - start - end), n))
    return sorted({inside[0], middle, inside[-1]})


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
