"""Reading and writing weights: safetensors only, every key and shape checked before a byte is read. A pickle is read
only where it is a named third-party file of a known sha256, and then no code in it is run."""

import hashlib
import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from marey.errors import MareyError

PICKLES = frozenset({".bin", ".ckpt", ".pkl", ".pickle", ".pt", ".pth"})


def write_weights(module: nn.Module, path: Path, prefix: str = "") -> None:
    """Write a module's state dict, its keys after `prefix`."""
    state = {prefix + key: value.detach().cpu().contiguous() for key, value in module.state_dict().items()}
    save_file(state, path, metadata={"format": "pt"})


def read_weights(
    module: nn.Module, folder: Path, stem: str, dtype: torch.dtype | None = None, prefix: str = ""
) -> None:
    """Read a module's weights from a folder, strictly. A module on the meta device gets them without being drawn first.

    Args:
        module: takes the weights.
        folder: holds `stem`.safetensors, or its fp16 variant, or shards with an index.
        stem: "diffusion_pytorch_model" (diffusers) or "model" (transformers).
        dtype: of the floating-point weights; None: as saved.
        prefix: in front of the module's keys in the file, where the file's keys bear it.

    Raises:
        MareyError: no weights, only a pickle, a broken file, a key missing or too many, or a wrong shape.
    """
    fill_weights(module, find_weights(folder, stem), dtype, prefix)


def fill_weights(module: nn.Module, files: list[Path], dtype: torch.dtype | None = None, prefix: str = "") -> None:
    """Fill a module from safetensors files that hold its state dict between them, strictly; as `read_weights`."""
    shapes = {key: (file, shape) for file in files for key, shape in _shapes(file).items()}
    wanted = module.state_dict()
    names = {key: prefix + key if prefix + key in shapes else key for key in wanted}
    for key, name in names.items():
        if name not in shapes:
            raise MareyError(
                f"{_named(files)} has no weight {name!r}, which its config.json asks for: the folder is not whole."
            )
        shape = shapes[name][1]
        if shape != tuple(wanted[key].shape):
            raise MareyError(
                f"{_named(files)} has {name!r} of shape {shape}; its config.json asks for {tuple(wanted[key].shape)}."
            )
    # Old transformers saved this constant among the weights.
    surplus = sorted(name for name in set(shapes) - set(names.values()) if not name.endswith("position_ids"))
    if surplus:
        raise MareyError(
            f"{_named(files)} has a weight {surplus[0]!r} (one of {len(surplus)}) without a place in its config.json."
        )
    state = {key: tensor for file in files for key, tensor in _tensors(file, names).items()}
    if dtype is not None:
        state = {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}
    module.load_state_dict(state, assign=True)
    module.requires_grad_(True)


def saved_dtype(folder: Path, stem: str) -> torch.dtype:
    """The dtype of the first weight in a folder, which is that of all in practice."""
    names = {"F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}
    with safe_open(find_weights(folder, stem)[0], framework="pt") as file:
        return names.get(file.get_slice(next(iter(file.keys()))).get_dtype(), torch.float32)


def find_weights(folder: Path, stem: str) -> list[Path]:
    """The safetensors files of a component.

    Raises:
        MareyError: there are none; a pickle in their place is named and refused.
    """
    for name in (f"{stem}.safetensors", f"{stem}.fp16.safetensors"):
        if (folder / name).is_file():
            return [folder / name]
    index = folder / f"{stem}.safetensors.index.json"
    if index.is_file():
        return _shards(index)
    pickles = sorted(path.name for path in folder.glob("*") if path.suffix in PICKLES)
    if pickles:
        refuse_pickle(folder / pickles[0])
    raise MareyError(f"{folder} has no weights: {stem}.safetensors would do.")


def check_sha256(path: Path, sha256: str) -> None:
    """Nothing, if the file has this sha256.

    Raises:
        MareyError: no such file, or another sha256.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MareyError(f"{path} cannot be read: {error.strerror}.") from error
    if found != sha256.lower():
        raise MareyError(f"{path} has the sha256 {found}, not {sha256}: it was not opened.")


def read_pickled(path: Path, sha256: str, inside: Sequence[str] = ()) -> dict[str, Tensor]:
    """The state dict of a third-party .pth file: read with weights_only, once its sha256 is the right one.

    Args:
        inside: keys under which some files hold the state dict.

    Raises:
        MareyError: no such file, another sha256, or anything else than a table of tensors in it.
    """
    check_sha256(path, sha256)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise MareyError(f"{path} holds more than weights, or is broken, so Marey does not read it.") from error
    for key in inside:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
            break
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise MareyError(f"{path} is no table of weights: a state dict would do.")
    return dict(state)


def read_state(path: Path, sha256: str) -> dict[str, Tensor]:
    """The state dict of a .safetensors file, or of a .pth of that sha256.

    Raises:
        MareyError: it cannot be read, or is another file.
    """
    if path.suffix != ".safetensors":
        return read_pickled(path, sha256)
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise MareyError(f"{path} cannot be read ({error}): a whole safetensors file would do.") from error


def refuse_pickle(path: Path) -> None:
    """Raises:
    MareyError: always.
    """
    raise MareyError(
        f"{path} is a pickle, which can run any code when it is opened, so Marey does not: the same weights as a "
        f"safetensors file would do (https://huggingface.co/spaces/safetensors/convert makes one)."
    )


def _shards(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MareyError(f"{index} is no index of weights: {error!r}.") from error
    files = []
    for name in names:
        file = index.parent / str(name)
        if file.parent != index.parent or file.suffix != ".safetensors":
            raise MareyError(f"{index} names {name!r}: safetensors files beside it would do.")
        if not file.is_file():
            raise MareyError(f"{index} names {name!r}, which is not there: the folder is not whole.")
        files.append(file)
    return files


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    try:
        with safe_open(file, framework="pt") as weights:
            return {key: tuple(weights.get_slice(key).get_shape()) for key in weights.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise MareyError(f"{file} cannot be read ({error}): a whole safetensors file would do.") from error


def _tensors(file: Path, names: Mapping[str, str]) -> dict[str, Tensor]:
    """The tensors of one file, by the module's keys."""
    try:
        with safe_open(file, framework="pt") as weights:
            there = set(weights.keys())
            return {key: weights.get_tensor(name) for key, name in names.items() if name in there}
    except (SafetensorError, OSError) as error:
        raise MareyError(f"{file} cannot be read ({error}): a whole safetensors file would do.") from error


def _named(files: list[Path]) -> str:
    return str(files[0] if len(files) == 1 else files[0].parent)
