"""Contact sheets around thresholds: the clips that just fall to a rule, and those that just stay, with their values.

They are drawn from the stills that the one pass kept. Only a clip of which none was kept is decoded, up to its middle.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from marey.catalog.axes import axis
from marey.catalog.paths import text_path
from marey.catalog.select import DUPLICATES, Selection, Threshold, usable_clips
from marey.catalog.store import Library, Row
from marey.errors import MareyError
from marey.media import Unusable, contact_sheet, png_bytes, read_photo, walk
from marey.progress import Progress, follow, silent

EACH_SIDE = 8
_GROUPS = 6
_HEIGHT = 120  # of a picture, in pixels


def draw_sheets(
    library: Library, selection: Selection, folder: Path, *, each_side: int = EACH_SIDE, progress: Progress = silent
) -> list[Path]:
    """Write one picture a rule, RULE.png: those nearest to the threshold on either side, by this rule alone.

    A rule that nothing falls to shows the clips that are next to fall. Of near-duplicates each row is a group, the one
    that stays first.

    Returns:
        The pictures; none of a rule that looks at no clip.
    """
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    stills = Stills(library)
    drawn = []
    for rule in follow(list(selection.matrix), progress, "drawing contact sheets", len(selection.matrix)):
        threshold = selection.thresholds.get(rule)
        if threshold is not None:
            sheet = _around(library, selection, rule, threshold, stills, each_side)
        elif rule == DUPLICATES:
            sheet = _twins(library, selection, stills, each_side)
        else:
            sheet = None
        if sheet is None:
            continue
        path = folder / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', rule)}.png"
        path.write_bytes(png_bytes(sheet))
        drawn.append(path)
    return drawn


class Stills:
    """The middle still of any clip of a library."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._kept = library.places("stills")
        self.decoded = 0
        """Clips that had to be decoded, because no still of them was kept."""

    def middle(self, clip: Row) -> np.ndarray:
        """A picture, uint8 RGB (H, W, 3); a grey one where the source is gone.

        Args:
            clip: id, footage, stills, start_frame, end_frame, start_pts, end_pts, frames, path and kind.
        """
        kept = [n for n in json.loads(clip["stills"]) if f"{clip['footage']}:{n}" in self._kept]
        if kept:
            wanted = (clip["start_frame"] + clip["end_frame"]) / 2
            n = min(kept, key=lambda frame: (abs(frame - wanted), frame))
            data = self._library.tensor("stills", f"{clip['footage']}:{n}")
            assert isinstance(data, np.ndarray)
            return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        self.decoded += 1
        try:
            return _drawn(clip)
        except (Unusable, MareyError, OSError):
            return np.full((90, 160, 3), 200, np.uint8)


def _drawn(clip: Row) -> np.ndarray:
    path = text_path(clip["path"])
    if clip["kind"] == "photo":
        return read_photo(path)
    for frame in walk(path, clip["start_pts"], clip["end_pts"], threads=1):
        if frame.n == (clip["frames"] - 1) // 2:
            return frame.rgb(360)
    raise Unusable("failed", "it ends before the clip's middle", path)


def _rows(library: Library, clips: Sequence[str]) -> list[Row]:
    """The rows of clips with their footage's path and kind, in the order given."""
    marks = ", ".join("?" * len(clips))
    rows = library.rows(
        "select clips.*, footage.path, footage.kind from clips join footage on footage.id = clips.footage "
        f"where clips.id in ({marks})",
        *clips,
    )
    by_id = {row["id"]: row for row in rows}
    return [by_id[clip] for clip in clips if clip in by_id]


def _around(
    library: Library, selection: Selection, rule: str, threshold: Threshold, stills: Stills, each_side: int
) -> np.ndarray | None:
    usable = {clip["id"] for clip in usable_clips(library)}
    values = {
        clip: float(row["value"])
        for clip, row in axis(library, threshold.signal).items()
        if clip in usable and row["value"] is not None
    }
    if threshold.value is None or not values:
        return None
    worst_first = sorted(values, key=lambda clip: (values[clip] if threshold.side == "low" else -values[clip], clip))
    falls = [clip for clip in worst_first if rule in selection.dropped.get(clip, [])]
    stays = [clip for clip in worst_first if clip not in set(falls)]
    sign = "<" if threshold.side == "low" else ">"
    share = "" if threshold.percent is None else f", {threshold.percent:g} % asked for"
    rows, labels = [], []
    for clips, word in ((falls[-each_side:], "fall"), (stays[:each_side], "stay")):
        if clips:
            rows.append([_tile(stills.middle(row), f"{values[row['id']]:.5g}") for row in _rows(library, clips)])
            count = len(falls) if word == "fall" else len(stays)
            labels.append(
                f"{rule}: {sign} {threshold.value:.5g} falls{share}. {count} {word}; the {len(clips)} nearest"
            )
    return contact_sheet(rows, labels, height=rows[0][0].shape[0])


def _twins(library: Library, selection: Selection, stills: Stills, most: int) -> np.ndarray | None:
    groups: dict[str, list[str]] = {}
    for clip, row in axis(library, "duplicate_group").items():
        if row["data"] and row["data"] != "null":
            groups.setdefault(row["data"], []).append(clip)
    fallen = {clip for clip, rules in selection.dropped.items() if DUPLICATES in rules}
    shown = [group for group in groups.values() if fallen & set(group)][:_GROUPS]
    rows = []
    for group in shown:
        clips = _rows(library, sorted(group, key=lambda clip: (clip in fallen, clip))[:most])
        rows.append([_tile(stills.middle(row), "falls" if row["id"] in fallen else "stays") for row in clips])
    labels = [f"near-duplicates, a group of {len(group)}" for group in shown]
    return contact_sheet(rows, labels, height=rows[0][0].shape[0]) if rows else None


def _tile(picture: np.ndarray, label: str) -> np.ndarray:
    """A picture with its value above it."""
    return contact_sheet([[picture]], [label], height=_HEIGHT, gap=2)
