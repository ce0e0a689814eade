"""Two captions merged by a language model."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_captioners as tiny

from marey.curate.captioner import Seen, Told
from marey.curate.captioners.language import LanguageMerger, bare, merged
from marey.curate.captioners.prompts import merging, prompt
from marey.curate.captioners.vision import VisionCaptioner
from marey.errors import MareyError
from marey.recipe import Captioner, Captions

MakeSeen = Callable[..., Seen]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.causal(tmp_path_factory.mktemp("models") / "causal")


def merger(folder: Path, ready: bool = True, **settings: object) -> LanguageMerger:
    own = Captioner(backend="transformers", model=str(folder), **{"tokens": 12, **settings})  # type: ignore[arg-type]
    made = LanguageMerger("merged", Captions(merged=own, device="cpu"))
    if ready:
        made.setup(1)
    return made


def test_each_pair_gets_its_own_answer_whatever_stands_beside_it(model: Path, seen: MakeSeen) -> None:
    made = merger(model)
    clips = [
        seen("a", [1], image="a red car .", video="a dog looks ."),
        seen("b", [1], image="a dark blue picture in which a red car moves to the left .", video="a dog ."),
        seen("c", [1], image="user", video="assistant"),
    ]
    together = made.tell(clips)
    assert all(told.status == "ok" and told.text for told in together.values())
    assert len({told.text for told in together.values()}) > 1
    assert made.tell(clips[::-1]) == together
    assert {clip.id: made.tell([clip])[clip.id] for clip in clips} == together


def test_an_answer_has_nothing_of_the_question_in_it(model: Path, seen: MakeSeen) -> None:
    made = merger(model, tokens=3)
    told = made.tell([seen("a", [1], image="a red car .", video="a dog .")])["a"]
    assert "First" not in told.text
    assert len(made._words(told.text)["input_ids"]) <= 6


def test_an_unchecked_answer_stands_and_a_checked_one_may_give_way(model: Path, seen: MakeSeen) -> None:
    clip = seen("a", [1], image="A red car.", video="It moves to the left.")
    free, checked = merger(model).tell([clip])["a"], merger(model, checked=True).tell([clip])["a"]
    assert free.text != checked.text  # a random model's words are in neither caption
    assert checked.text == "A red car; It moves to the left."
    assert checked.reason.startswith("the two captions as they are: of the model's answer, it ")


def test_a_checked_answer_that_agrees_stands() -> None:
    said = "A red car moves to the left."
    assert merged(said, "A red car.", "It moves to the left.", True) == Told(said)
    told = merged("A red car moves to the right.", "A red car.", "It moves to the left.", True)
    assert (told.status, told.text) == ("ok", "A red car; It moves to the left.")
    assert told.reason.endswith("it says 'right', which no source does")
    assert merged("", "A.", "B.", False).status == "failed"


def test_the_version_knows_the_prompt_and_the_check(model: Path) -> None:
    versions = {
        merger(model, ready=False, **one).version for one in ({}, {"prompt": "{image} {video}"}, {"checked": True})
    }
    assert len(versions) == 3


def test_captions_stand_in_the_prompt_once_each_whatever_they_say() -> None:
    assert merging("{image} / {video} / {video}", "{video}", "{image}") == "{video} / {image} / {image}"
    text = merging(prompt("merged"), "IMAGE", "VIDEO")
    assert text.index("First: IMAGE") < text.index("Second: VIDEO")


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ('The caption is: "A red car."', "A red car."),
        ("Caption: A red car.", "A red car."),
        ("Sure! Here is one merged sentence:\nA red car.", "A red car."),
        ("“A red car.”", "A red car."),
        ("A red car.", "A red car."),
        ('A man says "go" and "stop"', 'A man says "go" and "stop"'),
        ('"Go", says a man, and then "stop"', '"Go", says a man, and then "stop"'),
        ("A sign. Its caption: stop.", "A sign. Its caption: stop."),
        ("A red car: it is fast.", "A red car: it is fast."),
    ],
)
def test_what_stands_around_an_answer_is_taken_away(said: str, left: str) -> None:
    assert bare(said) == left


def test_a_gguf_file_says_what_the_folder_says_that_it_was_made_from(
    model: Path, tmp_path: Path, seen: MakeSeen
) -> None:
    clip = seen("a", [1], image="a red car .", video="a dog looks .")
    file, folder = merger(tiny.gguf(model, tmp_path / "tiny.gguf")), merger(model)
    folder._words.chat_template = None  # the file has none
    assert file.tell([clip]) == folder.tell([clip])
    assert file.version != folder.version
    own = Captions(image=Captioner(backend="transformers", model=str(tmp_path / "tiny.gguf")))
    with pytest.raises(MareyError, match="a language model sees no pictures"):
        VisionCaptioner("image", own)
