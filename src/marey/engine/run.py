"""Run a stage over items with the runner that the number of workers asks for."""

from collections.abc import Iterable, Iterator, Sized
from typing import Any, Protocol

from marey.engine.local import local
from marey.engine.stage import Result, Stage
from marey.engine.workers import workers as in_workers


class Progress(Protocol):
    """`marey.progress.Progress`, which lies above this room."""

    def __call__(self, what: str, done: float, total: float | None = None, note: str = "") -> None: ...


def run(
    stage: Stage,
    items: Iterable[dict[str, Any]],
    *,
    workers: int = 0,
    timeout_seconds: float = 600.0,
    progress: Progress | None = None,
    what: str = "",
    total: int | None = None,
) -> Iterator[Result]:
    """Yield a result for every item; each item has a str under "id".

    Args:
        workers: guarded processes; 0: this process, unguarded against an item that kills it or hangs.
        timeout_seconds: wall time that an item may take in a worker.
        progress: told of each result.
        what: the piece of work as progress shows it; the stage's name if empty.
        total: how many items there are; not needed of a list.

    Raises:
        MareyError: the stage could not be set up.
        EndsRun: as an item raised it.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    results = in_workers(stage, items, workers, timeout_seconds) if workers else local(stage, items)
    tell = progress or _silent
    what = what or stage.name
    done = failed = 0
    tell(what, 0, total)
    for result in results:
        done += 1
        failed += result.status != "ok"
        yield result
        tell(what, done, total, f"{failed} not ok" if failed else "")
    if total != done:
        tell(what, done, done)


def _silent(what: str, done: float, total: float | None = None, note: str = "") -> None:
    pass
