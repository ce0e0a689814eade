"""One step over one process or many: who makes which rows of a batch, and tensors that lie in shards."""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from marey.errors import MareyError
from marey.generate.device import fast_bfloat16

Batch = dict[str, Tensor]
_INSTEAD = {"tensorboard": ("tensorboardX",)}
"""Packages that accelerate takes for a tracker's own."""


@runtime_checkable
class Sliced(Protocol):
    """A task that makes only those rows of a batch that it is asked for."""

    def size(self, step: int) -> int:
        """Rows of the global batch of step `step`."""
        ...

    def rows(self, step: int, rows: Sequence[int]) -> Batch:
        """These rows of `batch(step)`."""
        ...


def main_process() -> bool:
    """Whether this process writes: the only one, or the first of those that a launcher started."""
    return os.environ.get("RANK", "0") == "0"


def processes() -> int:
    """How many there are, as a launcher says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def largest_piece(task: Sliced, accumulate: int) -> range:
    """As many rows as a process goes through at once in the first step."""
    return range(-(-task.size(0) // (accumulate * processes())))


def pieces(task: Any, step: int, rank: int, world: int, accumulate: int) -> list[tuple[Batch, float]]:
    """This process's rows of a step, in `accumulate` pieces, and the share of the global batch that each is.

    Row n of the global batch is that of piece n mod (world * accumulate), whichever process has it: which row is drawn
    does not depend on how many processes there are.

    Raises:
        MareyError: there are fewer rows than pieces.
    """
    whole = None if isinstance(task, Sliced) else task.batch(step)
    size = task.size(step) if whole is None else len(next(iter(whole.values())))
    count = world * accumulate
    if size < count:
        raise MareyError(
            f"The batch of {size} of training stage {task.name} cannot be shared by {world} processes in {accumulate} "
            f"pieces each: a batch of {count} or more would do."
        )
    found = []
    for piece in range(accumulate):
        rows = range(rank + world * piece, size, count)
        batch = task.rows(step, rows) if whole is None else {name: value[list(rows)] for name, value in whole.items()}
        found.append((batch, len(rows) / size))
    return found


def accelerator_of(
    device: torch.device, precision: str, *, trackers: Sequence[Any] = (), folder: Path | None = None
) -> Any:
    """accelerate's Accelerator for one stage; what `accelerate launch` or `torchrun` says of processes holds.

    Args:
        precision: no, bf16, fp16 or auto.
        trackers: names of accelerate's trackers, or trackers themselves; they write to `folder/trackers`.

    Raises:
        MareyError: the precision is not to be had on this device, or a tracker is not installed.
    """
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.state import AcceleratorState

    if precision == "auto":
        precision = "bf16" if fast_bfloat16(device) else "no"
    if precision == "fp16" and device.type == "cpu":
        raise MareyError('precision "fp16" is not to be had on the CPU: "bf16" or "no" would do.')
    # Accelerate holds one precision a process, but each stage has its own; a group of processes outlives them.
    many = torch.distributed.is_available() and torch.distributed.is_initialized()
    if device.type == "cuda" and device.index is not None and not many and "LOCAL_RANK" not in os.environ:
        torch.cuda.set_device(device)
    AcceleratorState._reset_state(reset_partial_state=not many)
    # A batch of nothing but pictures leads past everything temporal.
    handlers = [DistributedDataParallelKwargs(find_unused_parameters=True)]
    for tracker in trackers:
        if isinstance(tracker, str) and not any(find_spec(name) for name in (tracker, *_INSTEAD.get(tracker, ()))):
            raise MareyError(f"The tracker {tracker!r} is not installed: `pip install {tracker}` would do.")
    accelerator = Accelerator(
        cpu=device.type == "cpu",
        mixed_precision=precision,
        kwargs_handlers=handlers,
        log_with=list(trackers) or None,
        project_dir=None if folder is None else str(folder / "trackers"),
    )
    demand_shards(accelerator)
    return accelerator


def demand_shards(accelerator: Any) -> None:
    """What accelerate's configuration says of FSDP2 holds on a CPU, too, where accelerate alone would pass over it.

    Raises:
        MareyError: it asks for FSDP of the first kind, whose weights are no tensors of their own.
    """
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() != "true" or accelerator.num_processes == 1:
        return
    from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

    state = accelerator.state
    if accelerator.device.type == "cpu":
        plugin = FullyShardedDataParallelPlugin()  # as of the environment
        if accelerator.mixed_precision != "no":
            plugin.set_mixed_precision(accelerator.mixed_precision)
        state.fsdp_plugin, state.distributed_type = plugin, DistributedType.FSDP
    if state.fsdp_plugin.fsdp_version != 2:
        raise MareyError(
            f"accelerate's configuration has fsdp_version {state.fsdp_plugin.fsdp_version}: fsdp_version: 2 would do."
        )


def whole(value: Tensor) -> Tensor:
    """A tensor of which this process may have a shard (FSDP2). Every process has to ask."""
    gather = getattr(value, "full_tensor", None)
    return value if gather is None else gather()


def like(value: Tensor, own: Tensor) -> Tensor:
    """A whole tensor, sharded as `own` is."""
    if not hasattr(own, "full_tensor"):
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value.to(own.device), own.device_mesh, own.placements)


def sharded(module: nn.Module) -> bool:
    """Whether this process has but shards of the weights."""
    return any(hasattr(value, "full_tensor") for value in module.parameters())


def reshard(module: nn.Module) -> None:
    """Give back what a forward pass without a backward one gathered (FSDP2), before weights are set."""
    for part in module.modules():
        if callable(give_back := getattr(part, "reshard", None)):
            give_back()


def load(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """Put whole tensors into a module that may be sharded; what they do not name stays."""
    own = module.state_dict()
    module.load_state_dict({name: like(value, own[name]) for name, value in weights.items()}, strict=False)
