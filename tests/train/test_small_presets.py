"""Each small preset trains, by its name alone."""

import math

import pytest

from marey.recipe import Recipe
from marey.recipe.presets import PRESETS, TINY, preset
from marey.train.checkpoints import Checkpoints
from marey.train.metrics import Metrics

from .tasks import run, task

SMALL = [name for name in PRESETS if name.startswith(TINY)]


def kind_of(name: str) -> str:
    if name.endswith("-lora"):
        return "lora"
    if name.endswith(("image-convert", "image-pretrain")):
        return "image"
    return "told" if "text-to" in name else "video"


@pytest.mark.parametrize("name", SMALL)
def test_a_recipe_that_names_a_small_preset_trains_by_its_numbers(name, tmp_path):
    recipe = Recipe.of({"train": {"video": {"preset": name, "steps": 2, "batch": 2}}}).train.video
    kind, values = kind_of(name), preset(name).values
    run(kind, tmp_path, stage=recipe)
    made, pace = task(kind, recipe)
    assert (pace.lr, pace.ema) == (values["lr"], values["ema"])
    lines = Metrics(tmp_path / "metrics.jsonl").lines()
    assert [line["lr"] for line in lines] == [pace.rate(0), pace.rate(1)]
    assert all(math.isfinite(line["loss"]) for line in lines)
    assert math.isfinite(lines[-1]["heldout"])
    last = Checkpoints(tmp_path / "checkpoints" / made.name, kind).last()
    assert last is not None
    before = dict(made.module.named_parameters())
    moved = [name for name in last.weights if name in before and (before[name] != last.weights[name]).any()]
    assert len(moved) > 0.5 * sum(value.requires_grad for value in before.values())
    levels = [made.batch(step)["sigma"].log().mean().item() for step in range(40)]
    wide = values["p_std"] / math.sqrt(80) * 4 + (0.5 if kind == "told" else 0)  # half of these have twice the noise
    assert sum(levels) / 40 == pytest.approx(values["p_mean"], abs=wide)
