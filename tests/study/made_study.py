"""A small study of made videos: a square that moves, in arms that differ in how clean their pictures are."""

from pathlib import Path

import cv2
import numpy as np

from marey.catalog import Library
from marey.media import write_video
from marey.study.design import Design
from marey.study.given import plan_given

ARMS = {"unfiltered": 40.0, "motion-drop-12.5": 25.0, "motion-drop-25": 10.0, "motion-drop-50": 0.0}
"""By arm, the noise of its videos in levels."""


def picture(prompt: int, n: int, noise: float, seed: int, size: int = 48) -> np.ndarray:
    rng = np.random.default_rng([prompt, n, seed])
    across = np.linspace(0, 1, size)
    base = np.stack([np.add.outer(across, across) * 60 + 40 * (1 + np.sin(prompt + c)) for c in range(3)], axis=-1)
    at = 4 + (n * (2 + prompt % 3)) % (size - 16)
    base[16 + prompt % 8 : 28 + prompt % 8, at : at + 12] = np.array([220, 60 + 20 * (prompt % 6), 90])
    return np.clip(base + rng.normal(0, noise, base.shape), 0, 255).astype(np.uint8)


def make_videos(folder: Path, prompts: int = 6, frames: int = 8, arms: dict[str, float] = ARMS) -> Path:
    for a, (arm, noise) in enumerate(arms.items()):
        for prompt in range(prompts):
            video = np.stack([picture(prompt, n, noise, a) for n in range(frames)])
            write_video(folder / arm / f"prompt{prompt}.mp4", video, 8, crf=12)
    (folder / "prompts").mkdir(parents=True, exist_ok=True)
    for prompt in range(prompts):
        words = f"a red square <b>slides</b> to the right, number {prompt}"
        (folder / "prompts" / f"prompt{prompt}.txt").write_text(words)
        still = cv2.cvtColor(picture(prompt, 0, 0, 0), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / "prompts" / f"prompt{prompt}.png"), still)
    return folder


def make_study(place: Path, name: str = "looks", prompts: int = 6) -> Design:
    """A library at `place`/library with the study in it."""
    videos = make_videos(place / "videos", prompts)
    with Library.open(place / "library", create=True) as library:
        return plan_given(library, videos, name)
