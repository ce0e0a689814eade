"""What can end a training stage, each named with its step, what would do, and what of the run is kept."""

import errno
import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from marey.errors import MareyError
from marey.train.checkpoints import Checkpoints
from marey.train.pace import Pace

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_LEAST_SCALE = 1.0
"""In fp16 gradients are multiplied by a scale, halved whenever they overflow. Below this nothing more is to be had."""


class Diverged(MareyError):
    """A loss or a gradient that is not a number; the message says where the last good checkpoint is."""


class OutOfMemory(MareyError):
    """The device has no room for a step."""


@contextmanager
def named(name: str, step: int, pace: Pace, checkpoints: Checkpoints) -> Iterator[None]:
    """Within it, running out of memory or of disk becomes the sentence that says so.

    Raises:
        OutOfMemory: of the device or of the machine.
        MareyError: the disk is full.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemory(_no_memory(name, step, error, pace, checkpoints)) from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):  # of torch's allocator on the CPU
            raise
        raise OutOfMemory(_no_memory(name, step, error, pace, checkpoints)) from error
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        free = shutil.disk_usage(checkpoints.folder if checkpoints.folder.is_dir() else ".").free
        raise MareyError(
            f"Training stage {name} could not write at step {step} ({error}; {free / 2**20:.0f} MB are free): "
            f"{_kept(checkpoints)}. The same command goes on once there is room."
        ) from error


def demand_finite(
    name: str,
    step: int,
    losses: Sequence[torch.Tensor],
    norm: float,
    module: nn.Module,
    scale: float | None,
    pace: Pace,
    checkpoints: Checkpoints,
) -> None:
    """Let a step pass whose loss and gradients are numbers.

    Args:
        losses: of this process's share of the batch, (B,) each.
        norm: of the gradient, before clipping.
        module: with its gradients as they came.
        scale: of fp16's gradients, whose overflow is met by leaving the step out; None of other precisions.

    Raises:
        Diverged: one of them is not, or fp16's scale has nothing left to give.
    """
    values = torch.cat([loss.detach().float().flatten().cpu() for loss in losses])
    bad = (~values.isfinite()).nonzero().flatten().tolist()
    if not bad and (math.isfinite(norm) or (scale is not None and scale >= _LEAST_SCALE)):
        return
    if bad:
        what = f"its loss is {float(values[bad[0]])} ({len(bad)} of {len(values)} clips of the step)"
    elif scale is not None:
        what = f"its gradients overflow fp16 even at a scale of {scale:g}"
    else:
        first = next(
            (n for n, value in module.named_parameters() if value.grad is not None and not value.grad.isfinite().all()),
            "several together",
        )
        what = f"its loss is {float(values.mean()):.4g} but its gradient's norm {norm}, first in {first}"
    would = "precision 'bf16' or 'no'" if scale is not None or pace.precision == "fp16" else "precision 'no'"
    raise Diverged(
        f"Training stage {name} diverged at step {step}: {what}; {_kept(checkpoints)}. "
        f"A lower lr than {pace.lr:g} or {would} would do."
    )


def _no_memory(name: str, step: int, error: Exception, pace: Pace, checkpoints: Checkpoints) -> str:
    said = str(error).strip().splitlines()
    return (
        f"Training stage {name} ran out of memory at step {step} ({said[0] if said else 'MemoryError'}); "
        f"{_kept(checkpoints)}. A larger accumulate than {pace.accumulate} gives the same steps in "
        f"smaller pieces; checkpointing = true, precision 'bf16' or a smaller batch would do, too."
    )


def _kept(checkpoints: Checkpoints) -> str:
    steps = checkpoints.steps()
    if not steps:
        return "there is no checkpoint yet"
    return f"the last good checkpoint is that of step {steps[-1]} in {checkpoints.folder}"
