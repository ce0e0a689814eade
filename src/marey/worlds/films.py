"""The small worlds as footage like any other: figures that move, cameras over photographs, edits of shots.

Each clip is an MP4 with its sentence and all that is known of it beside it; see `batch` for what a folder holds and how
a run goes on where it was stopped.
"""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from marey.errors import MareyError
from marey.media import Unusable, probe, read_photo, span
from marey.media.photo import SUFFIXES
from marey.progress import Progress, silent
from marey.worlds import batch, confounders, edits
from marey.worlds import camera as cameras
from marey.worlds.batch import Film, Task, Written
from marey.worlds.beside import licences
from marey.worlds.figures import MOTIONS, figure
from marey.worlds.scenes import KINDS, scene

VERSION = 1
"""Changes whenever the same order would give other clips."""
VIDEOS = frozenset((".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"))
_WIDE = 4 / 3
_LONGEST = 400  # frames of a source that are looked at, for one shot


def film_shapes(
    out: str | Path,
    clips: int,
    *,
    seconds: float = 3.2,
    size: int = 64,
    fps: int = 25,
    seed: int = 7,
    motion: str | None = None,
    flow: bool = False,
    workers: int = 2,
    progress: Progress = silent,
) -> Written:
    """Write clips of one figure each, in one motion each, square.

    Args:
        clips: how many: numbers 0 to clips - 1 of this seed.
        motion: one of `figures.MOTIONS`; without it they take turns.
        flow, workers: as in `batch.write`.

    Raises:
        MareyError: a size, length, rate or motion that there is not, or a folder of another order.
    """
    side, _ = batch.frame_size(size)
    if motion is not None and motion not in MOTIONS:
        raise MareyError(f"--motion is {motion!r}: one of {', '.join(MOTIONS)} would do.")
    order = {"seed": seed, "size": side, "frames": batch.length(seconds, fps), "fps": fps, "motion": motion}
    names = [(n, f"shapes-{seed}-{n:06d}") for n in range(clips)]
    tasks = [Task(name, {"number": n}, batch.own(name)) for n, name in names]
    order["version"] = VERSION
    return batch.write(Path(out), "shapes", order, tasks, _figure, flow=flow, workers=workers, progress=progress)


def film_photos(
    photos: str | Path,
    out: str | Path,
    *,
    moves: Sequence[str] = cameras.MOVES,
    clips: int | None = None,
    seconds: float = 3.2,
    size: int = 256,
    fps: int = 25,
    seed: int = 7,
    flow: bool = False,
    workers: int = 2,
    progress: Progress = silent,
) -> Written:
    """Write camera moves over the photographs of a folder: every move over every photograph, 4:3.

    A photograph that cannot be read, or is too small, is left out, with the reason. What a text beside it says it
    shows, `PHOTO.txt`, enters the sentence.

    Args:
        moves: of `camera.MOVES`.
        clips: at most so many, the photographs and the moves taking turns. None: all.
        size: the height in pixels, even.
        flow, workers: as in `batch.write`.

    Raises:
        MareyError: no such folder or move, no photograph in it that can be used, or a folder of another order.
    """
    place = Path(photos)
    height, width = batch.frame_size(size, _WIDE)
    unknown = [label for label in moves if label not in cameras.MOVES]
    if unknown or not moves:
        raise MareyError(f"--moves has {', '.join(unknown) or 'none'!r}: {', '.join(cameras.MOVES)} would do.")
    files = _files(place, SUFFIXES, "photographs")
    said, names = _licences(files), _names(files, place)
    tasks = []
    for turn in range(len(moves)):
        for n, path in enumerate(files):
            label = moves[(n + turn) % len(moves)]
            name = f"camera-{names[path]}-{label.replace(' ', '-')}"
            plan = {"photo": str(path), "label": label}
            tasks.append(Task(name, plan, batch.derived(name, {path.name: said[path]})))
    frames = batch.length(seconds, fps)
    order = {"seed": seed, "height": height, "width": width, "frames": frames, "fps": fps, "version": VERSION}
    return batch.write(
        Path(out), "camera", order, tasks[:clips], _over_photo, flow=flow, workers=workers, progress=progress
    )


