"""Logos, watermarks and the like, which stay put while all else moves."""

from collections.abc import Mapping
from dataclasses import astuple
from typing import Any, ClassVar

from marey.curate.measure import Measure, Measured, View
from marey.curate.measures.motion import motion_table
from marey.signals.camera import camera_move
from marey.signals.overlay import DIFFERENT, EDGE, LONG_SIDE, PICTURES, SAME, overlays, share


class Overlay(Measure):
    """The share of the picture that the boxes of static overlays cover together."""

    name, version, unit, bad, photos = "overlay", "1", "1", "high", False
    params: ClassVar[Mapping[str, Any]] = {
        "long_side": LONG_SIDE,
        "pictures": PICTURES,
        "edge": EDGE,
        "same": SAME,
        "different": DIFFERENT,
    }

    def measure(self, view: View) -> Measured:
        """0 to 1; the data has the boxes as x, y, width and height in pixels of the source as shown. None where nothing
        could stand out: nothing moves, and the rest of the footage looks the same."""
        height, width = view.footage["height"], view.footage["width"]
        black, _ = view.bars
        inside = (black.top / height, black.bottom / height, black.left / width, black.right / width)
        move = camera_move(motion_table(view)[0], height, width).move
        found = overlays(view.looks, height, width, elsewhere=lambda: view.elsewhere, inside=inside, move=move)
        if found is None:
            return Measured(None, reason="too little moves to tell what is laid over it")
        return Measured(share(found, height, width), [list(astuple(box)) for box in found])
