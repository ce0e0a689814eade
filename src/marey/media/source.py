"""A path as it was found: may it be opened at all, and what is the id of its content."""

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import Literal

from marey.errors import MareyError

_KINDS = {
    stat.S_ISDIR: "it is a folder, not a file",
    stat.S_ISFIFO: "it is a named pipe, not a file",
    stat.S_ISSOCK: "it is a socket, not a file",
    stat.S_ISCHR: "it is a device, not a file",
    stat.S_ISBLK: "it is a device, not a file",
}


class Unusable(MareyError):
    """A file that gives no footage.

    Attributes:
        status: `failed` (something is broken) or `rejected` (sound, but no footage by nature).
        reason: why, in one sentence without the file's name.
        again: whether another attempt may succeed although the file stays as it is: it could not be reached.
    """

    def __init__(
        self, status: Literal["failed", "rejected"], reason: str, path: str | Path = "", *, again: bool = False
    ) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.status = status
        self.reason = reason
        self.path = str(path)
        self.again = again

    def __reduce__(self) -> tuple[type["Unusable"], tuple[str, str, str], dict[str, bool]]:
        return type(self), (self.status, self.reason, self.path), {"again": self.again}


def check(path: str | Path) -> os.stat_result:
    """The file's status, once it is sure that it is a regular, readable file with something in it.

    Nothing is opened before its kind is known: opening a named pipe that nobody writes to would wait for ever.

    Raises:
        Unusable: it is not there, a folder, a pipe, a device, empty, or may not be read.
    """
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            reason = next((text for test, text in _KINDS.items() if test(found.st_mode)), "it is not a regular file")
            raise Unusable("rejected", reason, path)
        if found.st_size == 0:
            raise Unusable("failed", "the file is empty", path)
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        raise Unusable("failed", _sentence(error, path), path, again=True) from error
    return found


def _sentence(error: OSError, path: str | Path) -> str:
    if error.errno == errno.ELOOP:
        return "it is a link that leads back to itself"
    if isinstance(error, FileNotFoundError):
        if os.path.islink(path):
            return "it is a link to something that is not there"
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "it may not be read (permission denied)"
    return f"it cannot be read ({error.strerror or error})"


def head(path: str | Path, size: int = 64) -> bytes:
    """The first bytes of a file that `check` has passed."""
    with open(path, "rb") as file:
        return file.read(size)


def content_id(path: str | Path) -> str:
    """A hash of the whole content, 32 hexadecimal digits of BLAKE2b: the id of the footage, wherever it lies.

    Raises:
        Unusable: as in `check`.
    """
    check(path)
    digest = hashlib.blake2b(digest_size=16)
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise Unusable("failed", _sentence(error, path), path, again=True) from error
    return digest.hexdigest()