def film_edits(
    footage: str | Path | None,
    out: str | Path,
    clips: int,
    *,
    shots: int = 4,
    size: int = 240,
    fps: int = 25,
    seed: int = 7,
    disturbed: float = 0.25,
    workers: int = 2,
    progress: Progress = silent,
) -> Written:
    """Write edits with exact transitions, of shots of a folder's videos and photographs (under a camera move), 4:3.

    A video is taken for one shot, as `marey export` writes clips, unless a `.truth.json` beside it says where its
    transitions are: then its longest shot is used. What cannot be read, or is too short, is left out,
    with the reason.

    Args:
        footage: the folder; None: scenes made by code.
        shots: of each edit, joined by cuts, dissolves, fades and wipes at random.
        size: the height in pixels, even.
        disturbed: the share of shots, 0..1, that hold something which is no transition but may be taken for one.
        workers: as in `batch.write`.

    Raises:
        MareyError: no such folder, nothing in it that can be used, or a folder of another order.
    """
    height, width = batch.frame_size(size, _WIDE)
    batch.length(1, fps)
    if not 2 <= shots <= 50:
        raise MareyError(f"--shots is {shots}: 2 to 50 would do.")
    if not 0 <= disturbed <= 1:
        raise MareyError(f"--disturbed is {disturbed}: a share from 0 to 1 would do.")
    place = None if footage is None else Path(footage)
    sources, left_out = (_scenes(), {}) if place is None else _sources(place, 2 * fps + 12)
    if not sources:
        raise MareyError(f"Nothing in {place} can be used: {next(iter(left_out.values()))}")
    said = {} if place is None else _licences([Path(path) for path, _, _ in sources])
    tasks = []
    for n in range(clips):
        rng = np.random.default_rng([seed, n, 0xED17])
        picked = [sources[k] for k in _picked(len(sources), shots, rng)]
        name = f"edit-{seed}-{n:05d}"
        files = sorted({Path(path) for path, _, _ in picked}) if place is not None else []
        works = {file.name: said[file] for file in files}
        tasks.append(Task(name, {"number": n, "shots": picked}, batch.derived(name, works)))
    order = {"seed": seed, "height": height, "width": width, "fps": fps, "shots": shots, "disturbed": disturbed}
    order |= {"footage": place is not None, "version": VERSION}
    made = batch.write(Path(out), "edits", order, tasks, _edit, workers=workers, progress=progress)
    return Written(made.videos, {**left_out, **made.left_out})


def _figure(order: Mapping[str, Any], task: Task) -> Film:
    side = order["size"]
    one = figure(
        order["seed"],
        task.plan["number"],
        frames=order["frames"],
        fps=order["fps"],
        height=side,
        width=side,
        motion=order["motion"],
    )
    flow = map(one.scene.flow, range(order["frames"] - 1))
    return Film(one.scene.render(), order["fps"], one.truth(), one.scene.sentence, flow)


def _over_photo(order: Mapping[str, Any], task: Task) -> Film:
    path, label = Path(task.plan["photo"]), task.plan["label"]
    try:
        photo = read_photo(path)
        made = cameras.move(
            photo,
            label,
            np.random.default_rng([order["seed"], zlib.crc32(task.name.encode())]),
            seconds=order["frames"] / order["fps"],
            fps=order["fps"],
            height=order["height"],
            width=order["width"],
        )
    except Unusable as error:
        raise MareyError(f"{path.name}: {error.reason}.") from error
    except ValueError as error:
        raise MareyError(f"{path.name}: {error}.") from error
    text = told(label, _subject(path))
    truth = {
        "world": "camera",
        "label": label,
        "text": text,
        "photo": path.name,
        "photo_size": list(photo.shape[:2]),
        "fps": order["fps"],
        "size": [order["height"], order["width"]],
        "windows": made.windows.round(4).tolist(),  # of each frame: the centre x, y and the width seen, in the photo
        "transitions": [],
    }
    flow = map(made.flow, range(order["frames"] - 1))
    return Film(made.render(), order["fps"], truth, text, flow)


def told(label: str, subject: str = "") -> str:
    """The sentence of a camera move, over a photograph of a subject if that is known."""
    verb, _, way = label.partition(" ")
    moves = {"pan": f"pans {way}", "tilt": f"tilts {way}", "zoom": f"zooms {way}", "static": "stands still"}[verb]
    return f"the camera {moves} over a photograph" + (f" of {subject}" if subject else "")


