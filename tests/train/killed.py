"""Started as a program: trains a task, killed at one operation on files after another, and goes on each time.

    python -m tests.train.killed FOLDER KIND POINTS

The kernel ends the process (SIGKILL) before an operation, or (SIGXFSZ) in the middle of the next write of more than a
few bytes, as a cut of the power would. Each time a process that is left alone goes on, and what it comes to has to be,
file by file and byte by byte, what a process that nothing happened to came to.
"""

import os
import resource
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from .tasks import run
from .toy import Toy, train

_WRITES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree"}
_MIDDLE = 64
"""Bytes of a file that are still written."""


def work(kind: str, folder: Path) -> None:
    if kind == "toy":
        train(folder, Toy(), steps=8, checkpoint_every=3, evaluate_every=4, accumulate=2, ema_widths=(0.1,))
    else:
        run(kind, folder, accumulate=2)


def alone(kind: str, folder: Path, at: int | None = None, middle: bool = False, told: Path | None = None) -> int:
    """Do the work in a process of its own, ended at its operation on files number `at`, and give its signal."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    done = 0

    def seen(event: str, given: tuple[Any, ...]) -> None:
        nonlocal done
        opened = event == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR)
        if not (opened or event in _WRITES) or not str(given[0]).startswith(str(folder)):
            return
        done += 1
        if done == at and not middle:
            os.kill(os.getpid(), signal.SIGKILL)
        if done == at:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (_MIDDLE, resource.RLIM_INFINITY))

    code = 1
    try:
        sys.addaudithook(seen)
        work(kind, folder)
        if told is not None:
            told.write_text(str(done))
        code = 0
    finally:
        os._exit(code)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def main(folder: str, kind: str, points: str) -> None:
    torch.set_num_threads(1)
    train(Path(folder) / "warm", Toy(), steps=1)  # what is imported on the way is then here
    whole, cut, told = Path(folder) / "whole", Path(folder) / "cut", Path(folder) / "operations"
    assert alone(kind, whole, told=told) == 0
    expected, count = everything(whole), int(told.read_text())
    many = min(int(points), count)
    places = sorted({1 + round(n * (count - 1) / max(1, many - 1)) for n in range(many)})
    ends: dict[int, int] = {}
    for n, at in enumerate(places):
        shutil.rmtree(cut, ignore_errors=True)
        end = alone(kind, cut, at, middle=n % 3 == 1)
        ends[end] = ends.get(end, 0) + 1
        assert alone(kind, cut) == 0
        found = everything(cut)
        assert found.keys() == expected.keys(), (at, end, found.keys() ^ expected.keys())
        assert all(found[name] == expected[name] for name in expected), (at, end)
    assert ends[-signal.SIGKILL] > len(places) / 3, ends
    assert ends[-signal.SIGXFSZ] > 0, ends
    print(count, ends)


if __name__ == "__main__":
    main(*sys.argv[1:])
