"""Sentences as vectors: a BERT encoder with mean pooling, as sentence-transformers' MiniLM models are.

Source: Devlin et al., "BERT" (2018); Reimers and Gurevych, "Sentence-BERT" (2019). The state-dict keys are those of
transformers' BertModel; it is not used because importing it takes seconds in each process.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from marey.errors import MareyError, require
from marey.network.weights import read_weights

LONGEST = 256
"""Tokens of a sentence that are read, as the model was trained."""


class SentenceEncoder(nn.Module):
    """Token numbers (B, L) and a mask of those that count to unit vectors (B, width)."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.embeddings = _Embeddings(config)
        self.encoder = nn.ModuleDict(
            {"layer": nn.ModuleList(_Layer(config) for _ in range(config["num_hidden_layers"]))}
        )
        self.pooler = nn.ModuleDict({"dense": nn.Linear(config["hidden_size"], config["hidden_size"])})  # not used

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """The mean of the last layer over the tokens that count, of length one."""
        x = self.embeddings(tokens)  # (B, L, D)
        bias = torch.zeros(mask.shape, dtype=x.dtype).masked_fill(~mask, float("-inf"))[:, None, None]
        for layer in self.encoder["layer"]:
            x = layer(x, bias)
        weight = mask[..., None].to(x.dtype)
        return F.normalize((x * weight).sum(1) / weight.sum(1), dim=-1)


class Sentences:
    """A folder of such a model with its tokenizer, ready to use.

    Raises:
        MareyError: the folder is not whole, or holds another kind of model.
        MissingExtra: tokenizers is not installed.
    """

    def __init__(self, folder: Path) -> None:
        tokenizers = require("tokenizers", "features")
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        except (OSError, ValueError) as error:
            raise MareyError(f"{folder} is no folder of a sentence model: {error}.") from error
        if config.get("model_type") != "bert" or config.get("hidden_act") != "gelu":
            raise MareyError(f"{folder} holds a model of type {config.get('model_type')!r}: bert with gelu would do.")
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST)
        self._network = SentenceEncoder(config)
        read_weights(self._network, folder, "model", torch.float32)
        self._network.eval().requires_grad_(False)

    def vectors(self, texts: Sequence[str]) -> Tensor:
        """A unit vector a text, (B, width). Each is encoded by itself, so that its neighbours change no bit of it."""
        return torch.cat([self._vector(text) for text in texts])

    def _vector(self, text: str) -> Tensor:
        tokens = torch.tensor([self._tokenizer.encode(text).ids])
        with torch.inference_mode():
            return self._network(tokens, torch.ones_like(tokens, dtype=torch.bool))


class _Embeddings(nn.Module):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.word_embeddings = nn.Embedding(config["vocab_size"], width)
        self.position_embeddings = nn.Embedding(config["max_position_embeddings"], width)
        self.token_type_embeddings = nn.Embedding(config["type_vocab_size"], width)
        self.LayerNorm = nn.LayerNorm(width, config["layer_norm_eps"])

    def forward(self, tokens: Tensor) -> Tensor:
        places = self.position_embeddings.weight[: tokens.shape[1]]
        return self.LayerNorm(self.word_embeddings(tokens) + places + self.token_type_embeddings.weight[0])


class _Layer(nn.Module):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width, inner = config["hidden_size"], config["intermediate_size"]
        self._heads = config["num_attention_heads"]
        names = ("query", "key", "value")
        self.attention = nn.ModuleDict(
            {
                "self": nn.ModuleDict({name: nn.Linear(width, width) for name in names}),
                "output": _output(width, width, config["layer_norm_eps"]),
            }
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.output = _output(inner, width, config["layer_norm_eps"])

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        own, out = self.attention["self"], self.attention["output"]
        query, key, value = (
            own[name](x).unflatten(-1, (self._heads, -1)).transpose(1, 2) for name in ("query", "key", "value")
        )  # (B, heads, L, D / heads)
        mixed = F.scaled_dot_product_attention(query, key, value, bias).transpose(1, 2).flatten(2)
        x = out["LayerNorm"](x + out["dense"](mixed))
        inner = F.gelu(self.intermediate["dense"](x))
        return self.output["LayerNorm"](x + self.output["dense"](inner))


def _output(inputs: int, outputs: int, epsilon: float) -> nn.ModuleDict:
    return nn.ModuleDict({"dense": nn.Linear(inputs, outputs), "LayerNorm": nn.LayerNorm(outputs, epsilon)})
