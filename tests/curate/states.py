"""All that a library knows, to be compared with another one."""

from pathlib import Path
from typing import Any

from panning import NETWORKS

from marey.catalog import Library
from marey.recipe import Curate

NO_TEXT = Curate(without=NETWORKS)


def rows(library: Path) -> dict[str, list[dict[str, Any]]]:
    """All that is known, without what may differ between two runs: names of shards and seconds."""
    with Library.open(library) as store:
        tables = {
            name: store.rows(f"select * from {name} order by 1, 2, 3")
            for name in ("inputs", "footage", "transitions", "clips", "signals", "captions")
        }
        tables["tensors"] = store.rows("select kind, item from tensors order by 1, 2")
        tables["ledger"] = store.rows("select item, stage, status, reason from ledger order by 1, 2")
        arrays = {item: store.tensor("trace", item) for item in store.places("trace")}
    tables["trace"] = [
        {name: array.tobytes() for name, array in arrays[item].items()}  # type: ignore[union-attr]
        for item in sorted(arrays)
    ]
    return tables
