"""Recipes: what is read is what is written, and a mistake is named."""

from pathlib import Path

import pytest

from marey.errors import MareyError
from marey.recipe import Recipe, find, shipped


def test_every_shipped_recipe_opens_and_survives_its_own_toml(tmp_path: Path) -> None:
    assert "tiny" in shipped()
    for name in shipped():
        recipe = Recipe.open(name)
        recipe.save(tmp_path / "resolved.toml")
        assert Recipe.open(tmp_path / "resolved.toml") == recipe


def test_defaults_survive_too_and_strings_are_quoted(tmp_path: Path) -> None:
    recipe = Recipe.of({"footage": {"folder": 'a "quoted" \\ путь/名前'}})
    recipe.save(tmp_path / "r.toml")
    assert Recipe.open(tmp_path / "r.toml").footage.folder == 'a "quoted" \\ путь/名前'


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("train.video.steps=100", 100),
        ("train.video.steps = 100", 100),
    ],
)
def test_an_override_reaches_its_field(override: str, value: int) -> None:
    assert Recipe.open("tiny", [override]).train.video.steps == value


def test_overrides_of_other_types() -> None:
    recipe = Recipe.of(
        {},
        [
            "select.name=hq",
            "select.drop.motion=12.5",
            "encode.autoencoder.channels=[32,64]",
            'device="cpu"',
            'curate.without=["text_area"]',
        ],
    )
    assert recipe.select.name == "hq"
    assert recipe.select.drop == {"motion": 12.5}
    assert recipe.encode.autoencoder.channels == (32, 64)
    assert recipe.device == "cpu"
    assert recipe.curate.without == ("text_area",)


@pytest.mark.parametrize(
    ("override", "named", "would_do"),
    [
        ("train.vidio.steps=3", "train.vidio", "'video'"),
        ("train.video.stepz=3", "train.video.stepz", "'steps'"),
        ("tarin.video.steps=3", "tarin", "'train'"),
        ("train.video.steps=0", "train.video.steps is 0", "greater than or equal to 1"),
        ("train.video.precision=fp8", "train.video.precision is 'fp8'", "'bf16'"),
        ("select.drop.motion=300", "drop.motion is 300", "from 0 to under 100"),
        ("select.name=../../etc", "select.name is '../../etc'", "match"),
        ("seed=x", "seed is 'x'", "integer"),
        ("seed", "'seed'", "section.key=value"),
        ("seed.deeper=1", "seed.deeper=1", "not a section"),
    ],
)
def test_a_mistake_names_the_field_the_value_and_what_would_do(override: str, named: str, would_do: str) -> None:
    with pytest.raises(MareyError) as error:
        Recipe.open("tiny", [override])
    assert named in str(error.value)
    assert would_do in str(error.value)


def test_what_is_no_recipe_is_said(tmp_path: Path) -> None:
    with pytest.raises(MareyError, match="tiny"):
        find("tinny")
    broken = tmp_path / "broken.toml"
    broken.write_text("seed = = 3")
    with pytest.raises(MareyError, match="not valid TOML"):
        Recipe.open(broken)


def test_a_recipe_cannot_be_changed_and_its_fingerprint_follows_its_values() -> None:
    one, same, other = Recipe.of({}), Recipe.of({}), Recipe.of({"seed": 1})
    with pytest.raises(ValueError, match="frozen"):
        one.seed = 3
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()
    assert one.train.fingerprint() == other.train.fingerprint()


def test_none_lifts_a_limit_and_is_a_word_where_that_is_one_of_the_choices() -> None:
    said = ["footage.budget_seconds=none", "curate.transitions.second=none", "export.fallback=none"]
    recipe = Recipe.open("tiny", said)
    assert recipe.footage.budget_seconds is None
    assert recipe.curate.transitions.second == "none"
    assert recipe.export.fallback == "none"
