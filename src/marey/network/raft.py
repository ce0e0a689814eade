"""RAFT: dense optical flow by a recurrent network that looks flow up in all correlations of two pictures.

Source: Teed and Deng, "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow" (ECCV 2020). The keys of the state
dict are torchvision's (`raft_large`, `raft_small`); weights with the authors' own keys (raft-things.pth) are renamed.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.errors import MareyError
from marey.network.weights import read_state

FACTOR = 8
"""Flow is found at an eighth of the size."""
UPDATES = 12
"""Rounds of the recurrent network, as published for use."""

Norm = Literal["instance", "batch", "none"]


@dataclass(frozen=True)
class RaftConfig:
    """The sizes of one RAFT."""

    name: str
    features: tuple[int, int, int, int, int]
    """Channels of the feature encoder: its first convolution, three stages, and what comes out."""
    context: tuple[int, int, int, int, int]
    """The same of the context encoder; what comes out is the first hidden state and, after it, the context."""
    bottleneck: bool
    """Blocks of three convolutions instead of two."""
    context_norm: Norm
    levels: int
    """Of the pyramid of correlations."""
    radius: int
    """Correlations are looked up so far around, at each level."""
    correlation: tuple[int, ...]
    flow: tuple[int, int]
    motion: int
    """Channels of the motion encoder: of what it makes of the correlations, of the flow, and of both."""
    hidden: int
    kernels: tuple[tuple[int, int], ...]
    """Of the recurrent units, one after the other."""
    head: int
    mask: int
    """Hidden channels of the flow head, and of the weights of the upsampling; 0: it is bilinear."""

    @property
    def least(self) -> int:
        """The least height and width of a picture: the coarsest level of the pyramid must have two rows."""
        return FACTOR * 2**self.levels


LARGE = RaftConfig(
    "large", (64, 64, 96, 128, 256), (64, 64, 96, 128, 256), False, "batch", 4, 4,
    (256, 192), (128, 64), 128, 128, ((1, 5), (5, 1)), 256, 256,
)  # fmt: skip
SMALL = RaftConfig(
    "small", (32, 32, 64, 96, 128), (32, 32, 64, 96, 160), True, "none", 4, 3,
    (96,), (64, 32), 82, 96, ((3, 3),), 128, 0,
)  # fmt: skip


class Raft(nn.Module):
    """The network: 5.26 million parameters as `LARGE`, 0.99 million as `SMALL`."""

    def __init__(self, config: RaftConfig = LARGE) -> None:
        super().__init__()
        self.config = config
        block = _Bottleneck if config.bottleneck else _Residual
        self.feature_encoder = _Encoder(config.features, block, "instance")
        self.context_encoder = _Encoder(config.context, block, config.context_norm)
        self.update_block = _Update(config)
        self.mask_predictor = _Mask(config.hidden, config.mask) if config.mask else None

    def forward(self, before: Tensor, after: Tensor, updates: int = UPDATES) -> Tensor:
        """The flow from one picture to another: (B, 2, H, W), to the right and down, in their pixels.

        Args:
            before, after: RGB from -1 to 1, (B, 3, H, W); H and W are multiples of 8, at least `config.least`.

        Raises:
            ValueError: pictures of another shape.
        """
        size, least = before.shape[-2:], self.config.least
        if before.shape != after.shape or before.ndim != 4 or min(size) < least or any(side % FACTOR for side in size):
            raise ValueError(
                f"{tuple(before.shape)} and {tuple(after.shape)}: two of (B, 3, H, W), H and W multiples of {FACTOR} "
                f"from {least}, would do"
            )
        one, other = self.feature_encoder(torch.cat([before, after])).chunk(2)
        pyramid = correlations(one, other, self.config.levels)
        hidden, context = self.context_encoder(before).tensor_split([self.config.hidden], dim=1)
        hidden, context = hidden.tanh(), context.relu()
        start = _grid(one)
        flow = torch.zeros_like(start)  # (B, 2, H / 8, W / 8)
        for _ in range(updates):
            seen = look_up(pyramid, start + flow, self.config.radius)
            hidden, change = self.update_block(hidden, context, seen, flow)
            flow = flow + change
        if self.mask_predictor is None:
            return FACTOR * functional.interpolate(flow, size=size, mode="bilinear", align_corners=True)
        return convex_upsampled(flow, self.mask_predictor(hidden))


def correlations(one: Tensor, other: Tensor, levels: int) -> list[Tensor]:
    """The products of all features of two pictures (B, C, H, W), over the root of C: at each level half as fine in the
    second picture, (B * H * W, 1, H / 2^n, W / 2^n) (section 3.2)."""
    batch, channels, height, width = one.shape
    volume = one.flatten(2).transpose(1, 2) @ other.flatten(2) / channels**0.5  # (B, H W, H W)
    pyramid = [volume.reshape(batch * height * width, 1, height, width)]
    for _ in range(levels - 1):
        pyramid.append(functional.avg_pool2d(pyramid[-1], 2))
    return pyramid


def look_up(pyramid: list[Tensor], places: Tensor, radius: int) -> Tensor:
    """The correlations of each point with a square around its place in the second picture, at every level.

    Args:
        places: x and y of each point, (B, 2, H, W), in pixels of the finest level.
        radius: of the square, in pixels of each level.

    Returns:
        (B, levels (2 radius + 1)^2, H, W): level by level, column by column of the square; 0 outside of the picture.
    """
    batch, _, height, width = places.shape
    steps = torch.arange(-radius, radius + 1, dtype=places.dtype, device=places.device)
    square = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), dim=-1)  # the first index is x, as published
    centres = places.permute(0, 2, 3, 1).reshape(-1, 1, 1, 2)
    found = []
    for n, level in enumerate(pyramid):
        extent = torch.tensor([level.shape[3] - 1, level.shape[2] - 1], dtype=places.dtype, device=places.device)
        at = 2 * (centres / 2**n + square) / extent - 1  # from -1 to 1 over the picture
        sampled = functional.grid_sample(level, at, align_corners=True)
        found.append(sampled.reshape(batch, height, width, -1))
    return torch.cat(found, dim=-1).permute(0, 3, 1, 2).contiguous()


def convex_upsampled(flow: Tensor, weights: Tensor) -> Tensor:
    """Flow at eight times the size: each fine vector is a convex combination of the nine coarse ones around it.

    Args:
        flow: (B, 2, H, W), in pixels of that size.
        weights: (B, 9 * 8 * 8, H, W), before the softmax over the nine.
    """
    batch, _, height, width = flow.shape
    shares = weights.reshape(batch, 1, 9, FACTOR, FACTOR, height, width).softmax(dim=2)
    around = functional.unfold(FACTOR * flow, 3, padding=1).reshape(batch, 2, 9, 1, 1, height, width)
    fine = (shares * around).sum(dim=2)  # (B, 2, 8, 8, H, W)
    return fine.permute(0, 1, 4, 2, 5, 3).reshape(batch, 2, FACTOR * height, FACTOR * width)


def _grid(features: Tensor) -> Tensor:
    """x and y of each point of (B, C, H, W): (B, 2, H, W)."""
    rows, columns = (torch.arange(n, dtype=features.dtype, device=features.device) for n in features.shape[2:])
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y]).expand(len(features), 2, *x.shape)


def _convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, norm: Norm = "none", *, active: bool = True
) -> nn.Sequential:
    """A convolution, a normalisation or none, and a ReLU or none. The numbers of the layers are those of the keys."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)]
    if norm != "none":
        layers.append(nn.BatchNorm2d(outputs) if norm == "batch" else nn.InstanceNorm2d(outputs))
    return nn.Sequential(*layers, nn.ReLU()) if active else nn.Sequential(*layers)


