"""Guarded worker processes: an item that raises, kills its process or hangs costs that item alone.

Spawned processes with a pipe each, watched by `connection.wait` with the nearest deadline. A worker that dies or
overruns is replaced when there is work for another. (A ProcessPoolExecutor will not do: one death breaks the pool.)
Workers end with the parent, however it ends, and do not hear Ctrl-C, which is the parent's to answer. What they print
goes to the standard error, for the standard output may be a command's JSON.
"""

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection, get_context, parent_process
from typing import Any

from marey.engine.local import set_up
from marey.engine.stage import Result, Stage, guarded, stage_key
from marey.errors import EndsRun, MareyError

_FRUITLESS = 2  # workers in a row that may end before they are ready; then no more are started
_SETUP_SECONDS = 600.0
_CRASHES = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGTRAP")  # what an item does to its process
_PARTING_SECONDS = 2.0  # for an idle worker to leave by itself


def workers(
    stage: Stage,
    items: Iterable[dict[str, Any]],
    count: int,
    timeout_seconds: float = 600.0,
    *,
    setup_seconds: float = _SETUP_SECONDS,
) -> Iterator[Result]:
    """Yield the results as they come, in no promised order.

    Items are drawn only as workers want them, at most `count` ahead of the results. Processes are started as there is
    work for them: with nothing to do, none is. Leaving the iteration early (break, an exception, Ctrl-C) ends them.

    Args:
        count: processes at most, from 1.
        timeout_seconds: wall time that an item may take; the set-up of a process does not count.
        setup_seconds: wall time that a set-up may take.

    Raises:
        MareyError: no worker can be set up: at once if the stage says so by a MareyError, else after two attempts.
        EndsRun: as an item raised it.
    """
    if count < 1:
        raise ValueError(f"count is {count}: 1 or more would do")
    crew = _Crew(stage, count, timeout_seconds, setup_seconds)
    try:
        yield from crew.run(iter(items))
    finally:
        crew.dismiss()


class _Worker:
    """One process as its parent sees it: being set up, idle, or busy with an item."""

    def __init__(self, stage: Stage, setup_seconds: float) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, stage), name=f"marey-{stage.name}", daemon=True)
        self.ready = False
        self.item: dict[str, Any] | None = None
        self.started = time.monotonic()
        self.deadline = self.started + setup_seconds
        with _deaf():
            self.process.start()
        theirs.close()  # the worker now holds the only other end, so its death closes the pipe

    @property
    def idle(self) -> bool:
        return self.ready and self.item is None

    def give(self, item: dict[str, Any], timeout_seconds: float) -> bool:
        """Hand it an item; False if it is no longer there to take it."""
        try:
            self.pipe.send(item)
        except OSError:
            return False
        self.item = item
        self.started = time.monotonic()
        self.deadline = self.started + timeout_seconds
        return True

    @property
    def overdue(self) -> bool:
        """Past its deadline with nothing said: a result may have come while the caller was busy with another."""
        return not self.idle and time.monotonic() > self.deadline and not self.pipe.poll()

    def end(self, *, kindly: bool = False) -> None:
        """End the process; `kindly` lets an idle one leave by itself."""
        self.pipe.close()
        if kindly:
            self.process.join(_PARTING_SECONDS)
        self.process.kill()
        self.process.join(_PARTING_SECONDS)  # one that waits for a dead disk cannot even be killed


