"""How much of a clip's picture is covered by text."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

import numpy as np

from marey.curate.measure import Measure, Measured, View
from marey.signals.given import Given
from marey.signals.text import SETTINGS, TextDetector


class TextArea(Measure):
    """Union of the boxes of text within each still: their mean, as a share of the picture."""

    name, unit, bad = "text_area", "1", "high"

    def __init__(self, given: Given | None = None) -> None:
        super().__init__(given)
        self.version = "3" if self.given.text == "marey" else f"3+{self.given.text}"  # type: ignore[misc]
        settings = asdict(SETTINGS[self.given.text])
        self.params: Mapping[str, Any] = {"detector": "PP-OCRv6 small", **settings, "reduction": "mean"}  # type: ignore[misc]

    def lacking(self) -> str:
        """RapidOCR and its runtime."""
        if find_spec("rapidocr") is not None and find_spec("openvino") is not None:
            return ""
        return "text boxes need the extra 'ocr': pip install \"marey[ocr]\""

    def setup(self, threads: int) -> None:
        """Load the detector."""
        self._detector = TextDetector(threads, SETTINGS[self.given.text])

    def measure(self, view: View) -> Measured:
        """0 to 1; the data has the value of each still."""
        areas = [self._detector.area(picture) for picture in view.stills]
        return Measured(float(np.mean(areas)), [round(area, 6) for area in areas])
