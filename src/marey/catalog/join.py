"""Shards that hold one thing in stretches become one shard, end to end, without reading them into memory."""

import json
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from marey.catalog.seals import Seal
from marey.catalog.shards import replace_whole
from marey.errors import MareyError

_BLOCK = 1 << 20


def join_shards(path: Path, parts: Sequence[Path]) -> None:
    """Write the shard `path`: under each key of the parts, their arrays end to end along the first axis.

    All parts have the same keys, and under each of them arrays of one type and of the same size but for the first axis.
    The bytes are copied block by block, so that memory does not grow with them. All of it or nothing.

    Raises:
        MareyError: a part is gone or is no such shard, or the disk is full.
    """
    headers = [_header(part) for part in parts]
    (first, _), names = headers[0], sorted(headers[0][0])
    for header, _ in headers:
        if sorted(header) != names or any(_row(header[name]) != _row(first[name]) for name in names):
            raise MareyError(f"The shards of {path.parent} cannot be joined: their arrays do not fit together.")
    whole: dict[str, dict[str, Any]] = {}
    at = 0
    # The widest types first, so that each array begins at a multiple of its own width.
    for name in sorted(names, key=lambda name: (-_width(first[name]), name)):
        entries = [header[name] for header, _ in headers]
        size = sum(entry["data_offsets"][1] - entry["data_offsets"][0] for entry in entries)
        shape = [sum(entry["shape"][0] for entry in entries), *first[name]["shape"][1:]]
        whole[name] = {"dtype": first[name]["dtype"], "shape": shape, "data_offsets": [at, at + size]}
        at += size
    seal = Seal(path, whole)

    def write(file: BinaryIO) -> None:
        file.write(seal.header())
        for name in whole:
            for part, (header, start) in zip(parts, headers, strict=True):
                low, high = header[name]["data_offsets"]
                _copy(part, start + low, high - low, file, seal)
        file.seek(0)
        file.write(seal.header(seal.hexdigest()))

    replace_whole(path, write)


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The arrays of a shard by key, and where its data begin."""
    try:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if size > os.path.getsize(path):
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(size))
    except (OSError, ValueError, struct.error) as error:
        raise MareyError(f"The shard {path} cannot be read ({error}): curate again to make it.") from error
    header.pop("__metadata__", None)
    return header, 8 + size


def _row(entry: dict[str, Any]) -> tuple[str, list[int]]:
    """What the arrays under one key must have in common: their type, and the shape of a row."""
    return entry["dtype"], entry["shape"][1:]


def _width(entry: dict[str, Any]) -> int:
    digits = "".join(letter for letter in str(entry["dtype"]) if letter.isdigit())
    return int(digits or 8)


def _copy(path: Path, at: int, count: int, out: BinaryIO, seal: Seal) -> None:
    with path.open("rb") as file:
        file.seek(at)
        while count:
            block = file.read(min(count, _BLOCK))
            if not block:
                raise MareyError(f"The shard {path} is cut short: curate again to make it.")
            out.write(block)
            seal.update(block)
            count -= len(block)
