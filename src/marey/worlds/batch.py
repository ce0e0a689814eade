"""A folder of clips of one world: a video, its sentence and its truth for each task, made where they are missing.

What decides a clip's content stands in its task, and what holds for all of them in the order, which the folder keeps:
a folder holds clips of one order, so that a second command cannot mix them up. The video comes last: what is there is
whole, and a run that was killed goes on with what is missing.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from marey.errors import MareyError
from marey.media import write_video
from marey.progress import Progress, silent
from marey.worlds.beside import OWN, declare, licences, sidecar

_PIECE = 4  # clips that a process makes before it tells


@dataclass(frozen=True)
class Task:
    """One clip to be made."""

    name: str
    """Of its files, without an ending."""
    plan: dict[str, Any]
    """All that decides its content, beside the order."""
    entry: dict[str, Any]
    """What LICENCES.json says of it."""


@dataclass
class Film:
    """The content of a clip, and what is known of it."""

    frames: Iterable[np.ndarray]
    fps: float
    truth: dict[str, Any]
    text: str = ""
    """Its sentence; empty: none is written."""
    flow: Iterable[np.ndarray] | None = None
    """Of each step, float32 (H, W, 2) in pixels, x first."""


@dataclass(frozen=True)
class Written:
    """What came of an order."""

    videos: list[Path]
    """Those that are there, in the order of their tasks."""
    left_out: dict[str, str] = field(default_factory=dict)
    """By the name of the task, why there is none."""

    def __str__(self) -> str:
        reasons = list(dict.fromkeys(self.left_out.values()))
        told = "".join(f"\nleft out: {reason}" for reason in reasons[:20])
        return told + (f"\nand {len(reasons) - 20} more" if len(reasons) > 20 else "")


Maker = Callable[[Mapping[str, Any], Task], Film]
"""Makes the content of a task under an order; a MareyError leaves that one out. A function of a module, for other
processes call it."""


def own(name: str) -> dict[str, Any]:
    """The licence of what was made from nothing else."""
    return {**OWN, "origin": [name]}


def derived(name: str, works: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The licence of what was made from works, by their file names, each with what its own LICENCES.json says of it.

    A work of which nothing is said makes all of it unknown.
    """
    if not works:
        return own(name)
    said = {str(work.get("license") or "unknown") for work in works.values()}
    bound = sorted(said - {"CC0-1.0"})
    origins = {str(one) for file, work in works.items() for one in work.get("origin") or [file]}
    return {
        "license": "unknown" if "unknown" in said else " AND ".join(bound) or "CC0-1.0",
        "source": f"made by Marey (worlds) from {', '.join(sorted(works))}",
        "credit": "; ".join(sorted({str(work["credit"]) for work in works.values() if work.get("credit")})),
        "origin": sorted(origins),
    }


def write(
    out: Path,
    world: str,
    order: Mapping[str, Any],
    tasks: Sequence[Task],
    make: Maker,
    *,
    flow: bool = False,
    workers: int = 2,
    progress: Progress = silent,
) -> Written:
    """Make what is missing of the tasks in the folder `out`.

    Args:
        world: its name, under which the folder keeps the order.
        order: what holds for all clips; a later order must be the same.
        flow: write the flow of each step too, float32 (T - 1, H, W, 2), as `NAME.flow.npz`.
        workers: processes; 0: this one.

    Raises:
        MareyError: the folder holds clips of another order, or no task could be done.
    """
    out.mkdir(parents=True, exist_ok=True)
    claim(out, world, order)
    todo = [task for task in tasks if not all(path.is_file() for path in _files(out, task.name, flow))]
    left_out: dict[str, str] = {}
    # What is not there yet may be told of already; what is there must be.
    declare(out, licences(out) | {f"{task.name}.mp4": task.entry for task in tasks})
    done, what = len(tasks) - len(todo), f"making {world}"
    progress(what, done, len(tasks))
    pieces = [todo[n : n + _PIECE] for n in range(0, len(todo), _PIECE)]
    for made in _made(out, order, pieces, make, flow, workers):
        done += len(made)
        left_out |= {name: reason for name, reason in made if reason}
        progress(what, done, len(tasks), f"{len(left_out)} left out" if left_out else "")
    if left_out:
        absent = {f"{name}.mp4" for name in left_out}
        declare(out, {name: entry for name, entry in licences(out).items() if name not in absent})
    if tasks and len(left_out) == len(tasks):
        raise MareyError(f"None of {len(tasks)} clips could be made: {next(iter(left_out.values()))}")
    return Written([out / f"{task.name}.mp4" for task in tasks if task.name not in left_out], left_out)


