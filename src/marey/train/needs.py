"""What a training step will need, counted before the first one: memory by what takes it, and arithmetic.

Parameters, gradients, averages and the optimizer's moments are counted; activations are found by running the step with
tensors that have shapes and no contents ("meta"), and adding up what autograd would keep for the backward pass.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from marey.errors import MareyError
from marey.generate.device import fast_bfloat16
from marey.network.resblock import SpatioTemporalResBlock
from marey.network.transformer import SpatioTemporalTransformer
from marey.train.pace import Pace

_BLOCKS = (SpatioTemporalResBlock, SpatioTemporalTransformer)
"""What checkpointing computes a second time."""
_SLACK = 1.15
"""Freed blocks that fit nothing, workspaces of convolutions, the batch itself."""


@dataclass(frozen=True)
class Needs:
    """Of one process. Bytes, but for `flops` and `seconds`."""

    weights: int
    gradients: int
    optimizer: int
    averages: int
    activations: int
    """Of the largest piece of a step."""
    flops: float
    """Of a step: forward and backward, and forward again where it is checkpointed."""
    steps: int
    seconds: float
    """A step, by the speed of a product of matrices here; convolutions and small layers are slower."""
    there: int
    """Free memory of the device."""

    @property
    def memory(self) -> int:
        return int(_SLACK * (self.weights + self.gradients + self.optimizer + self.averages + self.activations))

    @property
    def fits(self) -> bool:
        return self.memory <= self.there

    def __str__(self) -> str:
        parts = ", ".join(
            f"{name} {getattr(self, name) / 2**20:.0f}"
            for name in ("weights", "gradients", "optimizer", "averages", "activations")
        )
        return (
            f"about {self.memory / 2**20:.0f} MB ({parts}) of {self.there / 2**20:.0f} MB that are free; "
            f"{self.flops / 1e12:.2g} TFLOP a step, {self.seconds:.2g} s or more: {_clock(self.seconds * self.steps)} "
            f"for {self.steps} steps"
        )


def needs_of(
    module: nn.Module,
    batch: Mapping[str, torch.Tensor],
    pace: Pace,
    device: torch.device,
    *,
    checkpointing: bool | Collection[int] = False,
) -> Needs:
    """Count what a step with the largest piece `batch` of a process needs; nothing of it is computed.

    Args:
        module: forward(**batch) -> (B,) losses; it is left as it is.
        batch: one piece of a step, as the loop makes it.
        checkpointing: whether the UNet's blocks, or those of which levels, are computed again in the backward pass.
    """
    trained = sum(value.numel() for value in module.parameters() if value.requires_grad)
    kept, flops = _forward(module, batch, checkpointing)
    half = pace.precision in ("bf16", "fp16") or (pace.precision == "auto" and fast_bfloat16(device))
    total = flops * pace.accumulate * (4.0 if checkpointing else 3.0)
    return Needs(
        weights=sum(value.numel() * value.element_size() for value in module.state_dict().values()),
        gradients=4 * trained,
        optimizer=8 * trained,
        averages=4 * trained * (1 + len(pace.ema_widths)),
        activations=kept // 2 if half else kept,
        flops=total,
        steps=pace.steps,
        seconds=total / speed(device, half),
        there=free_memory(device),
    )


def demand_fit(needs: Needs, what: str) -> None:
    """Raises:
    MareyError: it does not fit; the sentence says what takes the memory and what would do.
    """
    if not needs.fits:
        raise MareyError(
            f"{what} needs {needs}: checkpointing = true, a larger accumulate, a smaller batch, a LoRA instead "
            "of all weights or --anyway would do."
        )


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a device; of a CPU those of the machine."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    import psutil

    return int(psutil.virtual_memory().available)


@lru_cache
def speed(device: torch.device, half: bool, seconds: float = 0.3) -> float:
    """FLOP a second of a product of matrices on a device, measured for some tenths of a second."""
    dtype = torch.bfloat16 if half else torch.float32
    side = 4096 if device.type == "cuda" else 768
    a = torch.ones(side, side, device=device, dtype=dtype)
    best, until = 0.0, time.perf_counter() + seconds
    while best == 0.0 or time.perf_counter() < until:
        start = time.perf_counter()
        a @ a
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = max(best, 2 * side**3 / (time.perf_counter() - start))
    return best


def _forward(
    module: nn.Module, batch: Mapping[str, torch.Tensor], checkpointing: bool | Collection[int]
) -> tuple[int, float]:
    """Bytes that autograd keeps of a forward pass, and its FLOP. With checkpointing the blocks keep what they are
    given, and the largest of them all that it makes.
    """
    shadow = {name: value.detach().to("meta") for name, value in module.state_dict().items()}
    trained = {name for name, value in module.named_parameters() if value.requires_grad}
    for name in trained:
        shadow[name].requires_grad_(True)
    inside: list[int] = [0]  # of each block that is being run, what it keeps; first what lies outside of all
    again, once, given = [0], [0], [0]
    seen = {value.untyped_storage()._cdata for value in shadow.values()}

    def keep(value: torch.Tensor) -> torch.Tensor:
        storage = value.untyped_storage()
        if storage._cdata not in seen:
            seen.add(storage._cdata)
            inside[-1] += storage.nbytes()
        return value

    def enter(block: nn.Module, inputs: tuple[Any, ...]) -> None:
        inside.append(0)
        if _again(block, checkpointing):
            given.append(inputs[0].numel() * inputs[0].element_size())

    def leave(block: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        (again if _again(block, checkpointing) else once).append(inside.pop())

    hooks = []
    for part in module.modules():
        if isinstance(part, _BLOCKS):
            hooks += [part.register_forward_pre_hook(enter), part.register_forward_hook(leave)]
    was = [(part, part.checkpointing) for part in module.modules() if hasattr(part, "checkpointing")]
    try:
        for part, _ in was:
            part.checkpointing = False
        # What a value says cannot be asked of a tensor without contents: pictures are counted as videos.
        shapes = {name: value.detach().to("meta") for name, value in batch.items() if name != "image_only"}
        counter = FlopCounterMode(display=False)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value), counter:
            losses = torch.func.functional_call(module, shadow, (), shapes)
            del losses
    finally:
        for hook in hooks:
            hook.remove()
        for part, value in was:
            part.checkpointing = value
    kept = inside[0] + sum(once) + sum(given) + max(again)
    return kept, float(counter.get_total_flops())


def _again(block: nn.Module, checkpointing: bool | Collection[int]) -> bool:
    return checkpointing if isinstance(checkpointing, bool) else block.level in checkpointing


def _clock(seconds: float) -> str:
    return (
        f"{seconds / 3600:.1f} h"
        if seconds >= 5400
        else f"{seconds / 60:.1f} min"
        if seconds >= 90
        else f"{seconds:.0f} s"
    )
