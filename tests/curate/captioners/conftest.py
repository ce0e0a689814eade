"""What the tests of captioners share: clips made by hand, with stills and without footage."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from marey.catalog import Library
from marey.curate.captioner import Seen
from marey.curate.measure import Trace
from marey.media import jpeg_bytes

MakeSeen = Callable[..., Seen]


@pytest.fixture
def seen(tmp_path: Path) -> MakeSeen:
    """Make a clip of 30 frames whose stills are of these colours, evenly kept; its captions may be given."""

    def make(name: str, colours: list[int], **captions: str) -> Seen:
        with Library.open(tmp_path / "library", create=True) as library:
            numbers = [int((n + 0.5) * 30 / len(colours)) for n in range(len(colours))]
            pictures = {f"{name}:{n}": patched(colour) for n, colour in zip(numbers, colours, strict=True)}
            arrays = {key: np.frombuffer(jpeg_bytes(one, 95), np.uint8) for key, one in pictures.items()}
            shard = library.put_tensors("stills", arrays) or ""
        clip = {
            "id": name, "start_frame": 0, "end_frame": 29, "frames": 30, "seconds": 1.5, "start_pts": 0, "end_pts": 29,
            "stills": str([numbers[0], numbers[len(numbers) // 2], numbers[-1]]),
        }  # fmt: skip
        footage = {"kind": "video", "path": str(tmp_path / "gone.mp4")}
        places = [(n, shard, f"{name}:{n}") for n in numbers]
        return Seen(tmp_path / "library", clip, footage, Trace(tmp_path, "", ""), places, {}, captions)

    return make


def patched(colour: int) -> np.ndarray:
    """A picture of its own for each number: uint8 (48, 64, 3)."""
    cells = np.random.default_rng(colour).integers(0, 256, (6, 8, 3), np.uint8)
    return cells.repeat(8, axis=0).repeat(8, axis=1)
