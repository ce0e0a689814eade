"""Which videos there are, which belong together, and which frames of two of them."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from marey.errors import MareyError
from marey.evaluate.views import View
from marey.media import probe, read

SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv", ".ts", ".gif"})
LISTS = frozenset({".txt", ".csv", ".json", ".jsonl"})
TRUE = "true/"
"""Before the name of a true video that stands by itself."""
RATE = 0.01
"""Rates that differ by less than this share are one rate: frames are then paired by their number."""


@dataclass(frozen=True)
class Job:
    """What is scored in one go."""

    name: str
    shown: Path | None
    """The generated video; None where only a true one of this name is there."""
    true: Path | None
    text: str = ""

    @property
    def kind(self) -> str:
        """pair, alone (no truth) or true (no generated video)."""
        return "true" if self.shown is None else "alone" if self.true is None else "pair"


Tap = Callable[[int, View], None]
"""Is given the number and the view of each frame that is decoded."""


class Frames:
    """Frames of a job in step, from one decode of each video. What the reading found stands in it at the end.

    A video of another size than its truth is brought to the truth's size. Where the rates differ, each frame of the
    generated video is paired with the true frame that is nearest in time.

    Attributes:
        readings: of the generated video and of the truth, where there is one; what their probes tell is known at once.
        taps: of each, called for all of its frames as they are, those without a partner too.

    Raises:
        Unusable: a video cannot be opened.
    """

    def __init__(self, shown: Path, true: Path | None) -> None:
        self.paths = [path for path in (shown, true) if path is not None]
        self.readings = [read(path, probe(path)) for path in self.paths]
        self.taps: list[list[Tap]] = [[] for _ in self.paths]
        self.note = ""
        self.count = self.width = self.height = 0

    @property
    def fps(self) -> float:
        """Of the generated video."""
        return self.readings[0].probe.fps

    def __iter__(self) -> Iterator[tuple[View, View | None]]:
        first = self._views(0)
        if len(self.paths) == 1:
            for view in first:
                self._count(view)
                yield view, None
            return
        rate = self.readings[1].probe.fps
        by_time = abs(rate - self.fps) > RATE * max(rate, self.fps)
        notes = []
        if by_time:
            notes.append(f"{self.fps:g} frames a second against {rate:g}: frames were paired by time")
        second = self._views(1)
        left: Iterator[View] | None = None
        resized = False
        here, ahead = next(second, None), next(second, None)
        for view in first:
            while by_time and ahead is not None and here is not None and _nearer(ahead, here, view):
                here, ahead = ahead, next(second, None)
            if here is None:
                left = first
                break
            shown = view
            if view.rgb.shape != here.rgb.shape:
                if not resized:
                    notes.append(f"{_size(view)} pixels were brought to the truth's {_size(here)}")
                    resized = True
                shown = View(_fitted(view, here), view.seconds)
            self._count(shown)
            yield shown, here
            if not by_time:
                here, ahead = ahead, next(second, None)
            elif ahead is None and view.seconds >= here.seconds + 0.5 / rate:
                here = None
        over = sum(1 for _ in left) + 1 if left else 0
        behind = (here is not None) + (ahead is not None) + sum(1 for _ in second)
        for rest, path in ((over, self.paths[0]), (0 if by_time else behind, self.paths[1])):
            if rest:
                notes.append(f"{path.name} has {self.count + rest} frames: the first {self.count} were compared")
        self.note = "; ".join(notes)

    def _views(self, which: int) -> Iterator[View]:
        for frame in self.readings[which]:
            view = View(frame.rgb(None), float(frame.seconds))
            for tap in self.taps[which]:
                tap(frame.n, view)
            yield view

    def _count(self, view: View) -> None:
        self.count += 1
        self.height, self.width = view.rgb.shape[:2]


def jobs(
    shown: Mapping[str, Path], true: Mapping[str, Path] | None, texts: Mapping[str, str]
) -> tuple[list[Job], list[str]]:
    """What is to be scored, by name, and what a reader must be told: pairs by name; where no name is in both, each
    video by itself."""
    if true is None:
        return [Job(name, path, None, texts.get(name, "")) for name, path in sorted(shown.items())], []
    names = sorted(shown.keys() & true.keys())
    if not names:
        alone = [Job(name, path, None, texts.get(name, "")) for name, path in sorted(shown.items())]
        return [*alone, *(Job(f"{TRUE}{name}", None, path) for name, path in sorted(true.items()))], [
            "No name is in both: there are no pairs, and only what needs no truth of each video is measured."
        ]
    notes = []
    for what, extra in (("generated", shown.keys() - true.keys()), ("true", true.keys() - shown.keys())):
        if extra:
            plural = "video has" if len(extra) == 1 else "videos have"
            notes.append(f"{len(extra)} {what} {plural} no partner, such as {min(extra)!r}: left out.")
    return [Job(name, shown[name], true[name], texts.get(name, "")) for name in names], notes


def videos(where: Path) -> dict[str, Path]:
    """Videos by name (the file's, without the ending) of a folder, of a list of paths (.txt, a path a line; .csv, the
    column `video`; .json, a list, or a table of names), or one video.

    Raises:
        MareyError: nothing is there, no video is in it, or two have one name.
    """
    where = Path(where)
    if where.is_dir():
        paths = [path for path in sorted(where.iterdir()) if path.suffix.lower() in SUFFIXES and path.is_file()]
    elif where.is_file() and where.suffix.lower() in LISTS:
        named = _listed(where)
        if isinstance(named, dict):
            return named
        paths = named
    elif where.is_file():
        paths = [where]
    else:
        raise MareyError(f"{where} is not there: a folder of videos, or a list of their paths, would do.")
    found: dict[str, Path] = {}
    for path in paths:
        if path.stem in found:
            raise MareyError(f"{where} has two videos called {path.stem!r}: {found[path.stem].name} and {path.name}.")
        found[path.stem] = path
    if not found:
        raise MareyError(f"There is no video in {where}.")
    return found


def texts_of(where: Path | None, shown: Mapping[str, Path]) -> dict[str, str]:
    """The text of each video: of a file (.json, a table of names; .csv, the columns `name` and `text`), else NAME.txt
    beside the video.

    Raises:
        MareyError: the file is not there, or none of these.
    """
    if where is None:
        beside = {name: path.with_suffix(".txt") for name, path in shown.items()}
        return {name: path.read_text(encoding="utf-8").strip() for name, path in beside.items() if path.is_file()}
    try:
        if where.suffix.lower() == ".csv":
            with where.open(encoding="utf-8", newline="") as file:
                return {row["name"]: row["text"] for row in csv.DictReader(file)}
        table = json.loads(where.read_text(encoding="utf-8"))
        return {str(name): str(text) for name, text in table.items()}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise MareyError(
            f"{where} holds no texts ({error!r}): a .json table of names, or a .csv of name and text, would do."
        ) from error


def _listed(where: Path) -> list[Path] | dict[str, Path]:
    try:
        text = where.read_text(encoding="utf-8")
        if where.suffix.lower() == ".csv":
            said = [row["video"] for row in csv.DictReader(text.splitlines())]
        elif where.suffix.lower() == ".json":
            table = json.loads(text)
            if isinstance(table, dict):
                return {str(name): where.parent / str(path) for name, path in table.items()}
            said = [str(path) for path in table]
        elif where.suffix.lower() == ".jsonl":
            said = [json.loads(line)["video"] for line in text.splitlines() if line.strip()]
        else:
            said = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MareyError(f"{where} is no list of videos ({error!r}): a path a line would do.") from error
    return [where.parent / path for path in said]


def _nearer(ahead: View, here: View, to: View) -> bool:
    return abs(ahead.seconds - to.seconds) < abs(here.seconds - to.seconds)


def _fitted(view: View, like: View) -> npt.NDArray[np.uint8]:
    height, width = like.rgb.shape[:2]
    smaller = height <= view.rgb.shape[0] and width <= view.rgb.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(view.rgb, (width, height), interpolation=how), dtype=np.uint8)


def _size(view: View) -> str:
    return f"{view.rgb.shape[1]}x{view.rgb.shape[0]}"
