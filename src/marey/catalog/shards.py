"""Arrays on disk: append-only safetensors shards, addressed by (shard, key).

A shard is written under a temporary name in its own folder, flushed to the disk and renamed, so that a file with a
shard's name is whole; its header bears a hash of it, by which later damage is noticed (`seals`). It counts for nothing
until a row of the table `tensors` points into it: a worker writes its own shard and hands only the pointer back, and
what a killed process leaves behind is removed by `Library.sweep`.

    path = new_shard(library_folder, "trace")
    write_shard(path, flatten({footage_id: {"luma": luma, "pts": pts}}))
    # tensors: kind "trace", item footage_id, shard shard_name(library_folder, path), key footage_id
"""

import errno
import json
import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from marey.catalog.seals import Seal
from marey.errors import EndsRun, MareyError

FOLDERS = {  # a kind of tensor to its folder in the library; a kind may go on with @ and what it was made by
    "trace": "traces",
    "sound": "sounds",
    "stills": "stills",
    "pixels": "pixels",
    "latents": "latents",
    "embedding": "embeddings",
}
Arrays = np.ndarray | Mapping[str, np.ndarray]

_KIND = re.compile(r"([a-z]+)(?:@([A-Za-z0-9_-]{1,80}))?")
_ITEM = re.compile(r"[A-Za-z0-9_.:@-]{1,200}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,80}")


def shard_folder(library: Path, kind: str) -> Path:
    """The folder of a kind's shards: `traces/` of "trace", `latents/3f2a/` of "latents@3f2a".

    Raises:
        ValueError: no such kind.
    """
    match = _KIND.fullmatch(kind)
    if match is None or match[1] not in FOLDERS:
        raise ValueError(f"{kind!r} is no kind of tensor: one of {', '.join(FOLDERS)}, with or without @NAME, would do")
    folder = library / FOLDERS[match[1]]
    return folder / match[2] if match[2] else folder


def new_shard(library: Path, kind: str) -> Path:
    """The path of a shard that does not exist yet; its folder is made."""
    folder = shard_folder(library, kind)
    folder.mkdir(parents=True, exist_ok=True)
    return fresh(folder)


def fresh(folder: Path) -> Path:
    """The path of a shard in `folder` that does not exist yet."""
    return folder / f"{uuid.uuid4().hex}.safetensors"


def shard_name(library: Path, path: Path) -> str:
    """A shard's path inside the library with forward slashes, as the table `tensors` holds it."""
    return path.relative_to(library).as_posix()


def flatten(items: Mapping[str, Arrays]) -> dict[str, np.ndarray]:
    """Arrays by item, or several named ones an item, under the keys of one shard: `item` or `item/name`.

    Raises:
        ValueError: an item or a name is not of plain letters, digits and `_ . : @ -`, or an item holds nothing.
    """
    keys = {}
    for item, arrays in items.items():
        if not _ITEM.fullmatch(item):
            raise ValueError(f"{item!r} is no item: up to 200 plain letters, digits and _ . : @ - would do")
        if not isinstance(arrays, Mapping):
            keys[item] = arrays
            continue
        if not arrays:
            raise ValueError(f"item {item!r} holds no array")
        for name, array in arrays.items():
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of an array: up to 80 plain letters, digits and _ . - would do")
            keys[f"{item}/{name}"] = array
    return keys


def write_shard(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays of numbers or booleans, of any shape, as one safetensors file: all of it or nothing.

    Raises:
        TypeError: an array that safetensors has no type for.
        EndsRun: the disk is full or the place cannot be written.
    """
    whole = {key: np.asarray(array, order="C") for key, array in arrays.items()}
    for key, array in whole.items():
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise TypeError(f"array {key!r} is of type {array.dtype}: whole or floating-point numbers would do")
    content = memoryview(save(whole))
    start = 8 + int.from_bytes(content[:8], "little")
    seal = Seal(path, json.loads(bytes(content[8:start])))
    seal.update(content[start:])
    replace_whole(path, lambda file: file.writelines([seal.header(seal.hexdigest()), content[start:]]))


def replace_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file under a temporary name, flush it to the disk and rename it: all of it or nothing.

    Raises:
        MareyError: the disk is full or the place cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        what = "the disk is full" if error.errno == errno.ENOSPC else str(error.strerror)
        raise EndsRun(f"{path} cannot be written: {what}.") from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class Shard:
    """An open shard. Its arrays are read when asked for, one at a time, by memory map.

    Raises:
        MareyError: the file is gone or is no safetensors file.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file: Any = safe_open(os.fspath(path), framework="numpy")
        except (OSError, SafetensorError) as error:
            raise MareyError(
                f"The shard {path} cannot be read ({error}): curate or encode again to make it."
            ) from error
        self.path = path
        self.keys: frozenset[str] = frozenset(self._file.keys())

    def read(self, key: str) -> np.ndarray | dict[str, np.ndarray]:
        """The array under `key`, or all those under `key/...` by name.

        Raises:
            KeyError: the shard has neither.
        """
        if key in self.keys:
            return self._file.get_tensor(key)
        names = sorted(full for full in self.keys if full.startswith(f"{key}/"))
        if not names:
            raise KeyError(f"{self.path} has no {key!r}")
        return {full.removeprefix(f"{key}/"): self._file.get_tensor(full) for full in names}

    def rows(self, key: str, start: int, stop: int) -> np.ndarray:
        """Rows of the array under `key`; no others are read.

        Raises:
            KeyError: the shard has no such array.
        """
        if key not in self.keys:
            raise KeyError(f"{self.path} has no {key!r}")
        array: np.ndarray = self._file.get_slice(key)[start:stop]
        return array


def all_shards(library: Path) -> Iterator[Path]:
    """Every whole shard of the library, in order."""
    for folder in FOLDERS.values():
        yield from sorted((library / folder).rglob("[!.]*.safetensors"))


def remove_orphans(library: Path, known: Iterable[str]) -> int:
    """Remove the shards that are not `known`, and half-written ones; returns how many."""
    keep = set(known)
    orphans = [path for path in all_shards(library) if shard_name(library, path) not in keep]
    for folder in FOLDERS.values():
        orphans += (library / folder).rglob(".*.safetensors.*.tmp")
    for path in orphans:
        path.unlink(missing_ok=True)
    return len(orphans)


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a loss of power, where the system lets a folder be opened."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
