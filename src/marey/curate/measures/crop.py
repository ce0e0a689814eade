"""Black bars around the picture, and the crop that leaves it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marey.curate.measure import Measure, Measured, View
from marey.signals.bars import ALONE, DARKEST, LIGHT, UNEVEN, WIDEST


class Crop(Measure):
    """The share of the picture that is black bars."""

    name, version, unit, bad = "crop", "1", "1", "high"
    params: ClassVar[Mapping[str, Any]] = {
        "darkest": DARKEST,
        "light": LIGHT,
        "widest": WIDEST,
        "alone": ALONE,
        "uneven": UNEVEN,
    }

    def measure(self, view: View) -> Measured:
        """0 to 1; the data has the lines to take off at the top, bottom, left and right, even numbers of pixels of the
        source as shown."""
        height, width = view.footage["height"], view.footage["width"]
        found, seen = view.bars
        reason = "" if seen else "it is too dark to show where its picture ends, and so is the rest of its footage"
        return Measured(found.share(height, width), [found.top, found.bottom, found.left, found.right], reason)
