"""What is written into a recipe: only what the votes support, and nothing else of it changes."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from marey.errors import MareyError
from marey.recipe import Recipe
from marey.study.apply import Choice, apply, choose, write
from marey.study.ballots import Ballots
from marey.study.design import Arm, Design
from marey.study.rating import rate
from marey.study.voters import Voters

ARMS = (Arm("unfiltered"), *(Arm(f"motion-drop-{share:g}", "motion", share) for share in (12.5, 25.0, 50.0)))
DESIGN = Design("s", ARMS, (), (), (), ("quality",), 8.0, 8, 64, 64, 0, "")


def chosen(*strengths: float, design: Design = DESIGN, prompts: int = 64) -> list[Choice]:
    votes = Voters(strengths, tie=0.3).vote(prompts, 3, seed=1)
    named = Ballots(
        tuple(arm.name for arm in design.arms), votes.left, votes.right, votes.score, votes.prompt, votes.voter
    )
    return choose(design, rate({"quality": named}, families=design.families, resamples=200, shuffles=10)[0])


def test_the_best_share_is_chosen_where_it_is_surely_better():
    (choice,) = chosen(0, 0.1, 1.5, 0.2)
    assert (choice.axis, choice.share) == ("motion", 25.0)
    assert "better than leaving nothing out" in choice.why


def test_of_shares_that_are_not_told_apart_the_mildest_is_chosen():
    (choice,) = chosen(0, 1.45, 1.5, 1.55)
    assert choice.share == 12.5
    assert "leaves fewer clips" in choice.why


def test_where_the_votes_do_not_say_nothing_changes_and_that_is_said():
    (choice,) = chosen(0, 0.05, 0.1, 0.0, prompts=16)
    assert choice.share is None
    assert "as it was" in choice.why


def test_the_rule_goes_where_all_shares_are_worse():
    (choice,) = chosen(2, 0.0, 0.1, 0.2)
    assert choice.share == 0


def test_a_random_subset_that_does_as_well_is_told():
    arms = (Arm("unfiltered"), Arm("motion-drop-25", "motion", 25.0), Arm("motion-drop-25-random", "motion", 25.0))
    (choice,) = chosen(0, 1.5, 1.5, design=replace(DESIGN, arms=arms))
    assert choice.share == 25
    assert "number of clips" in choice.why


def test_arms_that_are_no_subsets_choose_nothing():
    with pytest.raises(MareyError, match="no subsets"):
        chosen(0, 1, design=replace(DESIGN, arms=(Arm("a"), Arm("b"))))


RECIPES = {
    "inline": """# mine
seed = 3

[select]
name = "mine"  # a name
drop = { motion = 20, sharpness = 10 }  # shares

[train]
name = "x"
""",
    "table": """[select]
duplicates = 'keep'

[select.drop]  # shares
sharpness = 10   # blur
motion = 20      # stills

[train]
name = 'x'
""",
    "without": "seed = 1\n[select]\nname = 'mine'\n\n\n[train]\nname = 'x'\n",
    "no section": "seed = 1\n# the end",
    "at the end": "[select]\nname = 'mine'",
}


@pytest.mark.parametrize("name", RECIPES)
def test_only_the_share_changes_and_comments_stay(name: str, tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(RECIPES[name])
    choices = [Choice("motion", 12.5, ""), Choice("text_area.max", 25.0, ""), Choice("looks_proxy", None, "")]
    applied = apply(path, choices)
    assert path.read_text() == RECIPES[name], "nothing is written yet"
    write(applied, path)
    before, after = Recipe.of(tomllib.loads(RECIPES[name])), Recipe.open(path)
    assert after.select.drop == {**before.select.drop, "motion": 12.5, "text_area.max": 25.0}
    assert after.model_copy(update={"select": before.select}) == before
    comments = [line.partition("#")[2] for line in RECIPES[name].splitlines() if "#" in line]
    assert all(f"#{comment}" in path.read_text() for comment in comments)
    assert applied.diff.count("\n-") <= 3
    assert apply(path, choices).diff == "", "a second time nothing changes"


def test_a_rule_that_goes_is_taken_out(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(RECIPES["inline"])
    assert tomllib.loads(apply(path, [Choice("motion", 0.0, "")]).text)["select"]["drop"] == {"sharpness": 10}


def test_a_form_that_cannot_be_edited_is_said_and_not_touched(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text("select.name = 'mine'\nselect.drop.motion = 20\n")
    with pytest.raises(MareyError, match=r"drop = \{ motion = 12.5 \} would do"):
        apply(path, [Choice("motion", 12.5, "")])
