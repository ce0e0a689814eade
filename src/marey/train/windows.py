"""Selected clips to windows: which frames of which clip, for training or held out. Nothing is decoded here.

A window is `frames` frames at one whole stride of its source. Those of a clip do not overlap, and what is left over
lies evenly at the clip's two ends, which are next to transitions. A photograph gives a window of one frame, for the
image stage.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from marey import recipe
from marey.catalog import (
    UNKNOWN_MOTION,
    Library,
    caption_weights,
    groups,
    heaviest_caption,
    read_selection,
    split,
    text_path,
)
from marey.errors import MareyError
from marey.media.probe import probe
from marey.train.batches import spread


@dataclass(frozen=True)
class Window:
    """One piece of a clip, as it is written down beside its tensors."""

    id: str
    """"<clip>:<n>", n counting the windows of the clip, also those that a cap leaves out."""
    clip: str
    footage: str
    group: str
    """Windows of one group share an origin or are near-duplicates; a group is held out as a whole."""
    first_frame: int
    """In the footage, from 0."""
    stride: int
    fps: float
    """The true rate of the window's frames, in 1/s; 0 for a photograph."""
    pts: tuple[int, ...]
    """Of each frame, in ticks of the footage's time base."""
    motion: float | None
    motion_bucket: int
    """0..255: the quantile of the clip's motion among the selected clips (svd.md §7.6)."""
    split: str
    """train | heldout"""
    caption: str
    """The one with the largest share, which held-out windows are judged with."""
    photo: bool
    size: int
    """Height of the stored frames, and their width where that is 0."""
    captions: tuple[tuple[str, float], ...] = ()
    """All that training draws from, each with its share; 1 in all, and none of a clip without captions."""
    width: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, height and width."""
        return len(self.pts), self.size, self.width or self.size

    def info(self) -> dict[str, Any]:
        """As the catalog's table `tensors` holds it."""
        table = asdict(self)
        del table["id"]
        if not self.width:  # as before there was any other shape
            del table["width"]
        return {**table, "pts": list(self.pts), "captions": [list(pair) for pair in self.captions]}

    @classmethod
    def of(cls, item: str, info: Mapping[str, Any]) -> "Window":
        """A window from its row in the table `tensors`."""
        alone = [(info["caption"], 1.0)] if info["caption"] else []  # windows of an older Marey have but one
        captions = tuple((str(text), float(share)) for text, share in info.get("captions", alone))
        return cls(id=item, **{**info, "pts": tuple(info["pts"]), "captions": captions})

    @property
    def heldout(self) -> bool:
        return self.split == "heldout"


@dataclass(frozen=True)
class Plan:
    """All windows of a selection, before a pixel of them is read."""

    windows: tuple[Window, ...]
    """By clip and place in it."""
    paths: dict[str, str]
    """Where each footage lies."""
    short: int
    """Selected clips that are too short for one window."""
    unreadable: dict[str, str]
    """Clips whose frames' times are not known, and why."""
    fingerprint: str
    """Changes whenever a window, or anything that is known of it, does."""


