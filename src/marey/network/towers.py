"""CLIP's two towers (arXiv 2103.00020), with the state-dict keys of transformers' CLIPVisionModelWithProjection and
CLIPTextModel, whose package takes seconds to import.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.errors import MareyError
from marey.network.linear import Linear

_STD = 0.02  # of drawn embeddings
_GELUS = ("gelu", "quick_gelu")


@dataclass(frozen=True)
class TowerConfig:
    """The shape of a tower's transformer. What config.json leaves out has transformers' defaults.

    Raises:
        MareyError: a number under 1, heads that do not divide the width, or an unknown activation.
    """

    hidden: int
    inner: int
    """Width inside the feed-forward."""
    layers: int
    heads: int
    act: str = "quick_gelu"
    eps: float = 1e-5
    where: str = "a tower's config.json"
    """What an error is said of."""

    def __post_init__(self) -> None:
        for name in ("hidden", "inner", "layers", "heads"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise MareyError(f"{self.where} has {value!r} for its {name}: 1 or more would do.")
        if self.hidden % self.heads:
            raise MareyError(f"{self.where} has {self.heads} heads, which do not divide its width of {self.hidden}.")
        if self.act not in _GELUS:
            raise MareyError(f"{self.where} has hidden_act = {self.act!r}: {' or '.join(_GELUS)} would do.")

    @classmethod
    def from_json(cls, table: Mapping[str, Any], usual: Mapping[str, int], where: str) -> Self:
        """Of transformers' config.json, with `usual` values of the keys that differ between the towers."""
        return cls(
            hidden=table.get("hidden_size", usual["hidden_size"]),
            inner=table.get("intermediate_size", usual["intermediate_size"]),
            layers=table.get("num_hidden_layers", 12),
            heads=table.get("num_attention_heads", usual["num_attention_heads"]),
            act=table.get("hidden_act", "quick_gelu"),
            eps=float(table.get("layer_norm_eps", 1e-5)),
            where=where,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "attention_dropout": 0.0,
            "hidden_act": self.act,
            "hidden_size": self.hidden,
            "initializer_factor": 1.0,
            "initializer_range": _STD,
            "intermediate_size": self.inner,
            "layer_norm_eps": self.eps,
            "num_attention_heads": self.heads,
            "num_hidden_layers": self.layers,
        }


class SelfAttention(nn.Module):
    """Multi-head attention of tokens to each other; `causal`: to those before them alone."""

    def __init__(self, config: TowerConfig, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = config.heads, causal
        self.k_proj = Linear(config.hidden, config.hidden)
        self.v_proj = Linear(config.hidden, config.hidden)
        self.q_proj = Linear(config.hidden, config.hidden)
        self.out_proj = Linear(config.hidden, config.hidden)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, N, D)."""
        q, k, v = (
            layer(x).view(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (B, heads, N, d)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out_proj(y.transpose(1, 2).reshape(x.shape))


class FeedForward(nn.Module):
    """Linear, GELU, linear."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.quick = config.act == "quick_gelu"
        self.fc1 = Linear(config.hidden, config.inner)
        self.fc2 = Linear(config.inner, config.hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc1(x)
        return self.fc2(x * torch.sigmoid(1.702 * x) if self.quick else functional.gelu(x))


class Layer(nn.Module):
    """Attention and feed-forward, each after a normalisation, each added."""

    def __init__(self, config: TowerConfig, causal: bool) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config, causal)
        self.layer_norm1 = nn.LayerNorm(config.hidden, eps=config.eps)
        self.mlp = FeedForward(config)
        self.layer_norm2 = nn.LayerNorm(config.hidden, eps=config.eps)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Layers(nn.Module):
    """The transformer of a tower. Its weights are drawn as OpenAI's and transformers' are."""

    def __init__(self, config: TowerConfig, causal: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(config, causal) for _ in range(config.layers))
        narrow = (2 * config.hidden * config.layers) ** -0.5
        for layer in self.layers:
            attention, mlp = layer.self_attn, layer.mlp
            for linear in (attention.q_proj, attention.k_proj, attention.v_proj, mlp.fc2):
                _draw(linear.weight, narrow)
            _draw(attention.out_proj.weight, config.hidden**-0.5)
            _draw(mlp.fc1.weight, (2 * config.hidden) ** -0.5)
            for linear in (attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj, mlp.fc1, mlp.fc2):
                nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class Table(nn.Embedding):
    """torch's embedding, its weights drawn as CLIP's are."""

    def reset_parameters(self) -> None:
        _draw(self.weight, _STD)


