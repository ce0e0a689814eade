"""From a model with one condition to a model with another that, at first, says what it said before."""

from dataclasses import replace

import torch

from marey.errors import MareyError
from marey.network.condition import BASE, CONDITIONS, condition_named
from marey.network.folder import Parts
from marey.network.unet import SpatioTemporalUNet

BETWEEN = 5
"""Frames of an interpolation: the two that are given and three between, for four times the rate."""


def widened(unet: SpatioTemporalUNet, *, in_channels: int, conditions: int) -> SpatioTemporalUNet:
    """A UNet of more input channels and more added numbers, all of whose weights for these are zero.

    Args:
        unet: is left as it is.
        in_channels: at least as many as it has; the new ones come last.
        conditions: as `in_channels`, of the added numbers.

    Raises:
        MareyError: fewer than it has.
    """
    had = unet.config
    if in_channels < had.in_channels or conditions < had.conditions:
        raise MareyError(
            f"The UNet takes {had.in_channels} channels and {had.conditions} numbers: no fewer than these would do."
        )
    config = replace(had, in_channels=in_channels, conditions=conditions)
    state = dict(unet.state_dict())
    with torch.device("meta"):  # no draw of weights that are about to be overwritten
        wide = SpatioTemporalUNet(config)
    for name, like in wide.state_dict().items():
        if like.shape != state[name].shape:
            padded = state[name].new_zeros(like.shape)
            padded[:, : state[name].shape[1]] = state[name]
            state[name] = padded
    wide.to_empty(device=unet.conv_in.weight.device).to(unet.conv_in.weight.dtype)
    wide.load_state_dict(state)
    return wide.train(unet.training)


def conditioned(parts: Parts, name: str) -> Parts:
    """A model made ready to learn a condition. It is sampled as such models are unless told otherwise: five frames and
    no guidance between two ends.

    Args:
        name: of the condition; that which it has gives the model back as it is.

    Raises:
        MareyError: no such condition, or one that this model cannot be widened to.
    """
    if name == parts.condition.name:
        return parts
    wanted = condition_named(name, parts.autoencoder.latent_channels)
    have = parts.condition
    if have.marks or wanted.numbers[: len(have.numbers)] != have.numbers:
        within = [kind for kind, other in CONDITIONS.items() if other.numbers[: len(have.numbers)] == have.numbers]
        would = have.name if have.marks else ", ".join(within)
        raise MareyError(
            f"The model has learned the condition {have.name!r}, and cannot go on to {name!r}: {would}, or another "
            "model, would do."
        )
    unet = widened(parts.unet, in_channels=wanted.channels, conditions=len(BASE) + len(wanted.numbers))
    info = replace(parts.info, condition=name)
    if wanted.marks:
        info = replace(info, frames=BETWEEN, guidance=(1.0, 1.0))
    return replace(parts, unet=unet, condition=wanted, info=info, unet_image=None)
