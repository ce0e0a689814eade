"""What others read of a library: Parquet tables and a data set card, each put in place at once.

`tables/catalog.parquet` is the full table: a row a clip with its footage, signals and captions. `metadata.parquet` has
the rows of the clips that exist as files, under `file_name`, as Hugging Face's video folders want it. `README.md` is
the card: the licence, source and credit of all footage, and counts. No path of this machine is in any of them.
"""

from dataclasses import dataclass

from marey.catalog.card import library_card
from marey.catalog.replace import replace_file
from marey.catalog.store import Library
from marey.catalog.table import clip_table, write_parquet
from marey.errors import require

TABLES = ("metadata.parquet", "tables/catalog.parquet", "README.md")


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
    rows, columns = clip_table(library)
    files = {path.stem: path.relative_to(library.path).as_posix() for path in (library.path / "clips").rglob("*.mp4")}
    shown = [{"file_name": files[row["clip"]], **row} for row in rows if row["clip"] in files]
    replace_file(library.path / TABLES[1], lambda path: write_parquet(path, rows, columns))
    replace_file(library.path / TABLES[0], lambda path: write_parquet(path, shown, {"file_name": "string", **columns}))
    card = library_card(library, rows, bool(shown))
    replace_file(library.path / TABLES[2], lambda path: path.write_text(card, encoding="utf-8"))
    return Published(TABLES, len(rows), len(shown))
