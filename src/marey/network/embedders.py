"""What the UNet attends to: a still as one token, or a caption as many."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.errors import MareyError, require
from marey.network.towers import TextTower, TowerConfig, VisionTower

require("tokenizers", "train")

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers  # noqa: E402

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGE_SIZE = 224
"""diffusers' pipeline resizes to this whatever the model says."""

START, END, PAD = "<|startoftext|>", "<|endoftext|>", "<|pad|>"


class ImageEmbedder(nn.Module):
    """CLIP's image tower: one token a still, the projected embedding, not normalised (svd.md §1.3)."""

    def __init__(self, model: VisionTower) -> None:
        super().__init__()
        self.model = model

    @classmethod
    def build(
        cls, width: int, *, hidden: int = 64, layers: int = 2, heads: int = 2, patch: int = 32, seed: int = 0
    ) -> Self:
        """A new one, its weights drawn from `seed` (torch's own generator is left as it was).

        Args:
            width: of the token, the UNet's `context`.
            hidden: width of the transformer, a multiple of `heads`.
            layers: transformer layers.
            heads: attention heads.
            patch: pixels along each side of a patch, of 224.
            seed: of the weights.
        """
        if hidden % heads:
            raise MareyError(f"The image embedder's {heads} heads do not divide its width of {hidden}.")
        if patch < 1 or IMAGE_SIZE % patch:
            raise MareyError(f"The image embedder's patches of {patch} pixels do not divide {IMAGE_SIZE}.")
        config = TowerConfig(hidden, 4 * hidden, layers, heads, act="gelu", where="The image embedder")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(VisionTower(config, width, size=IMAGE_SIZE, patch=patch))

    @classmethod
    def from_json(cls, table: Mapping[str, Any], where: str = "the image embedder's config.json") -> Self:
        """An embedder without its weights, from transformers' config.json.

        Raises:
            MareyError: another class, or another image size than 224.
        """
        name = (table.get("architectures") or ["CLIPVisionModelWithProjection"])[0]
        if name != "CLIPVisionModelWithProjection":
            raise MareyError(f"{where} is of a {name}: a CLIPVisionModelWithProjection would do.")
        size = table.get("image_size", IMAGE_SIZE)
        if size != IMAGE_SIZE:
            raise MareyError(f"{where} has image_size = {size}: {IMAGE_SIZE} would do.")
        return cls(VisionTower.from_json(table, where))

    def to_json(self) -> dict[str, Any]:
        """transformers' config.json."""
        return self.model.to_json()

    @property
    def width(self) -> int:
        return self.model.width

    def forward(self, pixels: Tensor) -> Tensor:
        """Stills (N, 3, H, W) in [-1, 1], of any size and shape, to tokens (N, 1, width). The clean still, never the
        noisy one.
        """
        dtype = self.model.visual_projection.weight.dtype
        return self.embed(preprocess(pixels).to(dtype))

    def embed(self, prepared: Tensor) -> Tensor:
        """Tokens (N, 1, width) of what `preprocess` gave, (N, 3, 224, 224)."""
        return self.model(prepared)[:, None]


def preprocess(pixels: Tensor) -> Tensor:
    """What diffusers' StableVideoDiffusionPipeline feeds to CLIP, number for number: (N, 3, H, W) in [-1, 1] to (N, 3,
    224, 224).

    A Gaussian blur against aliasing, a bicubic resize with aligned corners that squashes the shape, then CLIP's mean
    and deviation.
    """
    pixels = _blurred(pixels, [max((side / IMAGE_SIZE - 1.0) / 2.0, 0.001) for side in pixels.shape[-2:]])
    pixels = functional.interpolate(pixels, size=(IMAGE_SIZE, IMAGE_SIZE), mode="bicubic", align_corners=True)
    mean, std = (
        torch.tensor(v, dtype=pixels.dtype, device=pixels.device)[:, None, None] for v in (CLIP_MEAN, CLIP_STD)
    )
    return ((pixels + 1.0) / 2.0 - mean) / std


def _blurred(pixels: Tensor, sigmas: Sequence[float]) -> Tensor:
    """A separable Gaussian of `sigmas` (down, across) with mirrored edges; width 4 sigma, odd, at least 3."""
    channels = pixels.shape[1]
    for axis in (1, 0):  # across first
        size = int(max(4.0 * sigmas[axis], 3)) | 1
        place = torch.arange(size, dtype=pixels.dtype, device=pixels.device) - size // 2
        kernel = torch.exp(-place.square() / (2 * torch.tensor(sigmas[axis], dtype=pixels.dtype).square()))
        kernel = (kernel / kernel.sum()).view((1, 1, 1, size) if axis else (1, 1, size, 1)).expand(channels, -1, -1, -1)
        margin = size // 2
        pixels = functional.pad(pixels, (margin, margin, 0, 0) if axis else (0, 0, margin, margin), mode="reflect")
        pixels = functional.conv2d(pixels, kernel, groups=channels)
    return pixels


