"""What others read of a library: Parquet tables and a data set card, each put in place at once.

`tables/catalog.parquet` is the full table: a row a clip with its footage, signals and captions. `metadata.parquet` has
the rows of the clips that exist as files, under `file_name`, as Hugging Face's video folders want it. `README.md` is
the card: the licence, source and credit of all footage, and counts. No path of this machine is in any of them.
"""

import html
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from marey.catalog.store import Library, Row
from marey.errors import require

TABLES = ("metadata.parquet", "tables/catalog.parquet", "README.md")
_CLIP = {  # column to its Arrow type
    "clip": "string",
    "footage": "string",
    "footage_name": "string",
    "kind": "string",
    "n": "int64",
    "start_frame": "int64",
    "end_frame": "int64",
    "start_pts": "int64",
    "end_pts": "int64",
    "time_base": "string",
    "frames": "int64",
    "seconds": "float64",
    "width": "int64",
    "height": "int64",
    "fps": "float64",
    "status": "string",
    "stage": "string",
    "reason": "string",
    "license": "string",
    "source": "string",
    "credit": "string",
}
_LICENCES = {  # as footage names it, to the Hub's identifier
    "cc0": "cc0-1.0",
    "cc0-1.0": "cc0-1.0",
    "cc by 3.0": "cc-by-3.0",
    "cc-by-3.0": "cc-by-3.0",
    "cc by 4.0": "cc-by-4.0",
    "cc-by-4.0": "cc-by-4.0",
    "apache-2.0": "apache-2.0",
    "mit": "mit",
}


@dataclass(frozen=True)
class Published:
    """What was written."""

    files: tuple[str, ...]
    """Inside the library, with forward slashes."""
    clips: int
    """Rows of the full table."""
    clip_files: int
    """Rows of metadata.parquet."""


def publish(library: Library) -> Published:
    """Write the tables and the card anew; each replaces its predecessor in one step.

    Raises:
        MissingExtra: pyarrow is not installed (the extra `parquet`).
    """
    require("pyarrow", "parquet")
    rows, columns = _table(library)
    files = {path.stem: path.relative_to(library.path).as_posix() for path in (library.path / "clips").rglob("*.mp4")}
    shown = [{"file_name": files[row["clip"]], **row} for row in rows if row["clip"] in files]
    _replace(library.path / TABLES[1], lambda path: _parquet(path, rows, columns))
    _replace(library.path / TABLES[0], lambda path: _parquet(path, shown, {"file_name": "string", **columns}))
    card = _card(library, rows, bool(shown))
    _replace(library.path / TABLES[2], lambda path: path.write_text(card, encoding="utf-8"))
    return Published(TABLES, len(rows), len(shown))


def _table(library: Library) -> tuple[list[Row], dict[str, str]]:
    """A row a clip, and the columns of all of them."""
    clips = library.rows(
        "select clips.id as clip, clips.footage, footage.path as footage_name, footage.kind, clips.n, "
        "clips.start_frame, clips.end_frame, clips.start_pts, clips.end_pts, footage.time_base, clips.frames, "
        "clips.seconds, clips.width, clips.height, clips.fps, clips.status, clips.stage, clips.reason, "
        "footage.license, footage.source, footage.credit "
        "from clips left join footage on footage.id = clips.footage order by clips.footage, clips.n, clips.id"
    )
    columns = dict(_CLIP)
    signals: dict[str, dict[str, str]] = {}  # by name: which column of a signal's row goes to which of the table
    for row in library.rows(
        "select name, count(value) as n, count(data) as texts from signals group by name order by name"
    ):
        column = row["name"] if row["name"] not in columns else f"signal_{row['name']}"
        signals[row["name"]] = places = {}
        if row["n"] or not row["texts"]:
            places["value"] = column
            columns[column] = "float64"
        if row["texts"]:
            places["data"] = f"{column}_data" if row["n"] else column
            columns[places["data"]] = "string"
    captioners = [
        row["captioner"] for row in library.rows("select distinct captioner from captions order by captioner")
    ]
    columns |= {"caption": "string"} | {f"caption_{name}": "string" for name in captioners}
    columns["selections"] = "list"

    known = library.signals()
    captions: dict[str, dict[str, str]] = {}
    for row in library.rows("select clip, captioner, text from captions where status = 'ok' order by clip, captioner"):
        captions.setdefault(row["clip"], {})[row["captioner"]] = row["text"]
    members: dict[str, list[str]] = {}
    for row in library.rows("select clip, selection from selected order by clip, selection"):
        members.setdefault(row["clip"], []).append(row["selection"])
    for clip in clips:
        path = clip["footage_name"] or ""
        clip["footage_name"] = _name(path)
        clip["reason"] = clip["reason"].replace(path, _name(path)) if path else clip["reason"]
        for name, row in known.get(clip["clip"], {}).items():
            clip |= {column: row[part] for part, column in signals[name].items()}
        said = captions.get(clip["clip"], {})
        clip |= {f"caption_{name}": text for name, text in said.items()}
        clip["caption"] = said.get("file") or next(iter(said.values()), None)  # what a person wrote comes first
        clip["selections"] = members.get(clip["clip"], [])
    return clips, columns