def plan(library: Library, settings: recipe.Windows, selection: str, seed: int) -> Plan:
    """The windows of a selection, with fps, motion bucket, caption and split.

    Raises:
        MareyError: there is no such selection, no clip in it is long enough, or what it holds cannot be split.
    """
    clips = _selected(library, selection)
    shapes = {clip["id"]: shape_of(clip, settings) for clip in clips}
    spans = {clip["id"]: _spans(clip, settings, shapes[clip["id"]][0]) for clip in clips}
    chosen = cap({clip: len(found) for clip, found in spans.items()}, settings.most)
    videos = {clip["id"]: len(chosen[clip["id"]]) for clip in clips if clip["kind"] == "video"}
    if not any(videos.values()):
        longest = max((clip["seconds"] for clip in clips if clip["kind"] == "video"), default=0.0)
        raise MareyError(
            f"No clip of the selection {selection!r} is long enough for a window of "
            f"{min(shape[0] for shape in settings.shapes)} frames "
            f"at {settings.fps:g} a second; the longest has {longest:.2f} s: fewer encode.windows.frames or other "
            "footage would do."
        )
    names = [clip["id"] for clip in clips]
    # A photograph is no held-out video, but goes where its group goes.
    sides = split(
        library,
        names,
        {name: videos.get(name, 0) for name in names},
        settings.heldout_share,
        settings.heldout_least,
        seed,
    )
    group_of = groups(library, names)
    motion = {clip: _motion(rows) for clip, rows in library.signals(names).items()}
    told = read_selection(library, selection)
    buckets = told.motion_bucket
    captions = _captions(library, names, told.captions)

    windows: list[Window] = []
    unreadable: dict[str, str] = {}
    times: dict[str, np.ndarray] = {}
    for clip in clips:
        name, photo = clip["id"], clip["kind"] == "photo"
        long, height, width = shapes[name]
        if not chosen[name]:
            continue
        try:
            if not photo and clip["footage"] not in times:
                times[clip["footage"]] = _times(library, clip)
            for n in chosen[name]:
                first, stride = spans[name][n]
                frames = [] if photo else [first + stride * k for k in range(long)]
                pts = tuple(int(times[clip["footage"]][frame]) for frame in frames)
                windows.append(
                    Window(
                        id=f"{name}:{n}",
                        clip=name,
                        footage=clip["footage"],
                        group=str(group_of[name]),
                        first_frame=first,
                        stride=stride,
                        fps=0.0 if photo else rate(pts, Fraction(clip["time_base"])),
                        pts=pts or (int(clip["start_pts"]),),
                        motion=motion[name],
                        motion_bucket=0 if photo else buckets.get(name, UNKNOWN_MOTION),
                        split=sides[name],
                        caption=captions[name][0],
                        photo=photo,
                        size=height,
                        captions=captions[name][1],
                        width=0 if width == height else width,
                    )
                )
        except (MareyError, IndexError, ValueError, ZeroDivisionError) as error:
            unreadable[name] = str(error) or type(error).__name__
            windows = [window for window in windows if window.clip != name]
    paths = {clip["footage"]: clip["path"] for clip in clips}
    short = sum(1 for clip in clips if not spans[clip["id"]])
    return Plan(tuple(windows), paths, short, unreadable, fingerprint([window.info() for window in windows]))


def stride_of(fps: float, wanted: float) -> int:
    """The whole stride at which frames of `fps` come nearest to the rate `wanted`; the smaller of two that are equally
    near.

    >>> stride_of(25, 8), stride_of(12, 8), stride_of(6, 8)
    (3, 2, 1)
    """
    low = max(1, math.floor(fps / wanted))
    return min((low, low + 1), key=lambda stride: (abs(fps / stride - wanted), stride))


def cap(counts: Mapping[str, int], most: int | None) -> dict[str, list[int]]:
    """Which windows of each clip are taken when at most `most` are: as evenly as the clips allow, spread over each
    clip.

    Clips that have fewer than their share give the rest to the others; where not every clip gets one more, the clips
    that do are those whose names hash lowest, so that the choice is stable and has nothing to do with names.
    """
    total = sum(counts.values())
    if most is None or total <= most:
        return {clip: list(range(count)) for clip, count in counts.items()}
    level = 0
    while sum(min(count, level + 1) for count in counts.values()) <= most:
        level += 1
    left = most - sum(min(count, level) for count in counts.values())
    more = sorted((clip for clip, count in counts.items() if count > level), key=lambda clip: fingerprint(clip))[:left]
    return {
        clip: spread(count, min(count, level + (clip in more))) if level + (clip in more) else []
        for clip, count in counts.items()
    }


def rate(pts: Sequence[int], time_base: Fraction) -> float:
    """Frames a second over the whole window, also where the source's rate varies."""
    return float((len(pts) - 1) / ((pts[-1] - pts[0]) * time_base))