class _Crew:
    """All workers of one run, and the items that wait for one."""

    def __init__(self, stage: Stage, count: int, timeout_seconds: float, setup_seconds: float) -> None:
        self._stage = stage
        self._count = count
        self._timeout_seconds = timeout_seconds
        self._setup_seconds = setup_seconds
        self._workers: list[_Worker] = []
        self._waiting: deque[dict[str, Any]] = deque()
        self._fruitless = 0
        self._last_death = ""

    def run(self, items: Iterator[dict[str, Any]]) -> Iterator[Result]:
        more = True
        while True:
            busy = sum(worker.item is not None for worker in self._workers)
            while more and busy + len(self._waiting) < self._count:
                item = next(items, None)
                more = item is not None
                if item is not None:
                    self._waiting.append(item)
            self._assign()
            if not self._waiting and not any(worker.item for worker in self._workers):
                return
            self._hire()
            yield from self._listen()

    def dismiss(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.end(kindly=worker.idle)
        self._workers.clear()

    def _assign(self) -> None:
        for worker in [worker for worker in self._workers if worker.idle]:
            if self._waiting and worker.give(self._waiting[0], self._timeout_seconds):
                self._waiting.popleft()

    def _hire(self) -> None:
        """Start as many workers as there are items that no starting one will take."""
        starting = sum(not worker.ready for worker in self._workers)
        while len(self._workers) < self._count and starting < len(self._waiting) and self._fruitless < _FRUITLESS:
            self._workers.append(_Worker(self._stage, self._setup_seconds))
            starting += 1
        if not self._workers:
            raise MareyError(
                f"No worker process of the stage {stage_key(self._stage)} can be started: the last one "
                f"{self._last_death}. What it printed stands above; in a script, the call must stand under "
                f"if __name__ == '__main__'."
            )

    def _listen(self) -> Iterator[Result]:
        """Wait for the first sign of any worker, or for the nearest deadline, and act on it."""
        # An idle worker whose process died is noticed here too: its pipe is at its end.
        patience = (
            min((w.deadline for w in self._workers if not w.idle), default=time.monotonic() + 1) - time.monotonic()
        )
        signs = set(connection.wait([worker.pipe for worker in self._workers], max(patience, 0.0)))
        for worker in list(self._workers):
            if worker.pipe in signs:
                yield from self._hear(worker)
            elif worker.overdue:
                yield from self._lose(worker, "", lasting=True)

    def _hear(self, worker: _Worker) -> Iterator[Result]:
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):  # the process is gone, perhaps in the middle of a message
            worker.process.join(_PARTING_SECONDS)
            yield from self._lose(worker, _obituary(worker.process.exitcode), _crashed(worker.process.exitcode))
            return
        if isinstance(message, MareyError):
            raise message
        self._fruitless = 0
        if isinstance(message, Result):
            worker.item = None
            yield message
        else:
            worker.ready = True

    def _lose(self, worker: _Worker, death: str, lasting: bool) -> Iterator[Result]:
        """A worker died, or (`death` empty) overran its time; `lasting` if its item would do that to the next one."""
        self._workers.remove(worker)
        worker.end()
        if worker.item is not None:
            reason = death or f"gave no answer within {self._timeout_seconds:g} s"
            seconds = time.monotonic() - worker.started
            error = f"Its process {reason}."
            yield Result(str(worker.item["id"]), error=error, seconds=seconds, status="failed", again=not lasting)
            return
        self._fruitless += 1
        self._last_death = death or f"was not set up within {self._setup_seconds:g} s"


def _obituary(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit status {code}"


def _crashed(code: int | None) -> bool:
    """Whether a process ended by its own fault. What was killed (by a person, or for want of memory) did not."""
    if code is None or code >= 0:
        return code is not None and code >= 0xC0000000  # as Windows tells of an access violation and the like
    return any(-code == getattr(signal, name, None) for name in _CRASHES)


@contextmanager
def _deaf() -> Iterator[None]:
    """Start a process in here and it is born without an ear for Ctrl-C, which would reach it before it could say so."""
    if sys.platform == "win32":
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # it would unblock the signal when the first process starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: connection.Connection, stage: Stage) -> None:
    """The life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(2, 1)
    _end_with_parent()
    try:
        set_up(stage)
    except MareyError as error:
        pipe.send(error)
        return
    pipe.send("ready")
    while True:
        try:
            item = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            result = guarded(stage, item)
        except EndsRun as error:
            with suppress(OSError):
                pipe.send(error)
            return
        try:
            pipe.send(result)
        except OSError:
            return
        except Exception as error:  # columns that do not travel between processes
            reason = f"The result of the stage {stage_key(stage)} cannot be pickled: {error}"
            pipe.send(Result(result.id, error=reason, seconds=result.seconds, status="failed"))


def _end_with_parent() -> None:
    """End this process when its parent ends, also in the middle of an item."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="marey-parent-watch", daemon=True).start()
