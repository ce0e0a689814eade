"""The text area of each clip, from the stills that the pass kept."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from marey.catalog import text_path
from marey.curate.read import still
from marey.media import walk
from marey.signals.text import LONG_SIDE, TextDetector

UNIT, BAD = "1", "high"
PARAMS = {"detector": "rapidocr", "limit_type": "max", "limit_side_len": LONG_SIDE, "reduction": "mean"}
MISSING = "text boxes need the extra 'ocr': pip install \"marey[ocr]\""


def installed() -> bool:
    """Whether the extra 'ocr' is here."""
    return find_spec("rapidocr") is not None and find_spec("onnxruntime") is not None


class TextStage:
    """Union of the boxes in each still; the signal is their mean, all values are kept. Item: id (clip), library,
    stills [(shard, key)]; path and span (start_pts, end_pts, frames) to draw them where the pass kept none."""

    name, version, cpus, gpus = "text_area", "2", 1.0, 0.0

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._detector: TextDetector | None = None

    def setup(self) -> None:
        """Load the detector."""
        cv2.setNumThreads(self._threads)
        self._detector = TextDetector(self._threads)

    def process(self, item: dict[str, Any]) -> dict[str, Any]:
        """value and data of the signal."""
        if self._detector is None:
            raise RuntimeError("setup comes first")
        pictures = load_stills(item["library"], item["stills"]) or draw_stills(text_path(item["path"]), *item["span"])
        areas = [self._detector.area(picture) for picture in pictures]
        return {"value": float(np.mean(areas)), "data": [round(area, 6) for area in areas]}


def draw_stills(path: Path, start_pts: int, end_pts: int, frames: int) -> list[np.ndarray]:
    """The first, middle and last frame of a short clip between transitions, in which the pass happened to keep none:
    its span is decoded for use, apart from the pass."""
    wanted = {0, (frames - 1) // 2, frames - 1}
    return [still(frame) for frame in walk(path, start_pts, end_pts, threads=1) if frame.n in wanted]


def load_stills(library: str, places: list[tuple[str, str]]) -> list[np.ndarray]:
    """Stills by (shard, key): uint8 RGB (H, W, 3) each."""
    from safetensors import safe_open

    pictures = []
    for shard, key in places:
        with safe_open(str(text_path(library) / shard), framework="numpy") as file:
            pictures.append(cv2.cvtColor(cv2.imdecode(file.get_tensor(key), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))
    return pictures
