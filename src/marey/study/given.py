"""A study of videos that are there already: a folder for each arm, in it a video for each prompt, by the same names.

    videos/unfiltered/cat.mp4      videos/motion-drop-25/cat.mp4      videos/prompts/cat.txt, cat.png

An arm named AXIS-drop-SHARE is a subset, so that `marey study apply` knows what was left out. The folder `prompts`,
which may be absent, holds the caption and the still of each.
"""

import hashlib
import re
from pathlib import Path

import cv2
import numpy as np

from marey.catalog import Library
from marey.errors import MareyError
from marey.evaluate.pairing import videos as videos_in
from marey.evaluate.reading import read_video
from marey.progress import Progress, follow, silent
from marey.study.design import Arm, Design
from marey.study.gather import Asked, Format, gather, named

PROMPTS = "prompts"
_SUBSET = re.compile(r"(?P<axis>[A-Za-z][A-Za-z0-9_.]*)-drop-(?P<share>\d+(?:\.\d+)?)(?:-random)?")


def plan_given(library: Library, folder: Path, name: str, *, seed: int = 0, progress: Progress = silent) -> Design:
    """Gather the videos of a folder into the study `name`.

    Raises:
        MareyError: no arms, arms without a prompt in common, or videos that cannot be shown side by side: of another
            shape or rate.
    """
    named(name)
    folders = (
        sorted(path for path in folder.iterdir() if path.is_dir() and path.name != PROMPTS) if folder.is_dir() else []
    )
    if len(folders) < 2:
        raise MareyError(f"{folder} has {len(folders)} folders of videos: one for each arm, two at least, would do.")
    videos = {path.name: videos_in(path) for path in folders}
    common = sorted(set.intersection(*(set(one) for one in videos.values())))
    if not common:
        raise MareyError(
            f"The folders in {folder} have no name in common: each arm's video of a prompt bears its name."
        )
    digest = hashlib.sha256()
    heights, lengths, rates, shapes = set(), set(), {}, {}
    files = [(arm, prompt) for prompt in common for arm in videos]
    for arm, prompt in follow(files, progress, "looking at videos", len(files)):
        path = videos[arm][prompt]
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
        frames, fps = read_video(path)
        heights.add(frames.shape[1])
        lengths.add(len(frames))
        rates[path] = fps
        shapes[path] = frames.shape[2] / frames.shape[1]
    _alike(rates, "frames a second")
    _alike(shapes, "of width to height")
    height = min(heights)
    shape, fps = next(iter(shapes.values())), next(iter(rates.values()))
    form = Format(min(lengths), height, round(height * shape), fps)
    return gather(
        library,
        name,
        [arm_of(arm) for arm in videos],
        [_asked(folder / PROMPTS, prompt) for prompt in common],
        lambda arm, prompt: read_video(videos[arm][prompt])[0],
        form,
        made_from=digest.hexdigest(),
        seed=seed,
        progress=progress,
    )


def arm_of(name: str) -> Arm:
    """An arm by its name: of AXIS-drop-SHARE the axis and the share are known."""
    subset = _SUBSET.fullmatch(name)
    return Arm(name, subset["axis"], float(subset["share"])) if subset else Arm(name)


def _alike(values: dict[Path, float], what: str) -> None:
    low, high = min(values, key=lambda path: values[path]), max(values, key=lambda path: values[path])
    if values[high] > 1.02 * values[low]:
        raise MareyError(
            f"{low} has {values[low]:.4g} {what}, {high} has {values[high]:.4g}: videos that differ only in what is "
            "studied would do."
        )


def _asked(folder: Path, prompt: str) -> Asked:
    text = folder / f"{prompt}.txt"
    pictures = [folder / f"{prompt}{ending}" for ending in (".png", ".jpg", ".jpeg", ".webp")]
    picture = next((path for path in pictures if path.is_file()), None)
    still = None
    if picture is not None:
        read = cv2.imdecode(np.fromfile(picture, np.uint8), cv2.IMREAD_COLOR)
        if read is None:
            raise MareyError(f"{picture} is no picture that can be read: a PNG or JPEG would do.")
        still = cv2.cvtColor(read, cv2.COLOR_BGR2RGB)
    caption = text.read_text(encoding="utf-8", errors="replace").strip()[:2000] if text.is_file() else ""
    return Asked(prompt, caption, still)