class Patches(nn.Module):
    """A class token and the patches of a picture, each with its place."""

    def __init__(self, hidden: int, channels: int, size: int, patch: int) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.empty(hidden))
        self.patch_embedding = nn.Conv2d(channels, hidden, patch, stride=patch, bias=False)
        self.position_embedding = Table((size // patch) ** 2 + 1, hidden)
        _draw(self.class_embedding, hidden**-0.5)
        _draw(self.patch_embedding.weight, _STD)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, size, size) -> (N, 1 + patches, D)."""
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(patches), 1, -1)
        return torch.cat([first, patches], dim=1) + self.position_embedding.weight


class _Vision(nn.Module):
    def __init__(self, config: TowerConfig, channels: int, size: int, patch: int) -> None:
        super().__init__()
        self.embeddings = Patches(config.hidden, channels, size, patch)
        self.pre_layrnorm = nn.LayerNorm(config.hidden, eps=config.eps)  # the field's own spelling
        self.encoder = Layers(config, causal=False)
        self.post_layernorm = nn.LayerNorm(config.hidden, eps=config.eps)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.encoder(self.pre_layrnorm(self.embeddings(pixels)))
        return self.post_layernorm(x[:, 0])


class VisionTower(nn.Module):
    """Pictures to projected embeddings, not normalised.

    Args:
        config: of its transformer.
        width: of the embedding.
        size: height and width of the pictures.
        patch: pixels along each side of a patch.
        channels: of the pictures.
    """

    def __init__(self, config: TowerConfig, width: int, *, size: int, patch: int, channels: int = 3) -> None:
        super().__init__()
        self.config, self.width, self.size, self.patch, self.channels = config, width, size, patch, channels
        self.vision_model = _Vision(config, channels, size, patch)
        self.visual_projection = nn.Linear(config.hidden, width, bias=False)
        _draw(self.visual_projection.weight, config.hidden**-0.5)

    @classmethod
    def from_json(cls, table: Mapping[str, Any], where: str) -> Self:
        """Of transformers' config.json, its weights drawn.

        Raises:
            MareyError: a shape that this tower does not have.
        """
        usual = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
        numbers = {
            key: table.get(key, value)
            for key, value in (("projection_dim", 512), ("image_size", 224), ("patch_size", 32), ("num_channels", 3))
        }
        for key, value in numbers.items():
            if not isinstance(value, int) or value < 1:
                raise MareyError(f"{where} has {key} = {value!r}: 1 or more would do.")
        return cls(
            TowerConfig.from_json(table, usual, where),
            numbers["projection_dim"],
            size=numbers["image_size"],
            patch=numbers["patch_size"],
            channels=numbers["num_channels"],
        )

    def to_json(self) -> dict[str, Any]:
        """transformers' config.json."""
        return {
            **self.config.to_json(),
            "architectures": ["CLIPVisionModelWithProjection"],
            "image_size": self.size,
            "model_type": "clip_vision_model",
            "num_channels": self.channels,
            "patch_size": self.patch,
            "projection_dim": self.width,
        }

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, size, size) -> (N, width)."""
        return self.visual_projection(self.vision_model(pixels))


class _Words(nn.Module):
    def __init__(self, vocabulary: int, tokens: int, hidden: int) -> None:
        super().__init__()
        self.token_embedding = Table(vocabulary, hidden)
        self.position_embedding = Table(tokens, hidden)

    def forward(self, ids: Tensor) -> Tensor:
        return self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]


class TextTower(nn.Module):
    """Token ids to tokens, each knowing those before it, normalised.

    Args:
        config: of its transformer.
        vocabulary: how many tokens there are.
        tokens: the most in a text.
        marks: ids that config.json names, such as eos_token_id.
    """

    def __init__(self, config: TowerConfig, *, vocabulary: int, tokens: int, marks: Mapping[str, int]) -> None:
        super().__init__()
        self.config, self.vocabulary, self.tokens, self.marks = config, vocabulary, tokens, dict(marks)
        self.embeddings = _Words(vocabulary, tokens, config.hidden)
        self.encoder = Layers(config, causal=True)
        self.final_layer_norm = nn.LayerNorm(config.hidden, eps=config.eps)

    @classmethod
    def from_json(cls, table: Mapping[str, Any], where: str) -> Self:
        """Of transformers' config.json, its weights drawn.

        Raises:
            MareyError: a shape that this tower does not have.
        """
        usual = {"hidden_size": 512, "intermediate_size": 2048, "num_attention_heads": 8}
        vocabulary, tokens = table.get("vocab_size", 49408), table.get("max_position_embeddings", 77)
        for key, value in (("vocab_size", vocabulary), ("max_position_embeddings", tokens)):
            if not isinstance(value, int) or value < 1:
                raise MareyError(f"{where} has {key} = {value!r}: 1 or more would do.")
        marks = {key: table[key] for key in table if key.endswith("_token_id") and isinstance(table[key], int)}
        config = TowerConfig.from_json(table, usual, where)
        return cls(config, vocabulary=vocabulary, tokens=tokens, marks=marks)

    def to_json(self) -> dict[str, Any]:
        """transformers' config.json."""
        return {
            **self.config.to_json(),
            **self.marks,
            "architectures": ["CLIPTextModel"],
            "max_position_embeddings": self.tokens,
            "model_type": "clip_text_model",
            "projection_dim": self.config.hidden,
            "vocab_size": self.vocabulary,
        }

    def forward(self, ids: Tensor) -> Tensor:
        """(N, L) -> (N, L, D), L up to `tokens`."""
        return self.final_layer_norm(self.encoder(self.embeddings(ids)))


def _draw(weight: Tensor, std: float) -> None:
    if not weight.is_meta:  # where torch would load its compiler, for seconds
        nn.init.normal_(weight, std=std)
