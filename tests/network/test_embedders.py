"""The embedders: CLIP's preprocessing against diffusers' pipeline, and captions as tokens."""

import numpy as np
import pytest
import torch
from diffusers import StableVideoDiffusionPipeline
from diffusers.video_processor import VideoProcessor
from PIL import Image
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer, CLIPImageProcessor

from marey.errors import MareyError
from marey.network.embedders import (
    END,
    PAD,
    START,
    ImageEmbedder,
    TextEmbedder,
    even,
    preprocess,
    save_tokenizer,
    train_tokenizer,
)

CAPTIONS = ["a dog runs through the grass", "a slow pan over a city", "a dog and a cat", "the city at night"] * 3


class Seen(torch.nn.Module):
    """In place of the embedder in diffusers' pipeline: keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def forward(self, pixels):
        self.pixels = pixels
        return type("Output", (), {"image_embeds": torch.zeros(len(pixels), 1)})


@pytest.mark.parametrize("size", [(64, 64), (576, 1024), (224, 224), (37, 501), (500, 90)])
def test_the_preprocessing_is_that_of_diffusers_pipeline(size):
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    pipeline = StableVideoDiffusionPipeline.__new__(StableVideoDiffusionPipeline)
    seen = Seen()
    parts = {"image_encoder": seen, "feature_extractor": CLIPImageProcessor(), "video_processor": VideoProcessor()}
    for name, part in parts.items():
        object.__setattr__(pipeline, name, part)
    pipeline._encode_image(Image.fromarray(picture), "cpu", 1, False)
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255 * 2 - 1
    torch.testing.assert_close(preprocess(pixels), seen.pixels, rtol=0, atol=2e-6)


def test_a_still_is_one_token_and_another_still_another():
    embedder = ImageEmbedder.build(48, seed=0).eval()
    stills = torch.rand(3, 3, 40, 64) * 2 - 1
    with torch.no_grad():
        tokens = embedder(stills)
        assert tokens.shape == (3, 1, 48)
        assert float((tokens[0] - tokens[1]).abs().max()) > 1e-4
        torch.testing.assert_close(embedder(stills[1:2]), tokens[1:2], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(embedder.embed(preprocess(stills)), tokens)


def test_the_image_embedder_is_reproducible_and_its_json_builds_it_again():
    before = torch.random.get_rng_state()
    embedder = ImageEmbedder.build(32, seed=7)
    assert torch.equal(torch.random.get_rng_state(), before)
    again = ImageEmbedder.from_json(embedder.to_json())
    again.load_state_dict(embedder.state_dict())
    assert again.width == 32
    assert torch.equal(
        ImageEmbedder.build(32, seed=7).model.visual_projection.weight, again.model.visual_projection.weight
    )


def test_gradients_reach_the_image_embedder():
    embedder = ImageEmbedder.build(32)
    embedder(torch.rand(2, 3, 64, 64)).square().sum().backward()
    assert all(p.grad is not None for p in embedder.parameters())


def test_any_text_has_tokens_and_comes_back():
    tokenizer = train_tokenizer(CAPTIONS, tokens=64, vocabulary=300)
    for text in ("a dog runs", "Größe, 東京 ✓ <|endoftext", ""):
        assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=True) == text


def test_the_tokenizer_learned_from_its_captions():
    learned = train_tokenizer(CAPTIONS, tokens=64, vocabulary=320)
    plain = train_tokenizer([], tokens=64, vocabulary=320)
    text = "a dog runs through the grass"
    assert sum(learned.encode(text).attention_mask) < sum(plain.encode(text).attention_mask)
    assert learned.get_vocab_size() <= 320
    again = train_tokenizer(CAPTIONS, tokens=64, vocabulary=320)
    assert again.get_vocab() == learned.get_vocab()


def test_captions_are_all_as_long_with_a_start_an_end_and_padding():
    embedder = TextEmbedder.build(CAPTIONS, 32, tokens=12)
    ids = embedder.tokenize(["a dog", "a dog runs through the grass and the city and the grass and the night " * 3])
    assert ids.shape == (2, 12)
    start, end, pad = (embedder.tokenizer.token_to_id(mark) for mark in (START, END, PAD))
    assert ids[:, 0].tolist() == [start, start]
    short = ids[0].tolist()
    assert short.index(end) < 11
    assert set(short[short.index(end) + 1 :]) == {pad}
    assert ids[1, -1] == end  # cut, and still ended


def test_transformers_opens_the_tokenizer_and_makes_the_same_of_a_caption(tmp_path):
    embedder = TextEmbedder.build(CAPTIONS, 32, tokens=12)
    save_tokenizer(embedder.tokenizer, 12, tmp_path)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    captions = ["a dog", "", "Größe 東京", "the city at night and a dog and a cat and the grass"]
    rows = theirs(captions, padding="max_length", truncation=True)["input_ids"]
    assert torch.equal(embedder.tokenize(captions), torch.tensor(rows))
    again = even(Tokenizer.from_file(str(tmp_path / "tokenizer.json")), 12)
    assert torch.equal(TextEmbedder(embedder.model, again).tokenize(captions), torch.tensor(rows))
    assert embedder.tokenize([]).shape == (0, 12)


def test_a_caption_is_many_tokens_and_another_caption_others():
    embedder = TextEmbedder.build(CAPTIONS, 32, tokens=12, seed=1).eval()
    with torch.no_grad():
        tokens = embedder(["a dog", "a city"])
        assert tokens.shape == (2, 12, 32)
        assert float((tokens[0] - tokens[1]).abs().max()) > 1e-4
        assert torch.equal(embedder(embedder.tokenize(["a dog", "a city"])), tokens)


def test_what_cannot_be_built_is_named():
    with pytest.raises(MareyError, match="vocabulary is 100"):
        train_tokenizer(CAPTIONS, tokens=16, vocabulary=100)
    with pytest.raises(MareyError, match="3 tokens"):
        train_tokenizer(CAPTIONS, tokens=3)
    with pytest.raises(MareyError, match=r"no token '<\|pad\|>'"):
        even(Tokenizer(models.BPE()), 8)
    with pytest.raises(MareyError, match="5 heads do not divide"):
        ImageEmbedder.build(32, hidden=64, heads=5)
    with pytest.raises(MareyError, match="patches of 30 pixels"):
        ImageEmbedder.build(32, patch=30)
    with pytest.raises(MareyError, match="3 heads do not divide"):
        TextEmbedder.build(CAPTIONS, 32, heads=3)
    with pytest.raises(MareyError, match="is of a CLIPModel"):
        ImageEmbedder.from_json({"architectures": ["CLIPModel"]})
    with pytest.raises(MareyError, match="image_size = 336"):
        ImageEmbedder.from_json({**ImageEmbedder.build(32).to_json(), "image_size": 336})
