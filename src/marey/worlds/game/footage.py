"""Clips of the game as footage like any other: an MP4 with sound, a caption, and all that is known of it beside it."""

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from marey.errors import MareyError
from marey.media import write_video
from marey.progress import Progress, silent
from marey.worlds.beside import OWN, declare, licences, sidecar
from marey.worlds.game.clip import Clip, clip, frames_of
from marey.worlds.game.engine import State
from marey.worlds.game.hero import FPS
from marey.worlds.game.picture import Picture
from marey.worlds.game.sound import RATE
from marey.worlds.game.tiles import LABELS

VERSION = 1
"""Changes whenever the same seed and number would give another clip."""
_SIGNS = ".^|#=<>Hc"
_PIECE = 8  # clips that a process makes before it tells
_CRF = 18


@dataclass(frozen=True)
class Order:
    """What is asked for."""

    out: str
    seed: int
    size: int
    frames: int
    policy: str | None
    flow: bool


def play(
    out: str | Path,
    clips: int,
    *,
    seconds: float = 3.2,
    size: int = 64,
    seed: int = 7,
    policy: str | None = None,
    flow: bool = False,
    workers: int = 2,
    progress: Progress = silent,
) -> list[Path]:
    """Write clips of the game into a folder. Those that are there are not made again; the same seed gives the same.

    Beside each `NAME.mp4` stand `NAME.txt` (the plain sentence) and `NAME.truth.json` (see `truth`); with `flow` also
    `NAME.flow.npz`.

    Args:
        clips: how many: numbers 0 to clips - 1 of this seed.
        size: height and width, a multiple of 8 from 32 to 512.
        policy: one of `agents.POLICIES`; without it they take turns.
        flow: write the exact flow, int16 (T - 1, size, size, 2), in pixels.
        workers: processes; 0: this one.

    Returns: the videos in the order of their numbers.

    Raises:
        MareyError: a size or a policy that there is not, or a folder that holds clips of another order.
    """
    out = Path(out)
    order = Order(str(out), seed, size, frames_of(seconds), policy, flow)
    try:
        next(clip(seed, 0, 1, policy).pictures(size))
    except ValueError as error:
        raise MareyError(f"{str(error)[0].upper()}{str(error)[1:]}.") from None
    out.mkdir(parents=True, exist_ok=True)
    _claim(out, order)
    videos = [_files(order, n)[0] for n in range(clips)]
    # Before they are there: of a run that is killed, what is there has its licence.
    declare(out, licences(out) | {video.name: {**OWN, "origin": [video.stem]} for video in videos})
    todo = [n for n in range(clips) if not all(path.is_file() for path in _files(order, n))]
    done = clips - len(todo)
    progress("playing", done, clips)
    pieces = [todo[n : n + _PIECE] for n in range(0, len(todo), _PIECE)]
    for made in _made(order, pieces, workers):
        done += made
        progress("playing", done, clips)
    return videos


def truth(one: Clip, size: int, pictures: list[Picture]) -> dict[str, Any]:
    """All that is known of a clip, as JSON.

    It holds the level (a row a string: `.` empty, `^` and `|` lava, `#` wall, `=` surface, `<` and `>` cliffs, `H`
    ladder, `c` crate), its items and monsters; of each frame the hero, the camera, what happened and the boxes
    (label, left, top, right, bottom) in pixels; of each step the exact flow of camera and hero in pixels; the deeds,
    the text and other words for it. `transitions` is empty: a clip is one shot.
    """
    level = one.level
    return {
        "world": "jules",
        "version": VERSION,
        "seed": one.seed,
        "number": one.number,
        "policy": one.policy,
        "theme": level.theme,
        "fps": FPS,
        "size": size,
        "text": one.text,
        "paraphrases": one.paraphrases(),
        "deeds": [asdict(deed) for deed in one.deeds],
        "labels": list(LABELS),
        "level": ["".join(_SIGNS[tile] for tile in row) for row in level.grid.tolist()],
        "items": [asdict(item) for item in level.items],
        "monsters": [asdict(monster) for monster in level.monsters],
        "frames": [_frame(state, picture) for state, picture in zip(one.states, pictures, strict=True)],
        "flow": {"camera": _moved(pictures, None), "hero": _moved(pictures, ("hero", 0))},
        "transitions": [],
    }


def _frame(state: State, picture: Picture) -> dict[str, Any]:
    row = {name: round(getattr(state, name), 5) for name in ("x", "y", "vx", "vy")}
    return {
        "t": state.t,
        **row,
        "pose": state.pose,
        "side": state.side,
        "shield": state.shield,
        "camera": [round(value, 5) for value in state.camera],
        "items": sorted(state.items),
        "stomped": sorted(state.stomped),
        "events": [[event.kind, event.what] for event in state.events],
        "boxes": [list(box) for box in picture.boxes()],
    }


def _moved(pictures: list[Picture], key: tuple[str, int] | None) -> list[list[int] | None]:
    """By how much the level (`key` None) or a thing moves across the picture from frame to frame; None where it is out
    of the picture."""
    places: list[tuple[int, int] | None] = []
    for picture in pictures:
        if key is None:
            places.append((-picture.origins[2][0], -picture.origins[2][1]))
        else:
            places.append(next(((one.x, one.y) for one in picture.placed if one.key == key), None))
    return [None if a is None or b is None else [b[0] - a[0], b[1] - a[1]] for a, b in pairwise(places)]


def _made(order: Order, pieces: list[list[int]], workers: int) -> Iterator[int]:
    if not workers or len(pieces) < 2:
        for piece in pieces:
            yield _make(order, piece)
        return
    with ProcessPoolExecutor(min(workers, len(pieces)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(_make, [order] * len(pieces), pieces)


def _make(order: Order, numbers: list[int]) -> int:
    for number in numbers:
        one = clip(order.seed, number, order.frames, order.policy)
        pictures = list(one.pictures(order.size))
        video, caption, known, *flow = _files(order, number)
        for path in flow:
            steps = [a.flow(b) for a, b in pairwise(pictures)]
            temporary = path.with_name(f".{path.name}.tmp")
            with temporary.open("wb") as file:
                np.savez_compressed(file, flow=np.array(steps, np.int16))
            temporary.replace(path)
        sidecar(known, json.dumps(truth(one, order.size, pictures)))
        sidecar(caption, one.text)
        # The video comes last: what is there is whole.
        write_video(
            video,
            (picture.rgb for picture in pictures),
            FPS,
            crf=_CRF,
            preset="veryfast",
            sound=one.sound(),
            sound_rate=RATE,
        )
    return len(numbers)


def _files(order: Order, number: int) -> list[Path]:
    """The video, its caption, its truth, and its flow where that is asked for."""
    folder, name = Path(order.out), f"jules-{order.seed}-{number:06d}"
    files = [folder / f"{name}{suffix}" for suffix in (".mp4", ".txt", ".truth.json")]
    return [*files, folder / f"{name}.flow.npz"] if order.flow else files


def _claim(out: Path, order: Order) -> None:
    """A folder holds clips of one size and length, so that a second command cannot mix them up."""
    said = {key: value for key, value in asdict(order).items() if key not in ("out", "flow")} | {"version": VERSION}
    place = out / "jules.truth.json"
    try:
        had = json.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        sidecar(place, json.dumps(said))
        return
    except (OSError, ValueError) as error:
        raise MareyError(f"{place} cannot be read ({error}): another --out would do.") from error
    if had != said:
        differs = next(key for key in said if had.get(key) != said[key])
        raise MareyError(
            f"{out} holds clips with {differs} = {had.get(differs)!r}, not {said[differs]!r}: another --out would do."
        )
