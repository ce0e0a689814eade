"""The mathematics of diffusion on tensors: pure functions that know no network, no file and no device."""

from marey.errors import require

require("torch", "train")
