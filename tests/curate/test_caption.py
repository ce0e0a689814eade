"""Captions say what was measured."""

from typing import Any

import numpy as np
import pytest

from marey.curate.caption import Facts, colour, facts, joined, of_clip, of_motion, of_still
from marey.signals.camera import MOVES


def picture(rgb: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    red, green, blue = rgb
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = (128 + 0.564 * (blue - luma), 128 + 0.713 * (red - luma))
    return np.full((36, 64), round(luma), np.uint8), np.full((18, 32, 2), np.rint(chroma), np.uint8)


CLIP = {"width": 400, "height": 300, "seconds": 2.04}  # its diagonal is 500


def known(
    rgb: tuple[int, int, int], share: float | None = 0.0, more: dict[str, Any] | None = None, **flow: Any
) -> Facts:
    """Flow in pixels of the source."""
    luma, chroma = picture(rgb)
    signals: dict[str, dict[str, Any]] = {"brightness": {"value": float(luma.mean()) / 255}}
    if share is not None:
        data = {"right": 0.0, "down": 0.0, "zoom": 0.0, **flow}
        signals["motion"] = {"value": 500 * share, "data": data}
        signals["motion_share"] = {"value": share, "data": data}
    return facts(CLIP, signals | (more or {}), luma, chroma, photo=share is None)


def told(rgb: tuple[int, int, int], share: float | None = 0.0, more: dict[str, Any] | None = None, **flow: Any) -> str:
    return of_clip(known(rgb, share, more, **flow))


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


GREY = (120, 120, 120)


def moves(word: str, camera: float, own: float, roll: float = 0.0) -> dict[str, Any]:
    return {"camera_motion": {"value": camera, "data": {"move": word, "roll": roll}}, "object_motion": {"value": own}}


def test_who_moves_is_told_where_it_is_known() -> None:
    assert "with some motion, as the camera pans to the right," in told(
        GREY, 0.02, moves("pan right", 9, 1), right=-10.0
    )
    assert "with some motion, as the camera tilts upwards," in told(GREY, 0.02, moves("tilt up", 9, 1), down=10.0)
    assert "with some motion, as the camera zooms in," in told(GREY, 0.02, moves("zoom in", 9, 1), zoom=0.08)
    assert "as the camera rolls anticlockwise," in told(GREY, 0.02, moves("roll", 9, 1, -4.0))
    assert "with some motion to the right before a camera that stands still," in told(
        GREY, 0.02, moves("static", 0.1, 9), right=10.0
    )
    assert "as the camera moves and within the picture," in told(GREY, 0.02, moves("mixed", 5, 5), right=10.0)


def test_every_move_has_its_words() -> None:
    for word in MOVES:
        text = told(GREY, 0.02, moves(word, 9, 1))
        assert ("the camera moves" in text) == (word == "mixed"), word


def test_text_and_a_sure_label_are_told() -> None:
    def text(value: float, middle: float) -> dict[str, Any]:
        return {"text_area": {"value": value, "data": [0.0, middle, 0.0]}}

    assert "with text in it, 2.0 seconds long" in told(GREY, 0.02, text(0.02, 0.06))
    assert "with much text in it" in told(GREY, 0.02, text(0.2, 0.3))
    assert "text" not in told(GREY, 0.02, text(0.001, 0.002))
    assert of_still(known(GREY, 0.02, text(0.02, 0.0))) == "An evenly lit, grey picture."
    assert of_still(known(GREY, 0.02, text(0.02, 0.06))) == "An evenly lit, grey picture with text in it."
    sure = {"labels": {"data": [["tennis ball", 0.8], ["dog", 0.1]]}}
    unsure = {"labels": {"data": [["tennis ball", 0.2]]}}
    assert told(GREY, 0.0, sure).startswith(
        "An evenly lit, grey shot of what looks like a tennis ball in which almost nothing moves"
    )
    assert "ball" not in told(GREY, 0.0, unsure)


def test_a_still_tells_of_no_time_and_motion_of_no_picture() -> None:
    clip = known((10, 10, 10), 0.02, right=10.0)
    assert of_still(clip) == "A dark, grey picture."
    assert of_motion(clip) == "A shot of 2.0 seconds with some motion to the right."
    assert joined(of_still(clip), of_motion(clip)) == (
        "A dark, grey picture; a shot of 2.0 seconds with some motion to the right."
    )
    assert joined("Ada waves", "Bob runs!") == "Ada waves; Bob runs!"
    assert of_still(known(GREY, None)) == "A photograph, evenly lit, grey."


def test_the_still_has_its_own_light() -> None:
    """The clip is bright, its middle frame dark."""
    assert known((10, 10, 10), more={"brightness": {"value": 0.9}}).look == "bright, grey"
    assert known((10, 10, 10), more={"brightness": {"value": 0.9}}).still_look == "dark, grey"
