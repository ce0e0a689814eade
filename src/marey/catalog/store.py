"""A library: the folder of everything that is known of some footage, and the tables in it.

    with Library.open("library", write=True) as library:
        library.put("clips", rows)                    # one transaction
        with library.transaction():                   # several calls, all or nothing
            library.put("signals", rows)
            library.record(result, "read@1")

One process writes, any number read beside it. After a kill at any moment the library is as it was after the last
transaction.
"""

import json
import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol

import numpy as np

from marey.catalog import database
from marey.catalog.facts import Facts
from marey.catalog.lock import Lock
from marey.catalog.shards import (
    Arrays,
    Shard,
    flatten,
    new_shard,
    remove_orphans,
    shard_folder,
    shard_name,
    write_shard,
)
from marey.catalog.values import plain
from marey.errors import EndsRun, MareyError

Row = dict[str, Any]
_OPEN_SHARDS = 16
FORGOTTEN = "forgotten/"  # the facts that name what was forgotten start so


class Recorded(Protocol):
    """What the ledger keeps of an item: the engine's Result, whose room lies beside this one."""

    @property
    def id(self) -> str: ...
    @property
    def out(self) -> Mapping[str, Any]: ...
    @property
    def error(self) -> str: ...
    @property
    def seconds(self) -> float: ...
    @property
    def status(self) -> str: ...


class Place(NamedTuple):
    """Where an array lies, and what is known of it."""

    shard: str
    """Path inside the library, with forward slashes."""
    key: str
    info: dict[str, Any]


