"""More frames a second: of each two neighbours of a video those between them (arXiv 2311.15127, section 4.4)."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from marey.errors import MareyError
from marey.generate.several import several
from marey.generate.still import Fit, still_pixels
from marey.media import probe, read
from marey.progress import Progress, silent

if TYPE_CHECKING:
    from marey.generate.model import Model
    from marey.generate.plan import Plan


def interpolate(
    model: "Model",
    frames: np.ndarray,
    plan: "Plan",
    fps: float,
    motion: float,
    seed: int,
    *,
    batch: int = 8,
    progress: Progress = silent,
) -> np.ndarray:
    """The frames of a video with others between them.

    Every two neighbours are the ends of a clip of their own, all from the same noise, so that what lies between them
    depends on them and the seed alone.

    Args:
        frames: uint8 (T, H, W, 3), two or more, of the plan's size.
        plan: its frames are the two ends and what comes between.
        fps: of the result.

    Returns:
        uint8 ((T - 1) (plan.frames - 1) + 1, H, W, 3): every (plan.frames - 1)-th is one of `frames`, as it was.
    """
    pairs = np.stack([frames[:-1], frames[1:]], axis=1)
    count = len(pairs)
    given = [fps] * count, [motion] * count, [seed] * count
    clips = several(model, "interpolating", plan, pairs, *given, batch=batch, progress=progress)
    clips = restored(clips, pairs)
    return np.concatenate([clips[:, :-1].reshape(-1, *frames.shape[1:]), frames[-1:]])


def restored(clips: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Clips with what the autoencoder lost of their ends put back: wholly at the ends, which are then what they were,
    and between them by how near each is. Without that, what stands still would be sharp in every fourth frame alone.

    Args:
        clips: uint8 (N, T, H, W, 3), decoded, their ends too.
        ends: uint8 (N, 2, H, W, 3), the truth.
    """
    at = np.linspace(0, 1, clips.shape[1], dtype=np.float32)[:, None, None, None]  # (T, 1, 1, 1)
    made = np.empty_like(clips)
    for n, (clip, pair) in enumerate(zip(clips, ends, strict=True)):
        lost = pair.astype(np.float32) - clip[[0, -1]]
        made[n] = np.clip(np.round(clip + (1 - at) * lost[0] + at * lost[1]), 0, 255)
    return made


def footage_of(
    video: Any, fps: float | Fraction | None, height: int, width: int, fit: Fit
) -> tuple[np.ndarray, float | Fraction]:
    """The frames of a video at a size, uint8 (T, height, width, 3), and how many there are a second.

    Args:
        video: a path; something with `frames` and `fps`, as `generate.Video`; or frames, uint8 (T, H, W, 3) in RGB.
        fps: of the video; None: a file's or a `Video`'s own.
        fit: as of `still_pixels`.

    Raises:
        MareyError: it is none of these, or has fewer than two frames, or no rate.
    """
    if isinstance(video, (str, Path)):
        frames, own = _read(Path(video).expanduser(), height, width, fit)
    else:
        pictures = getattr(video, "frames", video)
        own = getattr(video, "fps", None)
        if not isinstance(pictures, np.ndarray):
            raise MareyError(f"The video is a {type(video).__name__}: a path, a Video or uint8 frames would do.")
        frames = [still_pixels(picture, height, width, fit) for picture in pictures]
    fps = own if fps is None else fps
    if len(frames) < 2:
        raise MareyError(f"The video has {len(frames)} frames: two or more, to put others between, would do.")
    if fps is None or not 0 < fps < float("inf"):
        raise MareyError(f"The video's fps is {fps}: frames a second, a number above 0, would do.")
    return np.stack(frames), fps


def _read(path: Path, height: int, width: int, fit: Fit) -> tuple[list[np.ndarray], Fraction | None]:
    """The frames of a file, and their mean rate."""
    frames, last = [], Fraction(0)
    for frame in read(path, probe(path)):
        frames.append(still_pixels(frame.rgb(), height, width, fit))
        last = frame.seconds
    return frames, (len(frames) - 1) / last if last else None