def _name(path: str) -> str:
    """The last part of a path of either kind of system."""
    return (PureWindowsPath(path) if "\\" in path else PurePosixPath(path)).name


def _parquet(path: Path, rows: list[Row], columns: dict[str, str]) -> None:
    import pyarrow as arrow
    from pyarrow import parquet

    types = {
        "string": arrow.string(),
        "int64": arrow.int64(),
        "float64": arrow.float64(),
        "list": arrow.list_(arrow.string()),
    }
    schema = arrow.schema([(name, types[kind]) for name, kind in columns.items()])
    parquet.write_table(arrow.Table.from_pylist(rows, schema=schema), path)


def _replace(path: Path, write: Callable[[Path], Any]) -> None:
    """Write under a temporary name beside `path`, then take its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _card(library: Library, rows: list[Row], has_files: bool) -> str:
    """The data set card, with the header by which the Hub knows which files are the data."""
    footage = library.rows(
        "select id, path, kind, license, source, credit, seconds, status from footage order by path, id"
    )
    ok = [row for row in rows if row["status"] == "ok"]
    licences = Counter(row["license"] for row in footage)
    known = {_LICENCES.get(name.lower(), "other") for name in licences}
    data = ["metadata.parquet", "clips/**"] if has_files else ["tables/catalog.parquet"]
    signals = library.rows(
        "select name, unit, bad, sum(status = 'ok') as n, sum(status != 'ok') as missing "
        "from signals group by name order by name"
    )
    selections = library.rows("select name, clips, hash from selections order by name")
    lines = [
        "---",
        f"license: {known.pop() if len(known) == 1 else 'other'}",
        "configs:",
        "- config_name: default",
        "  data_files:",
        *[f'  - "{name}"' for name in data],
        "---",
        "",
        "# Clips",
        "",
        "Made by Marey from raw footage. The full table is `tables/catalog.parquet`; the clips that are not usable are "
        "in it, and why.",
        "",
        f"- usable clips: {len(ok)}, {sum(row['seconds'] or 0 for row in ok) / 60:.1f} minutes",
        f"- other clips: {len(rows) - len(ok)}",
        f"- sources: {len(footage)}",
        "",
        "## Signals",
        "",
        *_markdown(
            ("signal", "unit", "bad end", "clips", "without"),
            ((row["name"], row["unit"], row["bad"], row["n"], row["missing"]) for row in signals),
        ),
        "",
        "## Selections",
        "",
        *_markdown(("selection", "clips", "hash"), ((row["name"], row["clips"], row["hash"]) for row in selections)),
        "",
        "## Licences",
        "",
        *_markdown(("licence", "sources"), licences.most_common()),
        "",
        "## Footage",
        "",
        *_markdown(
            ("name", "kind", "licence", "credit", "source", "status"),
            (
                (_name(row["path"]), row["kind"], row["license"], row["credit"], row["source"], row["status"])
                for row in footage
            ),
        ),
        "",
    ]
    return "\n".join(lines)


def _markdown(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> list[str]:
    """A table whose cells say what they hold and nothing more, whatever characters a file's name has."""

    def line(cells: Iterable[Any]) -> str:
        texts = (html.escape(" ".join(str(cell).split()), quote=False).replace("|", "&#124;") for cell in cells)
        return f"| {' | '.join(texts)} |"

    names = list(head)
    return [line(names), f"|{' --- |' * len(names)}", *map(line, rows)]
