"""What a caller asked for, by kind: a sentence that names the argument, before anything is computed with it."""

import os
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from marey.errors import MareyError
from marey.network.condition import Condition

_WHOLE = {"frames": 14, "steps": 25, "seed": 0, "decode_chunk": 8, "batch": 8}
"""Whole numbers, each with one that would do."""
_REAL = {"fps": 7, "motion": 127, "noise_aug": 0.02, "sigma_min": 0.002, "sigma_max": 700.0, "vram": 8, "cache": 0.3}
_SEEDS = range(-(2**63), 2**64)


def check_kinds(asked: Mapping[str, Any]) -> None:
    """Nothing, if all arguments are of their kind; None is of any, but for the seed.

    Args:
        asked: arguments of `Model.animate` and its like, by name; others than those known here are passed over.

    Raises:
        MareyError: an argument of another kind.
    """
    for name, value in asked.items():
        if value is None and name != "seed":
            continue
        if name in _WHOLE and not _is(value, Integral):
            raise MareyError(f"{name} is {value!r}: a whole number such as {_WHOLE[name]} would do.")
        if name == "seed" and int(value) not in _SEEDS:
            raise MareyError(f"seed is {value}: a number of 64 bits would do.")
        if name in _REAL and not _is(value, Real):
            raise MareyError(f"{name} is {value!r}: a number such as {_REAL[name]} would do.")
        if name == "size" and not (_pair(value) and all(_is(side, Integral) for side in value)):
            raise MareyError(f"size is {value!r}: (height, width) in pixels, such as (576, 1024), would do.")
        if name == "guidance_interval" and not (_pair(value) and all(_is(level, Real) for level in value)):
            raise MareyError(f"guidance_interval is {value!r}: two noise levels such as (0.1, 10.0) would do.")
        numbers = _is(value, Real) or (_pair(value) and all(_is(weight, Real) for weight in value))
        if name == "guidance" and not isinstance(value, str) and not numbers:
            raise MareyError(
                f"guidance is {value!r}: one weight such as 2.0, or those of the first and the last frame such as "
                f"(1.0, 3.0), would do."
            )
        if name == "model" and not (isinstance(value, (str, os.PathLike)) and str(value).strip()):
            raise MareyError(f"The model is {value!r}: a folder, a .safetensors file or a hub id would do.")


def check_given(condition: Condition, frames: int, stills: np.ndarray | None, numbers: Tensor | None) -> None:
    """Nothing, if a model is given what its condition asks for.

    Args:
        frames: of the clips.
        stills: uint8 (N, H, W, 3) or (N, S, H, W, 3); None: there are none.
        numbers: (N, n) or (N, T, n); None: there are none.

    Raises:
        MareyError: it learned something else; the sentence says by which verb it is asked.
    """
    given = 0 if stills is None else stills.shape[1] if stills.ndim == 5 else 1
    asked = len(condition.places(frames))
    enough = given == asked or (given == 0 and condition.verb == Condition.verb)
    if not enough or (numbers is None) == bool(condition.numbers):
        raise MareyError(f"This model's condition is {condition.name!r}: `marey {condition.verb}` would do.")


def noise_of(noise: Any) -> Tensor | None:
    """The noise that a sampler begins with, as a tensor of floating-point numbers; None where none is given.

    Raises:
        MareyError: it is no array of numbers, or some are not finite.
    """
    if noise is None:
        return None
    if isinstance(noise, np.ndarray) and noise.dtype.kind == "f":
        noise = torch.from_numpy(noise)
    if not isinstance(noise, Tensor) or not noise.is_floating_point():
        kind = getattr(noise, "dtype", type(noise).__name__)
        raise MareyError(f"The noise is of {kind}: a tensor of floating-point numbers of unit variance would do.")
    if not bool(noise.isfinite().all()):
        raise MareyError("The noise has numbers that are not finite: torch.randn of that shape would do.")
    return noise


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, (bool, np.bool_))


def _pair(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2
