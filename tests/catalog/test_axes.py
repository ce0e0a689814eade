"""Parts of a signal as rules address them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_library import add_clip, add_footage, new

from marey.catalog import select
from marey.errors import MareyError
from marey.recipe import Recipe, Select


@pytest.fixture
def library(tmp_path):
    with new(tmp_path) as library:
        add_footage(library, "video")
        yield library


def text(library, name, *values, **more):
    data = {"value": sum(values) / len(values), "data": str(list(values))}
    return add_clip(library, name, more.pop("footage", "video"), {"text_area": data}, **more)


def rules(**given):
    return Select(duplicates="keep", **given)


def fallen(library, **given):
    return set(select(library, rules(**given)).dropped)


def test_a_rule_looks_at_the_mean_unless_it_names_a_part(library):
    text(library, "even", 0.06, 0.06, 0.06)
    text(library, "flash", 0.0, 0.15, 0.0)
    text(library, "ends", 0.1, 0.0, 0.02)
    assert fallen(library, max={"text_area": 0.055}) == {"even"}
    assert fallen(library, max={"text_area.max": 0.07}) == {"flash", "ends"}
    assert fallen(library, max={"text_area.min": 0.01}) == {"even"}
    assert fallen(library, max={"text_area.first": 0.05}) == {"even", "ends"}
    assert fallen(library, max={"text_area.middle": 0.05}) == {"even", "flash"}
    assert fallen(library, max={"text_area.last": 0.05}) == {"even"}
    assert fallen(library, max={"text_area.mean": 0.055}) == {"even"}
    chosen = select(library, rules(drop={"text_area.max": 34}))
    assert chosen.dropped == {"flash": ["drop.text_area.max"]}  # from its bad end, which is that of the signal
    assert chosen.thresholds["drop.text_area.max"].side == "high"


def test_a_part_by_name(library):
    for n, (image, merged) in enumerate([(0.1, 0.4), (0.3, 0.2), (0.2, 0.3)]):
        data = {"image": image, "merged": merged}
        add_clip(
            library, f"c{n}", "video", {"match": {"value": 0.25, "data": str(data).replace("'", '"'), "bad": "low"}}
        )
    assert fallen(library, drop={"match.image": 34}) == {"c0"}
    assert fallen(library, drop={"match.merged": 34}) == {"c1"}
    assert fallen(library, drop={"match": 34}) == set()  # they tie


def test_a_part_that_is_not_there_names_those_that_are(library):
    text(library, "a", 0.1, 0.2)
    add_clip(library, "b", "video", {"match": {"value": 1.0, "data": '{"image": 1.0, "short": true}', "bad": "low"}})
    with pytest.raises(
        MareyError, match=r"text_area.widest of 2 of 2 .* no part 'widest' there; there are first, last"
    ):
        select(library, rules(max={"text_area.widest": 1}))
    with pytest.raises(MareyError, match=r"no part 'short' there; there are image\)"):
        select(library, rules(max={"match.short": 1}, drop={}))
    with pytest.raises(MareyError, match="did you mean 'text_area'"):
        select(library, rules(max={"text_aera.max": 1}))
    assert fallen(library, max={"match.image": 0.5}, allow_missing=True) == {"b"}


def test_a_photograph_without_the_part_is_exempt(library):
    add_footage(library, "photo", kind="photo")
    add_clip(library, "a", "video", {"match": {"value": 0.2, "data": '{"video": 0.2}', "bad": "low"}})
    add_clip(library, "still", "photo", {"match": {"value": 0.1, "data": '{"image": 0.1}', "bad": "low"}})
    assert select(library, rules(min={"match.video": 0.15})).clips == ("a", "still")


def test_in_a_recipe_a_part_can_be_written_as_toml_reads_it():
    nested = Recipe.of({"select": {"max": {"text_area": {"max": 0.07}}, "drop": {"match": {"merged": 50}}}}).select
    assert nested.max == {"text_area.max": 0.07}
    assert nested.drop == {"match.merged": 50}
    assert Recipe.of({}, ["select.max.text_area.max=0.07"]).select.max == {"text_area.max": 0.07}


def test_a_clip_with_nothing_to_measure_is_no_concern_of_a_part_either(library):
    text(library, "a", 0.1, 0.2)
    add_clip(library, "b", "video", {"text_area": {"reason": "no still of it has a picture"}})
    assert fallen(library, max={"text_area.max": 0.15}) == {"a"}
