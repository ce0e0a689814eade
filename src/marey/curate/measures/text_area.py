"""How much of a clip's picture is covered by text."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from marey.curate.measure import Measure, Measured, View
from marey.signals.text import LINE, LONG_SIDE, SCORE, TextDetector


class TextArea(Measure):
    """Union of the boxes of text within each still: their mean, as a share of the picture."""

    name, version, unit, bad = "text_area", "2", "1", "high"
    params: ClassVar[Mapping[str, Any]] = {
        "detector": "rapidocr",
        "limit_type": "max",
        "limit_side_len": LONG_SIDE,
        "score": SCORE,
        "line": LINE,
        "reduction": "mean",
    }

    def lacking(self) -> str:
        """RapidOCR and its runtime."""
        if find_spec("rapidocr") is not None and find_spec("onnxruntime") is not None:
            return ""
        return "text boxes need the extra 'ocr': pip install \"marey[ocr]\""

    def setup(self, threads: int) -> None:
        """Load the detector."""
        self._detector = TextDetector(threads)

    def measure(self, view: View) -> Measured:
        """0 to 1; the data has the value of each still."""
        areas = [self._detector.area(picture) for picture in view.stills]
        return Measured(float(np.mean(areas)), [round(area, 6) for area in areas])