class _Encoder(nn.Module):
    """A picture (B, 3, H, W) to features (B, C, H / 8, W / 8)."""

    def __init__(
        self, widths: tuple[int, int, int, int, int], block: "type[_Residual | _Bottleneck]", norm: Norm
    ) -> None:
        super().__init__()
        first, one, two, three, last = widths
        self.convnormrelu = _convolution(3, first, 7, 2, norm)
        self.layer1 = nn.Sequential(block(first, one, 1, norm), block(one, one, 1, norm))
        self.layer2 = nn.Sequential(block(one, two, 2, norm), block(two, two, 1, norm))
        self.layer3 = nn.Sequential(block(two, three, 2, norm), block(three, three, 1, norm))
        self.conv = nn.Conv2d(three, last, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.convnormrelu(x))))
        return self.conv(x)


class _Residual(nn.Module):
    """Two convolutions of 3x3 beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.convnormrelu1 = _convolution(inputs, outputs, 3, stride, norm)
        self.convnormrelu2 = _convolution(outputs, outputs, 3, 1, norm)
        self.downsample = _shortcut(inputs, outputs, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.downsample(x) + self.convnormrelu2(self.convnormrelu1(x)))


class _Bottleneck(nn.Module):
    """A convolution of 3x3 between two of 1x1 at a quarter of the width, beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.convnormrelu1 = _convolution(inputs, outputs // 4, 1, 1, norm)
        self.convnormrelu2 = _convolution(outputs // 4, outputs // 4, 3, stride, norm)
        self.convnormrelu3 = _convolution(outputs // 4, outputs, 1, 1, norm)
        self.downsample = _shortcut(inputs, outputs, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        y = self.convnormrelu3(self.convnormrelu2(self.convnormrelu1(x)))
        return functional.relu(self.downsample(x) + y)


def _shortcut(inputs: int, outputs: int, stride: int, norm: Norm) -> nn.Module:
    return nn.Identity() if stride == 1 else _convolution(inputs, outputs, 1, stride, norm, active=False)


class _Update(nn.Module):
    """One round: correlations and flow to a new hidden state and a change of the flow (section 3.3)."""

    def __init__(self, config: RaftConfig) -> None:
        super().__init__()
        context = config.context[-1] - config.hidden
        self.motion_encoder = _MotionEncoder(config)
        self.recurrent_block = _Recurrent(context + config.motion, config.hidden, config.kernels)
        self.flow_head = _FlowHead(config.hidden, config.head)

    def forward(self, hidden: Tensor, context: Tensor, seen: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.recurrent_block(hidden, torch.cat([context, self.motion_encoder(flow, seen)], dim=1))
        return hidden, self.flow_head(hidden)


class _MotionEncoder(nn.Module):
    def __init__(self, config: RaftConfig) -> None:
        super().__init__()
        widths, flow = config.correlation, config.flow
        self.convcorr1 = _convolution(config.levels * (2 * config.radius + 1) ** 2, widths[0], 1)
        self.convcorr2 = _convolution(widths[0], widths[1], 3) if len(widths) > 1 else nn.Identity()
        self.convflow1, self.convflow2 = _convolution(2, flow[0], 7), _convolution(flow[0], flow[1], 3)
        self.conv = _convolution(widths[-1] + flow[1], config.motion - 2, 3)

    def forward(self, flow: Tensor, seen: Tensor) -> Tensor:
        both = torch.cat([self.convcorr2(self.convcorr1(seen)), self.convflow2(self.convflow1(flow))], dim=1)
        return torch.cat([self.conv(both), flow], dim=1)


class _Recurrent(nn.Module):
    def __init__(self, inputs: int, hidden: int, kernels: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        for n, kernel in enumerate(kernels, 1):
            self.add_module(f"convgru{n}", _ConvGRU(inputs, hidden, kernel))

    def forward(self, hidden: Tensor, x: Tensor) -> Tensor:
        for unit in self.children():
            hidden = unit(hidden, x)
        return hidden


class _ConvGRU(nn.Module):
    """A gated recurrent unit of convolutions."""

    def __init__(self, inputs: int, hidden: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        around = (kernel[0] // 2, kernel[1] // 2)
        self.convz, self.convr, self.convq = (
            nn.Conv2d(hidden + inputs, hidden, kernel, padding=around) for _ in range(3)
        )

    def forward(self, hidden: Tensor, x: Tensor) -> Tensor:
        both = torch.cat([hidden, x], dim=1)
        update, reset = self.convz(both).sigmoid(), self.convr(both).sigmoid()
        new = self.convq(torch.cat([reset * hidden, x], dim=1)).tanh()
        return (1 - update) * hidden + update * new


class _FlowHead(nn.Module):
    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(inputs, hidden, 3, padding=1), nn.Conv2d(hidden, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(functional.relu(self.conv1(x)))


class _Mask(nn.Module):
    """The weights of `convex_upsampled`."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.convrelu = _convolution(inputs, hidden, 3)
        self.conv = nn.Conv2d(hidden, 9 * FACTOR * FACTOR, 1)

    def forward(self, x: Tensor) -> Tensor:
        return 0.25 * self.conv(self.convrelu(x))  # a quarter balances the gradients, as published


def load_raft(path: Path, sha256: str) -> Raft:
    """A RAFT from .safetensors, or from a .pth of that sha256, for inference; which of the two the keys tell.

    Raises:
        MareyError: another file, or weights that are neither of the two networks.
    """
    state = {
        key: value.float() if value.is_floating_point() else value
        for key, value in renamed(read_state(path, sha256)).items()
    }
    net = Raft(LARGE if any(key.startswith("mask_predictor.") for key in state) else SMALL)
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        said = str(error).splitlines()[1:2] or [str(error)]
        raise MareyError(
            f"{path} is no RAFT ({said[0].strip()[:120]}): torchvision's raft_large or raft_small, or the authors' "
            "raft-things or raft-small, would do."
        ) from error
    return net.eval().requires_grad_(False)


_NAMES = (  # the authors' keys to torchvision's, in turn
    (r"^module\.", ""),
    (r"^fnet\.", "feature_encoder."),
    (r"^cnet\.", "context_encoder."),
    (r"^(\w+_encoder)\.conv1\.", r"\1.convnormrelu.0."),
    (r"^(\w+_encoder)\.norm1\.", r"\1.convnormrelu.1."),
    (r"^(\w+_encoder)\.conv2\.", r"\1.conv."),
    (r"^(\w+_encoder\.layer\d\.\d)\.conv(\d)\.", r"\1.convnormrelu\2.0."),
    (r"^(\w+_encoder\.layer\d\.\d)\.norm(\d)\.", r"\1.convnormrelu\2.1."),
    (r"^update_block\.encoder\.convc(\d)\.", r"update_block.motion_encoder.convcorr\1.0."),
    (r"^update_block\.encoder\.convf(\d)\.", r"update_block.motion_encoder.convflow\1.0."),
    (r"^update_block\.encoder\.conv\.", "update_block.motion_encoder.conv.0."),
    (r"^update_block\.gru\.conv([zrq])(\d)\.", r"update_block.recurrent_block.convgru\2.conv\1."),
    (r"^update_block\.gru\.conv([zrq])\.", r"update_block.recurrent_block.convgru1.conv\1."),
    (r"^update_block\.mask\.0\.", "mask_predictor.convrelu.0."),
    (r"^update_block\.mask\.2\.", "mask_predictor.conv."),
)
_SHORTCUT_NORM = re.compile(r"(?:module\.)?cnet\.layer\d\.0\.norm3\.")


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with torchvision's keys, from theirs or from the authors'."""
    if not any(key.removeprefix("module.").startswith("fnet.") for key in state):
        return state
    found = {}
    for key, value in state.items():
        if _SHORTCUT_NORM.match(key):
            continue  # the shortcut's normalisation once more, under a second name
        for pattern, name in _NAMES:
            key = re.sub(pattern, name, key)
        found[key] = value
    return found
