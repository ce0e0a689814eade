"""What a layout is, and the buckets that several of them name."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from marey.catalog.sample import Sample
from marey.recipe import Export

CLIPS = "clips"  # the folder of the clips' files, flat: most trainers look into one folder and no further


@dataclass(frozen=True)
class Written:
    """What a layout wrote."""

    files: tuple[str, ...]
    """Inside the folder, with forward slashes; the clips' own files too, where they stay."""
    data: tuple[str, ...] = ()
    """Patterns of the files that the Hub is to take for the data; none where it cannot read the layout."""
    spent: tuple[str, ...] = field(default=(), repr=False)
    """Clips' files that are packed elsewhere and are no longer needed."""


class Layout(Protocol):
    """One way to lay an export out."""

    @property
    def name(self) -> str:
        """As `--as` and the recipe say it."""

    @property
    def clips(self) -> str:
        """The folder inside the export in which the clips' files are made."""

    @property
    def needs(self) -> tuple[str, str] | None:
        """A module, and the extra that brings it."""

    def write(self, folder: Path, samples: Sequence[Sample], settings: Export) -> Written:
        """Write all but the clips' files. A second time with the same samples changes nothing."""


def root(folder: Path, settings: Export) -> str:
    """The export's folder as the trainer will see it."""
    return (settings.root or folder.absolute().as_posix()).rstrip("/")


def frame_bucket(frames: int, lengths: Sequence[int]) -> int:
    """The longest of `lengths` that so many frames fill; the frames themselves where they fill none.

    >>> frame_bucket(30, (1, 9, 25, 33)), frame_bucket(3, (9, 25))
    (25, 3)
    """
    return max((length for length in lengths if length <= frames), default=frames)


def lines(rows: Iterable[dict[str, Any]]) -> str:
    """Rows as JSON, one a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def toml_text(value: str) -> str:
    """A string as TOML writes it; JSON's way is one of TOML's."""
    return json.dumps(value, ensure_ascii=False)
