"""Checkpoints of a training stage: safetensors and JSON only, put in place by one rename, the last two kept.

    checkpoints/STAGE/step-000100/weights.safetensors    the module's trained parameters and buffers
                                 /average.safetensors    their exponential moving average
                                 /optimizer.safetensors  the optimizer's tensors, as "PARAMETER/exp_avg" ...
                                 /power-0.05.safetensors power-function averages, where they are kept (`posthoc`)
                                 /state.json             step, fingerprint of all that the result depends on, scaler

A folder bears its final name only when all of it is on the disk, so whatever is found by name is whole.
"""

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from marey.errors import MareyError
from marey.train.posthoc import save_snapshot
from marey.train.processes import like
from marey.train.streamed import save_file

KEEP = 2


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training stage after `step` steps."""

    step: int
    weights: dict[str, torch.Tensor]
    average: dict[str, torch.Tensor]
    optimizer: dict[str, torch.Tensor]
    state: dict[str, Any] = field(default_factory=dict)
    powers: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)
    """Power-function averages by their widths."""

    def bytes(self) -> int:
        """Of all its tensors."""
        groups = (self.weights, self.average, self.optimizer, *self.powers.values())
        return sum(value.numel() * value.element_size() for group in groups for value in group.values())


class Checkpoints:
    """The checkpoints of one stage in one run.

    Args:
        folder: runs/NAME/checkpoints/STAGE.
        fingerprint: of the data, the settings and the stages before; checkpoints of another one are never resumed from.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder, self.fingerprint = folder, fingerprint
        self.averages = folder / "averages"

    def steps(self) -> list[int]:
        """The steps that have a checkpoint, rising."""
        if not self.folder.is_dir():
            return []
        names = (path.name for path in self.folder.iterdir() if path.is_dir())
        return sorted(int(name[5:]) for name in names if name.startswith("step-") and name[5:].isdigit())

    def last(self) -> Checkpoint | None:
        """The newest checkpoint that can be read, or None. A damaged one is passed over for the one before it."""
        for step in reversed(self.steps()):
            try:
                return self._read(self._at(step))
            except (OSError, ValueError, KeyError, SafetensorError):
                continue
        return None

    def last_step(self) -> int:
        """The step of the newest checkpoint of this fingerprint, without reading its tensors; 0 if there is none."""
        for step in reversed(self.steps()):
            try:
                state = json.loads((self._at(step) / "state.json").read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            return step if state.get("fingerprint") == self.fingerprint else 0
        return 0

    def begin(self) -> Checkpoint | None:
        """What to resume from, or None for a start from nothing.

        Checkpoints made from other data or with other settings are set aside under `STAGE.<their fingerprint>`, not
        deleted.
        """
        self._sweep()
        last = self.last()
        if last is None:
            return None
        if last.state.get("fingerprint") == self.fingerprint:
            self._keep_to(last.step)
            return last
        aside = self.folder.with_name(f"{self.folder.name}.{str(last.state.get('fingerprint'))[:12]}")
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(self.folder, aside)
        return None

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, then drop all but the last two.

        Raises:
            MareyError: it could not be written (a full disk, say); those before it stay as they are.
        """
        target = self._at(checkpoint.step)
        part = target.with_name(f"{target.name}.tmp")
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            save_file(checkpoint.weights, part / "weights.safetensors")
            save_file(checkpoint.average, part / "average.safetensors")
            save_file(checkpoint.optimizer, part / "optimizer.safetensors")
            for width, weights in checkpoint.powers.items():
                save_file(weights, part / f"power-{width}.safetensors")
                save_snapshot(self.averages, checkpoint.step, float(width), weights)
            state = {"step": checkpoint.step, "fingerprint": self.fingerprint, **checkpoint.state}
            (part / "state.json").write_text(json.dumps(state, indent=1), encoding="utf-8")
            for file in part.iterdir():
                _sync(file)
            shutil.rmtree(target, ignore_errors=True)
            os.replace(part, target)
            _sync(self.folder)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(part, ignore_errors=True)
            kept = self.steps()
            free = shutil.disk_usage(self.folder).free
            raise MareyError(
                f"The checkpoint of step {checkpoint.step} could not be written to {self.folder} ({error}; it takes "
                f"{checkpoint.bytes() / 2**20:.0f} MB, and {free / 2**20:.0f} MB are free); "
                + (
                    f"that of step {kept[-1]} is kept, and the same command goes on from it."
                    if kept
                    else "there is none before it."
                )
            ) from error
        self._keep_to(checkpoint.step)

    def _keep_to(self, last: int) -> None:
        """Drop all but the last two up to a step that is good. A later one could not be read."""
        good = [step for step in self.steps() if step <= last][-KEEP:]
        for step in set(self.steps()) - set(good):
            shutil.rmtree(self._at(step), ignore_errors=True)

    def _at(self, step: int) -> Path:
        return self.folder / f"step-{step:06d}"

    def _sweep(self) -> None:
        if self.folder.is_dir():
            for path in self.folder.glob("*.tmp"):
                shutil.rmtree(path, ignore_errors=True)
            for path in self.averages.glob(".*.tmp"):
                path.unlink()

    def _read(self, folder: Path) -> Checkpoint:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return Checkpoint(
            int(state["step"]),
            load_file(folder / "weights.safetensors"),
            load_file(folder / "average.safetensors"),
            load_file(folder / "optimizer.safetensors"),
            state,
            {path.stem.removeprefix("power-"): load_file(path) for path in sorted(folder.glob("power-*.safetensors"))},
        )


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: list[str]) -> dict[str, torch.Tensor]:
    """The tensors of an optimizer's state, as "PARAMETER/KEY".

    Args:
        names: of the parameters, in the optimizer's order.

    Raises:
        TypeError: the optimizer keeps something that is not a tensor.
    """
    found = {}
    for number, entries in optimizer.state_dict()["state"].items():
        for key, value in entries.items():
            if not isinstance(value, torch.Tensor):
                raise TypeError(f"the optimizer's {key!r} is a {type(value).__name__}, which a checkpoint cannot hold")
            found[f"{names[number]}/{key}"] = value
    return found


def load_optimizer(
    optimizer: torch.optim.Optimizer, names: list[str], tensors: dict[str, torch.Tensor], module: torch.nn.Module
) -> None:
    """Put back what `optimizer_tensors` gave. Rates and other settings stay as the optimizer was made."""
    numbers = {name: number for number, name in enumerate(names)}
    own = dict(module.named_parameters())
    state: dict[int, dict[str, torch.Tensor]] = {}
    for path, value in tensors.items():
        name, _, key = path.rpartition("/")
        state.setdefault(numbers[name], {})[key] = like(value, own[name]) if value.shape == own[name].shape else value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _sync(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:  # a folder cannot be opened on Windows, where the rename is durable by itself
        return
    try:
        os.fsync(handle)
    except OSError:
        if path.is_file() and os.name != "nt":
            raise
    finally:
        os.close(handle)
