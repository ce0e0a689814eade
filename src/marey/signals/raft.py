"""Optical flow by a RAFT that is given."""

from pathlib import Path

import cv2
import numpy as np

from marey.signals.given import Given, absent
from marey.signals.threads import torch_threads

SHORT_SIDE = 256
"""Pictures are brought to about this short side: a multiple of eight, as the network wants."""
_LONGEST = 768  # of the other side; what is longer is squeezed, for all pairs of points take memory


class RaftFlow:
    """RAFT from a file; a pair of pictures takes 0.4 s (small) or 1.3 s (large) on one core.

    Raises:
        MareyError: the file is not the one of its sha256, or holds no RAFT.
        MissingExtra: torch is not installed.
    """

    def __init__(self, given: Given, threads: int = 1) -> None:
        from marey.network.raft import load_raft

        self._net, self._threads = load_raft(Path(given.raft), given.raft_sha256), threads

    def __call__(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """The flow between two uint8 RGB pictures (H, W, 3) of one size: float32 (h, w, 2), x and y, in the pixels of a
        picture of that size, about `SHORT_SIDE` high or wide."""
        import torch

        if before.shape != after.shape:
            raise ValueError(f"the pictures differ in size: {before.shape} and {after.shape}")
        height, width = size(*before.shape[:2])
        pair = [cv2.resize(one, (width, height), interpolation=cv2.INTER_AREA) for one in (before, after)]
        scaled = torch.from_numpy(np.stack(pair)).permute(0, 3, 1, 2).float() / 127.5 - 1  # (2, 3, H, W)
        with torch.inference_mode(), torch_threads(self._threads):
            found: np.ndarray = self._net(scaled[:1], scaled[1:])[0].permute(1, 2, 0).contiguous().numpy()
        return found


def size(height: int, width: int) -> tuple[int, int]:
    """The height and width at which flow is looked for.

    >>> size(720, 1280), size(1080, 1920), size(64, 6400)
    ((256, 456), (256, 456), (256, 768))
    """
    scale = SHORT_SIDE / min(height, width)
    wanted = (min(_LONGEST, 8 * round(side * scale / 8)) for side in (height, width))
    rows, columns = wanted
    return rows, columns


def lacking() -> str:
    """What must be installed for it; empty if nothing."""
    return absent(("torch",))
