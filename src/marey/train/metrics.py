"""`metrics.jsonl` of a run: one line a training step, of all stages; it holds no clock, so that a resumed run writes
the same file.
"""

import json
import os
from pathlib import Path
from typing import Any


class Metrics:
    """Appends lines {"stage", "step", "loss", ...}, and cuts off those that a resumed stage will write again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, stage: str, step: int, **values: Any) -> None:
        """Append one line; it is in the file when the call returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"stage": stage, "step": step, **values}, allow_nan=False) + "\n")

    def lines(self, stage: str | None = None) -> list[dict[str, Any]]:
        """The lines, of one stage or of all; half a line, as a killed process leaves it, is none."""
        if not self.path.is_file():
            return []
        found = []
        for text in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue
            if stage is None or line.get("stage") == stage:
                found.append(line)
        return found

    def cut(self, stage: str, step: int) -> None:
        """Drop the lines of `stage` after `step`, and what is not a whole line. The file is replaced in one move."""
        if not self.path.is_file():
            return
        kept = [line for line in self.lines() if line["stage"] != stage or line["step"] <= step]
        self._replace(kept)

    def put(self, stage: str, lines: list[dict[str, Any]]) -> None:
        """Replace the lines of `stage` by `lines`, which come before those of the other stages."""
        self._replace(lines + [line for line in self.lines() if line["stage"] != stage])

    def _replace(self, lines: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
        if self.path.is_file() and self.path.read_text(encoding="utf-8", errors="replace") == text:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(self.path.name + ".tmp")
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, self.path)
