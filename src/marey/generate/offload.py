"""A network is on the device while it works, and where it lived before and after."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def visiting(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Have a module on a device inside the block. One that lives there stays; of others the weights at home are kept,
    so that only the way there is a copy.
    """
    home = {name: value.data for name, value in module.named_parameters()}
    if all(value.device.type == device.type for value in home.values()):
        yield
        return
    try:
        module.to(device)
        yield
    finally:
        for name, value in module.named_parameters():
            value.data = home[name]
