"""Clips to latents, latents to a model: windows, the autoencoder, the three training stages, the loop, averages."""

from marey.errors import require

require("torch", "train")
require("accelerate", "train")

from marey.train.latents import EncodeSummary, encode  # noqa: E402
from marey.train.train import train  # noqa: E402

__all__ = ["EncodeSummary", "encode", "train"]
