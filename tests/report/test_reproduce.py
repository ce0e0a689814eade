"""The commands on the page are given to a shell as they stand, so they are read here as a shell reads them."""

import shlex
from pathlib import Path

import pytest

from marey.recipe import Recipe
from marey.report import reproduce

RUN = Path("/somewhere/my library/runs/tiny")


def again(recipe: Recipe, line: str) -> Recipe:
    """The recipe that a `marey run` line asks for."""
    words = shlex.split(line)
    assert words[:3] == ["marey", "run", "tiny"]
    assert words[words.index("--out") + 1] == "my library"
    return Recipe.open("tiny", [word for word in words[3:] if "=" in word])


def line(recipe: Recipe) -> str:
    return next(command.line for command in reproduce.commands(RUN, recipe) if command.line.startswith("marey run"))


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["train.video.steps=17", 'report.title="it\'s mine; rm -rf"', "select.min={sharpness = 3.5}"],
        ["footage.file_seconds=none", "generate.guidance=[1.0, 3.0]", 'curate.without=["text_area"]'],
    ],
)
def test_the_command_gives_the_same_recipe(overrides: list[str]) -> None:
    recipe = Recipe.open("tiny", overrides)
    assert again(recipe, line(recipe)) == recipe


def test_the_folder_of_footage_is_named_without_what_is_above_it() -> None:
    recipe = Recipe.open("tiny", ['footage.folder="/home/someone/my videos"'])
    words = shlex.split(line(recipe))
    assert words[words.index("--footage") + 1] == "my videos"
    assert "someone" not in line(recipe)


def test_the_command_for_all_lifts_every_limit_and_nothing_else() -> None:
    recipe = Recipe.open("tiny", ["train.video.steps=17", "footage.photos=5"])
    command = reproduce.command_for_all(RUN, recipe, {}, unread=True)
    free = again(recipe, command.line)
    assert (free.footage.budget_seconds, free.footage.file_seconds, free.footage.photos) == (None, None, None)
    assert free.train == recipe.train
    assert reproduce.command_for_all(RUN, recipe, {}, unread=False) is None, "all of the footage was read"
    assert reproduce.command_for_all(RUN, Recipe.of({}), {}, unread=True) is None
    few = Recipe.open("tiny", ["generate.windows=3", "encode.windows.most=50"])
    free = again(few, reproduce.command_for_all(RUN, few, {}, unread=False).line)
    assert (free.generate.windows, free.encode.windows.most) == (None, None)
    assert free.footage == few.footage
    said = reproduce.command_for_all(RUN, None, {"command": "marey curate X"}, unread=True)
    assert said.line == "marey curate X"


def test_a_recipe_that_is_far_from_any_shipped_one_is_named_by_its_file() -> None:
    other = reproduce.commands(RUN.with_name("mine"), Recipe.of({}))[1].line
    assert shlex.split(other)[:3] == ["marey", "run", "my library/runs/mine/recipe.toml"]


def test_the_longest_step_fills_the_bar_and_the_report_is_not_counted() -> None:
    rows = [
        {"step": "train", "seconds": 40.0, "peak_mb": 900, "status": "done"},
        {"step": "encode", "seconds": 10.0, "peak_mb": None, "status": "interrupted"},
        {"step": "report", "seconds": 99.0, "status": "done"},
    ]
    took = reproduce.took(rows)
    assert [(one.seconds, one.share) for one in took] == [(40.0, 1.0), (10.0, 0.25)]
    assert reproduce.took([]) == []


@pytest.mark.parametrize("text", ["", "{", "{}", "[1, 2]", '[{"no": "step"}]'])
def test_steps_that_cannot_be_read_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "steps.json").write_text(text)
    assert reproduce.read_steps(tmp_path) == []
    assert reproduce.read_steps(tmp_path / "nowhere") == []
