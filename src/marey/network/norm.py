"""Group normalisation that is fast in channels-last memory: its backward pass, and in half precision both."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEAST_PIXELS = 1024
"""From so many on torch's own backward pass is the slower one: five times so at 64x64 pixels."""


class GroupNorm(nn.GroupNorm):
    """torch's group normalisation, its keys and its numbers (up to rounding)."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W)."""
        if x.device.type == "cpu" and x.dtype == torch.bfloat16:
            # torch's kernels for it take six times as long as those for float32 with a cast there and back.
            return self._normalised(x.float(), self.weight.float(), self.bias.float()).to(x.dtype)
        return self._normalised(x, self.weight, self.bias)

    def _normalised(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        fast = (
            x.ndim == 4
            and x.device.type == "cpu"
            and x.dtype == torch.float32
            and x.requires_grad
            and x.shape[-2] * x.shape[-1] >= _LEAST_PIXELS
            and x.is_contiguous(memory_format=torch.channels_last)
        )
        if not fast:
            return functional.group_norm(x, self.num_groups, weight, bias, self.eps)
        return _ChannelsLast.apply(x, weight, bias, self.num_groups, self.eps)


class _ChannelsLast(torch.autograd.Function):
    """torch's forward pass, and the backward pass in five reads of whole tensors, each over contiguous channels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        batch, channels, height, width = x.shape
        y, mean, rstd = torch.native_group_norm(x, weight, bias, batch, channels, height * width, groups, eps)
        ctx.save_for_backward(x, weight, mean, rstd)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        x, weight, mean, rstd = ctx.saved_tensors
        batch, channels, height, width = x.shape
        groups = mean.shape[1]
        pixels = x.permute(0, 2, 3, 1).reshape(batch, -1, channels)  # (N, P, C)
        slope = grad.permute(0, 2, 3, 1).reshape(batch, -1, channels)

        # With y = w * (x - mean) * rstd + b, sums over pixels, then (where a group shares a statistic) over channels.
        grouped = (batch, groups, channels // groups)
        total = slope.sum(1).view(grouped)
        dot = (slope * pixels).sum(1).view(grouped)
        mean, rstd, w = mean[..., None], rstd[..., None], weight.view(grouped[1:])
        grad_weight = ((dot - total * mean) * rstd).sum(0).flatten()
        grad_bias = total.sum(0).flatten()

        # dx = slope * w * rstd + x * b + c, where b and c are one number a group.
        count = pixels.shape[1] * grouped[2]
        sum_total, sum_dot = ((s * w).sum(2, keepdim=True) for s in (total, dot))
        b = (sum_total * mean - sum_dot) * rstd.pow(3) / count
        c = -b * mean - sum_total * rstd / count
        a, b, c = (s.expand(grouped).reshape(batch, 1, channels) for s in (w * rstd, b, c))
        grad_x = torch.addcmul(c, slope, a).addcmul_(pixels, b)
        return grad_x.view(batch, height, width, channels).permute(0, 3, 1, 2), grad_weight, grad_bias, None, None
