"""How much of a picture is covered by text: the detection network of RapidOCR, boxes only.

The paper's measure is the area of CRAFT's boxes over the area of the frame (appendix C). Boxes that overlap are
counted once. The network (PP-OCRv6, Apache-2.0) and what turns its map into boxes come out of rapidocr's package; it
runs on OpenVINO, in half the time that it takes on ONNX Runtime where the processor computes in bfloat16.
"""

import sys
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any, Literal

import cv2
import numpy as np

from marey.errors import require
from marey.signals.given import package_file, pinned

_NETWORK = ("models", "PP-OCRv6_det_small.onnx")
_SHA256 = "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f"
_STEP = 32
"""The network wants sides that are multiples of it."""
_SIZES = 6
"""Pictures of so many sizes have a network made for them, and kept."""


@dataclass(frozen=True)
class TextSettings:
    """How closely a picture is looked at, and what counts as text."""

    by: Literal["long", "short"]
    side: int
    """Pixels: a longer long side is reduced to it, a shorter short side is enlarged to it."""
    score: float
    """The detector's least certainty of a box."""
    line: float | None
    """A box whose short side is more than this share of the picture's short side is no line of text: pictures without
    text often give one box around everything. None: every box counts."""
    exact: bool
    """Compute in float32 even where bfloat16 is faster."""


MAREY = TextSettings("long", 736, 0.6, 0.35, exact=False)
RAPIDOCR = TextSettings("short", 736, 0.5, None, exact=True)
"""RapidOCR's defaults, to decide as pipelines around it do. Enlarged to this, a picture is ten times the work for the
same lines; and the boxes around everything drop many a picture without text."""

SETTINGS = {"marey": MAREY, "rapidocr": RAPIDOCR}


class TextDetector:
    """The network, loaded once; a still takes about 0.05 s on one core.

    Raises:
        MissingExtra: the extra 'ocr' is not installed.
        MareyError: rapidocr's package holds another network.
    """

    def __init__(self, threads: int = 1, settings: TextSettings = MAREY) -> None:
        openvino = _openvino()
        boxes = require("rapidocr.ch_ppocr_det.utils", "ocr")
        self.settings = settings
        core = openvino.Core()
        half = not settings.exact and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        asked = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # every worker would take the same core
            "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
        }
        network = pinned(package_file("rapidocr", *_NETWORK), _SHA256)

        def compiled(height: int, width: int) -> Any:
            model = core.read_model(network)
            model.reshape([1, 3, height, width])  # a tenth faster than a network for all sizes
            return core.compile_model(model, "CPU", asked).create_infer_request()

        self._network = lru_cache(_SIZES)(compiled)
        self._boxes: Any = boxes.DBPostProcess(
            thresh=0.3, box_thresh=settings.score, max_candidates=1000, unclip_ratio=1.6, use_dilation=True
        )

    def boxes(self, image: np.ndarray) -> np.ndarray:
        """Corners of the boxes of text in uint8 RGB (H, W, 3): float32 (N, 4, 2), x and y in pixels."""
        height, width = image.shape[:2]
        size = seen_at(height, width, self.settings)
        scaled = cv2.resize(image, size[::-1])
        # BGR in -1..1, as RapidOCR gives it to the network.
        seen = cv2.dnn.blobFromImage(scaled, 1 / 127.5, mean=(127.5, 127.5, 127.5), swapRB=True)
        found, _ = self._boxes(self._network(*size).infer([seen])[0], (height, width))
        boxes = np.asarray(found, np.float32).reshape(-1, 4, 2)
        return boxes if self.settings.line is None else lines_only(boxes, height, width, self.settings.line)

    def area(self, image: np.ndarray) -> float:
        """The share of the picture that its boxes of text cover together, 0 to 1."""
        return union_area(self.boxes(image), *image.shape[:2])


def seen_at(height: int, width: int, settings: TextSettings) -> tuple[int, int]:
    """Height and width at which the network sees a picture."""
    if settings.by == "long":
        ratio = min(1.0, settings.side / max(height, width))
    else:
        ratio = max(1.0, settings.side / min(height, width))
    return tuple(max(_STEP, round(int(side * ratio) / _STEP) * _STEP) for side in (height, width))  # type: ignore[return-value]


def lines_only(boxes: np.ndarray, height: int, width: int, line: float) -> np.ndarray:
    """Those of the boxes (N, 4, 2) in a picture that can be lines of text: no taller than the share `line` of its
    short side."""
    sides = np.linalg.norm(boxes - np.roll(boxes, 1, axis=1), axis=2)  # (N, 4)
    return boxes[sides.min(axis=1, initial=np.inf) <= line * min(height, width)]


def _openvino() -> ModuleType:
    """OpenVINO without its telemetry, which tells a server of each import: where that package cannot be imported, a
    part that does nothing stands in for it."""
    modules: dict[str, Any] = sys.modules
    modules.setdefault("openvino_telemetry", None)
    return require("openvino", "ocr")


def union_area(boxes: np.ndarray, height: int, width: int) -> float:
    """The share of a picture that quadrilaterals (N, 4, 2) cover together, overlaps counted once."""
    mask = np.zeros((height, width), np.uint8)
    for box in boxes:
        cv2.fillConvexPoly(mask, np.rint(box).astype(np.int32), 1)
    return float(mask.mean())
