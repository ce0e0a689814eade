"""Animate held-out stills, so that what a model does can be seen beside what truly came next.

Of each window only the first frame is given to the model, with its rate and motion bucket. A folder of samples holds

    videos.safetensors   truth, generated and autoencoder (the truth, encoded and decoded), uint8 (N, T, H, W, 3) each
    windows.json         what is known of each window, in the same order
    generated/ID.mp4     each generated video, enlarged for viewing; truth/ and autoencoder/ beside it likewise
    sheets/N.png         contact sheets: the truth above, the generated video below
    samples.json         what they were made from
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from safetensors.numpy import load_file, save_file

from marey.errors import MareyError
from marey.generate.model import Model
from marey.media import contact_sheet, png_bytes, write_video
from marey.progress import Progress, silent
from marey.recipe import Generate

VERSION = 1
VIEW = 192
"""Videos are enlarged to this height at least, for viewing."""
_SHEET = 8


@dataclass(frozen=True)
class Still:
    """The first frame of a window that the model never saw, with the window's conditions and its true continuation."""

    id: str
    frames: np.ndarray
    """uint8 (T, H, W, 3): the truth; frame 0 is the still."""
    fps: float
    motion: float
    """Motion bucket, 0 to 255."""
    info: Mapping[str, Any]
    """What windows.json is to say of it besides: clip, footage, group, real, caption."""


@dataclass(frozen=True)
class Generated:
    """What was made, and where."""

    folder: str
    videos: int
    frames: int
    made: int
    """Videos that this run made; the others were there."""

    def __str__(self) -> str:
        return f"{self.videos} videos of {self.frames} frames in {self.folder}, {self.made} of them new"


def generate(
    model: Model,
    stills: Sequence[Still],
    folder: Path,
    settings: Generate,
    *,
    source: str = "",
    seed: int = 0,
    progress: Progress = silent,
) -> Generated:
    """Animate `stills` into the folder of samples. What a killed run finished is not made again.

    Args:
        source: names the model's weights: what they were trained from. Other samples in the folder are replaced.

    Raises:
        MareyError: there is no still, or their sizes differ.
    """
    if not stills:
        raise MareyError("There is no held-out still to animate: `marey encode` with a larger heldout_share would do.")
    shapes = {still.frames.shape for still in stills}
    if len(shapes) > 1:
        raise MareyError(f"The held-out windows differ in size: {sorted(shapes)}. Encode them with one recipe.")
    ids = [still.id for still in stills]
    key = hashlib.sha256(
        json.dumps([VERSION, source, settings.model_dump(mode="json"), seed, ids, str(shapes)]).encode()
    ).hexdigest()[:16]
    (shape,) = shapes
    count = Generated(str(folder), len(stills), shape[0], 0)
    if _read_key(folder) == key:
        return count

    parts = folder.parent / f".{folder.name}-{key}"
    parts.mkdir(parents=True, exist_ok=True)
    new = 0
    for start in range(0, len(stills), settings.batch):
        part = parts / f"{start:06d}.safetensors"
        if not part.is_file():
            some = stills[start : start + settings.batch]
            _save(part, _animated(model, some, settings, seed, _within(progress, start, len(stills), len(some))))
            new += len(some)
        progress("animating held-out stills", min(start + settings.batch, len(stills)), len(stills))
    pieces = [load_file(path) for path in sorted(parts.glob("*.safetensors"))]
    videos = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}

    whole = parts / "whole"
    shutil.rmtree(whole, ignore_errors=True)
    _write(whole, videos, stills, progress)
    (whole / "samples.json").write_text(
        json.dumps({"key": key, "source": source, "settings": settings.model_dump(mode="json"), "seed": seed}, indent=1)
    )
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(whole, folder)
    shutil.rmtree(parts)
    return Generated(**{**asdict(count), "made": new})


def own_seed(seed: int, name: str) -> int:
    """The seed of one still: its own, so that its video does not depend on which others are made."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:6], "big")


def _animated(
    model: Model, stills: Sequence[Still], settings: Generate, seed: int, progress: Progress
) -> dict[str, np.ndarray]:
    truth = np.stack([still.frames for still in stills])
    generated = model.continue_stills(
        truth[:, 0],
        seeds=[own_seed(seed, still.id) for still in stills],
        fps=[still.fps for still in stills],
        motion=[still.motion for still in stills],
        frames=truth.shape[1],
        steps=settings.steps,
        guidance=settings.guidance,
        cache=settings.cache,
        noise_aug=settings.noise_aug,
        solver=settings.solver,
        schedule=settings.schedule,
        sigma_min=settings.sigma_min,
        sigma_max=settings.sigma_max,
        batch=len(stills),
        progress=progress,
    )
    return {"truth": truth, "generated": generated, "autoencoder": model.reconstruct(truth, batch=len(stills))}


def _within(progress: Progress, start: int, stills: int, count: int) -> Progress:
    """The steps of a batch as a share of all stills."""

    def told(what: str, done: float, total: float | None = None, note: str = "") -> None:
        if total and done < total:
            progress("animating held-out stills", round(start + count * done / total, 2), stills, note)

    return told


def _write(folder: Path, videos: dict[str, np.ndarray], stills: Sequence[Still], progress: Progress) -> None:
    for what in (*videos, "sheets"):
        (folder / what).mkdir(parents=True)
    _save(folder / "videos.safetensors", videos)
    rows = [{"id": still.id, **dict(still.info), "fps": still.fps, "motion_bucket": still.motion} for still in stills]
    (folder / "windows.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
    for n, still in enumerate(stills):
        name = still.id.replace(":", "-")
        for what, of in videos.items():
            write_video(folder / what / f"{name}.mp4", enlarged(of[n]), still.fps)
        progress("writing videos", n + 1, len(stills))
    for start in range(0, len(stills), _SHEET):
        pictures, labels = [], []
        for n in range(start, min(start + _SHEET, len(stills))):
            for what in ("truth", "generated"):
                pictures.append(list(videos[what][n]))
                labels.append(f"{what} {stills[n].id[:6]}")
        (folder / "sheets" / f"{start // _SHEET:03d}.png").write_bytes(png_bytes(contact_sheet(pictures, labels)))


def enlarged(frames: np.ndarray, height: int = VIEW) -> np.ndarray:
    """Frames (T, H, W, 3) in the least whole multiple of their size that is `height` high or more, for viewing."""
    times = max(1, -(-height // frames.shape[1]))
    size = (frames.shape[2] * times, frames.shape[1] * times)
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC) for frame in frames])


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    part = path.with_suffix(".tmp")
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, part)
    os.replace(part, path)


def _read_key(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / "samples.json").read_text(encoding="utf-8"))["key"])
    except (OSError, ValueError, KeyError):
        return None