def fingerprint(value: Any) -> str:
    """Sixteen hex digits of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:16]


def encoded(library: Library, kind: str) -> list[Window]:
    """The windows that a kind of tensors holds, in order."""
    return [Window.of(item, place.info) for item, place in library.places(kind).items()]


def trained_on(windows: Sequence[Window]) -> list[Window]:
    """Those that may be trained on."""
    return [window for window in windows if not window.heldout]


def _selected(library: Library, selection: str) -> list[dict[str, Any]]:
    if library.one("select name from selections where name = ?", selection) is None:
        known = ", ".join(row["name"] for row in library.rows("select name from selections order by name"))
        raise MareyError(
            f"{library.path} has no selection {selection!r}: "
            + (f"one of {known} would do." if known else "`marey select` makes one.")
        )
    return library.rows(
        "select clips.*, footage.kind, footage.path, footage.time_base from selected "
        "join clips on clips.id = selected.clip join footage on footage.id = clips.footage "
        "where selected.selection = ? and clips.status = 'ok' order by clips.id",
        selection,
    )


def shape_of(clip: Mapping[str, Any], settings: recipe.Windows) -> tuple[int, int, int]:
    """(frames, height, width) of a clip's windows: of the shapes nearest to its own proportions the longest that it
    fills, or the shortest of them where it fills none.
    """
    own = math.log((clip["width"] or 1) / (clip["height"] or 1))
    apart = {shape: round(abs(math.log(shape[2] / shape[1]) - own), 6) for shape in settings.shapes}
    near = sorted(shape for shape in settings.shapes if apart[shape] == min(apart.values()))
    if clip["kind"] == "photo" or not clip["fps"]:
        return near[0]
    frames = math.ceil(clip["frames"] / stride_of(clip["fps"], settings.fps))
    return next((shape for shape in reversed(near) if shape[0] <= frames), near[0])


def _spans(clip: Mapping[str, Any], settings: recipe.Windows, long: int) -> list[tuple[int, int]]:
    """(first frame in the footage, stride) of each window of a clip."""
    if clip["kind"] == "photo":
        return [(0, 1)]
    if not clip["fps"]:
        return []
    stride = stride_of(clip["fps"], settings.fps)
    count = math.ceil(clip["frames"] / stride) // long
    over = clip["frames"] - ((count * long - 1) * stride + 1)
    start = clip["start_frame"] + over // 2
    return [(start + n * long * stride, stride) for n in range(count)]


def _times(library: Library, clip: Mapping[str, Any]) -> np.ndarray:
    """The pts of every frame of a footage: as its trace kept them, or from its packets where there is no trace."""
    try:
        trace = library.tensor("trace", clip["footage"])
    except KeyError:
        return np.asarray(probe(text_path(clip["path"])).pts)
    return np.asarray(trace["pts"]) if isinstance(trace, dict) else np.asarray(probe(text_path(clip["path"])).pts)


def _motion(signals: Mapping[str, Mapping[str, Any]]) -> float | None:
    row = signals.get("motion")
    return float(row["value"]) if row and row["status"] == "ok" and row["value"] is not None else None


def _captions(
    library: Library, clips: Sequence[str], weights: Mapping[str, float]
) -> dict[str, tuple[str, tuple[tuple[str, float], ...]]]:
    """By clip the heaviest of its captions, and all that have a share, by the selection's weights."""
    texts: dict[str, dict[str, str]] = {clip: {} for clip in clips}
    for row in library.rows("select clip, captioner, text from captions where status = 'ok' order by clip, captioner"):
        if row["clip"] in texts:
            texts[row["clip"]][row["captioner"]] = row["text"]
    found = {}
    for clip, said in texts.items():
        shares = caption_weights(said, weights)
        heaviest = heaviest_caption(shares)
        found[clip] = said.get(heaviest or "", ""), tuple((said[name], share) for name, share in shares.items())
    return found