def claim(out: Path, world: str, order: Mapping[str, Any]) -> None:
    """Keep an order in its folder, or see that it is the one that is kept.

    Raises:
        MareyError: it is another, or cannot be read.
    """
    place, said = out / f"{world}.truth.json", json.loads(json.dumps(order))
    try:
        had = json.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        sidecar(place, json.dumps(said))
        return
    except (OSError, ValueError) as error:
        raise MareyError(f"{place} cannot be read ({error}): another --out would do.") from error
    differs = next((key for key in said if had.get(key) != said[key]), None)
    if differs is not None:
        raise MareyError(
            f"{out} holds clips with {differs} = {had.get(differs)!r}, not {said[differs]!r}: another --out would do."
        )


def frame_size(size: int, proportions: float = 1.0) -> tuple[int, int]:
    """Height and width of a height, both even.

    Raises:
        MareyError: the height is odd or too small.
    """
    if size < 32 or size > 2160 or size % 2:
        raise MareyError(f"--size is {size}: an even number from 32 to 2160 would do.")
    return size, 2 * round(size * proportions / 2)


def length(seconds: float, fps: int) -> int:
    """How many frames so many seconds are, at least 2.

    Raises:
        MareyError: no length or rate that can be made.
    """
    if not 0 < seconds <= 3600:
        raise MareyError(f"--seconds is {seconds}: above 0 and up to 3600 would do.")
    if not 1 <= fps <= 240:
        raise MareyError(f"--fps is {fps}: 1 to 240 would do.")
    return max(2, round(Fraction(seconds) * fps))


def _files(out: Path, name: str, flow: bool) -> list[Path]:
    files = [out / f"{name}.mp4", out / f"{name}.truth.json"]
    return [*files, out / f"{name}.flow.npz"] if flow else files


def _made(
    out: Path, order: Mapping[str, Any], pieces: list[list[Task]], make: Maker, flow: bool, workers: int
) -> Iterator[list[tuple[str, str]]]:
    if not workers or len(pieces) < 2:
        for piece in pieces:
            yield _make(out, order, piece, make, flow)
        return
    count = len(pieces)
    with ProcessPoolExecutor(min(workers, count), mp_context=get_context("spawn")) as pool:
        yield from pool.map(_make, [out] * count, [order] * count, pieces, [make] * count, [flow] * count)


def _make(out: Path, order: Mapping[str, Any], tasks: list[Task], make: Maker, flow: bool) -> list[tuple[str, str]]:
    """Names of tasks, each with the reason why it could not be done, empty if it was."""
    return [(task.name, _one(out, order, task, make, flow)) for task in tasks]


def _one(out: Path, order: Mapping[str, Any], task: Task, make: Maker, flow: bool) -> str:
    try:
        film = make(order, task)
        frames = iter(film.frames)
        first = next(frames)
    except MareyError as error:
        return str(error)
    video, known, *flows = _files(out, task.name, flow)
    for path in flows:
        temporary = path.with_name(f".{path.name}.tmp")
        with temporary.open("wb") as file:
            np.savez_compressed(file, flow=np.stack(list(film.flow or ())).astype(np.float32))
        temporary.replace(path)
    sidecar(known, json.dumps(film.truth))
    sidecar(video.with_suffix(".txt"), film.text or None)
    write_video(video, chain([first], frames), film.fps, crf=18, preset="veryfast")
    return ""
