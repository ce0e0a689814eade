"""Clips to latents, latents to a model: windows, the autoencoder, the three training stages, the loop, averages."""

from marey.errors import require

require("torch", "train")
require("accelerate", "train")