class Library:
    """Open one with `Library.open`, as a context or with `close` at the end."""

    def __init__(self, path: Path, db: sqlite3.Connection, lock: Lock | None) -> None:
        self.path = path
        self.facts = Facts(self)
        self._db = db
        self._lock = lock
        self._shards: OrderedDict[str, Shard] = OrderedDict()
        self._columns = cache(self._read_columns)

    @classmethod
    def open(cls, path: str | Path, *, write: bool = False, create: bool = False) -> "Library":
        """Open the library in the folder `path`; `create` makes it where there is none, and implies `write`.

        Raises:
            MareyError: no library there; one of a newer Marey; another process writes to it (and who); a place that
                cannot be written.
        """
        folder = Path(path).expanduser().absolute()
        if not (write or create):
            return cls(folder, database.open_to_read(folder), None)
        if create:
            database.prepare(folder)
        elif not database.is_library(folder):
            database.open_to_read(folder)  # raises, and leaves no lock file in a folder that is not ours
        lock = Lock(folder)
        lock.take()
        try:
            library = cls(folder, database.open_to_write(folder, create=create), lock)
        except BaseException:
            lock.release()
            raise
        try:
            library.sweep()
        except BaseException:
            library.close()
            raise
        return library

    def close(self) -> None:
        """Close it and give the lock back. A second time does nothing."""
        self.close_shards()
        self._db.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> "Library":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # rows

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """The rows of a query, each by column name. Values take the place of `?`."""
        return self._db.execute(sql, values).fetchall()

    def one(self, sql: str, *values: Any) -> Row | None:
        """The first row of a query, or None."""
        row: Row | None = self._db.execute(sql, values).fetchone()
        return row

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is kept together or not at all. Inside another one it is a part of that."""
        self._demand_write()
        if self._db.in_transaction:
            yield
            return
        try:
            self._db.execute("begin immediate")
            yield
            self._db.commit()
        except BaseException as error:
            if self._db.in_transaction:
                self._db.rollback()
            why = self._unwritable(error) if isinstance(error, sqlite3.OperationalError) else ""
            if why:
                raise EndsRun(why) from error
            raise

    def put(self, table: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Insert rows, or change the columns that are given of those whose primary key is there; one transaction.

        Lists and mappings become JSON, paths their text (`path_text`), fractions 'n/d', numpy's numbers plain ones;
        NaN is stored as null.

        Returns:
            How many rows there were.

        Raises:
            ValueError: no such table or column, a row without its primary key, or a new row without a column that it
                must have.
        """
        count = 0
        with self.transaction():
            for row in rows:
                self._put(table, row)
                count += 1
        return count

    def delete(self, table: str, **where: Any) -> int:
        """Delete the rows where each column named has the value given, or one of them if it is a list, tuple or set.

        Returns:
            How many there were.

        Raises:
            ValueError: no such table or column, or no condition at all.
        """
        known, _, _ = self._columns(table)
        unknown = set(where) - set(known)
        if unknown or not where:
            raise ValueError(
                f"delete from {table} needs conditions on its columns {', '.join(known)}, not {sorted(unknown)}"
            )
        count = 0
        lists = {name: value for name, value in where.items() if isinstance(value, list | tuple | set | frozenset)}
        with self.transaction():
            for name, values in lists.items():
                # A temporary table, for a list may be longer than the number of values that one statement takes.
                self._db.execute(f"create temp table wanted_{name}(value)")
                self._db.executemany(f"insert into wanted_{name} values (?)", [(plain(value),) for value in values])
            terms = [
                f"{name} in (select value from wanted_{name})" if name in lists else f"{name} is ?" for name in where
            ]
            single = [plain(value) for name, value in where.items() if name not in lists]
            count = self._db.execute(f"delete from {table} where {' and '.join(terms)}", single).rowcount
            for name in lists:
                self._db.execute(f"drop table temp.wanted_{name}")
        return count

    # the ledger

    def done(self, stage: str) -> set[str]:
        """The items that `stage` (as name@version) has finished: ok, or rejected for good; failed is not finished."""
        rows = self.rows("select item from ledger where stage = ? and status in ('ok', 'rejected')", stage)
        return {row["item"] for row in rows}

    def record(self, result: Recorded, stage: str) -> None:
        """Enter what became of an item in the ledger, in place of what stood there."""
        self.put(
            "ledger",
            [
                {
                    "item": result.id,
                    "stage": stage,
                    "status": result.status,
                    "reason": result.error,
                    "seconds": result.seconds,
                    "out": dict(result.out),
                }
            ],
        )

    # tensors

    def put_tensors(
        self, kind: str, arrays: Mapping[str, Arrays], info: Mapping[str, Mapping[str, Any]] | None = None
    ) -> str | None:
        """Append one shard that holds an array, or several by name, for each item, and point the items at it.

        Args:
            kind: such as "trace" or "latents@3f2a"; see `shards.FOLDERS`.
            arrays: by item; some 100 MB in all make a good shard.
            info: by item, what is to be known of it without reading it; JSON.

        Returns:
            The shard, or None of no arrays.
        """
        self._demand_write()
        shard_folder(self.path, kind)
        if not arrays:
            return None
        info = info or {}
        path = new_shard(self.path, kind)
        write_shard(path, flatten(arrays))
        shard = shard_name(self.path, path)
        rows = [
            {"kind": kind, "item": item, "shard": shard, "key": item, "info": info.get(item, {})} for item in arrays
        ]
        self.put("tensors", rows)
        return shard

    def tensor(self, kind: str, item: str) -> np.ndarray | dict[str, np.ndarray]:
        """The array of an item, or its arrays by name, as `put_tensors` got them.

        Raises:
            KeyError: there is none.
            MareyError: its shard is gone or damaged.
        """
        place = self.place(kind, item)
        shard = self._shards.pop(place.shard, None) or Shard(self.path / place.shard)
        self._shards[place.shard] = shard  # the last used stands last
        if len(self._shards) > _OPEN_SHARDS:
            self._shards.popitem(last=False)
        return shard.read(place.key)

    def place(self, kind: str, item: str) -> Place:
        """Where the array of an item lies.

        Raises:
            KeyError: there is none.
        """
        row = self.one("select shard, key, info from tensors where kind = ? and item = ?", kind, item)
        if row is None:
            raise KeyError(f"{self.path} has no {kind} of {item}")
        return Place(row["shard"], row["key"], json.loads(row["info"]))

    def places(self, kind: str) -> dict[str, Place]:
        """All items of a kind, in order, with where they lie."""
        rows = self.rows("select item, shard, key, info from tensors where kind = ? order by item", kind)
        return {row["item"]: Place(row["shard"], row["key"], json.loads(row["info"])) for row in rows}

    def sweep(self) -> int:
        """Remove the shards that no row points to, as a killed process leaves them; done at each open for writing.

        Not while worker processes write shards whose pointers are still to come.
        """
        self._demand_write()
        self.close_shards()
        return remove_orphans(self.path, (row["shard"] for row in self.rows("select distinct shard from tensors")))

    def close_shards(self) -> None:
        """Let go of the shards that `tensor` holds open, so that they can be replaced."""
        self._shards.clear()

    def wipe(self) -> bool:
        """Leave no trace of deleted rows in the files of the database.

        Returns:
            Whether some linger because another process reads the library.
        """
        self._demand_write()
        self._db.execute("vacuum")
        row = self.one("pragma wal_checkpoint(truncate)")
        return bool(row and row["busy"])

    # what is known

    def signals(self, clips: Iterable[str] | None = None) -> dict[str, dict[str, Row]]:
        """The rows of the table signals by clip and name; of all clips, or of those given (each has an entry)."""
        wanted = None if clips is None else list(clips)
        found: dict[str, dict[str, Row]] = {clip: {} for clip in wanted or ()}
        if wanted is not None and len(wanted) < 500:
            marks = ", ".join("?" * len(wanted))
            rows = self.rows(f"select * from signals where clip in ({marks}) order by clip, name", *wanted)
        else:
            rows = self.rows("select * from signals order by clip, name")
        for row in rows:
            if wanted is None or row["clip"] in found:
                found.setdefault(row["clip"], {})[row["name"]] = row
        return found

    def forgotten(self) -> dict[str, str]:
        """The content ids that were forgotten, each with its date: curation leaves them out."""
        rows = self.rows("select name, value from facts where name glob ? order by name", f"{FORGOTTEN}*")
        return {row["name"].removeprefix(FORGOTTEN): json.loads(row["value"]) for row in rows}

    # inside

    def _demand_write(self) -> None:
        if self._lock is None:
            raise MareyError(f"{self.path} is open for reading only: Library.open(..., write=True) would do.")

    def _unwritable(self, error: sqlite3.OperationalError) -> str:
        """What ails the place, as a sentence; empty if it is not the place."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL or "is full" in str(error):
            return f"The disk of {self.path} is full: free some space, then give the same command."
        if code == sqlite3.SQLITE_BUSY:
            return f"The catalog of {self.path} is held by another program: end that, then give the same command."
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
            return f"The catalog of {self.path} cannot be written ({error}): give the same command once it can."
        return ""

    def _read_columns(self, table: str) -> tuple[tuple[str, ...], tuple[str, ...], frozenset[str]]:
        """All columns of a table, its primary key, and those that a new row must give."""
        rows = self.rows("select * from pragma_table_info(?)", table)
        if not rows:
            raise ValueError(f"there is no table {table!r}")
        key = tuple(row["name"] for row in sorted(rows, key=lambda row: row["pk"]) if row["pk"])
        numbered = len(key) == 1 and any(row["pk"] and row["type"].lower() == "integer" for row in rows)
        needed = {row["name"] for row in rows if row["notnull"] and row["dflt_value"] is None}
        return (
            tuple(row["name"] for row in rows),
            () if numbered else key,
            frozenset(needed | set(key) if not numbered else needed),
        )

    def _put(self, table: str, row: Mapping[str, Any]) -> None:
        columns, key, needed = self._columns(table)
        names = list(row)
        unknown = set(names) - set(columns)
        if unknown or not set(key) <= set(names):
            raise ValueError(
                f"a row of {table} has the columns {', '.join(columns)} and needs {', '.join(key)}; given: {names}"
            )
        values = [plain(row[name]) for name in names]
        others = [name for name in names if name not in key]
        if needed <= set(names):
            sql = f"insert into {table}({', '.join(names)}) values ({', '.join('?' * len(names))})"
            if key:
                changes = ", ".join(f"{name} = excluded.{name}" for name in others)
                sql += f" on conflict({', '.join(key)}) do " + (f"update set {changes}" if changes else "nothing")
            self._db.execute(sql, values)
            return
        changes = ", ".join(f"{name} = ?" for name in others)
        same = " and ".join(f"{name} is ?" for name in key)
        sql = f"update {table} set {changes} where {same}" if others and key else ""
        given = [plain(row[name]) for name in (*others, *key)]
        if not sql or self._db.execute(sql, given).rowcount == 0:
            raise ValueError(f"a new row of {table} needs {', '.join(sorted(needed - set(names)))} too; given: {names}")
