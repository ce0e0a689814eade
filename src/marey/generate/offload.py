"""How memory is saved in a call: networks that come to the device for their work alone, and work in pieces."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from marey.network.transformer import FeedForward


@dataclass(frozen=True)
class Saving:
    """How memory is saved in a call; as it stands, nothing is."""

    offload: bool = False
    """Only the network that works is on the device."""
    sequential: bool = False
    """The unconditional and the conditional prediction one after the other."""
    rows: int | None = None
    """Feed-forward layers take at most so many tokens at a time."""
    chunk: int | None = None
    """Frames that are decoded at a time, blended; None: all, which alone is exact."""
    tile: int | None = None
    """Latents in height and width that are decoded at a time, blended."""


@contextmanager
def visiting(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Have a module on a device inside the block. One that lives there stays; the weights of others stay at home, and
    what comes is a copy.
    """
    at_home = [
        (part, name, value)
        for part in module.modules()
        for name, value in part.named_parameters(recurse=False)
        if value.device.type != device.type
    ]
    try:
        for part, name, value in at_home:
            setattr(part, name, nn.Parameter(value.to(device), requires_grad=value.requires_grad))
        yield
    finally:
        for part, name, value in at_home:
            setattr(part, name, value)


def chunk_feed_forward(unet: nn.Module, rows: int | None) -> None:
    """Have a UNet's feed-forward layers take at most so many tokens at a time; None: all."""
    for module in unet.modules():
        if isinstance(module, FeedForward):
            module.rows = rows
