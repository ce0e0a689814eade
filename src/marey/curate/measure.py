"""What a signal of a clip is computed by, and what it may look at.

A measure is one class in one file of `measures/`, registered there. Each gives one signal, with the version that a
stored value must have to be good: adding or changing a measure computes that column alone. None of them decodes video:
they look at the trace and the stills that the pass kept.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import cv2
import numpy as np

from marey.catalog import Shard, text_path
from marey.curate.album import still
from marey.curate.pairs import PairPictures
from marey.media import walk
from marey.signals.bars import Bars, bars
from marey.signals.given import Given
from marey.signals.loudness import HOP, RATE

Row = Mapping[str, Any]

HOP_SECONDS = HOP / RATE
LOOKS, ELSEWHERE = 8, 16
"""Stills of a clip, and of the rest of its footage, that are looked at for what stays where it is."""


@dataclass(frozen=True)
class Measured:
    """What a measure found in one clip."""

    value: float | None
    """In the measure's unit; None where `data` holds a vector or a text, or where there is nothing to measure."""
    data: Any = None
    """More of it: JSON, or an array, which is stored as a list."""
    reason: str = ""
    """Why there is no value, or what is to be known of it."""
    array: np.ndarray | None = None
    """What is too much for a row: it goes into a shard, under the measure's `tensors`, and the data says so."""


