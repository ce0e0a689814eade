"""What a long command shows while it works: what it does, how far it is, and when it ends.

A room takes a `Progress` and calls it; it knows nothing of terminals. The command line gives it a `Display`: a live
table on a terminal, one line now and then elsewhere, and everything in a log file when one is named.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Progress(Protocol):
    """Called as `progress(what, done, total, note)`: `done` of `total` units of `what` are finished.

    `what` names the piece of work and stays the same for all its calls ("reading footage"); `total` may be None when
    it is not known; `note` is a short remark that may change ("loss 0.412"). The call with `done == total` ends it.
    """

    def __call__(self, what: str, done: float, total: float | None = None, note: str = "") -> None: ...


def silent(what: str, done: float, total: float | None = None, note: str = "") -> None:
    """The progress of a caller who does not want any."""


def follow(items: Iterable[Item], progress: Progress, what: str, total: int) -> Iterator[Item]:
    """Yield the items, telling `progress` after each."""
    progress(what, 0, total)
    for n, item in enumerate(items, 1):
        yield item
        progress(what, n, total)


class Display:
    """A progress for people: bars with the time left on a terminal, a line every few seconds elsewhere. Use it as a
    context.

    Args:
        log: a file that gets every piece of work with its start, its end and its seconds, or None.
    """

    def __init__(self, log: Path | None = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        self._console = Console(stderr=True)
        self._live = self._console.is_terminal
        self._bars = Bars(
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=self._console,
            transient=False,
        )
        self._tasks: dict[str, int] = {}
        self._started: dict[str, float] = {}
        self._spoken: dict[str, float] = {}
        self._log = log

    def __enter__(self) -> "Display":
        if self._live:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._bars.stop()

    def __call__(self, what: str, done: float, total: float | None = None, note: str = "") -> None:
        now = time.monotonic()
        first = what not in self._started
        if first:
            self._started[what] = now
            self._write(f"start  {what}")
        ended = total is not None and done >= total
        if self._live:
            if first:
                self._tasks[what] = self._bars.add_task(what, total=total, note=note)
            self._bars.update(self._tasks[what], completed=done, total=total, note=note)  # type: ignore[arg-type]
        elif first or ended or now - self._spoken.get(what, 0.0) > 10.0:
            self._spoken[what] = now
            print(self._line(what, done, total, note, now - self._started[what]), file=sys.stderr, flush=True)
        if ended:
            self._write(f"end    {what}  {now - self._started[what]:.1f} s  {note}".rstrip())
            del self._started[what]
            self._tasks.pop(what, None)

    @staticmethod
    def _line(what: str, done: float, total: float | None, note: str, seconds: float) -> str:
        if not total:
            return f"{what}: {done:g} {note}".rstrip()
        left = f", about {seconds * (total - done) / done:.0f} s left" if 0 < done < total and seconds > 2 else ""
        return f"{what}: {done:g} of {total:g} ({100 * done / total:.0f}%) in {seconds:.0f} s{left}  {note}".rstrip()

    def _write(self, line: str) -> None:
        if self._log is None:
            return
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {line}\n")
