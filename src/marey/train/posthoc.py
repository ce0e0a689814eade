"""Averages of weights along a power function, of a width that is chosen after training (arXiv 2312.02696, section 3).

The average at step t with exponent gamma weighs the weights of an earlier step s as s^gamma: it forgets the beginning,
whatever the length of the run, where an exponential average has one memory for all. Its width is the deviation of that
profile over the length of the run, 0.05 or 0.10 being usual. Two such averages are kept while a stage trains; a
snapshot of both is written with each checkpoint, and from the snapshots that of any width near theirs is put together
by least squares.

    checkpoints/STAGE/averages/step-000100-0.05.safetensors
"""

import json
import os
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn

from marey.errors import MareyError
from marey.train.processes import like
from marey.train.streamed import save_file

_WIDEST = 0.28
"""Of a flat profile, 1 / sqrt(12), a little less: wider is none."""


def exponent(width: float) -> float:
    """gamma of the profile whose relative standard deviation is `width`, in 0..0.28 (arXiv 2312.02696, section 3.1):
    width^2 = (gamma + 1) / ((gamma + 2)^2 (gamma + 3)).

    Raises:
        MareyError: no profile is so wide.
    """
    if not 0 < width <= _WIDEST:
        raise MareyError(f"The width of an average is {width}: more than 0 and up to {_WIDEST} would do, such as 0.05.")
    inverse = width**-2
    roots = np.roots([1.0, 7.0, 16.0 - inverse, 12.0 - inverse])
    return float(max(root.real for root in roots if abs(root.imag) < 1e-9))


class PowerAverage:
    """A float32 average of a module's trained parameters along a power function.

    Update t, from 0, is average <- average * (1 - 1 / (t + 1))^(gamma + 1) + weights * the rest, so that after t
    updates those of update s weigh ((s + 1)^(gamma + 1) - s^(gamma + 1)) / t^(gamma + 1): all steps, and nothing of
    what was there before the first.
    """

    def __init__(self, module: nn.Module, width: float) -> None:
        self.width, self._gamma = width, exponent(width)
        self.weights = {
            name: value.detach().float().clone() for name, value in module.named_parameters() if value.requires_grad
        }

    @torch.no_grad()
    def update(self, module: nn.Module, update: int) -> None:
        """Take in the weights of `module` as update number `update`, from 0."""
        share = 1.0 - (1.0 - 1.0 / (update + 1)) ** (self._gamma + 1)
        for name, value in module.named_parameters():
            if name in self.weights:
                self.weights[name].lerp_(value.detach().float(), share)

    def load(self, weights: dict[str, torch.Tensor]) -> None:
        """Replace the average by a saved one, with the same names and shapes."""
        if weights.keys() != self.weights.keys():
            raise ValueError("the saved average is of another network")
        for name, value in weights.items():
            self.weights[name].copy_(like(value, self.weights[name]))


def save_snapshot(folder: Path, step: int, width: float, weights: dict[str, torch.Tensor]) -> None:
    """Keep an average as it was after `step` steps."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{step}-{width}.tmp"
    save_file(weights, part, {"marey": json.dumps({"step": step, "width": width})})
    os.replace(part, folder / f"step-{step:06d}-{width:g}.safetensors")


def snapshots(folder: Path) -> dict[tuple[int, float], Path]:
    """The files of a folder by step and width; those that cannot be read are left out."""
    found = {}
    for path in sorted(folder.glob("step-*.safetensors")):
        try:
            with safe_open(path, framework="pt") as held:
                told = json.loads((held.metadata() or {})["marey"])
            found[int(told["step"]), float(told["width"])] = path
        except (OSError, ValueError, KeyError, SafetensorError):
            continue
    return found


def reconstruct(folder: Path, width: float, step: int | None = None) -> dict[str, torch.Tensor]:
    """The average of `width` after `step` steps, from the snapshots up to there.

    Args:
        folder: runs/NAME/checkpoints/STAGE/averages.
        step: None: the last that there is a snapshot of.

    Raises:
        MareyError: there is none, or the width is none.
    """
    there = snapshots(folder)
    last = max((at for at, _ in there), default=0) if step is None else step
    used = {key: path for key, path in there.items() if key[0] <= last}
    if not used:
        raise MareyError(f"{folder} has no averages to step {last}: ema_widths = [0.05, 0.1] in the stage keeps them.")
    shares = combination([(at, exponent(kept)) for at, kept in used], last, exponent(width))
    total: dict[str, torch.Tensor] = {}
    for path, share in zip(used.values(), shares, strict=True):
        for name, value in load_file(path).items():
            part = value.double() * share
            total[name] = total[name] + part if name in total else part
    return {name: value.float() for name, value in total.items()}


def combination(profiles: list[tuple[int, float]], step: int, gamma: float) -> np.ndarray:
    """How much of each profile (step, gamma) makes, in the sense of least squares over time, the profile of `gamma` at
    `step` (arXiv 2312.02696, section 3.2). float64 (len(profiles),).
    """
    among = np.array([[_overlap(a, b) for b in profiles] for a in profiles])
    wanted = np.array([_overlap(a, (step, gamma)) for a in profiles])
    return np.linalg.lstsq(among, wanted, rcond=1e-12)[0]


def _overlap(a: tuple[int, float], b: tuple[int, float]) -> float:
    """The integral over time of two profiles' product; one at t is (gamma + 1) s^gamma / t^(gamma + 1) up to t."""
    (t, g), (u, h) = a, b
    low = min(t, u)
    return (g + 1) * (h + 1) / (g + h + 1) * (low / t) ** g * (low / u) ** h * low / (t * u)
