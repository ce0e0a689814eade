"""Opening `library.db`: made, recognised, brought up to date, and each way in which that can fail as one sentence."""

import os
import sqlite3
from pathlib import Path
from typing import Any

from marey.catalog import schema
from marey.catalog.shards import FOLDERS
from marey.errors import MareyError

FILE = "library.db"
_OURS = {
    *FOLDERS.values(),
    "models",
    "runs",
    "clips",
    "tables",
    "footage",
    "log.txt",
    "library.lock",
    FILE,
    f"{FILE}-wal",
    f"{FILE}-shm",
}
_WAIT_SECONDS = 30.0  # for a reader that stands in the way of a checkpoint, or the other way round


def is_library(folder: Path) -> bool:
    """Whether there is a catalog in the folder."""
    return (folder / FILE).is_file()


def prepare(folder: Path) -> None:
    """Make the folder of a new library.

    Raises:
        MareyError: it holds other things, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strangers = sorted(name for name in os.listdir(folder) if name not in _OURS and not name.startswith("."))
    except OSError as error:
        raise MareyError(f"No library can be made at {folder} ({error.strerror}): another folder would do.") from error
    if strangers and not is_library(folder):
        raise MareyError(
            f"{folder} is no library and is not empty ({strangers[0]!r} is in it): a new or an empty folder would do."
        )


def open_to_write(folder: Path, *, create: bool) -> sqlite3.Connection:
    """The one connection that writes. The caller holds the lock.

    Raises:
        MareyError: there is no library and `create` is false; it is newer than this Marey; it is no library's database.
    """
    if not create:
        _demand(folder)
    with _explained(folder):
        db = _connect(folder, "rwc" if create else "rw")
        try:
            version = _version(db, folder, may_be_empty=create)
            db.execute("pragma journal_mode = wal")
            db.execute(
                "pragma synchronous = normal"
            )  # a killed process loses nothing; a power cut at most the last items
            db.execute("pragma secure_delete = on")  # what is forgotten does not linger in free pages
            if version == 0:
                _run(db, schema.TABLES, schema.VERSION)
            for old in range(version or schema.VERSION, schema.VERSION):
                _run(db, schema.MIGRATIONS[old], old + 1)
        except BaseException:
            db.close()
            raise
    return db


def open_to_read(folder: Path) -> sqlite3.Connection:
    """A connection that reads only, beside a writer or alone, also from a place that cannot be written.

    Raises:
        MareyError: there is no library, or its version is not this Marey's.
    """
    _demand(folder)
    with _explained(folder):
        try:
            db = _connect(folder, "ro")
            version = _version(db, folder)
        except sqlite3.OperationalError:
            # The side files of the write-ahead log cannot be made where nothing may be written; without a log none is
            # needed.
            log = folder / f"{FILE}-wal"
            if log.exists() and log.stat().st_size:
                raise
            db = _connect(folder, "ro&immutable=1")
            version = _version(db, folder)
    if version < schema.VERSION:
        db.close()
        raise MareyError(
            f"{folder} is of version {version}, made by an older Marey; this one reads version {schema.VERSION}: "
            f"the next command that writes to it (marey curate) brings it up to date."
        )
    return db


def as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    """sqlite3's row factory: a row by column names."""
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


def _connect(folder: Path, mode: str) -> sqlite3.Connection:
    uri = f"{(folder / FILE).absolute().as_uri()}?mode={mode}"
    db = sqlite3.connect(uri, uri=True, timeout=_WAIT_SECONDS, isolation_level=None)
    db.row_factory = as_dict
    return db


def _demand(folder: Path) -> None:
    if not folder.exists():
        raise MareyError(f"There is no library at {folder}: `marey curate FOOTAGE --out {folder}` would make one.")
    if not is_library(folder):
        raise MareyError(
            f"{folder} is no library (there is no {FILE} in it): "
            f"the folder that `marey curate FOOTAGE --out LIBRARY` made would do."
        )


def _version(db: sqlite3.Connection, folder: Path, *, may_be_empty: bool = False) -> int:
    """The schema version, or 0 of a database that has just been made."""
    version = int(db.execute("pragma user_version").fetchone()["user_version"])
    application = int(db.execute("pragma application_id").fetchone()["application_id"])
    if version == 0 and application == 0 and db.execute("select count(*) as n from sqlite_master").fetchone()["n"] == 0:
        if may_be_empty:
            return 0
        raise MareyError(
            f"{folder} is no library yet ({FILE} is empty): `marey curate FOOTAGE --out {folder}` would make one."
        )
    if application != schema.APPLICATION:
        raise MareyError(f"{folder / FILE} is a database of another program: a library's folder would do.")
    if version > schema.VERSION:
        raise MareyError(
            f"{folder} is of version {version}, made by a newer Marey; this one knows versions up to {schema.VERSION}: "
            f"pip install -U marey would do."
        )
    return version


def _run(db: sqlite3.Connection, statements: str, version: int) -> None:
    try:
        db.executescript(
            f"begin immediate; {statements}; pragma user_version = {version};"
            f"pragma application_id = {schema.APPLICATION}; commit;"
        )
    except BaseException:
        if db.in_transaction:
            db.rollback()
        raise


class _explained:
    """Turns what SQLite says while a library is opened into one sentence."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise MareyError(f"The catalog {self._folder / FILE} cannot be opened: {error}.") from error