def _subject(photo: Path) -> str:
    """What the text beside a photograph says that it shows; empty if there is none."""
    try:
        text = photo.with_suffix(".txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return " ".join(text.split())[:300].rstrip(".")


def _edit(order: Mapping[str, Any], task: Task) -> Film:
    fps, height, width = order["fps"], order["height"], order["width"]
    rng = np.random.default_rng([order["seed"], task.plan["number"], 0xED18])
    joins = [edits.draw(rng, str(rng.choice(edits.KINDS)), longest=fps) for _ in range(order["shots"] - 1)]
    shots, kept = [], []
    for n, source in enumerate(task.plan["shots"]):
        taken = (joins[n - 1].frames if n else 0) + (joins[n].frames if n < len(joins) else 0)
        count = taken + round(float(rng.uniform(1.2, 2.4)) * fps)
        shot, from_frame = _shot(source, count, fps, height, width, rng)
        if len(shot) < taken + 8:
            raise MareyError(f"{Path(source[0]).name}: only {len(shot)} frames of it can be decoded.")
        kept.append({"source": Path(source[0]).name, "from_frame": from_frame})
        shots.append(shot)
    disturbing = []
    for n, shot in enumerate(shots):
        if rng.random() >= order["disturbed"]:
            continue
        before = joins[n - 1].frames if n else 0
        after = joins[n].frames if n < len(joins) else 0
        whole = shot[before : len(shot) - after]  # where no transition reaches
        kind = str(rng.choice(confounders.KINDS))
        changed, found = confounders.confound(whole, kind, rng)
        shots[n] = np.concatenate([shot[:before], changed, shot[len(shot) - after :]])
        disturbing.append((n, before, found))
    frames, truth = edits.compose(shots, joins, rng)
    starts = [0, *(one.a_end + 1 for one in truth)]
    known = {
        "world": "edits",
        "fps": fps,
        "frames": len(frames),
        "size": [height, width],
        "shots": kept,
        "transitions": [asdict(one) for one in truth],
        "confounders": [
            {"kind": found.kind, "first": starts[n] + before + found.first, "last": starts[n] + before + found.last}
            for n, before, found in disturbing
        ],
    }
    return Film(frames, fps, known)


Source = tuple[str, int, int]
"""A path, or the kind of a scene; and of a video the first and the last frame of its shot."""


def _shot(
    source: Source, count: int, fps: int, height: int, width: int, rng: np.random.Generator
) -> tuple[np.ndarray, int | None]:
    """Up to `count` frames of a source, uint8 (T, H, W, 3); and of a video, from which frame on."""
    name, first, last = source
    size = {"height": height, "width": width}
    if name in KINDS:
        made = scene(name, int(rng.integers(1 << 31)), seconds=count / fps, fps=fps, **size)
        return np.stack(list(made.render())), None
    path = Path(name)
    try:
        if path.suffix.lower() in SUFFIXES:
            label = str(rng.choice(cameras.MOVES))
            move = cameras.move(read_photo(path), label, rng, seconds=count / fps, fps=fps, **size)
            return np.stack(list(move.render())), None
        count = min(count, last - first + 1)
        start = first + int(rng.integers(min(last - first + 2 - count, _LONGEST)))
        pts = probe(path).pts
        ends = int(pts[start]), int(pts[start + count - 1])
        return span(path, *ends, size=(height, width), crop=True, threads=1), start
    except Unusable as error:
        raise MareyError(f"{path.name}: {error.reason}.") from error


def _scenes() -> list[Source]:
    return [(kind, 0, 0) for kind in KINDS]


def _sources(folder: Path, least: int) -> tuple[list[Source], dict[str, str]]:
    """What in a folder can be a shot of `least` frames or more; and why the rest cannot, by name."""
    found: list[Source] = []
    left_out = {}
    for path in _files(folder, SUFFIXES | VIDEOS, "videos or photographs"):
        try:
            facts = probe(path)
            first, last = (0, 0) if facts.kind == "photo" else _whole(path, len(facts.pts))
            if facts.kind == "photo":
                cameras.move(read_photo(path), "static", np.random.default_rng(0), seconds=0.1, fps=25)
            elif last - first + 1 < least:
                raise ValueError(f"its shot has {last - first + 1} frames, an edit may take {least}")
            found.append((str(path), first, last))
        except Unusable as error:
            left_out[path.name] = f"{path.name}: {error.reason}."
        except ValueError as error:
            left_out[path.name] = f"{path.name}: {error}."
    return found, left_out


def _whole(video: Path, frames: int) -> tuple[int, int]:
    """The first and the last frame of a video's longest shot, as far as the truth beside it tells."""
    try:
        truth = json.loads(video.with_suffix(".truth.json").read_text(encoding="utf-8"))
        joins = [(int(one["a_end"]), int(one["b_start"])) for one in truth["transitions"]]
    except (OSError, ValueError, KeyError, TypeError):
        joins = []
    ends = [(-1, 0), *joins, (frames - 1, frames)]
    return max(((b_start, a_end) for (_, b_start), (a_end, _) in pairwise(ends)), key=lambda span: span[1] - span[0])


def _picked(count: int, shots: int, rng: np.random.Generator) -> Iterator[int]:
    """So many of `count` sources, none twice in a row if that can be."""
    last = -1
    for _ in range(shots):
        k = int(rng.integers(count))
        last = (k + 1) % count if k == last else k
        yield last


def _files(folder: Path, suffixes: frozenset[str], what: str) -> list[Path]:
    if not folder.is_dir():
        raise MareyError(f"{folder} is no folder: one with {what} would do.")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    if not files:
        raise MareyError(f"{folder} holds no {what}: files that end in {', '.join(sorted(suffixes))} would do.")
    return files


def _licences(files: Sequence[Path]) -> dict[Path, dict[str, Any]]:
    """What the LICENCES.json beside each file says of it."""
    tables = {folder: licences(folder) for folder in {path.parent for path in files}}
    return {path: tables[path.parent].get(path.name, {}) for path in files}


def _names(files: Sequence[Path], folder: Path) -> dict[Path, str]:
    """A name of its own for each file: its stem; where two share that, its whole path from the folder on."""
    stems = [path.stem.casefold() for path in files]
    return {
        path: path.stem if stems.count(path.stem.casefold()) == 1 else "-".join(path.relative_to(folder).parts)
        for path in files
    }
