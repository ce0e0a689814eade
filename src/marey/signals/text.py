"""How much of a picture is covered by text: RapidOCR's detector, boxes only.

The paper's measure is the area of CRAFT's boxes over the area of the frame (appendix C). Boxes that overlap are
counted once.
"""

from typing import Any

import cv2
import numpy as np

from marey.errors import require

LONG_SIDE = 736
"""The detector's default scales the short side up to this, whatever the picture: ten times the work for the same
boxes."""

SCORE = 0.6
"""The detector's least certainty of a box; its default is 0.5."""
LINE = 0.35
"""A box whose short side is more than this share of the picture's short side is no line of text: pictures without text
give one box around everything."""


class TextDetector:
    """RapidOCR's detection network. It is loaded once; a picture takes 0.01 to 0.2 s on one core.

    Raises:
        MissingExtra: the extra 'ocr' is not installed.
    """

    def __init__(self, threads: int = 1) -> None:
        rapidocr = require("rapidocr", "ocr")
        require("onnxruntime", "ocr")
        self._engine: Any = rapidocr.RapidOCR(
            params={
                "Global.use_cls": False,
                "Global.use_rec": False,
                "Global.log_level": "error",
                "Det.limit_type": "max",
                "Det.limit_side_len": LONG_SIDE,
                "Det.box_thresh": SCORE,
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def boxes(self, image: np.ndarray) -> np.ndarray:
        """Corners of the boxes of text in uint8 RGB (H, W, 3): float32 (N, 4, 2), x and y in pixels."""
        found = self._engine(np.ascontiguousarray(image[..., ::-1]), use_det=True, use_cls=False, use_rec=False)
        boxes = found.boxes if found is not None else None
        if boxes is None:
            return np.zeros((0, 4, 2), np.float32)
        return lines_only(np.asarray(boxes, np.float32).reshape(-1, 4, 2), *image.shape[:2])

    def area(self, image: np.ndarray) -> float:
        """The share of the picture that its boxes of text cover together, 0 to 1."""
        return union_area(self.boxes(image), *image.shape[:2])


def lines_only(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Those of the boxes (N, 4, 2) in a picture that can be lines of text: no taller than `LINE` of its short side."""
    sides = np.linalg.norm(boxes - np.roll(boxes, 1, axis=1), axis=2)  # (N, 4)
    return boxes[sides.min(axis=1, initial=np.inf) <= LINE * min(height, width)]


def union_area(boxes: np.ndarray, height: int, width: int) -> float:
    """The share of a picture that quadrilaterals (N, 4, 2) cover together, overlaps counted once."""
    mask = np.zeros((height, width), np.uint8)
    for box in boxes:
        cv2.fillConvexPoly(mask, np.rint(box).astype(np.int32), 1)
    return float(mask.mean())
