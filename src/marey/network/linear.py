"""Linear layers and 1x1 convolutions that are fast on CPUs: by oneDNN's kernels wherever those are the better ones."""

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEAST_ROWS = 512
"""Below this many rows the products are too small for the kernel to matter."""
_IMAGES = 16
"""torch convolves fewer images than this by the slower kernels where it has one thread and the kernel is 1x1."""
_fused = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None
"""oneDNN's product with a GELU behind it, which torch's compiler uses; without gradients. None: this torch has none."""


class Linear(nn.Linear):
    """torch's linear layer, its keys and its numbers (up to rounding).

    In float32 torch multiplies matrices by MKL, which leaves half of some CPUs idle, and convolves by oneDNN, which
    does not: on an AMD EPYC with AVX-512 the convolution does 400 GFLOP/s forward and 300 backward, the product 180 and
    155. On a graphics card, in another precision or for a few rows it is the plain layer.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., in_features), contiguous."""
        return project(x, self.weight, self.bias)


class PointConv(nn.Conv2d):
    """A 1x1 convolution of channels-last images, as a linear layer of their pixels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H, W), channels-last."""
        pixels = x.permute(0, 2, 3, 1).contiguous()
        return project(pixels, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def project(x: Tensor, weight: Tensor, bias: Tensor | None, *, gelu: bool = False) -> Tensor:
    """x @ weight.T + bias, and the GELU of it if asked for: (..., in) -> (..., out)."""
    rows = x.numel() // x.shape[-1]
    if x.device.type != "cpu" or x.dtype != torch.float32 or rows < _LEAST_ROWS or torch.is_autocast_enabled("cpu"):
        y = functional.linear(x, weight, bias)
    elif has_products() and not torch.is_grad_enabled():
        return product(x, weight, bias, gelu=gelu)
    else:
        y = by_convolution(x, weight, bias)
    return functional.gelu(y) if gelu else y


def has_products() -> bool:
    """Whether this torch has oneDNN's product."""
    return _fused is not None


def product(x: Tensor, weight: Tensor, bias: Tensor | None, *, gelu: bool = False) -> Tensor:
    """The same by oneDNN's product where there is one, in float32 on a CPU; it is of use without gradients alone."""
    if _fused is None or x.dtype != torch.float32:
        y = functional.linear(x, weight, bias)
        return functional.gelu(y) if gelu else y
    fused: Tensor = _fused(x, weight, bias, "gelu" if gelu else "none", [], "none" if gelu else "")
    return fused


def by_convolution(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x @ weight.T + bias as a 1x1 convolution of images that are the same bytes: (..., in) -> (..., out)."""
    rows = x.numel() // x.shape[-1]
    shape = (_IMAGES, rows // _IMAGES) if rows % _IMAGES == 0 else (-1, x.shape[-2])
    image = x.reshape(*shape, 1, x.shape[-1]).permute(0, 3, 1, 2)  # (N, in, P, 1) in channels-last memory
    y = functional.conv2d(image, weight[:, :, None, None], bias)
    return y.permute(0, 2, 3, 1).reshape(*x.shape[:-1], weight.shape[0])
