"""What the frames of a clip do as a whole: black ones, ones that repeat, and light that flickers."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marey.curate.measure import Measure, Measured, View
from marey.signals.exposure import BLACK, BLACK_CELLS, black_share, flicker
from marey.signals.repeats import EQUAL, EQUAL_CELL, LONGEST, ROUNDS, cadence, freeze_share


class BlackShare(Measure):
    """The share of frames that are black."""

    name, version, unit, bad, photos = "black_share", "1", "1", "high", False
    params: ClassVar[Mapping[str, Any]] = {"luma": BLACK, "cells": BLACK_CELLS}

    def measure(self, view: View) -> Measured:
        """0 to 1."""
        return Measured(black_share(view.luma))


class FreezeShare(Measure):
    """The share of frames that equal the one before up to compression noise."""

    name, version, unit, bad, photos = "freeze_share", "1", "1", "high", False
    params: ClassVar[Mapping[str, Any]] = {"mean": EQUAL, "most": EQUAL_CELL}

    def measure(self, view: View) -> Measured:
        """0 to 1."""
        return Measured(freeze_share(view.luma))


class CadenceShare(Measure):
    """The share of frames that are repeats in a regular pattern, as a converted frame rate leaves them."""

    name, version, unit, bad, photos = "cadence", "1", "1", "high", False
    params: ClassVar[Mapping[str, Any]] = {"longest": LONGEST, "rounds": ROUNDS}

    def measure(self, view: View) -> Measured:
        """0 (no pattern, or nothing moves) to 1; the data has the pattern, as frames kept of a round, and the frame
        rate without repeats."""
        found = cadence(view.luma)
        if found is None:
            return Measured(0.0)
        fps = round(view.clip["fps"] * found.kept / found.period, 3)
        return Measured(found.share, {"kept": found.kept, "of": found.period, "fps": fps})


class Flicker(Measure):
    """How much the brightness of the whole picture goes up and down from frame to frame."""

    name, version, unit, bad, photos = "flicker", "1", "1", "high", False

    def measure(self, view: View) -> Measured:
        """0 (steady) to 1 (black and white in turn)."""
        return Measured(flicker(view.luma))
