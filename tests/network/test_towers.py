"""CLIP's towers against those of transformers."""

import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection

from marey.errors import MareyError
from marey.network.towers import TextTower, TowerConfig, VisionTower


def shape(act="gelu", **more):
    table = {"hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 3}
    return {**table, "hidden_act": act, **more}


@pytest.mark.parametrize("act", ["gelu", "quick_gelu"])
def test_pictures_have_the_embeddings_of_transformers(act):
    table = shape(act, image_size=56, patch_size=14, projection_dim=20, layer_norm_eps=1e-4)
    torch.manual_seed(0)
    theirs = CLIPVisionModelWithProjection(CLIPVisionConfig(**table)).double().eval()
    ours = VisionTower.from_json(table, "here").double()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    pixels = torch.randn(2, 3, 56, 56, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(ours(pixels), theirs(pixels).image_embeds, rtol=0, atol=1e-12)
    assert CLIPVisionConfig.from_dict(ours.to_json()).to_diff_dict().items() >= table.items()


@pytest.mark.parametrize("act", ["gelu", "quick_gelu"])
def test_texts_have_the_tokens_of_transformers(act):
    table = shape(act, vocab_size=50, max_position_embeddings=9, eos_token_id=1, bos_token_id=0, pad_token_id=3)
    torch.manual_seed(0)
    theirs = CLIPTextModel(CLIPTextConfig(**table)).double().eval()
    ours = TextTower.from_json(table, "here").double()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    ids = torch.randint(0, 50, (2, 9))
    with torch.no_grad():
        torch.testing.assert_close(ours(ids), theirs(input_ids=ids).last_hidden_state, rtol=0, atol=1e-12)
        torch.testing.assert_close(ours(ids[:, :5]), ours(ids)[:, :5])  # none knows those after it
    assert CLIPTextConfig.from_dict(ours.to_json()).to_diff_dict().items() >= table.items()


def test_weights_are_drawn_as_by_transformers():
    wide = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 4, "num_attention_heads": 4}
    torch.manual_seed(0)
    pairs = [
        (CLIPVisionModelWithProjection(CLIPVisionConfig(**wide)), VisionTower.from_json(wide, "here")),
        (CLIPTextModel(CLIPTextConfig(**wide)), TextTower.from_json(wide, "here")),
    ]
    for theirs, ours in pairs:
        mine = ours.state_dict()
        for key, value in theirs.state_dict().items():
            assert mine[key].shape == value.shape, key
            if value.numel() > 4096:
                assert float(mine[key].std()) == pytest.approx(float(value.std()), rel=0.05), key
            elif "class" not in key:
                torch.testing.assert_close(mine[key], value, msg=key)  # ones and zeros


def test_what_a_tower_cannot_be_is_named():
    with pytest.raises(MareyError, match="5 heads, which do not divide its width of 48"):
        VisionTower.from_json(shape(num_attention_heads=5), "here")
    with pytest.raises(MareyError, match="here has hidden_act = 'relu': gelu or quick_gelu would do"):
        TextTower.from_json(shape("relu"), "here")
    with pytest.raises(MareyError, match="here has patch_size = 0"):
        VisionTower.from_json(shape(patch_size=0), "here")
    with pytest.raises(MareyError, match="here has vocab_size = None"):
        TextTower.from_json(shape(vocab_size=None), "here")
    with pytest.raises(MareyError, match="0 for its layers"):
        TowerConfig(32, 64, 0, 2, where="here")
