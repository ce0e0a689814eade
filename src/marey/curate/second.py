"""A second opinion on transitions: TransNet V2, alone or together with our own detector.

Fused, our own answer stands, and a place that we hold possible, though not likely enough, is added where TransNet V2 is
sure of it. On composed edits the two miss different ones: it hardly sees wipes and short fades, we miss some dissolves
between shots that look alike. What only TransNet V2 sees is not added: a flash or a whip pan is a cut to it.
"""

import numpy as np

from marey.curate.candidate import Kind
from marey.curate.transitions import Places, Transition, find_places, find_transitions
from marey.recipe import Transitions
from marey.signals.shotnet import runs

VERSION = "2"
POSSIBLE = 0.1
"""The least confidence of ours at which the second opinion is asked."""


def agreed_transitions(
    luma: np.ndarray, chroma: np.ndarray, said: np.ndarray | None, fps: float, settings: Transitions
) -> list[Transition]:
    """The transitions of a footage as the settings want them found: in order, none overlapping. Arguments as in
    `agreed_places`."""
    return agreed_places(luma, chroma, said, fps, settings).transitions


def agreed_places(
    luma: np.ndarray, chroma: np.ndarray, said: np.ndarray | None, fps: float, settings: Transitions
) -> Places:
    """The transitions of a footage as the settings want them found, and where one is in doubt.

    Args:
        luma: uint8 (N, 36, 64); chroma: uint8 (N, 18, 32, 2); fps: as in `find_places`.
        said: float32 (N, 2), of TransNet V2 (`ShotNet`); without it our own detector decides.
    """
    places = find_places(luma, chroma, fps, settings)
    if said is None or settings.second == "none":
        return places
    low = {"cut": min(POSSIBLE, settings.cut), "gradual": min(POSSIBLE, settings.gradual)}
    possible = find_transitions(luma, chroma, fps, settings.model_copy(update=low))
    if settings.how == "alone":
        return Places(_named(said, possible, settings.second_sure), [])
    ours = places.transitions
    left = said[:, 0].copy()  # what it says where we say nothing
    for one in ours:
        left[max(0, one.a_end - 1) : one.b_start + 1] = 0
    added = [
        one for one in possible if left[one.a_end : one.b_start].max() > settings.second_sure and not _meets(one, ours)
    ]
    found = sorted([*ours, *added], key=lambda one: one.a_end)
    return Places(found, [one for one in places.doubts if not _meets(one, found)])


def _named(said: np.ndarray, possible: list[Transition], sure: float) -> list[Transition]:
    """What TransNet V2 says, with ends from its second head, which marks the whole of a transition.

    Its kinds are ours where we hold one possible at that place; else a transition without frames inside is a cut, and
    one with some a dissolve. Of those that reach into each other one is made: it may say the two halves of a fade.
    """
    inside = said[:, 1] > sure
    found: list[Transition] = []
    for a_end, b_start in runs(said[:, 0] > sure):
        confidence = float(said[a_end:b_start, 0].max())
        low, high = a_end, b_start - 1  # frames that belong to it, by its own account
        while low > 0 and inside[low - 1]:
            low -= 1
        while high < len(said) - 1 and inside[high + 1]:
            high += 1
        if high - low > 1:  # of a cut it marks the frame before, and now and then one more
            a_end, b_start = max(0, min(a_end, low - 1)), min(len(said) - 1, max(b_start, high + 1))
        if found and a_end < found[-1].b_start:
            before = found.pop()
            a_end, b_start = min(before.a_end, a_end), max(before.b_start, b_start)
            confidence = max(before.confidence, confidence)
        found.append(Transition("cut", a_end, b_start, round(confidence, 4)))
    return [Transition(_kind(one, possible), one.a_end, one.b_start, one.confidence) for one in found]


def _kind(one: Transition, possible: list[Transition]) -> Kind:
    if one.b_start - one.a_end == 1:
        return "cut"
    ours = [other for other in possible if other.kind != "cut" and _meets(one, [other])]
    return max(ours, key=lambda other: other.confidence).kind if ours else "dissolve"


def _meets(one: Transition, others: list[Transition]) -> bool:
    return any(one.a_end < other.b_start and other.a_end < one.b_start for other in others)
