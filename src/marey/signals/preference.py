"""What people are likely to prefer, by a head on embeddings that was fitted to their votes."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from marey.errors import MareyError

FORMAT = "marey-preference-1"


def save_head(path: Path, weight: np.ndarray, mean: np.ndarray, embedding: str, told: Mapping[str, Any]) -> None:
    """Write a head, as a whole or not at all.

    Args:
        weight, mean: (D,) each.
        embedding: which embeddings it was fitted on.
        told: what else is to be known of it; JSON.
    """
    # In one text, for the order of several entries changes from one writing to the next, and the file's hash with it.
    metadata = {FORMAT: json.dumps({"embedding": embedding, **told}, sort_keys=True)}
    arrays = {"weight": np.asarray(weight, np.float32), "mean": np.asarray(mean, np.float32)}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.tmp")
    part.write_bytes(save(arrays, metadata))
    os.replace(part, path)


class Preference:
    """A linear head out of a safetensors file: `weight` (D,) and `mean` (D,), with what it was fitted on beside them.

    Raises:
        MareyError: the file cannot be read, holds no such head, or a head for other embeddings.
    """

    def __init__(self, path: Path, embedding: str) -> None:
        try:
            with safe_open(str(path), framework="numpy") as file:
                told = file.metadata() or {}
                arrays = {name: np.asarray(file.get_tensor(name), np.float64) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise MareyError(
                f"{path} cannot be read ({error}): a head that `marey study learn` wrote would do."
            ) from error
        shapes = {name: array.shape for name, array in arrays.items()}
        right = FORMAT in told and set(shapes) == {"weight", "mean"} and len(set(shapes.values())) == 1
        if not right or len(shapes["weight"]) != 1 or not all(np.isfinite(array).all() for array in arrays.values()):
            raise MareyError(f"{path} holds no preference head: one that `marey study learn` wrote would do.")
        self.told: dict[str, Any] = json.loads(told[FORMAT])
        if self.told.get("embedding") != embedding:
            raise MareyError(
                f"{path} was fitted on embeddings of {self.told.get('embedding')!r}, these are of {embedding!r}: "
                "`marey study learn` with the same curate.models.clip would do."
            )
        self._weight, self._mean = arrays["weight"], arrays["mean"]

    def score(self, embeddings: np.ndarray) -> float:
        """Of a clip's stills (N, D): the mean over them. The difference of two clips' scores is the logarithm of the
        odds that the first is preferred.

        Raises:
            MareyError: they are of another width.
        """
        if embeddings.ndim != 2 or embeddings.shape[1] != len(self._weight):
            raise MareyError(f"Embeddings of the shape {embeddings.shape}: (N, {len(self._weight)}) would do.")
        return float(((np.asarray(embeddings, np.float64) - self._mean) @ self._weight).mean())
