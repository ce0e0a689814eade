"""The footage that Marey makes itself: some seventy short files of every sort that a curation must tell apart.

Scenes of one shot with a caption, montages, camera moves over the sample photographs, edits with known transitions, and
files that a
good curation leaves out or ranks low: still ones, blurred ones, ones full of text, and the same scene encoded twice.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from marey.errors import MareyError
from marey.media import Unusable, probe, read_photo, span, write_video
from marey.progress import Progress, silent
from marey.worlds import camera, confounders, edits
from marey.worlds.beside import declare, licences, sidecar
from marey.worlds.scenes import KINDS, scene
from marey.worlds.titles import titles

VERSION = 3
"""Raised whenever the same plan would give other pictures: then all is made anew."""

MADE = "made by Marey (worlds)"
SIZES = ((240, 320), (216, 384))
_WHAT = "making footage"
_SUBJECTS = {
    "astronaut": "an astronaut",
    "brick": "a brick wall",
    "camera": "a man with a camera",
    "chelsea": "a cat",
    "china": "a pagoda above a lake",
    "clock_motion": "a clock, blurred",
    "coffee": "a cup of coffee",
    "flower": "a flower",
    "grass": "grass",
    "gravel": "gravel",
    "hubble_deep_field": "far galaxies",
    "rocket": "a rocket on its pad",
    "text": "handwriting",
}


@dataclass(frozen=True)
class Work:
    """A sample that something is made from: what LICENCES.json says of it."""

    path: Path
    license: str
    credit: str
    origin: tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """One file to be made. Everything that decides its content is in `plan`."""

    name: str
    plan: dict[str, Any]
    works: tuple[Work, ...] = ()
    origin: tuple[str, ...] = ()
    """Ids of the works that it shows, beside those of `works`."""

    @property
    def key(self) -> str:
        """A hash of all that decides its content."""
        said = [VERSION, self.plan, [[work.path.name, work.path.stat().st_size] for work in self.works]]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]

    def entry(self) -> dict[str, Any]:
        """What LICENCES.json says of it. What is made from a work that must be credited, must be credited too."""
        names = ", ".join(work.path.name for work in self.works)
        bound = sorted({work.license for work in self.works if work.license.startswith("CC-BY")})
        return {
            "license": " AND ".join(bound) or "CC0-1.0",
            "source": f"{MADE} from {names}" if names else MADE,
            "credit": "; ".join(work.credit for work in self.works if work.credit),
            "origin": sorted({*self.origin, *(one for work in self.works for one in work.origin)}),
            "made": self.key,
        }


@dataclass
class Film:
    """The content of a file, and what is known of it."""

    frames: Iterable[np.ndarray]
    fps: int
    caption: str = ""
    transitions: Sequence[edits.Transition] | None = None
    disturbed: Sequence[confounders.Confounder] = ()
    crf: int = 20


def make(
    out: Path, samples: Path | None = None, seed: int = 0, progress: Progress = silent, *, share: float = 1.0
) -> list[Path]:
    """Make the footage, with captions, truth and licences beside it. What is there already, unchanged, is not made
    again.

    Args:
        out: the folder; made if need be.
        samples: a folder that `samples.fetch` has filled; without it nothing is made from photographs and real footage.
        seed: another seed gives other scenes under the same names.
        share: make only so much of it, in 0..1: some of every sort.

    Returns: the videos, in the order of their names.

    Raises:
        MareyError: the folder cannot be written, or its LICENCES.json is not what Marey writes.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    pieces = plan(samples, seed, share)
    said = licences(out)
    for rest in out.glob(".*.tmp"):  # of a run that was killed
        if any(rest.name.startswith(f".{Path(piece.name).stem[:40]}-") for piece in pieces):
            rest.unlink(missing_ok=True)
    todo = [piece for piece in pieces if not _is_made(out, piece, said)]
    done = len(pieces) - len(todo)
    if todo:
        progress(_WHAT, done, len(pieces))
        pool = ThreadPoolExecutor(max(1, min(4, os.cpu_count() or 1)))
        try:
            for piece, _ in zip(todo, pool.map(lambda piece: _write(out, piece), todo), strict=True):
                said[piece.name] = piece.entry()
                declare(out, said)
                done += 1
                progress(_WHAT, done, len(pieces), piece.name)
        finally:
            pool.shutdown(cancel_futures=True)
    return [out / piece.name for piece in sorted(pieces, key=lambda piece: piece.name)]


