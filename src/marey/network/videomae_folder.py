"""A VideoMAE from a folder as transformers saves it: a clip to the mean of its tokens. Only safetensors are read."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from marey.errors import MareyError, require
from marey.network.weights import find_weights

_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VideoMaeFolder:
    """Such a folder, ready to use.

    A folder of a classifier gives what its head reads (the normed mean token, where its settings say so); a bare model
    gives the mean of its last tokens.

    Raises:
        MareyError: no such folder, another kind of model, or only pickled weights.
        MissingExtra: transformers is not installed.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        transformers = require("transformers", "train")
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            kind, classes = config.get("model_type"), config.get("architectures") or []
        except (OSError, ValueError, AttributeError) as error:
            raise MareyError(f"{folder} is no folder of a VideoMAE: {error}.") from error
        if kind != "videomae":
            raise MareyError(f"{folder} holds a model of type {kind!r}: 'videomae' would do.")
        find_weights(folder, "model")
        safe = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True, "dtype": torch.float32}
        tuned = "VideoMAEForVideoClassification" in classes
        opener = transformers.VideoMAEForVideoClassification if tuned else transformers.VideoMAEModel
        try:
            model = opener.from_pretrained(folder, **safe)
        except (OSError, ValueError, KeyError) as error:
            raise MareyError(f"{folder} cannot be opened as a VideoMAE: {error}") from error
        self._encoder: Any = (model.videomae if tuned else model).eval().requires_grad_(False).to(device)
        self._norm: Any = model.fc_norm.eval().to(device) if tuned and model.fc_norm is not None else None
        self.d, self.frames = int(model.config.hidden_size), int(model.config.num_frames)
        self.size = int(model.config.image_size)
        mean, deviation = _scaling(folder)
        self._mean = torch.tensor(mean, device=device).view(3, 1, 1, 1)
        self._deviation = torch.tensor(deviation, device=device).view(3, 1, 1, 1)

    def __call__(self, frames: Tensor) -> Tensor:
        """A clip `(3, frames, size, size)` in 0..1 to `(1, d)`."""
        scaled = (frames - self._mean) / self._deviation
        tokens = self._encoder(scaled.transpose(0, 1)[None]).last_hidden_state  # (1, tokens, d)
        mean: Tensor = tokens.mean(dim=1)
        return mean if self._norm is None else self._norm(mean)


def _scaling(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of the folder's own processor; ImageNet's where it says nothing."""
    try:
        settings = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
        return tuple(settings["image_mean"]), tuple(settings["image_std"])
    except (OSError, ValueError, KeyError, TypeError):
        return _IMAGENET
