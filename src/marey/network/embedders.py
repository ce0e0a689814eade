"""What the UNet attends to: a still as one token, or a caption as many."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.errors import MareyError, require

require("transformers", "train")

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers  # noqa: E402
from transformers import (  # noqa: E402
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    PreTrainedTokenizerFast,
)

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGE_SIZE = 224
"""diffusers' pipeline resizes to this whatever the model says."""

START, END, PAD = "<|startoftext|>", "<|endoftext|>", "<|pad|>"


class ImageEmbedder(nn.Module):
    """A CLIPVisionModelWithProjection: one token a still, the projected embedding, not normalised (svd.md §1.3)."""

    def __init__(self, model: CLIPVisionModelWithProjection) -> None:
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
        config = CLIPVisionConfig(
            hidden_size=hidden,
            intermediate_size=4 * hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            image_size=IMAGE_SIZE,
            patch_size=patch,
            projection_dim=width,
            hidden_act="gelu",
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(CLIPVisionModelWithProjection(config))

    @classmethod
    def from_json(cls, table: Mapping[str, Any], where: str = "the image embedder's config.json") -> Self:
        """An embedder without its weights, from transformers' config.json.

        Raises:
            MareyError: another class, or another image size than 224.
        """
        name = (table.get("architectures") or ["CLIPVisionModelWithProjection"])[0]
        if name != "CLIPVisionModelWithProjection":
            raise MareyError(f"{where} is of a {name}: a CLIPVisionModelWithProjection would do.")
        config = CLIPVisionConfig.from_dict(dict(table))
        if config.image_size != IMAGE_SIZE:
            raise MareyError(f"{where} has image_size = {config.image_size}: {IMAGE_SIZE} would do.")
        return cls(CLIPVisionModelWithProjection(config))

    def to_json(self) -> dict[str, Any]:
        """transformers' config.json."""
        return {**self.model.config.to_diff_dict(), "architectures": ["CLIPVisionModelWithProjection"]}

    @property
    def width(self) -> int:
        return self.model.config.projection_dim

    def forward(self, pixels: Tensor) -> Tensor:
        """Stills (N, 3, H, W) in [-1, 1], of any size and shape, to tokens (N, 1, width). The clean still, never the
        noisy one.
        """
        dtype = self.model.visual_projection.weight.dtype
        return self.embed(preprocess(pixels).to(dtype))

    def embed(self, prepared: Tensor) -> Tensor:
        """Tokens (N, 1, width) of what `preprocess` gave, (N, 3, 224, 224)."""
        return self.model(prepared).image_embeds[:, None]


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
    """A small CLIPTextModel with its own tokenizer: every one of `tokens` tokens of a caption, padding too, as Stable
    Diffusion does.
    """

    def __init__(self, model: CLIPTextModel, tokenizer: PreTrainedTokenizerFast) -> None:
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
        config = CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            max_position_embeddings=tokens,
            projection_dim=width,
            hidden_act="gelu",
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(CLIPTextModel(config), tokenizer)

    @classmethod
    def from_json(
        cls,
        table: Mapping[str, Any],
        tokenizer: PreTrainedTokenizerFast,
        where: str = "the text embedder's config.json",
    ) -> Self:
        """An embedder without its weights, from transformers' config.json.

        Raises:
            MareyError: another class.
        """
        name = (table.get("architectures") or ["CLIPTextModel"])[0]
        if name != "CLIPTextModel":
            raise MareyError(f"{where} is of a {name}: a CLIPTextModel would do.")
        return cls(CLIPTextModel(CLIPTextConfig.from_dict(dict(table))), tokenizer)

    def to_json(self) -> dict[str, Any]:
        """transformers' config.json."""
        return {**self.model.config.to_diff_dict(), "architectures": ["CLIPTextModel"]}

    @property
    def width(self) -> int:
        return self.model.config.hidden_size

    @property
    def tokens(self) -> int:
        return self.model.config.max_position_embeddings

    def tokenize(self, captions: Sequence[str]) -> Tensor:
        """Token ids (B, tokens), padded and cut to length."""
        rows = self.tokenizer(list(captions), padding="max_length", truncation=True, max_length=self.tokens)
        return torch.tensor(rows["input_ids"], dtype=torch.long)

    def forward(self, captions: Sequence[str] | Tensor) -> Tensor:
        """Captions, or token ids (B, N), to tokens (B, N, width)."""
        ids = captions if isinstance(captions, Tensor) else self.tokenize(captions)
        return self.model(input_ids=ids.to(self.model.device)).last_hidden_state


def train_tokenizer(captions: Sequence[str], *, tokens: int, vocabulary: int = 1024) -> PreTrainedTokenizerFast:
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
    return fast_tokenizer(tokenizer, tokens)


def fast_tokenizer(tokenizer: Tokenizer, tokens: int) -> PreTrainedTokenizerFast:
    """transformers' face of a tokenizer with our three marks."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=START, eos_token=END, pad_token=PAD, model_max_length=tokens
    )
