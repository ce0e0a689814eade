"""Files that appear under their names when they are whole."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def replace_file(path: Path, write: Callable[[Path], Any]) -> None:
    """Write under a temporary name beside `path`, then take its place; a killed process leaves the old file.

    Args:
        write: is given the temporary path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_text(path: Path, text: str) -> None:
    """Put a text, UTF-8 with plain line ends, in the place of a file, or leave the one that already says the same."""
    data = text.encode("utf-8", "replace")
    if not path.is_file() or path.read_bytes() != data:
        replace_file(path, lambda temporary: temporary.write_bytes(data))