class View:
    """One clip as measures see it. Each part is loaded when it is first asked for, and once for all of them.

    Args:
        clip, footage: their rows.
        trace: the whole footage's, as `read.Taps.trace` describes it, loaded when called.
        stills: (shard, key) of the clip's first, middle and last still.
        captions: the clip's texts by captioner.
        album: the stills of its footage, shared by the footage's clips.
        arrays: (shard, key) of the arrays that are stored of the clip, by their kind.
        sound: the trace of its footage's sound; None if there is none.
        pictures: the frames of its footage's pairs; None if they were not kept.
    """

    def __init__(
        self,
        library: Path,
        clip: Row,
        footage: Row,
        trace: "Trace",
        stills: list[tuple[str, str]],
        captions: Mapping[str, str],
        album: "Album",
        arrays: Mapping[str, tuple[str, str]] | None = None,
        sound: "Trace | None" = None,
        pictures: PairPictures | None = None,
    ) -> None:
        self.clip, self.footage, self.captions = clip, footage, captions
        self._library, self._trace, self._stills, self._album = library, trace, stills, album
        self._stored, self._sound, self._pictures = arrays or {}, sound, pictures
        self._computed: dict[str, np.ndarray] = {}

    @property
    def path(self) -> Path:
        """The file that the clip lies in."""
        return text_path(self.footage["path"])

    @property
    def photo(self) -> bool:
        """Whether it is a photograph."""
        return bool(self.footage["kind"] == "photo")

    @property
    def tick(self) -> float:
        """Seconds that one tick of its times takes."""
        top, bottom = (int(part) for part in (self.footage["time_base"] or "1/1").split("/"))
        return top / bottom

    @property
    def pts(self) -> np.ndarray:
        """Times of its frames in ticks: int64 (T,)."""
        return self._trace["pts"][self._span]

    @property
    def luma(self) -> np.ndarray:
        """Signatures of its frames: uint8 (T, 36, 64)."""
        return self._trace["luma"][self._span]

    @property
    def chroma(self) -> np.ndarray:
        """Their Cb and Cr: uint8 (T, 18, 32, 2)."""
        return self._trace["chroma"][self._span]

    @cached_property
    def pairs(self) -> np.ndarray:
        """Which frames were compared for motion, counted from the clip's first: int (P, 2)."""
        return self._trace["pairs"][self._paired] - self.clip["start_frame"]

    @property
    def motion(self) -> np.ndarray:
        """The motion between these frames over half a second: float32 (P, columns)."""
        return self._trace["motion"][self._paired]

    def pair(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """The two frames of pair `n`, uint8 RGB (H, W, 3); only for a measure that is `of_pairs`."""
        assert self._pictures is not None, "the frames of pairs were not kept"
        first, second = (int(frame) for frame in self.pairs[n] + self.clip["start_frame"])
        return self._pictures(first), self._pictures(second)

    @cached_property
    def sampled(self) -> np.ndarray:
        """Which frames were looked at closely, counted from the clip's first: int (S,)."""
        return self._trace["sampled"][self._looked_at] - self.clip["start_frame"]

    @property
    def light(self) -> np.ndarray:
        """What was seen there: float32 (S, columns)."""
        return self._trace["light"][self._looked_at]

    @cached_property
    def stills(self) -> list[np.ndarray]:
        """First, middle and last still, uint8 RGB (H, W, 3), one to three of them. Where the pass kept none in a very
        short clip, its span is decoded for use, apart from the pass."""
        if self._stills:
            return [_picture(self._library, shard, key) for shard, key in self._stills]
        start, end, frames = (self.clip[name] for name in ("start_pts", "end_pts", "frames"))
        wanted = {0, (frames - 1) // 2, frames - 1}
        return [still(frame) for frame in walk(self.path, start, end, threads=1) if frame.n in wanted]

    @cached_property
    def looks(self) -> list[np.ndarray]:
        """Some stills of the clip as luma uint8 (H, W), evenly spread over it: one to `LOOKS` of them."""
        kept = self._album.within(self.clip["start_frame"], self.clip["end_frame"])
        return kept or [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in self.stills]

    @cached_property
    def elsewhere(self) -> list[np.ndarray]:
        """Some stills of the rest of its footage as luma, of the same size, evenly spread over it: none to `ELSEWHERE`
        of them."""
        return self._album.outside(self.clip["start_frame"], self.clip["end_frame"])

    @cached_property
    def bars(self) -> tuple[Bars, bool]:
        """The black bars around the clip's picture, and whether it is light enough to tell."""
        return bars(self.looks, self.footage["height"], self.footage["width"], elsewhere=lambda: self.elsewhere)

    def array(self, kind: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """The clip's array of a kind: the stored one, or else computed, once for all measures."""
        if kind not in self._computed:
            stored = self._stored.get(kind)
            self._computed[kind] = _tensor(self._library, *stored) if stored else compute()
        return self._computed[kind]

    @cached_property
    def sound(self) -> dict[str, np.ndarray] | None:
        """What is known of the clip's sound, a row for each 0.02 s that lies in it: power, level and speech, as
        `listen.taken` describes them. None where its footage has no sound."""
        if self._sound is None:
            return None
        first, fps = int(self._trace["pts"][0]), self.clip["fps"]
        start = (self.clip["start_pts"] - first) * self.tick
        end = (self.clip["end_pts"] - first) * self.tick + (1 / fps if fps else 0)
        inside = slice(int(np.ceil(start / HOP_SECONDS - 1e-6)), int(np.floor(end / HOP_SECONDS + 1e-6)))
        return {name: self._sound[name][inside] for name in ("power", "level", "speech")}

    @property
    def _span(self) -> slice:
        return slice(self.clip["start_frame"], self.clip["end_frame"] + 1)

    @cached_property
    def _paired(self) -> np.ndarray:
        pairs = self._trace["pairs"]
        return np.flatnonzero((pairs[:, 0] >= self.clip["start_frame"]) & (pairs[:, 1] <= self.clip["end_frame"]))

    @cached_property
    def _looked_at(self) -> np.ndarray:
        sampled = self._trace["sampled"]
        return np.flatnonzero((sampled >= self.clip["start_frame"]) & (sampled <= self.clip["end_frame"]))


class Trace:
    """The arrays of a footage's trace by name, each read when it is first asked for."""

    def __init__(self, library: Path, shard: str, key: str) -> None:
        self._path, self._key = library / shard, key
        self._arrays: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._arrays:
            array = self._shard.read(f"{self._key}/{name}")
            assert isinstance(array, np.ndarray)
            self._arrays[name] = array
        return self._arrays[name]

    @cached_property
    def _shard(self) -> Shard:
        return Shard(self._path)


class Album:
    """All stills that were kept of a footage, as luma. Each is read when it is first asked for; those that clips share
    stay in memory.

    Args:
        places: (frame, shard, key) of each, in the order of the frames.
    """

    def __init__(self, library: Path, places: Sequence[tuple[int, str, str]]) -> None:
        self._library, self._places = library, places
        self._spread = set(_spread(range(len(places)), ELSEWHERE))
        self._shared: dict[int, np.ndarray] = {}

    def within(self, start: int, end: int) -> list[np.ndarray]:
        """At most `LOOKS` stills of the frames from `start` to `end`."""
        inside = [n for n, (frame, _, _) in enumerate(self._places) if start <= frame <= end]
        return [self._luma(n) for n in _spread(inside, LOOKS)]

    def outside(self, start: int, end: int) -> list[np.ndarray]:
        """At most `ELSEWHERE` stills of other frames."""
        return [self._luma(n) for n in sorted(self._spread) if not start <= self._places[n][0] <= end]

    def _luma(self, n: int) -> np.ndarray:
        if n in self._shared:
            return self._shared[n]
        _, shard, key = self._places[n]
        picture = _decoded(self._library, shard, key, cv2.IMREAD_GRAYSCALE)
        if n in self._spread:
            self._shared[n] = picture
        return picture


class Measure(ABC):
    """One signal. It loads nothing before `setup`.

    Args:
        given: the models of the user's own that it may go by.
    """

    name: ClassVar[str]
    """The signal's, and the column's in what is published."""
    version: ClassVar[str]
    """Changes whenever the same clip would get another value."""
    unit: ClassVar[str] = ""
    bad: ClassVar[Literal["low", "high", ""]] = ""
    """The end that `select --drop` cuts from; empty: neither."""
    params: ClassVar[Mapping[str, Any]] = {}
    """What a reader must know to compute it again."""
    photos: ClassVar[bool] = True
    """Whether photographs have it too."""
    of_captions: ClassVar[bool] = False
    """Whether it depends on the clip's captions: then it is computed anew when one of them changes."""
    of_sound: ClassVar[bool] = False
    """Whether it looks at `View.sound`: then the footage is heard before, if it was not yet."""
    of_pairs: ClassVar[bool] = False
    """Whether it looks at `View.pair`: then the frames are fetched before, if they were not kept."""
    tensors: str = ""
    """The kind under which its arrays are stored, if it gives any. It names all that they depend on but the clip."""

    def __init__(self, given: Given | None = None) -> None:
        self.given = given or Given()

    @classmethod
    def offered(cls, given: Given) -> bool:
        """Whether there is such a signal at all; not if it is of a model that nobody gave."""
        return True

    def lacking(self) -> str:
        """What must be installed for it, as a sentence with the command; empty if nothing."""
        return ""

    def setup(self, threads: int) -> None:
        """Load what is loaded once a process, which may use so many threads."""
        return

    @abstractmethod
    def measure(self, view: View) -> Measured:
        """The signal of one clip.

        Raises:
            Exception: this costs this value alone, which becomes `failed` with the reason.
        """


def _picture(library: Path, shard: str, key: str) -> np.ndarray:
    return cv2.cvtColor(_decoded(library, shard, key, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _decoded(library: Path, shard: str, key: str, how: int) -> np.ndarray:
    return cv2.imdecode(_tensor(library, shard, key), how)  # type: ignore[return-value]


def _tensor(library: Path, shard: str, key: str) -> np.ndarray:
    from safetensors import safe_open

    with safe_open(str(library / shard), framework="numpy") as file:
        array: np.ndarray = file.get_tensor(key)
        return array


def _spread(indices: Sequence[int], most: int) -> list[int]:
    """At most so many of them, evenly spread."""
    if len(indices) <= most:
        return list(indices)
    return [indices[int((n + 0.5) * len(indices) / most)] for n in range(most)]
