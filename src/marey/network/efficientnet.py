"""EfficientNet-Lite0: features and ImageNet classes of pictures, for signals that need a small network.

Source: Tan and Le, "EfficientNet" (2019); the Lite variants have no squeeze-and-excitation and ReLU6 for swish. The
state-dict keys are those of the published PyTorch weights.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from marey.network.weights import read_pickled

SIDE = 224
WIDTH = 1280
CLASSES = 1000
_STAGES = (  # kernel, stride, expansion, channels, blocks
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_EPSILON = 1e-3


class EfficientNetLite0(nn.Module):
    """Pictures of (x - 127) / 128 in RGB, (B, 3, 224, 224), to features (B, 1280)."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _Conv(3, 32, 3, stride=2)
        self._bn0 = _norm(32)
        blocks, before = [], 32
        for kernel, stride, expansion, channels, count in _STAGES:
            for n in range(count):
                blocks.append(_Block(before, channels, kernel, 1 if n else stride, expansion))
                before = channels
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _Conv(before, WIDTH, 1)
        self._bn1 = _norm(WIDTH)
        self._fc = nn.Linear(WIDTH, CLASSES)

    def forward(self, pictures: Tensor) -> Tensor:
        """The mean over the picture of the last layer before the classes."""
        x = F.relu6(self._bn0(self._conv_stem(pictures)))
        for block in self._blocks:
            x = block(x)
        return F.relu6(self._bn1(self._conv_head(x))).mean((2, 3))  # (B, 1280)

    def probabilities(self, features: Tensor) -> Tensor:
        """Of the ImageNet classes, (B, 1000), from features (B, 1280)."""
        return self._fc(features).softmax(-1)


def load_efficientnet(path: Path, sha256: str) -> EfficientNetLite0:
    """The network with published weights, ready to use.

    Raises:
        MareyError: the file is not there, or is not the one of that sha256.
    """
    network = EfficientNetLite0()
    network.load_state_dict(read_pickled(path, sha256))
    network.to(memory_format=torch.channels_last)  # a fifth less time on a CPU
    return network.eval().requires_grad_(False)


class _Conv(nn.Conv2d):
    """Padded as TensorFlow pads: where a stride leaves an odd number of pixels, one more at the right and below."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        high, wide = (max(kernel - (size - 1) % stride - 1, 0) for size in x.shape[2:])
        padded = F.pad(x, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
        return super().forward(padded)


class _Block(nn.Module):
    """An inverted bottleneck."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self._adds = inputs == outputs and stride == 1
        self._expands = expansion > 1
        if self._expands:
            self._expand_conv = _Conv(inputs, inner, 1)
            self._bn0 = _norm(inner)
        self._depthwise_conv = _Conv(inner, inner, kernel, stride, groups=inner)
        self._bn1 = _norm(inner)
        self._project_conv = _Conv(inner, outputs, 1)
        self._bn2 = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self._expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self._adds else y


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON)
