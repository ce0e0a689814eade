"""A folder of generated videos against a folder of true ones, paired by name: `marey evaluate FAKE --against REAL`.

Each video is decoded once, both of a pair in step; every metric taps that pass. Memory does not grow with the length
of a video nor, but for one row of numbers each, with their number.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from marey.errors import MareyError
from marey.evaluate.features import Describer, Projection, fit
from marey.evaluate.frames import Picture
from marey.evaluate.metrics import Scorer
from marey.evaluate.record import Evaluation
from marey.evaluate.summary import distances, summarise
from marey.media import content_id, probe, read
from marey.progress import Progress, follow, silent
from marey.recipe import Evaluate as Settings

PROTOCOL = "marey/pairs-1"
SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv", ".ts", ".gif"})


def evaluate_folders(
    fake: Path,
    real: Path,
    settings: Settings | None = None,
    *,
    given: int = 1,
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """Score the videos in `fake` against those of the same name (without the ending) in `real`.

    Each pair is a group of its own. The frozen first true frame stands beside the videos as a baseline.

    Args:
        given: so many first frames are not scored, because an image-to-video model was given them. 0 scores every
            frame.

    Raises:
        MareyError: a folder is not there, no name is in both, or a pair differs in size.
    """
    settings = settings or Settings()
    pairs, notes = _paired(Path(fake), Path(real))
    per_window: list[dict[str, Any]] = []
    described: dict[str, list[npt.NDArray[np.float64]]] = {"model": [], "frozen": [], "truth": []}
    hasher = hashlib.sha256()
    lengths = []
    for name, shown, true in follow(pairs, progress, "scoring videos", len(pairs)):
        row, length, unequal = _score(name, shown, true, given, described)
        per_window.append(row)
        lengths.append(length)
        if unequal:
            notes.append(unequal)
        hasher.update(f"{content_id(shown)} {content_id(true)} ".encode())

    rows, differences, absent = summarise(per_window, settings, seed)
    complete = all(len(column) == len(pairs) for column in described.values())
    projection, reason = (
        _axes(described["truth"], settings) if complete else (None, "a video has fewer than three frames")
    )
    tables = {method: np.stack(column) for method, column in described.items()} if projection else {}
    more, missing = distances(tables, per_window, projection, reason, settings)
    # A folder says nothing of where its videos come from: there is one subset, all of them.
    return Evaluation(
        protocol={
            "id": PROTOCOL,
            "frames": min(lengths) if min(lengths) == max(lengths) else f"{min(lengths)} to {max(lengths)}",
            "given": given,
            "against": "the video of the same name",
            "frozen": "the true first frame, held",
            "frechet": "principal axes of the true videos",
        },
        n=len(per_window),
        groups=len(per_window),
        rows=[row for row in rows + more if row.subset == "all"],
        differences=[row for row in differences if row.subset == "all"],
        absent=[row for row in absent + missing if row["subset"] == "all"],
        windows=per_window,
        notes=notes,
        settings=settings.model_dump(mode="json"),
        seed=seed,
        data=hasher.hexdigest()[:16],
    )


def _paired(fake: Path, real: Path) -> tuple[list[tuple[str, Path, Path]], list[str]]:
    shown, true = _videos(fake), _videos(real)
    names = sorted(shown.keys() & true.keys())
    if not names:
        raise MareyError(
            f"No video in {fake} has the name of one in {real}: the same name, without the ending, makes a pair."
        )
    notes = []
    for folder, extra in ((fake, shown.keys() - true.keys()), (real, true.keys() - shown.keys())):
        if extra:
            notes.append(f"{len(extra)} videos in {folder} have no partner, such as {min(extra)!r}.")
    return [(name, shown[name], true[name]) for name in names], notes


def _videos(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise MareyError(f"{folder} is not a folder: a folder of videos would do.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            if path.stem in found:
                raise MareyError(
                    f"{folder} has two videos called {path.stem!r}: {found[path.stem].name} and {path.name}."
                )
            found[path.stem] = path
    return found


def _score(
    name: str, shown: Path, true: Path, given: int, described: dict[str, list[npt.NDArray[np.float64]]]
) -> tuple[dict[str, Any], int, str]:
    """The row of one pair, how many frames were compared, and a note where one is longer."""
    scorers = {method: Scorer(given=given) for method in ("model", "frozen")}
    describers = {method: Describer(given=given) for method in described}
    still: Picture | None = None
    frames = 0
    first, second = _frames(shown), _frames(true)
    left: tuple[str, int] | None = None
    while True:
        a, b = next(first, None), next(second, None)
        if a is None or b is None:
            if (a is None) != (b is None):
                rest = first if b is None else second
                left = ((shown if b is None else true).name, frames + 1 + sum(1 for _ in rest))
            break
        if a.shape != b.shape:
            raise MareyError(
                f"{shown} is {a.shape[1]}x{a.shape[0]} and {true} is {b.shape[1]}x{b.shape[0]}: "
                "videos of one size would do."
            )
        still = b if still is None else still
        for method, picture in (("model", a), ("frozen", still)):
            scorers[method].add(picture, b)
        for method, picture in (("model", a), ("frozen", still), ("truth", b)):
            describers[method].add(picture)
        frames += 1
    try:
        values = {method: scorer.values() for method, scorer in scorers.items()}
    except MareyError as error:
        raise MareyError(f"{shown} against {true}: {error}") from error
    if frames >= 3:
        for method, describer in describers.items():
            described[method].append(describer.values())
    values["truth"] = {"motion": scorers["model"].true_motion}
    note = f"{left[0]} has {left[1]} frames, its partner {frames}: the first {frames} were compared." if left else ""
    return {"id": name, "group": name, "real": True, "values": values}, frames, note


def _frames(path: Path) -> Iterator[Picture]:
    for frame in read(path, probe(path)):
        yield frame.rgb(None)


def _axes(true: list[npt.NDArray[np.float64]], settings: Settings) -> tuple[Projection | None, str]:
    try:
        return fit(np.stack(true), settings.frechet_dims), ""
    except MareyError as error:
        return None, str(error)
