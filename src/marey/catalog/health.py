"""Whether the shards of a library are as they were written.

Hashing all of a large library at every run would take minutes. So a shard is hashed when its size or its time of change
is not what it was when it was last known to be whole, which is kept in the facts of the library.
"""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from marey.catalog.seals import is_whole
from marey.catalog.store import Library
from marey.progress import Progress, silent

FACT = "whole"
"""Of the library: by shard, its size and time of change when it was known to be whole."""
_SETTLED_NS = 100_000_000  # a file's time of change is told in steps: one that was written just now may change unseen


def broken_shards(library: Library, *, everything: bool = False, progress: Progress = silent) -> list[str]:
    """The shards that the catalog points to and that are gone or not as they were written, in order. Those that are
    whole are known to be from now on.

    Args:
        library: open for writing.
        everything: hash all of them, also those that look untouched.
    """
    known = library.facts.get(FACT, {})
    stamps = {name: _stamp(library.path / name) for name in _named(library)}
    doubtful = [name for name, stamp in stamps.items() if everything or stamp is None or stamp != known.get(name)]
    broken = []
    for n, name in enumerate(doubtful):
        progress("checking what was kept", n, len(doubtful))
        if not is_whole(library.path / name):
            broken.append(name)
    if doubtful:
        progress("checking what was kept", len(doubtful), len(doubtful))
    _keep(library, {name: stamp for name, stamp in stamps.items() if name not in set(broken)})
    return broken


def trust_new_shards(library: Library, but: Iterable[str]) -> None:
    """Take the shards that were written since they were last looked at as whole, `but` some."""
    known = library.facts.get(FACT, {})
    new = set(_named(library)) - set(known) - set(but)
    _keep(library, known | {name: _stamp(library.path / name) for name in sorted(new)})


def _named(library: Library) -> list[str]:
    return [row["shard"] for row in library.rows("select distinct shard from tensors order by shard")]


def _keep(library: Library, stamps: Mapping[str, list[int] | None]) -> None:
    settled = time.time_ns() - _SETTLED_NS
    there = set(_named(library))
    whole = {name: stamp for name, stamp in stamps.items() if stamp and stamp[1] < settled and name in there}
    if whole != library.facts.get(FACT, {}):
        library.facts[FACT] = whole


def _stamp(path: Path) -> list[int] | None:
    try:
        told = path.stat()
    except OSError:
        return None
    return [told.st_size, told.st_mtime_ns]
