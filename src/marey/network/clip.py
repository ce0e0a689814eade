"""CLIP and SigLIP models from a folder as transformers saves them: pictures and texts to vectors in one space.

Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (2021); Zhai et al.,
"Sigmoid Loss for Language Image Pre-Training" (2023).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from marey.errors import MareyError, require
from marey.network.weights import find_weights

KINDS = ("clip", "siglip", "siglip2")


class ClipModel:
    """Such a folder, ready to use on the CPU. Only safetensors are read, and no code from the folder is run.

    Raises:
        MareyError: no such folder, another kind of model, or only pickled weights.
        MissingExtra: transformers is not installed.
    """

    def __init__(self, folder: Path) -> None:
        transformers = require("transformers", "features")
        kind = kind_of(folder, KINDS, "a CLIP model")
        safe = {"local_files_only": True, "trust_remote_code": False}
        try:
            model = transformers.AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32, **safe)
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, **safe)
            self._processor: Any = transformers.AutoImageProcessor.from_pretrained(folder, **safe)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise MareyError(f"{folder} cannot be opened as a {kind} model with its tokenizer: {error}") from error
        self._model: Any = model.eval().requires_grad_(False)
        text = model.config.text_config
        self._padding = {"padding": "max_length" if kind.startswith("siglip") else True}
        self._longest = int(text.max_position_embeddings)

    def pictures(self, pictures: Sequence[np.ndarray]) -> Tensor:
        """Image embeddings (N, D) as the model gives them, of uint8 RGB pictures (H, W, 3) of any size."""
        batch = self._processor(images=list(pictures), return_tensors="pt", input_data_format="channels_last")
        with torch.inference_mode():
            return _plain(self._model.get_image_features(**batch))

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Text embeddings (N, D); what is longer than the model reads is cut off."""
        batch = self._tokenizer(
            list(texts), truncation=True, max_length=self._longest, return_tensors="pt", **self._padding
        )
        known = {name: batch[name] for name in ("input_ids", "attention_mask") if name in batch}
        with torch.inference_mode():
            return _plain(self._model.get_text_features(**known))


def kind_of(folder: Path, kinds: Sequence[str], what: str) -> str:
    """The type of the model that a folder of transformers' holds, with its weights as safetensors.

    Raises:
        MareyError: no such folder, a type that is none of `kinds`, or only pickled weights.
    """
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise MareyError(f"{folder} is no folder of {what}: {error}.") from error
    if kind not in kinds:
        raise MareyError(f"{folder} holds a model of type {kind!r}: one of {', '.join(kinds)} would do.")
    find_weights(folder, "model")
    return str(kind)


def _plain(found: Any) -> Tensor:
    """Newer versions of transformers give the embedding beside other outputs."""
    tensor: Tensor = getattr(found, "pooler_output", found)
    return tensor.float()
