"""The loop that trains everything here: the autoencoder and the three stages of the video model.

A `Task` says what is trained, what a step sees and how it is judged; the loop does the rest: devices and precision by
accelerate, the learning rate, clipping, the average, metrics, checkpoints, and going on exactly where a killed run
stopped. Both what a step sees (`Task.batch`) and its learning rate are functions of the step alone, so all that a
checkpoint has to hold is the weights, their average and the optimizer's moments.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from marey import recipe
from marey.errors import MareyError
from marey.generate.device import fast_bfloat16
from marey.network.memory import keep_freed_memory
from marey.progress import Progress, silent
from marey.train.average import Average
from marey.train.checkpoints import Checkpoint, Checkpoints, load_optimizer, optimizer_tensors
from marey.train.metrics import Metrics

Batch = dict[str, torch.Tensor]


class Task(Protocol):
    """What is trained. Every tensor of a batch has the batch as its first axis."""

    name: str
    """The stage: its name in metrics.jsonl and of its folder of checkpoints."""
    module: nn.Module
    """forward(**batch) -> (B,) losses. Parameters that require no gradient stay as they are."""

    def batch(self, step: int) -> Batch:
        """The global batch of step `step` (from 0), on the CPU: a pure function of it."""
        ...

    def heldout(self, losses: Callable[[Batch], torch.Tensor]) -> dict[str, Any]:
        """What is measured on held-out windows, such as {"heldout": 0.41}; `losses` runs a batch through the module."""
        ...


@dataclass(frozen=True)
class Pace:
    """How a task is trained."""

    steps: int
    lr: float
    warmup: int
    """Steps over which the rate rises linearly; from there it falls on a cosine to a tenth."""
    clip_norm: float
    ema: float
    ema_warmup: bool
    checkpoint_every: int
    evaluate_every: int
    precision: str
    """no (float32), bf16, fp16 or auto: autocast; weights, average and optimizer stay in float32."""

    full_rate_inputs: int | None = None
    """A weight with more inputs than this has its rate divided by as much as it has more: Adam moves each weight by
    about the rate, so that a layer's output moves by the rate times its inputs (arXiv 2203.03466). None: one for all.
    """

    @classmethod
    def of(cls, stage: recipe.Stage) -> "Pace":
        """The pace of a training stage's section of the recipe."""
        return cls(**{name: getattr(stage, name) for name in cls.__dataclass_fields__ if hasattr(stage, name)})

    def rate(self, step: int) -> float:
        """The learning rate of step `step`, from 0."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.lr * (0.1 + 0.9 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done))))

    def share(self, parameter: torch.Tensor) -> float:
        """What part of the learning rate a parameter has."""
        if self.full_rate_inputs is None or parameter.ndim < 2:
            return 1.0
        return min(1.0, self.full_rate_inputs / parameter[0].numel())


class Diverged(MareyError):
    """A loss or a gradient that is not a number; the message says where the last good checkpoint is."""


def fit(
    task: Task,
    pace: Pace,
    run: Path,
    fingerprint: str,
    *,
    device: torch.device,
    progress: Progress = silent,
) -> dict[str, torch.Tensor]:
    """Train `task` to its last step, from the last checkpoint if there is one with this fingerprint.

    Args:
        run: the run's folder; `metrics.jsonl` and `checkpoints/<task.name>/` are written there.
        fingerprint: of everything that the result depends on: data, settings, seed and the stages before.

    Returns: the averaged weights by name, on the CPU; `task.module` is left with the last raw weights.

    Raises:
        Diverged: a loss or gradient is not finite.
        MareyError: a checkpoint could not be written, or the precision is not to be had on this device.
    """
    checkpoints = Checkpoints(run / "checkpoints" / task.name, fingerprint)
    metrics = Metrics(run / "metrics.jsonl")
    if device.type == "cpu":
        keep_freed_memory()
    accelerator = _accelerator(device, pace.precision)
    task.module.to(accelerator.device)
    trained = {name: value for name, value in task.module.named_parameters() if value.requires_grad}
    groups: dict[float, list[str]] = {}
    for name, value in trained.items():
        groups.setdefault(pace.share(value), []).append(name)
    names = [name for group in groups.values() for name in group]  # in the optimizer's order
    optimizer = torch.optim.AdamW(
        [{"params": [trained[name] for name in group], "share": share} for share, group in groups.items()],
        lr=pace.lr,
        betas=(0.9, 0.99),
        weight_decay=0.01,
        fused=accelerator.device.type in ("cpu", "cuda"),  # a third of the time where the weights are many and small
    )
    average = Average(task.module, pace.ema, pace.ema_warmup)
    module, optimizer = accelerator.prepare(task.module, optimizer)
    bare = accelerator.unwrap_model(module)

    first = 0
    if (found := checkpoints.begin()) is not None:
        first = found.step
        bare.load_state_dict(found.weights, strict=False)
        average.load(found.average)
        load_optimizer(optimizer, names, found.optimizer)
        if accelerator.scaler is not None:
            accelerator.scaler.load_state_dict(found.state["scaler"])
    if accelerator.is_main_process:
        metrics.cut(task.name, first)

    def losses(batch: Batch) -> torch.Tensor:
        return module(**{name: value.to(accelerator.device) for name, value in batch.items()})

    what = f"training: {task.name}"
    progress(what, first, pace.steps)
    module.train()
    for step in range(first, pace.steps):
        for group in optimizer.param_groups:
            group["lr"] = pace.rate(step) * group["share"]
        share = slice(accelerator.process_index, None, accelerator.num_processes)
        loss = losses({name: value[share] for name, value in task.batch(step).items()}).mean()
        accelerator.backward(loss)
        norm = accelerator.clip_grad_norm_(module.parameters(), pace.clip_norm)
        loss_value, norm_value = float(accelerator.gather(loss.detach()).mean()), float(norm)
        # In fp16 the scaler meets an overflow of the gradients by leaving the step out.
        if not math.isfinite(loss_value) or not (math.isfinite(norm_value) or accelerator.scaler is not None):
            raise Diverged(_diverged(task.name, step + 1, loss_value, norm_value, checkpoints))
        optimizer.step()
        optimizer.zero_grad()
        average.update(bare, step)

        finished = step + 1
        if accelerator.is_main_process:
            measured: dict[str, Any] = {}
            if finished % pace.evaluate_every == 0 or finished == pace.steps:
                with average.applied(bare), torch.no_grad():
                    module.eval()
                    measured = task.heldout(losses)
                    module.train()
            norm_value = norm_value if math.isfinite(norm_value) else -1.0
            metrics.write(task.name, finished, loss=loss_value, lr=pace.rate(step), grad_norm=norm_value, **measured)
            if finished % pace.checkpoint_every == 0 or finished == pace.steps:
                state = {} if accelerator.scaler is None else {"scaler": accelerator.scaler.state_dict()}
                tensors = optimizer_tensors(optimizer, names)
                checkpoints.save(Checkpoint(finished, _kept(bare, trained), average.weights, tensors, state))
        progress(what, finished, pace.steps, f"loss {loss_value:.3f}")

    accelerator.wait_for_everyone()
    accelerator.unwrap_model(module, keep_fp32_wrapper=False)  # autocast is taken off the module's forward
    accelerator.free_memory()
    return {name: value.cpu() for name, value in average.weights.items()}


def _kept(module: nn.Module, trained: dict[str, nn.Parameter]) -> dict[str, torch.Tensor]:
    """What a checkpoint holds of the module: all that training may have changed."""
    frozen = {name for name, value in module.named_parameters() if name not in trained}
    return {name: value for name, value in module.state_dict().items() if name not in frozen}


def _accelerator(device: torch.device, precision: str) -> Any:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    if precision == "auto":
        precision = "bf16" if fast_bfloat16(device) else "no"
    if precision == "fp16" and device.type == "cpu":
        raise MareyError('precision "fp16" is not to be had on the CPU: "bf16" or "no" would do.')
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    # Accelerate holds one precision a process, but each stage has its own; a run over several processes is left alone.
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(cpu=device.type == "cpu", mixed_precision=precision)


def _diverged(name: str, step: int, loss: float, norm: float, checkpoints: Checkpoints) -> str:
    steps = checkpoints.steps()
    last = (
        f"the last good checkpoint is that of step {steps[-1]} in {checkpoints.folder}"
        if steps
        else "there is no checkpoint yet"
    )
    return (
        f"Training stage {name} diverged at step {step}: its loss is {loss} and its gradient's norm {norm}; {last}. "
        f"A lower rate (train.{name}.lr, or encode.autoencoder.lr) or precision 'no' would do."
    )
