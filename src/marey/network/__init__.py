"""Modules with weights: the UNet, the autoencoder, the embedders, inflation, and the folder that holds them all.

State-dict keys are the field's own (diffusers'), so that weights travel.
"""

from marey.errors import require

require("torch", "train")
