"""The loop that trains everything here: the autoencoder and the three stages of the video model.

A `Task` says what is trained, what a step sees and how it is judged; the loop does the rest: devices and precision by
accelerate, the learning rate, clipping, the average, metrics, checkpoints, and going on exactly where a killed run
stopped. Both what a step sees (`Task.batch`) and its learning rate are functions of the step alone, so all that a
checkpoint has to hold is the weights, their average and the optimizer's moments.
"""

import math
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from marey.network.memory import keep_freed_memory
from marey.progress import Progress, silent
from marey.train.average import Average
from marey.train.checkpoints import Checkpoint, Checkpoints, load_optimizer, optimizer_tensors
from marey.train.failures import Diverged, OutOfMemory, demand_finite, named
from marey.train.metrics import Metrics
from marey.train.pace import Pace
from marey.train.posthoc import PowerAverage, reconstruct
from marey.train.processes import Batch, accelerator_of, load, pieces, sharded, whole
from marey.train.show import Shows

__all__ = ["Batch", "Diverged", "OutOfMemory", "Pace", "Task", "fit"]


class Task(Protocol):
    """What is trained. Every tensor of a batch has the batch as its first axis.

    A task that is `processes.Sliced` too makes only the rows that a process asks for.
    """

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
        OutOfMemory: the device has no room for a step.
        MareyError: a checkpoint could not be written, or the precision is not to be had on this device.
    """
    checkpoints = Checkpoints(run / "checkpoints" / task.name, fingerprint)
    metrics = Metrics(run / "metrics.jsonl")
    if device.type == "cpu":
        keep_freed_memory()
    accelerator = accelerator_of(device, pace.precision, trackers=pace.trackers, folder=run)
    task.module.to(accelerator.device)
    optimizer, names = _optimizer(task.module, pace)
    module, optimizer = accelerator.prepare(task.module, optimizer)
    bare = accelerator.unwrap_model(module)
    average = Average(bare, pace.ema, pace.ema_warmup)
    powers = [PowerAverage(bare, width) for width in pace.ema_widths]

    first = 0
    with accelerator.main_process_first():  # the first one sets aside what is of other settings
        found = checkpoints.begin()
    if found is not None:
        first = found.step
        load(bare, found.weights)
        average.load(found.average)
        for power in powers:
            power.load(found.powers[f"{power.width:g}"])
        load_optimizer(optimizer, names, found.optimizer, bare)
        if accelerator.scaler is not None:
            accelerator.scaler.load_state_dict(found.state["scaler"])
    if accelerator.is_main_process:
        metrics.cut(task.name, first)

    if pace.trackers:
        accelerator.init_trackers("marey", {"stage": task.name, "steps": pace.steps, "lr": pace.lr})

    def losses(batch: Batch, network: nn.Module = bare) -> torch.Tensor:
        return network(**{name: value.to(accelerator.device) for name, value in batch.items()})

    what = f"training: {task.name}"
    progress(what, first, pace.steps)
    module.train()
    for step in range(first, pace.steps):
        finished = step + 1
        with named(task.name, finished, pace, checkpoints):
            for group in optimizer.param_groups:
                group["lr"] = pace.rate(step) * group["share"]
            parts = pieces(task, step, accelerator.process_index, accelerator.num_processes, pace.accumulate)
            of_clips, total = [], torch.zeros((), device=accelerator.device)
            for number, (batch, share) in enumerate(parts, 1):
                with nullcontext() if number == len(parts) else accelerator.no_sync(module):
                    of_clips.append(losses(batch, module))
                    # Processes' gradients are averaged, so that each has its share of the batch times their number.
                    loss = of_clips[-1].mean() * (share * accelerator.num_processes)
                    accelerator.backward(loss)
                total += loss.detach()
            accelerator.unscale_gradients()
            gradients = [value.grad for value in module.parameters() if value.grad is not None]
            norm = nn.utils.get_total_norm(gradients)
            scale = None if accelerator.scaler is None else float(accelerator.scaler.get_scale())
            loss_value, norm_value = float(accelerator.gather(total).mean()), float(whole(norm))
            demand_finite(task.name, finished, of_clips, norm_value, bare, scale, pace, checkpoints)
            nn.utils.clip_grads_with_norm_(module.parameters(), pace.clip_norm, norm)
            optimizer.step()
            optimizer.zero_grad()
            average.update(bare, step)
            for power in powers:
                power.update(bare, step)

            measured: dict[str, Any] = {}
            if finished % pace.evaluate_every == 0 or finished == pace.steps:
                with average.applied(bare), torch.no_grad():
                    module.eval()
                    measured = task.heldout(losses)
                    module.train()
            if accelerator.is_main_process:
                told = norm_value if math.isfinite(norm_value) else -1.0
                values = {"loss": loss_value, "lr": pace.rate(step), "grad_norm": told, **measured}
                metrics.write(task.name, finished, **values)
                numbers = {key: value for key, value in values.items() if isinstance(value, float)}
                accelerator.log({f"{task.name}/{key}": value for key, value in numbers.items()}, step=finished)
            if pace.samples_every and finished % pace.samples_every == 0 and isinstance(task, Shows):
                with average.applied(bare):
                    if accelerator.is_main_process and not sharded(bare):
                        task.show(run / "validation" / task.name, finished)
        if finished % pace.checkpoint_every == 0 or finished == pace.steps:
            state = {} if accelerator.scaler is None else {"scaler": accelerator.scaler.state_dict()}
            checkpoint = Checkpoint(
                finished,
                _whole(_trained(bare)),
                _whole(average.weights),
                _whole(optimizer_tensors(optimizer, names)),
                state,
                {f"{power.width:g}": _whole(power.weights) for power in powers},
            )
            if accelerator.is_main_process:
                checkpoints.save(checkpoint)
        progress(what, finished, pace.steps, f"loss {loss_value:.3f}")

    accelerator.wait_for_everyone()
    if pace.trackers:
        accelerator.end_training()
    accelerator.unwrap_model(module, keep_fp32_wrapper=False)  # autocast is taken off the module's forward
    averaged = {name: value.cpu() for name, value in _whole(average.weights).items()}
    accelerator.free_memory()
    return averaged if pace.ema_choice is None else reconstruct(checkpoints.averages, pace.ema_choice)


def _optimizer(module: nn.Module, pace: Pace) -> tuple[torch.optim.Optimizer, list[str]]:
    """AdamW on the trained parameters, each at its share of the rate; and their names in the optimizer's order."""
    groups: dict[float, dict[str, nn.Parameter]] = {}
    for name, value in module.named_parameters():
        if value.requires_grad:
            groups.setdefault(pace.share(value), {})[name] = value
    optimizer = torch.optim.AdamW(
        [{"params": list(group.values()), "share": share} for share, group in groups.items()],
        lr=pace.lr,
        betas=(0.9, 0.99),
        weight_decay=0.01,
        # A third of the time where the weights are many and small.
        fused=next(module.parameters()).device.type in ("cpu", "cuda"),
    )
    return optimizer, [name for group in groups.values() for name in group]


def _trained(module: nn.Module) -> dict[str, torch.Tensor]:
    """What a checkpoint holds of the module: all that training may have changed."""
    frozen = {name for name, value in module.named_parameters() if not value.requires_grad}
    return {name: value for name, value in module.state_dict().items() if name not in frozen}


def _whole(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: whole(value) for name, value in tensors.items()}
