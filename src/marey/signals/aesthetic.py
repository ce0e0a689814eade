"""LAION's aesthetic predictor on CLIP embeddings, from a file that is given."""

from pathlib import Path

import numpy as np

from marey.errors import MareyError


class Aesthetic:
    """A linear or an MLP head; see `network.aesthetic`.

    Raises:
        MareyError: the file is not the one of that sha256, or holds no such head.
        MissingExtra: torch is not installed.
    """

    def __init__(self, path: Path, sha256: str) -> None:
        from marey.network.aesthetic import load_head

        self._path, self._head = path, load_head(path, sha256)

    def scores(self, embeddings: np.ndarray) -> np.ndarray:
        """Of CLIP image embeddings (N, D) of any length: float32 (N,), from about 1 to 10.

        Raises:
            MareyError: they are of another width than the head was made for.
        """
        import torch

        if embeddings.shape[-1] != self._head.width:
            raise MareyError(
                f"{self._path} scores embeddings of {self._head.width} numbers, but the CLIP that is given makes "
                f"{embeddings.shape[-1]}: the CLIP that the head was trained on would do."
            )
        with torch.inference_mode():
            return self._head(torch.from_numpy(np.asarray(embeddings, np.float32))).numpy()
