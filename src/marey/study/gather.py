"""Videos of all arms made alike: one size, one length, one rate, and names that say nothing of where they came from."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from marey.catalog import Library
from marey.errors import MareyError
from marey.progress import Progress, silent
from marey.study.design import QUESTIONS, Arm, Check, Design, Prompt, Shown, folder_of, keep, opaque

VERSION = 1
CHECKS = 8
"""Attention checks a question, at most."""
VIEW = 192
"""Videos are enlarged to this height at least, for viewing."""
_CRF = 16.0
_PIXELS, _NOISE = 8, 45.0  # of the worse video of a check: so many squares across, with noise of so many levels
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class Asked:
    """One prompt as it is gathered."""

    id: str
    caption: str = ""
    still: np.ndarray | None = None
    """uint8 (H, W, 3)."""


@dataclass(frozen=True)
class Format:
    """What all videos have in common."""

    frames: int
    height: int
    width: int
    fps: float


def gather(
    library: Library,
    name: str,
    arms: Sequence[Arm],
    prompts: Sequence[Asked],
    video: Callable[[str, str], np.ndarray],
    form: Format,
    *,
    made_from: str,
    seed: int = 0,
    progress: Progress = silent,
) -> Design:
    """Write the videos of a study and keep its design. What is there already is not written again.

    Args:
        name: of the study, and of its folder under runs/.
        video: gives the frames of an arm and a prompt, uint8 (T, H, W, 3), at least as long as `form`.
        form: which all are brought to; a multiple of its size for viewing where it is small.
        made_from: changes whenever a video would.

    Raises:
        MareyError: under two arms, no prompt, or a name that will not do.
    """
    named(name)
    if len(arms) < 2 or not prompts:
        raise MareyError(f"A study of {len(arms)} arms and {len(prompts)} prompts: two arms and a prompt would do.")
    from marey.generate import Video

    folder = folder_of(library, name)
    folder.mkdir(parents=True, exist_ok=True)
    times = max(1, -(-VIEW // form.height))
    height, width = form.height * times // 2 * 2, form.width * times // 2 * 2
    whole = hashlib.sha256(f"{VERSION} {made_from} {form}".encode()).hexdigest()
    shown: list[Shown] = []

    def put(arm: str, prompt: str, frames: Callable[[], np.ndarray]) -> str:
        id = opaque(seed, name, whole, arm, prompt)
        path = folder / f"{id}.mp4"
        if not path.is_file():
            Video(_sized(frames()[: form.frames], height, width), form.fps).save(path, crf=_CRF)
        return id

    total = len(arms) * len(prompts)
    for n, prompt in enumerate(prompts):
        for m, arm in enumerate(arms):
            id = put(arm.name, prompt.id, partial(video, arm.name, prompt.id))
            shown.append(Shown(id, arm.name, prompt.id))
            progress("gathering videos", n * len(arms) + m + 1, total)

    by_arm = {(one.arm, one.prompt): one.id for one in shown}
    rng = np.random.default_rng(seed)
    checks = []
    for n in rng.permutation(len(prompts))[:CHECKS].tolist():
        prompt, good = prompts[n], arms[int(rng.integers(len(arms)))].name
        bad = put("", prompt.id, partial(_spoilt_of, video, good, prompt.id, seed))
        shown.append(Shown(bad, "", prompt.id))
        checks.append(Check("quality", by_arm[good, prompt.id], bad))
        other = _unlike(prompts, n)
        if other is not None:
            checks.append(Check("prompt", by_arm[good, prompt.id], by_arm[good, prompts[other].id]))
    stills = [_still(folder, opaque(seed, name, whole, "still", one.id), one, height, width) for one in prompts]
    asks = QUESTIONS if any(one.caption or one.still is not None for one in prompts) else QUESTIONS[:1]
    design = Design(
        name=name,
        arms=tuple(arms),
        prompts=tuple(Prompt(one.id, one.caption, still) for one, still in zip(prompts, stills, strict=True)),
        videos=tuple(shown),
        checks=tuple(check for check in checks if check.question in asks),
        questions=asks,
        fps=form.fps,
        frames=form.frames,
        width=width,
        height=height,
        seed=seed,
        made_from=whole[:16],
    )
    # Names the prompts, so that a footage which is forgotten takes the videos of its stills along.
    told = {"study": name, "prompts": [one.id for one in prompts], "arms": [arm.name for arm in arms]}
    part = folder.parent / "study.json.tmp"
    part.write_text(json.dumps(told, indent=1), encoding="utf-8")
    part.replace(folder.parent / "study.json")
    keep(library, design)
    _sweep(folder, {f"{one.id}.mp4" for one in shown} | set(stills))
    return design


def named(name: str) -> None:
    """Check the name of a study.

    Raises:
        MareyError: it is no plain name.
    """
    if not _NAME.fullmatch(name):
        raise MareyError(f"The study's name {name[:80]!r} will not do: letters, digits, - and _, up to 64, would.")


def spoilt(frames: np.ndarray, seed: int = 0) -> np.ndarray:
    """A video that anyone who looks finds worse: coarse squares, noise, and its pictures out of order."""
    rng = np.random.default_rng(seed)
    length, height, width, _ = frames.shape
    order = rng.permutation(length)
    squares = (max(2, _PIXELS * width // max(height, width)), max(2, _PIXELS * height // max(height, width)))
    coarse = [cv2.resize(frames[n], squares, interpolation=cv2.INTER_AREA) for n in order]
    large = np.stack([cv2.resize(one, (width, height), interpolation=cv2.INTER_NEAREST) for one in coarse])
    return np.clip(large + rng.normal(0, _NOISE, large.shape), 0, 255).astype(np.uint8)


def _spoilt_of(video: Callable[[str, str], np.ndarray], arm: str, prompt: str, seed: int) -> np.ndarray:
    return spoilt(video(arm, prompt), seed)


def _sized(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    how = cv2.INTER_AREA if frames.shape[1] > height else cv2.INTER_CUBIC
    return np.stack([cv2.resize(frame, (width, height), interpolation=how) for frame in frames])


def _still(folder: Path, id: str, prompt: Asked, height: int, width: int) -> str:
    if prompt.still is None:
        return ""
    path = folder / f"{id}.jpg"
    if not path.is_file():
        picture = _sized(prompt.still[None], height, round(height * prompt.still.shape[1] / prompt.still.shape[0]))[0]
        done, content = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])
        assert done
        part = path.with_suffix(".part")
        part.write_bytes(content.tobytes())
        part.replace(path)
    return path.name


def _unlike(prompts: Sequence[Asked], n: int) -> int | None:
    """The prompt whose still differs most from that of prompt n; without stills any other one with another caption."""
    if prompts[n].still is None:
        others = [m for m, one in enumerate(prompts) if one.caption != prompts[n].caption]
        return others[0] if others else None
    small = {m: _small(one.still) for m, one in enumerate(prompts) if one.still is not None}
    others = [m for m in small if m != n]
    return max(others, key=lambda m: float(np.abs(small[m] - small[n]).mean())) if others else None


def _small(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float64)


def _sweep(folder: Path, wanted: set[str]) -> None:
    """Remove the videos of an older plan, and what a killed one left half written."""
    for path in folder.iterdir():
        if path.name not in wanted:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
