"""The shape of a UNet and its JSON."""

import dataclasses

import pytest
from diffusers import UNetSpatioTemporalConditionModel

from marey.errors import MareyError
from marey.network.config import UNetConfig


@pytest.mark.parametrize(
    "config",
    [UNetConfig(), UNetConfig.plain((64, 64, 128)), UNetConfig.plain((32,), head_width=8, context=16, embed=8)],
)
def test_the_json_says_the_same_to_us_and_to_diffusers(config):
    table = config.to_json()
    assert UNetConfig.from_json(table) == config
    known = UNetSpatioTemporalConditionModel.load_config
    assert known is not None
    accepted, unused = UNetSpatioTemporalConditionModel.extract_init_dict(table)[:2]
    assert not unused
    assert set(accepted) == {key for key in table if not key.startswith("_")}


def test_a_context_that_is_pooled_is_said_so_in_json():
    config = UNetConfig.plain((32, 64), pools_context=True)
    assert UNetConfig.from_json(config.to_json()) == config
    assert not UNetConfig.from_json({}).pools_context


def test_what_diffusers_leaves_out_has_its_defaults():
    assert UNetConfig.from_json({}) == UNetConfig(frames=25)
    per_level = {"layers_per_block": [2, 2, 2, 2], "num_attention_heads": 5}
    assert UNetConfig.from_json(per_level) == UNetConfig(frames=25, heads=(5, 5, 5, 5))


def test_the_plain_shape_attends_at_all_levels_but_the_last():
    config = UNetConfig.plain((64, 128, 128), head_width=32)
    assert config.attends == (True, True, False)
    assert config.heads == (2, 4, 4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"channels": (320, 640, 1280, 1290)}, "1290 is not a multiple of 32"),
        ({"heads": (3, 10, 20, 20)}, "3 heads do not divide its width of 320"),
        ({"heads": (5, 10)}, "one value for each of its 4 levels"),
        ({"layers": 0}, "layers is 0"),
        ({"embed": 31}, "an even number"),
    ],
)
def test_an_impossible_shape_is_named(change, said):
    with pytest.raises(MareyError, match=said):
        dataclasses.replace(UNetConfig(), **change)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"_class_name": "UNet2DConditionModel"}, "is of a UNet2DConditionModel"),
        ({"layers_per_block": [1, 2, 2, 2]}, "one number for all levels"),
        ({"down_block_types": ["DownBlock3D"] * 4}, "only mirrored spatio-temporal ones"),
        ({"projection_class_embeddings_input_dim": 700}, "a multiple of 256"),
    ],
)
def test_json_of_another_network_is_refused(change, said):
    with pytest.raises(MareyError, match=said):
        UNetConfig.from_json({**UNetConfig().to_json(), **change})


def test_a_head_width_that_does_not_fit_is_named():
    with pytest.raises(MareyError, match="head width of 48"):
        UNetConfig.plain((64, 128), head_width=48)
