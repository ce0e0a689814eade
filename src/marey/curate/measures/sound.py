"""The sound of a clip: how loud it is, how much of it is silent, and how much is like speech."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marey.curate.measure import Measure, Measured, View
from marey.signals.loudness import ABSOLUTE, RELATIVE, SILENT, loudness, silence_share
from marey.signals.speech import LIMITS, WINDOW, speech_like

NONE = "there is no sound in it"


class Loudness(Measure):
    """Integrated loudness after ITU-R BS.1770-4."""

    name, version, unit, photos, of_sound = "loudness", "1", "LUFS", False, True
    params: ClassVar[Mapping[str, Any]] = {"absolute_gate": ABSOLUTE, "relative_gate": RELATIVE}

    def measure(self, view: View) -> Measured:
        """None where there is no sound, only silence, or less than 0.4 s."""
        if view.sound is None:
            return Measured(None, reason=NONE)
        found = loudness(view.sound["power"])
        return Measured(found, reason="" if found is not None else "it is silent, or shorter than 0.4 s")


class SilenceShare(Measure):
    """The share of its time in which nothing is heard."""

    name, version, unit, photos, of_sound = "silence_share", "1", "1", False, True
    params: ClassVar[Mapping[str, Any]] = {"decibels": SILENT}

    def measure(self, view: View) -> Measured:
        """0 to 1; 1 where there is no sound."""
        if view.sound is None or not len(view.sound["level"]):
            return Measured(1.0, reason=NONE)
        return Measured(silence_share(view.sound["level"]))


class SpeechLike(Measure):
    """The share of its time in which the sound goes up and down, changes its shape and has a pitch as syllables do."""

    name, version, unit, photos, of_sound = "speech_like", "1", "1", False, True
    params: ClassVar[Mapping[str, Any]] = {"hops": WINDOW, **{name: list(limits) for name, limits in LIMITS.items()}}

    def measure(self, view: View) -> Measured:
        """0 to 1; 0 where there is no sound."""
        if view.sound is None:
            return Measured(0.0, reason=NONE)
        found = speech_like(view.sound["speech"])
        return Measured(found, reason="" if found is not None else "it is shorter than half a second")
