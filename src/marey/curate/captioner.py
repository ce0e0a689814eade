"""What a caption of a clip is written by, and what it may look at.

A captioner is one class in one file of `captioners/`, registered there. It is given several clips at a time and answers
by their ids, never by their positions. Its version names what wrote the text: the backend, the model's weights, the
prompt and what was shown; a stored caption of another version is written anew.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import cv2
import numpy as np

from marey.catalog import Shard, text_path
from marey.curate.album import still
from marey.curate.measure import Trace
from marey.errors import MareyError
from marey.media import read_photo, walk
from marey.recipe import Captions

Column = Literal["facts", "image", "video", "merged"]


@dataclass(frozen=True)
class Told:
    """What a captioner said of one clip."""

    text: str = ""
    status: Literal["ok", "failed", "missing"] = "ok"
    """failed: it said nothing fit of this clip, and would not another time (a refusal, an empty answer, frames that
    cannot be decoded). missing: it could not be asked (no server, no extra); a later run asks again."""
    reason: str = ""

    @classmethod
    def of(cls, text: str, reason: str = "") -> "Told":
        """The text in one line; an empty one is a failure."""
        line = " ".join(text.split())
        return cls(line, reason=reason) if line else cls(status="failed", reason="the answer is empty")

    @classmethod
    def failure(cls, error: Exception) -> "Told":
        """What went wrong with one clip."""
        text = str(error) if isinstance(error, MareyError) or hasattr(error, "status") else ""
        return cls(status="failed", reason=text or f"{type(error).__name__}: {error}")


class Seen:
    """One clip as captioners see it; pixels and traces are loaded when they are asked for.

    Args:
        clip, footage: their rows.
        trace: the footage's.
        stills: (frame number in the footage, shard, key) of every still that the pass kept within the clip, in order.
        signals: its signals' rows by name, `data` parsed.
        captions: its texts by captioner.
    """

    def __init__(
        self,
        library: Path,
        clip: Mapping[str, Any],
        footage: Mapping[str, Any],
        trace: Trace,
        stills: Sequence[tuple[int, str, str]],
        signals: Mapping[str, Mapping[str, Any]],
        captions: Mapping[str, str],
    ) -> None:
        self.clip, self.footage, self.signals, self.captions = clip, footage, signals, captions
        self._library, self._trace, self._stills = library, trace, stills

    @property
    def id(self) -> str:
        """The clip's."""
        return str(self.clip["id"])

    @property
    def signature(self) -> tuple[np.ndarray, np.ndarray]:
        """Of its middle frame: luma uint8 (36, 64), chroma uint8 (18, 32, 2)."""
        middle = (self.clip["start_frame"] + self.clip["end_frame"]) // 2
        return self._trace["luma"][middle], self._trace["chroma"][middle]

    @cached_property
    def middle(self) -> np.ndarray:
        """The middle still: uint8 RGB (H, W, 3)."""
        kept = json.loads(self.clip["stills"] or "[]")
        wanted = kept[len(kept) // 2] if kept else None
        for n, shard, key in self._stills:
            if n == wanted:
                return _picture(self._library, shard, key)
        return self.frames(1)[0]

    def frames(self, count: int) -> list[np.ndarray]:
        """So many frames, evenly over the clip and in order, uint8 RGB (H, W, 3); all of a clip that has fewer.

        They are stills that the pass kept, where enough of them lie near enough; else the clip's span is decoded for
        use, apart from the pass.

        Raises:
            Unusable: the clip cannot be decoded.
        """
        if self.footage["kind"] == "photo":
            if self._stills:
                return [_picture(self._library, *self._stills[0][1:])]
            return [read_photo(text_path(self.footage["path"]))]
        first, total = self.clip["start_frame"], self.clip["frames"]
        wanted = evenly(total, count)
        near = nearest([n - first for n, _, _ in self._stills], wanted, total)
        if near:
            return [_picture(self._library, *self._stills[n][1:]) for n in near]
        path, places = text_path(self.footage["path"]), set(wanted)
        found = walk(path, self.clip["start_pts"], self.clip["end_pts"], threads=1)
        pictures = [still(frame) for frame in found if frame.n in places]
        if not pictures:
            raise MareyError(f"No frame of the clip could be decoded from {path}.")
        return pictures


class Captioner(ABC):
    """One column of captions.

    Raises:
        MareyError: when it is made, its model is not there or is no such model.
    """

    name: ClassVar[str]
    """The backend, as recipes name it."""

    def __init__(self, column: Column, settings: Captions) -> None:
        self.column: Column = column
        self.settings = settings

    @property
    def needs(self) -> tuple[str, ...]:
        """Signals that it is told: its captions are written anew when one of them changes."""
        return ()

    @property
    def of(self) -> tuple[str, ...]:
        """Captions that it is told, and cannot do without."""
        return ("image", "video") if self.column == "merged" else ()

    @property
    @abstractmethod
    def version(self) -> str:
        """Changes whenever the same clip would get another caption."""

    @property
    def processes(self) -> int:
        """Guarded processes at most; 0: it does nothing that could break one."""
        return 1

    @property
    @abstractmethod
    def batch(self) -> int:
        """Clips that it is given at a time."""

    @property
    def seconds(self) -> float | None:
        """The longest that a batch may take; None: what the recipe gives to a source."""
        return None

    def lacking(self) -> str:
        """What must be installed or set for it, as a sentence that says how; empty if nothing."""
        return ""

    def setup(self, threads: int) -> None:
        """Load what is loaded once a process, which may use so many threads."""
        return

    @abstractmethod
    def tell(self, clips: Sequence[Seen]) -> dict[str, Told]:
        """What it says of each clip, by the clip's id."""

    def stamp(self, signals: Mapping[str, Mapping[str, Any]], captions: Mapping[str, str]) -> str:
        """The version, and what it is told besides."""
        told = [
            {name: [signals[name]["value"], signals[name]["data"]] for name in self.needs if name in signals},
            {name: captions[name] for name in self.of if name in captions},
        ]
        return f"{self.version}+{short_hash(told)}" if any(told) else self.version


def within(frame: np.ndarray, side: int) -> np.ndarray:
    """A picture, uint8 (H, W, 3), scaled down to a long side of at most `side` pixels."""
    high, wide = frame.shape[:2]
    scale = side / max(high, wide)
    if scale >= 1:
        return frame
    size = max(1, round(wide * scale)), max(1, round(high * scale))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def evenly(total: int, count: int) -> list[int]:
    """The middles of `count` equal parts of 0..total-1; all where there are no more.

    >>> evenly(30, 3), evenly(2, 5)
    ([5, 15, 25], [0, 1])
    """
    if total <= count:
        return list(range(total))
    return [int((n + 0.5) * total / count) for n in range(count)]


def nearest(kept: Sequence[int], wanted: Sequence[int], total: int) -> list[int]:
    """Of each wanted frame the place in `kept` of the nearest that was kept; none at all if two would be the same one,
    or if one lies farther off than half the distance between wanted ones.

    >>> nearest([0, 9, 17, 29], [5, 15, 25], 30), nearest([0, 29], [5, 15, 25], 30)
    ([1, 2, 3], [])
    """
    if not kept or not wanted:
        return []
    reach = total / len(wanted) / 2
    places = [min(range(len(kept)), key=lambda n: (abs(kept[n] - frame), n)) for frame in wanted]
    far = max(abs(kept[place] - frame) for place, frame in zip(places, wanted, strict=True)) > reach
    return [] if far or len(set(places)) < len(places) else places


def short_hash(value: Any) -> str:
    """Eight hex digits of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:8]


def _picture(library: Path, shard: str, key: str) -> np.ndarray:
    array = Shard(library / shard).read(key)
    assert isinstance(array, np.ndarray)
    return cv2.cvtColor(cv2.imdecode(array, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
