"""What was found of each video, kept as it is found: one line of JSON a video, so that a run that was killed goes on
where it was, and shards of one run are put together by putting their files into one folder."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from marey.errors import EndsRun


class Journal:
    """The lines of a folder, of all shards, and a file to which this run adds its own. Use it as a context.

    Args:
        folder: None: nothing is kept on disk.
        shard: (this one, of so many).
    """

    def __init__(self, folder: Path | None, shard: tuple[int, int] = (0, 1)) -> None:
        self._rows: dict[str, dict[str, Any]] = {}
        self._file: TextIO | None = None
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("videos*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                self._take(line)
        name = "videos.jsonl" if shard[1] == 1 else f"videos-{shard[0]}-of-{shard[1]}.jsonl"
        path = folder / name
        torn = path.is_file() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        self._file = path.open("a", encoding="utf-8")
        if torn:
            self._file.write("\n")  # a kill cut the last line: what comes now begins a line of its own

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def get(self, key: str) -> dict[str, Any]:
        """What is known of a video; empty if nothing."""
        return self._rows.get(key, {})

    def put(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Add what was found; what was known before of other metrics stays. The whole of it comes back.

        Raises:
            EndsRun: the disk is full, or the file cannot be written.
        """
        line = json.dumps(row, ensure_ascii=False)
        if self._file is not None:
            try:
                self._file.write(line + "\n")
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as error:
                raise EndsRun(f"{self._file.name} cannot be written ({error.strerror}): the run ends here.") from error
        self._take(line)
        return self._rows[row["key"]]

    def _take(self, line: str) -> None:
        try:
            row = json.loads(line)
            key = row["key"]
        except (ValueError, KeyError, TypeError):
            return  # cut by a kill
        before = self._rows.get(key)
        if before is None or row["status"] != "ok" or before["status"] != "ok":
            self._rows[key] = row
            return
        values = {method: dict(found) for method, found in before["values"].items()}
        for method, found in row["values"].items():
            values.setdefault(method, {}).update(found)
        ids = sorted({*before["ids"], *row["ids"]})
        sets = {**before.get("sets", {}), **row.get("sets", {})}
        self._rows[key] = {**before, **row, "values": values, "ids": ids, "sets": sets}
