"""Stages that misbehave, in a module of their own: spawned workers import it, and it imports no test framework."""

import os
import signal
import sys
import time
from pathlib import Path

from marey.errors import EndsRun, MareyError, MissingExtra


class Contract:
    """Twenty items: 13 raises; if so told, 17 kills its process and 19 hangs (ecosystem.md, section 1.3)."""

    name = "contract"
    version = "1"
    cpus = 1.0
    gpus = 0.0

    def __init__(self, *, kill: bool = False, hang: bool = False) -> None:
        self.kill = kill
        self.hang = hang
        self.ready = False

    def setup(self) -> None:
        time.sleep(0.05)
        self.ready = True

    def process(self, item: dict) -> dict:
        assert self.ready
        if item["n"] == 13:
            raise ValueError("corrupt clip 13")
        if item["n"] == 17 and self.kill:
            kill_this_process()
        if item["n"] == 19 and self.hang:
            time.sleep(3600)
        return {"square": item["n"] ** 2, "pid": os.getpid()}


class Plain:
    """Does nothing to any item but what its subclass does."""

    name = "plain"
    version = "2"
    cpus = 1.0
    gpus = 0.0

    def setup(self) -> None:
        pass

    def process(self, item: dict) -> dict:
        return {"pid": os.getpid()}


class Unfit(MareyError):
    status = "rejected"


class Rejects(Plain):
    def process(self, item: dict) -> dict:
        raise Unfit("there is no video in it")


class Returns(Plain):
    """Returns what it was told to by name."""

    def __init__(self, what: str) -> None:
        self.what = what

    def process(self, item: dict) -> dict:
        return {"function": {"f": lambda: 0}, "none": None}[self.what]  # type: ignore[return-value]


class Ends(Plain):
    """Says at item 3 that the disk is full."""

    def process(self, item: dict) -> dict:
        if item["n"] == 3:
            raise EndsRun("the disk is full")
        return super().process(item)


class Fails(Plain):
    """Fails at each item in another way."""

    def process(self, item: dict) -> dict:
        if item["n"] == 0:
            raise MemoryError
        if item["n"] == 1:
            raise Broken("a header is broken")
        if item["n"] == 2:
            os.kill(os.getpid(), signal.SIGSEGV)
        if item["n"] == 3:
            kill_this_process()
        time.sleep(3600)
        return {}


class Broken(MareyError):
    again = False


class Exits(Plain):
    def process(self, item: dict) -> dict:
        sys.exit("a library that thinks it is a program")


class WantsExtra(Plain):
    def setup(self) -> None:
        raise MissingExtra('rapidocr is not installed: pip install "marey[ocr]".')


class SetupRaises(Plain):
    def setup(self) -> None:
        raise RuntimeError("weights are damaged")


class SetupDies(Plain):
    """Its process ends in the set-up; each attempt leaves a file."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def setup(self) -> None:
        (Path(self.folder) / str(os.getpid())).touch()
        os._exit(3)


class SetupHangs(Plain):
    def setup(self) -> None:
        time.sleep(3600)


class DiesThenCannotStart(Plain):
    """The first worker starts, any later one dies in its set-up; each item kills its process."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def setup(self) -> None:
        if list(Path(self.folder).iterdir()):
            os._exit(4)
        (Path(self.folder) / "first").touch()

    def process(self, item: dict) -> dict:
        kill_this_process()
        return {}


class Marks(Plain):
    """Leaves a file named after its process for each item, then sleeps for ever."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def process(self, item: dict) -> dict:
        (Path(self.folder) / str(os.getpid())).touch()
        time.sleep(3600)
        return {}


class Prints(Plain):
    def process(self, item: dict) -> dict:
        print("noise", flush=True)
        return {}


def kill_this_process() -> None:
    if sys.platform == "win32":
        os._exit(9)
    os.kill(os.getpid(), signal.SIGKILL)
