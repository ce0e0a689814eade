"""The seal of a shard: a sha256 of its name and its arrays, in its own header. It tells whether the file is as it was
written, and the one that was written under this name."""

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

_KEY = "sha256"
_EMPTY = "0" * 64
_BLOCK = 1 << 20


class Seal:
    """The hash of a shard, while its arrays are written one after the other."""

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        self._entries = entries
        self._hash = hashlib.sha256(json.dumps([path.name, entries], sort_keys=True).encode())

    def update(self, data: bytes | memoryview) -> None:
        """The next bytes behind the header."""
        self._hash.update(data)

    def hexdigest(self) -> str:
        """Of the name, the entries of the header and all bytes so far."""
        return self._hash.hexdigest()

    def header(self, digest: str = _EMPTY) -> bytes:
        """How a file with this seal begins, of the same length for every digest."""
        text = json.dumps({"__metadata__": {_KEY: digest}, **self._entries}, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        return struct.pack("<Q", len(text)) + text


def is_whole(path: Path) -> bool:
    """Whether a shard is as it was written; one without a seal, of an older Marey, whether it has its length."""
    try:
        with path.open("rb") as file:
            return _is_whole(file, path)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, struct.error):
        return False


def _is_whole(file: BinaryIO, path: Path) -> bool:
    size = path.stat().st_size
    (length,) = struct.unpack("<Q", file.read(8))
    if length > size:
        return False
    header = json.loads(file.read(length))
    told = header.pop("__metadata__", None)
    ends = [entry["data_offsets"][1] for entry in header.values()]
    if 8 + length + max(ends, default=0) != size:
        return False
    if told is None:
        return True
    seal = Seal(path, header)
    while block := file.read(_BLOCK):
        seal.update(block)
    return bool(seal.hexdigest() == told[_KEY])
