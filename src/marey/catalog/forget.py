"""Forgetting a footage: it and all that was made of it leave the library, and curation does not take it up again.

What stays is one fact, the content id with the date. Models cannot be made to forget; those that may have learned from
it are named. Other footage with the same origin (an edit that shows it) is named too and not touched.
"""

import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from marey.catalog import erase
from marey.catalog.paths import path_text
from marey.catalog.publish import TABLES, publish
from marey.catalog.select import without
from marey.catalog.store import FORGOTTEN, Library, Row
from marey.errors import MareyError, MissingExtra


@dataclass(frozen=True)
class Forgotten:
    """What was removed, and what could not be."""

    footage: str
    """Its content id; empty of an input that never became footage."""
    paths: tuple[str, ...]
    """The inputs that it was."""
    removed: dict[str, int]
    """Rows by table, and shards, clip files and runs' samples and reports."""
    selections: tuple[str, ...]
    """Selections that it had clips in; they are now without them."""
    runs: tuple[str, ...]
    models: tuple[str, ...]
    """Folders of models that may have learned from it. They are as they were."""
    related: tuple[str, ...]
    """Paths of other footage that shares an origin with it, and stays."""
    lingers: bool
    """Another process reads the library, so that deleted text may lie in library.db-wal until that ends."""

    def __str__(self) -> str:
        removed = ", ".join(f"{count} {what}" for what, count in self.removed.items() if count) or "nothing"
        text = f"Forgot {', '.join(self.paths) or self.footage}: removed {removed}."
        if self.models:
            text += f" These models may have learned from it and are as they were: {', '.join(self.models)}."
        if self.related:
            text += f" This footage shares an origin with it and stays: {', '.join(self.related)}."
        if self.lingers:
            text += " Another process reads the library: give the command again when it has ended, to wipe the rest."
        return text


def forget(library: Library, what: str | os.PathLike[str]) -> Forgotten:
    """Remove one footage, given by a path of it or by its id, and everything derived from it. Can be repeated.

    Raises:
        MareyError: nothing of that path or id is in the library.
    """
    footage, paths = _find(library, os.fspath(what))
    if not footage:
        return _forget_input(library, paths[0])
    library.facts[FORGOTTEN + footage] = datetime.now().astimezone().date().isoformat()

    clips = [row["id"] for row in library.rows("select id from clips where footage = ? order by id", footage)]
    names = erase.Names([footage, *clips], paths)
    related = _related(library, footage)
    selections = {row["selection"] for row in library.rows("select * from selected") if row["clip"] in names.ids}
    removed = {}
    removed["tensors"], removed["shards"] = erase.erase_tensors(library, names)
    removed["clip files"] = erase.erase_clips(library.path, names)
    models = _models(library, names, selections)
    runs = erase.erase_runs(library.path, names, selections)
    removed["runs' samples and reports"] = len(runs)
    erase.erase_logs(library.path, names)
    with library.transaction():
        without(library, names.ids)
        removed |= _erase_rows(library, footage, clips, names)
    _publish_anew(library)
    lingers = library.wipe()
    return Forgotten(footage, tuple(paths), removed, tuple(sorted(selections)), tuple(runs), models, related, lingers)


def remember(library: Library, footage: str) -> None:
    """Let curation take a forgotten footage up again.

    Raises:
        MareyError: it was not forgotten.
    """
    if FORGOTTEN + footage not in library.facts:
        raise MareyError(
            f"{library.path} has not forgotten {footage!r}: an id that Library.forgotten() gives would do."
        )
    del library.facts[FORGOTTEN + footage]


def _find(library: Library, what: str) -> tuple[str, list[str]]:
    """The footage's id, or '' of an input that never became one, and all its paths."""
    path = Path(what).expanduser()
    places = {path_text(what), path_text(path.absolute()), path_text(path.resolve())}
    for place in sorted(places):
        row = library.one("select path, footage from inputs where path = ?", place) or library.one(
            "select path, id as footage from footage where path = ?", place
        )
        if row is not None and not row["footage"]:
            return "", [row["path"]]
        if row is not None:
            what = row["footage"]
            break
    known = library.one("select id from footage where id = ?", what) is not None or what in library.forgotten()
    paths = {row["path"] for row in library.rows("select path from inputs where footage = ?", what)}
    paths |= {row["path"] for row in library.rows("select path from footage where id = ?", what)}
    if not known and not paths:
        raise MareyError(
            f"{what!r} is no footage of {library.path}: the path of a file that was curated, or a footage id, would do."
        )
    return what, sorted(paths)


