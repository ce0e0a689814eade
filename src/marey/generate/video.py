"""What a model makes: frames with their rate, and the files of them."""

import os
import secrets
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from marey.errors import MareyError
from marey.generate.meter import Cost
from marey.media import write_video


@dataclass(frozen=True)
class Video:
    """Frames uint8 (T, H, W, 3) in RGB at `fps` frames a second."""

    frames: np.ndarray
    fps: float | Fraction
    cost: Cost | None = None
    """What the savings of the run cost, where that was measured."""

    def save(self, path: str | Path, *, crf: float = 18) -> Path:
        """Write an MP4 that plays in any browser, or a GIF; it appears when it is whole.

        Raises:
            MareyError: a name that ends otherwise, or a place that cannot be written.
        """
        path = Path(path).expanduser()
        try:
            if path.suffix.lower() == ".gif":
                write_gif(path, self.frames, self.fps)
            elif path.suffix.lower() == ".mp4":
                write_video(path, self.frames, self.fps, crf=crf)
            else:
                raise MareyError(f"The video's file is {path}: a name ending in .mp4 or .gif would do.")
        except OSError as error:
            raise MareyError(f"{path} cannot be written: {error.strerror or error}.") from error
        return path


def write_gif(path: Path, frames: np.ndarray, fps: float | Fraction) -> None:
    """Write frames uint8 (T, H, W, 3) as a GIF that plays for ever, in place of one of that name at once."""
    first, *rest = (Image.fromarray(frame) for frame in frames)
    pause = max(round(1000 / fps), 20)  # viewers slow down what is faster
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        first.save(part, "GIF", save_all=True, append_images=rest, duration=pause, loop=0)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
