"""Presets: the paper's numbers, and a recipe that takes them and overrides them."""

from pathlib import Path

import pytest

from marey.errors import MareyError
from marey.recipe import Recipe, Stage
from marey.recipe.presets import PRESETS, TINY, preset, table

# arXiv 2311.15127, as svd.md §1.6 has it: steps, batch, rate, mean and deviation of log sigma; None is not stated.
PAPER = {
    "image-convert": (1_000, None, None, -1.2, 1.0),
    "image-pretrain": (30_000, None, None, -1.2, 1.0),
    "video-pretrain-256": (150_000, 1536, 1e-4, -1.2, 1.0),
    "video-pretrain-320": (100_000, 768, 1e-4, 0.0, 1.0),
    "text-to-video": (50_000, 768, 3e-5, 0.5, 1.4),
    "image-to-video-320": (50_000, 768, 3e-5, 0.7, 1.6),
    "image-to-video-14": (50_000, 768, 3e-5, 1.0, 1.6),
    "image-to-video-25": (50_000, 768, 3e-5, 1.0, 1.6),
    "interpolation": (10_000, 256, 1e-4, 1.0, 1.2),
    "multi-view": (12_000, 16, 1e-5, None, None),
    "camera-lora": (5_000, None, None, None, None),
    "finetune-hq": (50_000, None, None, None, None),
}
KEYS = ("steps", "batch", "lr", "p_mean", "p_std")


@pytest.mark.parametrize("name", PAPER)
def test_what_the_paper_states_is_there_and_what_it_does_not_is_marked(name: str) -> None:
    for key, value in zip(KEYS, PAPER[name], strict=True):
        if value is None:
            assert key in PRESETS[name].ours
        else:
            assert PRESETS[name].values[key] == value
            assert key not in PRESETS[name].ours


def test_there_is_a_small_one_of_each_with_the_same_noise_and_the_same_order() -> None:
    large = [name for name in PRESETS if not name.startswith(TINY)]
    assert set(large) == set(PAPER)
    for name in large:
        small = PRESETS[TINY + name]
        for key in ("p_mean", "p_std", "drop_condition"):
            assert small.values[key] == PRESETS[name].values[key]
        assert small.values["steps"] * small.values["batch"] < 5000
        assert small.values.keys() == PRESETS[name].values.keys()
    for name, one in PRESETS.items():
        assert one.start in PRESETS or one.start in ("Stable Diffusion 2.1", "random weights")
        if one.start in PRESETS:
            assert list(PRESETS).index(one.start) < list(PRESETS).index(name)


@pytest.mark.parametrize("name", PRESETS)
def test_a_stage_has_the_presets_values_but_for_its_own(name: str) -> None:
    stage = Stage(preset=name)
    assert {key: getattr(stage, key) for key in preset(name).values} == preset(name).values
    own = Recipe.of({"train": {"video": {"preset": name, "steps": 3, "lr": 0.5}}}).train.video
    assert (own.steps, own.lr, own.p_mean) == (3, 0.5, preset(name).values["p_mean"])


def test_an_override_names_a_preset_and_the_saved_recipe_says_the_same(tmp_path: Path) -> None:
    recipe = Recipe.of({}, ["train.video.preset=video-pretrain-256", "train.video.batch=4"])
    assert (recipe.train.video.steps, recipe.train.video.batch) == (150_000, 4)
    recipe.save(tmp_path / "resolved.toml")
    assert Recipe.open(tmp_path / "resolved.toml") == recipe


def test_an_unknown_preset_is_told_with_the_nearest() -> None:
    with pytest.raises(MareyError, match=r"no preset 'video-pretrain-255'.*'video-pretrain-256'"):
        Recipe.of({"train": {"video": {"preset": "video-pretrain-255"}}})


def test_the_page_has_the_table() -> None:
    page = (Path(__file__).resolve().parent.parent / "docs" / "train.md").read_text(encoding="utf-8")
    assert table() in page
