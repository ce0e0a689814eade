"""The data set card: a README with the header by which the Hub knows which files are the data."""

import html
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from marey.catalog.store import Library, Row
from marey.catalog.table import base_name

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


def library_card(library: Library, rows: list[Row], has_files: bool) -> str:
    """The data set card, with the header by which the Hub knows which files are the data."""
    footage = library.rows(
        "select id, path, kind, license, source, credit, seconds, status from footage order by path, id"
    )
    ok = [row for row in rows if row["status"] == "ok"]
    licences = Counter(row["license"] for row in footage)
    data = ["metadata.parquet", "clips/**"] if has_files else ["tables/catalog.parquet"]
    signals = library.rows(
        "select name, unit, bad, sum(status = 'ok') as n, sum(status != 'ok') as missing "
        "from signals group by name order by name"
    )
    selections = library.rows("select name, clips, hash from selections order by name")
    lines = [
        *_header(licences, data),
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
                (base_name(row["path"]), row["kind"], row["license"], row["credit"], row["source"], row["status"])
                for row in footage
            ),
        ),
        "",
    ]
    return "\n".join(lines)


def export_card(
    rows: Sequence[Row], facts: Sequence[tuple[str, Any]], left_out: Sequence[tuple[str, str]], data: Sequence[str]
) -> str:
    """The card of clips that were written out: what they are, whose footage they show, and what is not among them.

    Args:
        rows: of the full table, of the clips that are there.
        facts: name and value of what else is to be known.
        left_out: clip and reason of those that should be there and are not.
        data: the files that the Hub is to take for the data; none where it cannot read the layout.
    """
    licences = Counter(row["license"] for row in rows)
    sources = Counter((row["footage_name"], row["license"], row["credit"], row["source"]) for row in rows)
    lines = [
        *_header(licences, data),
        "# Clips",
        "",
        "Made by Marey from raw footage.",
        "",
        *[f"- {name}: {_plain(value)}" for name, value in facts],
        "",
        "## Licences",
        "",
        *_markdown(("licence", "clips"), licences.most_common()),
        "",
        "## Footage",
        "",
        *_markdown(
            ("name", "licence", "credit", "source", "clips"),
            ((*source, count) for source, count in sorted(sources.items(), key=lambda item: [str(v) for v in item[0]])),
        ),
        "",
    ]
    if left_out:
        lines += ["## Left out", "", *_markdown(("clip", "reason"), left_out), ""]
    return "\n".join(lines)


def _header(licences: Iterable[str], data: Sequence[str]) -> list[str]:
    known = {_LICENCES.get(str(name).lower(), "other") for name in licences}
    files = ["configs:", "- config_name: default", "  data_files:", *[f'  - "{name}"' for name in data]] if data else []
    return ["---", f"license: {known.pop() if len(known) == 1 else 'other'}", *files, "---", ""]


def _plain(value: Any) -> str:
    return html.escape(" ".join(str(value).split()), quote=False)


def _markdown(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> list[str]:
    """A table whose cells say what they hold and nothing more, whatever characters a file's name has."""

    def line(cells: Iterable[Any]) -> str:
        texts = (_plain(cell).replace("|", "&#124;") for cell in cells)
        return f"| {' | '.join(texts)} |"

    names = list(head)
    return [line(names), f"|{' --- |' * len(names)}", *map(line, rows)]
