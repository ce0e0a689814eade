"""Captions say what was measured."""

from typing import Any

import numpy as np
import pytest

from marey.curate.caption import caption, colour


def picture(rgb: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    red, green, blue = rgb
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = (128 + 0.564 * (blue - luma), 128 + 0.713 * (red - luma))
    return np.full((36, 64), round(luma), np.uint8), np.full((18, 32, 2), np.rint(chroma), np.uint8)


def told(rgb: tuple[int, int, int], share: float | None = 0.0, **flow: float) -> str:
    """Flow in pixels of a source whose diagonal is 500."""
    luma, chroma = picture(rgb)
    signals: dict[str, dict[str, Any]] = {"brightness": {"value": float(luma.mean()) / 255}}
    if share is not None:
        signals["motion"] = {"value": 500 * share, "data": {"right": 0.0, "down": 0.0, "zoom": 0.0, **flow}}
        signals["motion_share"] = {"value": share, "data": signals["motion"]["data"]}
    return caption({"width": 400, "height": 300, "seconds": 2.04}, signals, luma, chroma)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((200, 20, 20), "mostly red"),
        ((20, 180, 40), "mostly green"),
        ((30, 40, 210), "mostly blue"),
        ((230, 210, 30), "mostly yellow"),
        ((120, 120, 120), "grey"),
    ],
)
def test_colours_have_their_names(rgb: tuple[int, int, int], name: str) -> None:
    assert colour(*picture(rgb)) == name


def test_two_colours_are_both_named() -> None:
    (red, red_chroma), (blue, blue_chroma) = picture((200, 20, 20)), picture((30, 40, 210))
    red[:, 32:], red_chroma[:, 16:] = blue[:, 32:], blue_chroma[:, 16:]
    assert set(colour(red, red_chroma).split(" and ")) == {"red", "blue"}


def test_light_and_its_article() -> None:
    assert told((10, 10, 10)).startswith("A dark, grey shot")
    assert told((120, 120, 120)).startswith("An evenly lit, grey shot")
    assert told((240, 240, 240)).startswith("A bright, grey shot")


def test_motion_and_its_way() -> None:
    assert "in which almost nothing moves, 2.0 seconds long." in told((120, 120, 120), 0.001)
    assert "with little motion to the right," in told((120, 120, 120), 0.008, right=4.0)
    assert "with some motion to the left," in told((120, 120, 120), 0.02, right=-10.0)
    assert "with much motion upwards," in told((120, 120, 120), 0.08, down=-40.0)
    assert "with some motion, coming closer," in told((120, 120, 120), 0.02, zoom=0.08)
    assert "going away" in told((120, 120, 120), 0.02, zoom=-0.08)
    assert "with some motion," in told((120, 120, 120), 0.02, right=1.0)  # to and fro: no way is told


def test_a_photograph_has_no_motion() -> None:
    assert told((120, 120, 120), None) == "A photograph, evenly lit, grey."
