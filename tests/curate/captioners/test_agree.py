"""A sentence that says more than its sources, or less, is found out."""

import pytest

from marey.curate.captioners.agree import disagreement, stem

IMAGE = "A dark, mostly blue picture of a tennis ball with text in it."
VIDEO = "A shot of 2.0 seconds with some motion of the camera to the left."
SOURCES = [IMAGE, VIDEO]
FAITHFUL = "A dark, mostly blue picture of a tennis ball with text in it, with some motion of the camera to the left."


@pytest.mark.parametrize(
    "sentence",
    [
        FAITHFUL,
        "The camera shows some motion to the left, while a dark, mostly blue tennis ball is seen with text in it.",
        FAITHFUL.replace("with some", "2 seconds with some"),
        FAITHFUL.upper(),
    ],
)
def test_the_same_in_other_words_agrees(sentence: str) -> None:
    assert disagreement(sentence, SOURCES) == ""


@pytest.mark.parametrize(
    ("change", "stray"),
    [
        (("tennis ball", "tennis ball and a dog"), "dog"),
        (("tennis", "golf"), "golf"),
        (("blue", "green"), "green"),
        (("blue", "blue and red"), "red"),
        (("left", "right"), "right"),
        (("left", "left and upwards"), "upwards"),
        (("a tennis", "three tennis"), "three"),
        (("text", "the text 2024"), "2024"),
        (("some motion", "7.5 seconds of some motion"), "7.5"),
        (("camera", "player"), "player"),
        (("dark", "not dark"), "not"),
        (("dark", "beautiful, dark"), "beautiful"),
    ],
)
def test_a_hallucination_is_named(change: tuple[str, str], stray: str) -> None:
    assert disagreement(FAITHFUL.replace(*change), SOURCES) == f"it says {stray!r}, which no source does"


def test_a_denial_has_to_stay() -> None:
    sources = ["A grey picture.", "A shot in which almost nothing moves."]
    assert disagreement("A grey picture in which almost nothing moves.", sources) == ""
    assert disagreement("A grey picture that moves.", sources) == "it leaves out 'almost'"


def test_half_of_each_source_has_to_stay() -> None:
    assert disagreement("Some motion of the camera to the left.", SOURCES) == f"it leaves out most of {IMAGE!r}"
    assert disagreement(IMAGE, SOURCES) == f"it leaves out most of {VIDEO!r}"


@pytest.mark.parametrize("nothing", ["", "...", "—"])
def test_no_words_say_nothing(nothing: str) -> None:
    assert disagreement(nothing, SOURCES) == "it says nothing"


@pytest.mark.parametrize(
    ("one", "other"),
    [("red", "reed"), ("left", "lift"), ("two", "three"), ("2.0", "20"), ("text", "next")],
)
def test_other_words_have_other_stems(one: str, other: str) -> None:
    assert stem(one) != stem(other)
