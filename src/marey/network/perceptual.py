"""Distances of pictures in the features of networks: LPIPS on AlexNet, and the same sum on a network without heads.

Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (CVPR 2018), eq. 1. The
state-dict keys are torchvision's for the trunk and those of the published heads.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from marey.errors import MareyError
from marey.network.efficientnet import EfficientNetLite0
from marey.network.weights import read_pickled

TRUNK_SHA256 = "7be5be79"
"""The first digits of the trunk's sha256, which torchvision puts into the file's name."""
HEADS_SHA256 = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"
_CHANNELS = (64, 192, 384, 256, 256)
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class Lpips(nn.Module):
    """LPIPS v0.1 on AlexNet: pictures in -1..1, (N, 3, H, W), two and two, to distances (N,)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.ModuleDict(
            {
                "0": nn.Conv2d(3, 64, 11, 4, 2),
                "3": nn.Conv2d(64, 192, 5, padding=2),
                "6": nn.Conv2d(192, 384, 3, padding=1),
                "8": nn.Conv2d(384, 256, 3, padding=1),
                "10": nn.Conv2d(256, 256, 3, padding=1),
            }
        )
        self.heads = nn.ParameterList([torch.zeros(1, channels, 1, 1) for channels in _CHANNELS])
        self.register_buffer("shift", torch.tensor(_SHIFT)[None, :, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE)[None, :, None, None], persistent=False)

    def stages(self, pictures: Tensor) -> list[Tensor]:
        """The five maps after a ReLU."""
        x, found = (pictures - self.shift) / self.scale, []
        for n, layer in self.features.items():
            if n in ("3", "6"):
                x = F.max_pool2d(x, 3, 2)
            x = F.relu(layer(x))
            found.append(x)
        return found

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return distance(self.stages(a), self.stages(b), list(self.heads))


def load_lpips(
    trunk: Path, heads: Path, *, trunk_sha256: str = TRUNK_SHA256, heads_sha256: str = HEADS_SHA256
) -> Lpips:
    """LPIPS from torchvision's AlexNet and the published heads (v0.1, alex), each read once its sha256 is right.

    Raises:
        MareyError: another file, or other weights in it.
    """
    try:
        found = hashlib.sha256(trunk.read_bytes()).hexdigest()
    except OSError as error:
        raise MareyError(f"{trunk} cannot be read: {error.strerror}.") from error
    if not found.startswith(trunk_sha256):
        raise MareyError(
            f"{trunk} has the sha256 {found}, which does not begin with {trunk_sha256}: it was not opened."
        )
    convolutions = {key: value for key, value in read_pickled(trunk, found).items() if key.startswith("features.")}
    linear = read_pickled(heads, heads_sha256)
    state = convolutions | {f"heads.{n}": linear[f"lin{n}.model.1.weight"] for n in range(len(_CHANNELS))}
    network = Lpips()
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise MareyError(f"{trunk} and {heads} are not the AlexNet and the heads of LPIPS: {error}") from error
    return network.eval().requires_grad_(False)


def lite_stages(network: EfficientNetLite0, pictures: Tensor) -> list[Tensor]:
    """The last map of each size in EfficientNet-Lite0, of (x - 127) / 128, (N, 3, H, W): five of them."""
    x = F.relu6(network._bn0(network._conv_stem(pictures)))
    found = []
    for block in network._blocks:
        after = block(x)
        if after.shape[-1] != x.shape[-1]:
            found.append(x)
        x = after
    return [*found, x]


def distance(a: Sequence[Tensor], b: Sequence[Tensor], heads: Sequence[Tensor] | None = None) -> Tensor:
    """The sum over maps (N, C, h, w) of the mean over places of the squared difference of channels brought to length
    one, weighted by heads (1, C, 1, 1), or by one for all: (N,)."""
    total = torch.zeros(len(a[0]), device=a[0].device)
    for n, (one, other) in enumerate(zip(a, b, strict=True)):
        apart = (_unit(one) - _unit(other)).square()
        weighed = apart * heads[n] if heads is not None else apart
        total = total + weighed.sum(1).mean((1, 2))
    return total


def _unit(maps: Tensor) -> Tensor:
    return maps / (maps.square().sum(1, keepdim=True).sqrt() + 1e-10)
