"""What stands beside made footage: captions, known truth, and the table of licences."""

import json
import os
from pathlib import Path
from typing import Any

from marey.errors import MareyError

LICENCES = "LICENCES.json"
"""In a folder of footage: {"file name": {"license", "source", "credit", "origin": [...]}}."""
OWN = {"license": "CC0-1.0", "source": "made by Marey", "credit": ""}
"""What it says of footage that was made from nothing else."""


def sidecar(path: Path, text: str | None) -> None:
    """Write a text under its name once it is whole; None removes it."""
    if text is None:
        path.unlink(missing_ok=True)
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def licences(folder: Path) -> dict[str, Any]:
    """The table of licences of a folder; empty if there is none.

    Raises:
        MareyError: it is not what Marey writes.
    """
    path = folder / LICENCES
    if not path.exists():
        return {}
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MareyError(f"{path} is not the JSON that Marey writes ({error}): mend it or move it away.") from error
    if not isinstance(said, dict) or not all(isinstance(entry, dict) for entry in said.values()):
        raise MareyError(f"{path} is not the table of licences that Marey writes: mend it or move it away.")
    return said


def declare(folder: Path, said: dict[str, Any]) -> None:
    """Write the table of licences of a folder."""
    sidecar(folder / LICENCES, json.dumps(said, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
