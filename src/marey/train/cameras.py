"""The cameras of windows, as `NAME.truth.json` beside a video has them: `{"cameras": [{"azimuth": ..., "elevation":
...}, ...]}`, degrees, one of every frame (`marey worlds orbits` writes it).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from marey.catalog import Library, text_path
from marey.errors import MareyError
from marey.network.condition import Condition
from marey.train.windows import Window


class Cameras:
    """What windows are told of their cameras: a function of windows, (B, n) or (B, T, n)."""

    def __init__(self, told: Mapping[str, torch.Tensor]) -> None:
        """Args:
        told: of each window by its id, (n,) or (T, n).
        """
        self.told = told

    @classmethod
    def of(cls, library: Library, condition: Condition, windows: Sequence[Window]) -> "Cameras":
        """Those of a library's windows; photographs have none.

        Args:
            condition: what it is told, "elevation" or "elevation" and "azimuth".

        Raises:
            MareyError: a video without cameras beside it, or with too few.
        """
        videos = [window for window in windows if not window.photo]
        paths = {row["id"]: row["path"] for row in library.rows("select id, path from footage")}
        known = {name: _read(Path(text_path(paths[name]))) for name in {window.footage for window in videos}}
        return cls({window.id: _told(condition, window, known[window.footage]) for window in videos})

    def __call__(self, windows: Sequence[Window]) -> torch.Tensor:
        return torch.stack([self.told[window.id] for window in windows])


def _told(condition: Condition, window: Window, cameras: Sequence[tuple[float, float]]) -> torch.Tensor:
    places = [window.first_frame + n * window.stride for n in range(len(window.pts))]
    if places[-1] >= len(cameras):
        raise MareyError(
            f"Clip {window.clip} goes to frame {places[-1]} of a video whose truth has {len(cameras)} cameras: one of "
            "every frame would do."
        )
    seen = torch.tensor([cameras[place] for place in places], dtype=torch.float64)  # elevation, azimuth
    seen[:, 1] = (seen[:, 1] - seen[0, 1]) % 360.0
    return (seen if condition.by_frame else seen[0])[..., : len(condition.numbers)].float()


def _read(video: Path) -> list[tuple[float, float]]:
    where = video.with_name(f"{video.stem}.truth.json")
    try:
        table: dict[str, Any] = json.loads(where.read_text(encoding="utf-8"))
        return [(float(camera["elevation"]), float(camera["azimuth"])) for camera in table["cameras"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MareyError(
            f"{where} does not say where the camera was ({type(error).__name__}: {error}): footage of `marey worlds "
            "orbits`, or a truth.json with cameras, each with azimuth and elevation in degrees, would do."
        ) from error