def _forget_input(library: Library, path: str) -> Forgotten:
    """An input that was no footage has nothing derived from it but its rows."""
    with library.transaction():
        removed = {"inputs": library.delete("inputs", path=path), "ledger": library.delete("ledger", item=path)}
    erase.erase_logs(library.path, erase.Names([], [path]))
    return Forgotten("", (path,), removed, (), (), (), (), library.wipe())


def _erase_rows(library: Library, footage: str, clips: list[str], names: erase.Names) -> dict[str, int]:
    removed = {
        "clips": library.delete("clips", footage=footage),
        "signals": library.delete("signals", clip=clips),
        "captions": library.delete("captions", clip=clips),
        "transitions": library.delete("transitions", footage=footage),
        "footage": library.delete("footage", id=footage),
        "inputs": library.delete("inputs", footage=footage),
    }
    _rename_groups(library, names)
    # Whatever else names it is derived, and is made anew by whoever needs it.
    for table, key in (("signals", ("clip", "name")), ("captions", ("clip", "captioner")), ("votes", ("id",))):
        removed[table] = removed.get(table, 0) + _erase_naming(library, table, key, names)
    removed["ledger"] = _erase_naming(library, "ledger", ("item", "stage"), names)
    removed["facts"] = _erase_naming(library, "facts", ("name",), names)
    return removed


def _erase_naming(library: Library, table: str, key: tuple[str, ...], names: erase.Names) -> int:
    """Delete the rows that have a text which names any of the ids or paths."""
    count = 0
    for row in library.rows(f"select * from {table}"):
        if table == "facts" and row["name"].startswith(FORGOTTEN):
            continue
        if any(isinstance(value, str) and names.within(value) for value in row.values()):
            count += library.delete(table, **{column: row[column] for column in key})
    return count


def _rename_groups(library: Library, names: erase.Names) -> None:
    """A group of near-duplicates may bear the name of a clip that goes; those that stay take another of theirs."""
    rows = library.rows("select * from signals where name = 'duplicate_group' and data is not null order by clip")
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if names.within(row["data"]):
            groups.setdefault(row["data"], []).append(row)
    for members in groups.values():
        name = members[0]["clip"]
        quoted = members[0]["data"].startswith('"')
        library.put("signals", ({**row, "data": json.dumps(name) if quoted else name} for row in members))


def _related(library: Library, footage: str) -> tuple[str, ...]:
    rows = library.rows("select id, path, origin from footage order by path")
    own = {str(origin) for row in rows if row["id"] == footage for origin in json.loads(row["origin"])}
    return tuple(
        row["path"] for row in rows if row["id"] != footage and own & {str(o) for o in json.loads(row["origin"])}
    )


def _models(library: Library, names: erase.Names, selections: set[str]) -> tuple[str, ...]:
    """Models that a run trained on one of the selections, and those whose own files name an id."""
    found = erase.models_naming(library.path, names)
    for run in (library.path / "runs").glob("*"):
        recipe: dict[str, Any] = erase.run_recipe(run)
        if recipe.get("select", {}).get("name") in selections:
            found.add(str(recipe.get("train", {}).get("name", "")))
    folders = {f"models/{name}" for name in found if name and (library.path / "models" / name).is_dir()}
    for selection in selections:
        encoded = library.facts.get(f"encode/{selection}")
        autoencoder = encoded.get("autoencoder") if isinstance(encoded, dict) else None
        if autoencoder:
            folders.add(str(autoencoder))
    return tuple(sorted(folders))


def _publish_anew(library: Library) -> None:
    """The published tables are made again without it, or removed where that cannot be done."""
    if any((library.path / name).exists() for name in TABLES):
        try:
            publish(library)
        except MissingExtra:
            for name in TABLES:
                (library.path / name).unlink(missing_ok=True)