def plan(samples: Path | None, seed: int, share: float = 1.0) -> list[Piece]:
    """All files that would be made."""
    if not 0 < share <= 1:
        raise MareyError(f"A share of {share} of the footage cannot be made: above 0 and up to 1 would do.")
    photos, videos = works(samples)
    kinds = list(KINDS)
    pieces: list[Piece] = []

    def add(sort: str, count: int, one: Callable[[int], tuple[str, dict[str, Any], tuple[Work, ...]]]) -> None:
        for n in range(max(1, round(count * share)) if count else 0):
            name, what, used = one(n)
            what = {"sort": sort, "seed": [seed, n], "size": list(SIZES[n % 2]), "fps": (25, 30)[n // 2 % 2], **what}
            own = () if sort == "camera" else (f"marey/{seed}/{Path(name).stem}",)
            pieces.append(Piece(name, what, used, own))

    add("scene", 3 * len(kinds), lambda n: _scene_name(kinds, n))
    add(
        "montage",
        7,
        lambda n: (f"montage-{n + 1}.mp4", {"kinds": [kinds[(3 * n + k) % len(kinds)] for k in range(3)]}, ()),
    )
    add("camera", len(photos), lambda n: _camera_name(photos[n], camera.MOVES[n % 6]))
    add("edit", 10, lambda n: _edit_name(kinds, videos, n))
    add("still", 2, lambda n: (f"still-{n + 1}.mp4", {"kind": ("boat", "windmill")[n % 2]}, ()))
    add("blurred", 2, lambda n: (f"blurred-{n + 1}.mp4", {"kind": ("car", "fish")[n % 2]}, ()))
    add("text", 3, lambda n: (f"text-{n + 1}.mp4", {"kind": ("floor", "night", "deep")[n % 3]}, ()))
    twin = pieces[0]
    again = {**twin.plan, "crf": 32}
    return [*pieces, Piece(f"again-{twin.name.removeprefix('scene-')}", again, twin.works, twin.origin)]


def works(samples: Path | None) -> tuple[list[Work], list[Work]]:
    """The photographs and the videos of a folder of samples whose licence is known, by name."""
    photos: list[Work] = []
    videos: list[Work] = []
    if samples is None:
        return photos, videos
    for name, entry in sorted(licences(Path(samples)).items()):
        path = Path(samples) / name
        if not path.is_file() or str(entry.get("source", "")).startswith(MADE) or not entry.get("license"):
            continue
        work = Work(path, entry["license"], entry.get("credit", ""), tuple(entry.get("origin", ())))
        try:
            kind = probe(path).kind
        except Unusable:
            continue
        (photos if kind == "photo" else videos).append(work)
    return photos, videos


def film(piece: Piece) -> Film:
    """Render a piece. Frames come lazily where they can."""
    maker = {
        "scene": _scene,
        "montage": _montage,
        "camera": _camera,
        "edit": _edit,
        "still": _still,
        "blurred": _blurred,
        "text": _text,
    }[piece.plan["sort"]]
    return maker(piece, np.random.default_rng([*piece.plan["seed"], sum(map(ord, piece.plan["sort"]))]))


def _scene_name(kinds: list[str], n: int) -> tuple[str, dict[str, Any], tuple[Work, ...]]:
    kind = kinds[n % len(kinds)]
    # Another time of day for each: three times the same hills at noon would be near-duplicates.
    palette = 3 * (n // len(kinds)) + n
    return f"scene-{kind}-{n // len(kinds) + 1}.mp4", {"kind": kind, "palette": palette}, ()


def _camera_name(photo: Work, label: str) -> tuple[str, dict[str, Any], tuple[Work, ...]]:
    stem = photo.path.stem
    return f"camera-{stem}.mp4", {"label": label, "subject": _SUBJECTS.get(stem, "something")}, (photo,)


def _edit_name(kinds: list[str], videos: list[Work], n: int) -> tuple[str, dict[str, Any], tuple[Work, ...]]:
    # At most one real work an edit: footage that shares a work is one group, and must not all become one.
    used = (videos[n // 3 % len(videos)],) if videos and n % 3 == 2 else ()
    return f"edit-{n + 1}.mp4", {"kinds": [kinds[(5 * n + 2 * k) % len(kinds)] for k in range(4)]}, used


def _shot(piece: Piece, kind: str, rng: np.random.Generator, seconds: float) -> tuple[Iterator[np.ndarray], str]:
    height, width = piece.plan["size"]
    number = int(rng.integers(1 << 31))
    fps, palette = piece.plan["fps"], piece.plan.get("palette")
    made = scene(kind, number, seconds=seconds, fps=fps, height=height, width=width, palette=palette)
    return made.render(), made.sentence


def _scene(piece: Piece, rng: np.random.Generator) -> Film:
    frames, sentence = _shot(piece, piece.plan["kind"], rng, float(rng.uniform(3.0, 3.4)))
    return Film(frames, piece.plan["fps"], sentence, crf=piece.plan.get("crf", 20))


def _montage(piece: Piece, rng: np.random.Generator) -> Film:
    shots = [np.stack(list(_shot(piece, kind, rng, float(rng.uniform(1.6, 2.4)))[0])) for kind in piece.plan["kinds"]]
    frames, truth = edits.compose(shots, [edits.Join("cut")] * (len(shots) - 1))
    return Film(frames, piece.plan["fps"], transitions=truth)


def _camera(piece: Piece, rng: np.random.Generator) -> Film:
    photo = read_photo(piece.works[0].path)
    height, width = piece.plan["size"]
    label, fps = piece.plan["label"], piece.plan["fps"]
    made = camera.move(photo, label, rng, seconds=3.6, fps=fps, height=height, width=width)
    return Film(made.render(), fps, f"the camera {_verb(label)} over a photograph of {piece.plan['subject']}")


def _verb(label: str) -> str:
    verb, _, way = label.partition(" ")
    return {"pan": f"pans {way}", "tilt": f"tilts {way}", "zoom": f"zooms {way}", "static": "stands still"}[verb]


def _edit(piece: Piece, rng: np.random.Generator) -> Film:
    """Four shots by three different joins, cuts no more often than others, and in one of them what is no join."""
    fps = piece.plan["fps"]
    shots = [np.stack(list(_shot(piece, kind, rng, float(rng.uniform(1.8, 2.6)))[0])) for kind in piece.plan["kinds"]]
    if piece.works:
        shots[1] = _real(piece, rng, round(2.6 * fps))
    joins = [edits.draw(rng, str(kind), longest=fps) for kind in rng.permutation(edits.KINDS)[:3]]
    disturbed = int(rng.integers(len(shots)))
    kind = str(rng.choice(confounders.KINDS))
    # In its middle, where no transition reaches.
    first = len(shots[disturbed]) // 2 - 4
    shots[disturbed], confounder = confounders.confound(shots[disturbed], kind, rng, first=first)
    frames, truth = edits.compose(shots, joins, rng)
    start = 0 if disturbed == 0 else truth[disturbed - 1].a_end + 1
    moved = confounders.Confounder(kind, start + confounder.first, start + confounder.last)
    return Film(frames, fps, transitions=truth, disturbed=[moved])


def _real(piece: Piece, rng: np.random.Generator, count: int) -> np.ndarray:
    """Some frames of a real work, at its own pace."""
    path, (height, width) = piece.works[0].path, piece.plan["size"]
    pts = probe(path).pts
    count = min(count, len(pts))
    first = int(rng.integers(min(len(pts) - count, 30) + 1))
    return span(path, int(pts[first]), int(pts[first + count - 1]), size=(height, width), crop=True, threads=1)


def _still(piece: Piece, rng: np.random.Generator) -> Film:
    frames, sentence = _shot(piece, piece.plan["kind"], rng, 3.0)
    middle = list(frames)[piece.plan["fps"] * 3 // 2]
    return Film([middle] * (3 * piece.plan["fps"]), piece.plan["fps"], f"a still picture: {sentence}")


def _blurred(piece: Piece, rng: np.random.Generator) -> Film:
    frames, sentence = _shot(piece, piece.plan["kind"], rng, 3.0)
    height = piece.plan["size"][0]
    soft = (cv2.GaussianBlur(frame, (0, 0), height / 18) for frame in frames)
    return Film(soft, piece.plan["fps"], f"out of focus: {sentence}")


def _text(piece: Piece, rng: np.random.Generator) -> Film:
    height, width = piece.plan["size"]
    fps = piece.plan["fps"]
    return Film(titles(piece.plan["kind"], rng, 3 * fps, height, width), fps, "rolling titles")


def _write(out: Path, piece: Piece) -> None:
    """The video last: it is there only when its sidecars are."""
    made = film(piece)
    path = out / piece.name
    sidecar(path.with_suffix(".txt"), made.caption + "\n" if made.caption else None)
    frames = list(made.frames) if made.transitions is None else made.frames
    truth = None
    if made.transitions is not None:
        known = {
            "fps": made.fps,
            "frames": len(frames),  # type: ignore[arg-type]
            "transitions": [vars(one) for one in made.transitions],
            "confounders": [vars(one) for one in made.disturbed],
        }
        truth = json.dumps(known, indent=1) + "\n"
    sidecar(path.with_suffix(".truth.json"), truth)
    write_video(path, frames, made.fps, crf=made.crf, preset="veryfast")


def _is_made(out: Path, piece: Piece, said: dict[str, Any]) -> bool:
    return (out / piece.name).is_file() and said.get(piece.name) == piece.entry()
