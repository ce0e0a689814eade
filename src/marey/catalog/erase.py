"""Taking ids out of the files of a library: tensor shards, clips, what runs have made, logs.

A shard that holds other arrays too is written anew without the ones to go. Every step can be repeated, so a `forget`
that was killed is finished by the next one.
"""

import json
import re
import shutil
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from marey.catalog.shards import Shard, all_shards, fresh, shard_name, write_shard
from marey.catalog.store import Library, Row

_LINES = {".txt", ".jsonl", ".log", ".csv"}  # kept but for the lines that name what goes
_WHOLE = {".json", ".html", ".md", ".toml", ".yaml"}  # removed as a whole if they name it
_SHOWN = ("samples", "report")  # of a run: they hold pixels of what was held out and selected


class Names:
    """The ids and paths that are to go, and a search for them in any text."""

    def __init__(self, ids: Iterable[str], paths: Iterable[str] = ()) -> None:
        self.ids = frozenset(ids)
        texts = {*self.ids, *paths}
        texts |= {json.dumps(text, ensure_ascii=ascii)[1:-1] for text in texts for ascii in (True, False)}
        choices = "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True))
        # Whole names only: x.mp4 is not meant where x.mp4.bak stands.
        self._pattern = re.compile(rf"(?<!\w)(?:{choices})(?!\w|[.-]\w)")

    def within(self, text: str | None) -> bool:
        """Whether the text names any of them."""
        return bool(text) and self._pattern.search(text or "") is not None

    def owns(self, item: str) -> bool:
        """Whether an item of tensors or the ledger is one of them, or a part of one (`<clip>:<n>`)."""
        return item in self.ids or item.partition(":")[0] in self.ids


def erase_tensors(library: Library, names: Names) -> tuple[int, int]:
    """Remove the arrays of these ids from the shards; returns how many rows of `tensors` and how many shards."""
    rows = library.rows("select kind, item, shard, key, info from tensors")
    by_shard: dict[str, list[Row]] = {}
    for row in rows:
        by_shard.setdefault(row["shard"], []).append(row)
    touched = 0
    for path in list(all_shards(library.path)):
        here = by_shard.get(shard_name(library.path, path), [])
        staying = [row for row in here if not goes(row, names)]
        shard = Shard(path)
        # Arrays that no row points to any more may lie in the shard beside others; they go too.
        if len(staying) == len(here) and not any(names.owns(key.partition("/")[0]) for key in shard.keys):
            continue
        touched += 1
        left: dict[str, np.ndarray] = {}
        for row in staying:
            arrays = shard.read(row["key"])
            named = (
                {f"{row['key']}/{name}": array for name, array in arrays.items()} if isinstance(arrays, dict) else {}
            )
            left |= named or {row["key"]: np.asarray(arrays)}
        del shard  # its memory map, under which Windows would not let us delete
        library.close_shards()
        _move(library, path, left, staying)
    gone = [row for row in rows if goes(row, names)]
    with library.transaction():
        for row in gone:
            library.delete("tensors", kind=row["kind"], item=row["item"])
    return len(gone), touched


def goes(row: Row, names: Names) -> bool:
    """Whether a row of `tensors` is of one of the names, or says that it was made from one."""
    return names.owns(row["item"]) or names.within(row["info"])


def _move(library: Library, old: Path, left: dict[str, np.ndarray], rows: list[Row]) -> None:
    """Put what is left of a shard into a new one and remove the old; killed in between, one of them is an orphan."""
    if rows:
        new = fresh(old.parent)
        write_shard(new, left)
        moved = shard_name(library.path, new)
        library.put("tensors", ({"kind": row["kind"], "item": row["item"], "shard": moved} for row in rows))
    old.unlink()


def erase_clips(library: Path, names: Names) -> int:
    """Remove the clips that were written out, with their captions; returns how many files."""
    gone = [path for path in (library / "clips").rglob("*") if path.is_file() and path.name.split(".")[0] in names.ids]
    for path in gone:
        path.unlink()
    return len(gone)


def erase_runs(library: Path, names: Names, selections: set[str]) -> list[str]:
    """Remove what runs show of these ids: samples and report of every run that used one of `selections` or names an id.

    Checkpoints and recipes stay, unless they name an id.

    Returns:
        The names of the runs.
    """
    touched = []
    for run in sorted(path for path in (library / "runs").glob("*") if path.is_dir()):
        naming = _naming(run, names)
        if not naming and run_recipe(run).get("select", {}).get("name") not in selections:
            continue
        touched.append(run.name)
        for folder in _SHOWN:
            shutil.rmtree(run / folder, ignore_errors=True)
        for path in naming:
            if (run / "checkpoints") in path.parents:
                shutil.rmtree(run / "checkpoints", ignore_errors=True)  # half a checkpoint is worse than none
            elif path.exists():
                _clean(path, names)
    return touched


def erase_logs(library: Path, names: Names) -> None:
    """Take the lines that name an id or a path out of the logs of the library itself."""
    for path in library.glob("*.txt"):
        if names.within(path.read_text(encoding="utf-8", errors="replace")):
            _clean(path, names)


def models_naming(library: Path, names: Names) -> set[str]:
    """The models whose cards or settings name an id."""
    folders = (path for path in (library / "models").glob("*") if path.is_dir())
    return {folder.name for folder in folders if _naming(folder, names)}


def run_recipe(run: Path) -> dict[str, Any]:
    """The recipe that a run was made with, as a table; empty if there is none to be read."""
    try:
        return tomllib.loads((run / "recipe.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _naming(folder: Path, names: Names) -> list[Path]:
    texts = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix in _LINES | _WHOLE)
    return [path for path in texts if names.within(path.read_text(encoding="utf-8", errors="replace"))]


def _clean(path: Path, names: Names) -> None:
    if path.suffix not in _LINES:
        path.unlink()
        return
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text("".join(line for line in lines if not names.within(line)), encoding="utf-8")
    temporary.replace(path)