class TextEmbedder(nn.Module):
    """CLIP's text tower, a small one, with its own tokenizer: every one of `tokens` tokens of a caption, padding
    too, as Stable Diffusion does.
    """

    def __init__(self, model: TextTower, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer

    @classmethod
    def build(
        cls,
        captions: Sequence[str],
        width: int,
        *,
        tokens: int = 32,
        vocabulary: int = 1024,
        layers: int = 2,
        heads: int = 2,
        seed: int = 0,
    ) -> Self:
        """A new one: a tokenizer trained on the captions, and weights drawn from `seed` (torch's own generator is left
        as it was).

        Args:
            captions: any texts; others can be embedded too, since the tokenizer works on bytes.
            width: of the tokens, the UNet's `context`; a multiple of `heads`.
            tokens: tokens a caption, start and end included; longer captions are cut.
            vocabulary: at most this many tokens are learned; 259 is the least.
            layers: transformer layers.
            heads: attention heads.
            seed: of the weights.
        """
        if width % heads:
            raise MareyError(f"The text embedder's {heads} heads do not divide its width of {width}.")
        tokenizer = train_tokenizer(captions, tokens=tokens, vocabulary=vocabulary)
        config = TowerConfig(width, 4 * width, layers, heads, act="gelu", where="The text embedder")
        names = {"bos_token_id": START, "eos_token_id": END, "pad_token_id": PAD}
        known = tokenizer.get_vocab()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            tower = TextTower(
                config,
                vocabulary=tokenizer.get_vocab_size(),
                tokens=tokens,
                marks={key: known[mark] for key, mark in names.items()},
            )
        return cls(tower, tokenizer)

    @classmethod
    def from_json(
        cls,
        table: Mapping[str, Any],
        tokenizer: Tokenizer,
        where: str = "the text embedder's config.json",
    ) -> Self:
        """An embedder without its weights, from transformers' config.json.

        Raises:
            MareyError: another class.
        """
        name = (table.get("architectures") or ["CLIPTextModel"])[0]
        if name != "CLIPTextModel":
            raise MareyError(f"{where} is of a {name}: a CLIPTextModel would do.")
        return cls(TextTower.from_json(table, where), tokenizer)

    def to_json(self) -> dict[str, Any]:
        """transformers' config.json."""
        return self.model.to_json()

    @property
    def width(self) -> int:
        return self.model.config.hidden

    @property
    def tokens(self) -> int:
        return self.model.tokens

    def tokenize(self, captions: Sequence[str]) -> Tensor:
        """Token ids (B, tokens), padded and cut to length."""
        rows = [found.ids for found in self.tokenizer.encode_batch(list(captions))]
        return torch.tensor(rows, dtype=torch.long).view(len(rows), self.tokens)

    def forward(self, captions: Sequence[str] | Tensor) -> Tensor:
        """Captions, or token ids (B, N), to tokens (B, N, width)."""
        ids = captions if isinstance(captions, Tensor) else self.tokenize(captions)
        return self.model(ids.to(self.model.final_layer_norm.weight.device))


def train_tokenizer(captions: Sequence[str], *, tokens: int, vocabulary: int = 1024) -> Tokenizer:
    """A byte-level BPE tokenizer (every text has tokens, none is unknown) that puts a start and an end around a
    caption.

    Raises:
        MareyError: a vocabulary without room for the 256 bytes and three marks, or fewer than four tokens.
    """
    if vocabulary < 259:
        raise MareyError(f"The tokenizer's vocabulary is {vocabulary}: 259 or more would do.")
    if tokens < 4:
        raise MareyError(f"The tokenizer's length is {tokens} tokens: 4 or more would do.")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=[START, END, PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(captions, trainer)
    marks = [(mark, tokenizer.token_to_id(mark)) for mark in (START, END)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=marks)
    return even(tokenizer, tokens)


def even(tokenizer: Tokenizer, tokens: int, mark: str = PAD) -> Tokenizer:
    """The tokenizer, made to give every text so many tokens: cut, or padded with `mark`.

    Raises:
        MareyError: it does not know the mark.
    """
    pad = tokenizer.token_to_id(mark)
    if pad is None:
        raise MareyError(f"The tokenizer has no token {mark!r}: one that Marey trained would do.")
    tokenizer.enable_truncation(tokens)
    tokenizer.enable_padding(length=tokens, pad_id=pad, pad_token=mark)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, tokens: int, folder: Path) -> None:
    """Write a folder that transformers' AutoTokenizer opens."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = Tokenizer.from_str(tokenizer.to_str())  # transformers pads and cuts when it is asked to
    plain.no_truncation()
    plain.no_padding()
    plain.save(str(folder / "tokenizer.json"))
    table = {
        "bos_token": START,
        "eos_token": END,
        "model_max_length": tokens,
        "pad_token": tokenizer.padding["pad_token"] if tokenizer.padding else PAD,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
