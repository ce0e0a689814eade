"""Clips of a folder drawn again from what stands beside them: colours and semantic maps without the loss of a video
file."""

import json
from pathlib import Path

import numpy as np

from marey.errors import MareyError
from marey.progress import Progress, follow, silent
from marey.worlds.game.clip import clip
from marey.worlds.game.footage import VERSION
from marey.worlds.game.picture import Painter


def drawn_again(
    folder: str | Path, each: int = 4, progress: Progress = silent
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """`each` pictures of every clip that `play` wrote there, evenly spaced: uint8 RGB (N, S, S, 3), labels uint8
    (N, S, S), and the clip of each.

    Raises:
        MareyError: there are no such clips, or another version wrote them.
    """
    folder = Path(folder)
    found = sorted(folder.glob("jules-*.truth.json"))
    if not found:
        raise MareyError(f"{folder} has no clips of the world of Jules: what `marey worlds play` writes would do.")
    colours, labels, clips = [], [], []
    for path in follow(found, progress, "drawing again", len(found)):
        truth = json.loads(path.read_text(encoding="utf-8"))
        if truth["version"] != VERSION:
            raise MareyError(f"{path} was written by another version of the world: playing again would do.")
        frames = len(truth["frames"])
        one = clip(truth["seed"], truth["number"], frames, truth["policy"])
        painter = Painter(one.level, truth["size"])
        for at in np.linspace(0, frames - 1, each).round().astype(int):
            picture = painter.paint(one.states[at])
            colours.append(picture.rgb)
            labels.append(picture.labels)
            clips.append(path.name.removesuffix(".truth.json"))
    return np.stack(colours), np.stack(labels), clips
