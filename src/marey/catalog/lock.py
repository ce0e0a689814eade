"""One writer a library: a lock of the operating system on `library.lock`, which also says who holds it.

The lock belongs to an open file, so it is gone with its holder, however that ends; a text left in the file by a dead
holder means nothing. It is not inherited by worker processes, which are spawned.
"""

import errno
import json
import os
import socket
import sys
from datetime import datetime
from pathlib import Path

from marey.errors import MareyError

_BYTE = (
    1 << 30
)  # the byte that Windows locks; its locks are mandatory, so it lies beyond the text that others must read
_HELD = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}


class Lock:
    """The right to write to the library in `folder`. Hold it with `take`, give it back with `release`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None

    def take(self) -> None:
        """Take the lock at once, without waiting.

        Raises:
            MareyError: another process (or this one, twice) holds it, or the place cannot be written or locked.
        """
        path = self._folder / "library.lock"
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise MareyError(
                f"{self._folder} cannot be written ({error.strerror}): a folder that you may write to would do."
            ) from error
        try:
            _lock(file)
        except OSError as error:
            holder = _read(file)
            os.close(file)
            if error.errno in _HELD:
                raise MareyError(f"{self._folder} {_sentence(holder)}") from error
            raise MareyError(
                f"{self._folder} cannot be locked ({error.strerror}): a folder on a local disk would do."
            ) from error
        self._file = file
        _write(file, _me())

    def release(self) -> None:
        """Give the lock back; without one this does nothing."""
        if self._file is not None:
            _write(self._file, None)
            os.close(self._file)
            self._file = None


def _me() -> dict[str, object]:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv else "python"
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": command[:300],
        "since": datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
    }


def _sentence(holder: dict[str, object]) -> str:
    if not holder:
        return "is being written by another process: wait until it ends."
    return (
        f"is being written by process {holder.get('pid')} on {holder.get('host')} since {holder.get('since')} "
        f"({holder.get('command')}): wait until it ends, or end it."
    )


def _read(file: int) -> dict[str, object]:
    try:
        os.lseek(file, 0, os.SEEK_SET)
        holder = json.loads(os.read(file, 4096))
    except (OSError, ValueError):  # its holder is just now writing it
        return {}
    return holder if isinstance(holder, dict) else {}


def _write(file: int, holder: dict[str, object] | None) -> None:
    os.ftruncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)
    if holder is not None:
        os.write(file, json.dumps(holder).encode())


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, _BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
