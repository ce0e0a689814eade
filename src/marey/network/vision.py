"""Vision transformers from a folder as transformers saves them, such as DINO: pictures to the vector of their class
token."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from marey.errors import MareyError, require
from marey.network.clip import kind_of

KINDS = ("vit", "dinov2", "dinov2_with_registers")
_SIDE = 224
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VisionModel:
    """Such a folder, ready to use on the CPU. Only safetensors are read, and no code from the folder is run.

    Raises:
        MareyError: no such folder, another kind of model, or only pickled weights.
        MissingExtra: transformers is not installed.
    """

    def __init__(self, folder: Path) -> None:
        transformers = require("transformers", "features")
        kind = kind_of(folder, KINDS, "a vision transformer")
        try:
            model = transformers.AutoModel.from_pretrained(
                folder, use_safetensors=True, dtype=torch.float32, local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise MareyError(f"{folder} cannot be opened as a {kind} model: {error}") from error
        self._model: Any = model.eval().requires_grad_(False)
        self._patch = int(model.config.patch_size)

    def pictures(self, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        """Vectors (N, D) of uint8 RGB pictures (H, W, 3), as VBench prepares them for DINO: the short side is brought
        to 224, bilinear and without antialiasing, nothing is cut off but what fills no whole patch, ImageNet's mean
        and deviation."""
        found = []
        for picture in pictures:
            x = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255
            short = min(x.shape[-2:])
            size = [int(side * _SIDE / short) for side in x.shape[-2:]]
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=False)
            x = x[..., : size[0] // self._patch * self._patch, : size[1] // self._patch * self._patch]
            mean, std = (torch.tensor(values)[:, None, None] for values in (_MEAN, _STD))
            with torch.inference_mode():
                told = self._model((x - mean) / std, interpolate_pos_encoding=True)
            found.append(told.last_hidden_state[:, 0])
        return torch.cat(found)
