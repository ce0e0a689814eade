"""What failed before is tried again when there is reason to: not at every run.

A file that is broken fails the same way each time, and five hundred of them would cost each run their time. It is
looked at again when it has changed, when what reads it has (a new Marey or PyAV), when it may have more time than it
had, or when that is asked for. What failed for a cause outside the file (it could not be reached, it changed
meanwhile, its process was killed) is tried at each run. In the catalog, an input that is to be looked at again has no
size, a footage that is to be read again says so in its ledger, and a value that is to be computed again has no version.
"""

import json
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import marey
from marey.catalog import Library
from marey.curate.read import ProbeStage, ReadStage
from marey.engine import Result, stage_key

_FACT = "reader"  # what read the library's footage last, and how long a file was given


def forgive(library: Library, seconds: float, *, everything: bool = False) -> None:
    """Mark what failed as to be tried again, if what reads has changed since, or may take longer now.

    Args:
        seconds: that a file may take.
        everything: in any case.
    """
    now = {"by": _reader(), "seconds": seconds}
    had = library.facts.get(_FACT, {})
    changed = had.get("by") != now["by"] or had.get("seconds", 0) < seconds
    if had == now and not everything:
        return
    with library.transaction():
        library.facts[_FACT] = now
        if not (changed or everything):
            return
        inputs = library.rows("select path from inputs where status = 'failed' and footage is null")
        library.put("inputs", [{**row, "size": None} for row in inputs])
        reads = library.rows("select item, stage from ledger where status = 'failed' and stage = ?", _READ)
        library.put("ledger", [{**row, "out": {"again": True}} for row in reads])
        cuts = library.rows("select item, stage from ledger where status = 'failed' and stage like 'cut@%'")
        for row in cuts:
            library.delete("ledger", **row)
        signals = library.rows("select clip, name from signals where status = 'failed'")
        library.put("signals", [{**row, "version": ""} for row in signals])
        # What a captioner would not say has nothing to do with what reads, and asking may cost.
        captions = library.rows("select clip, captioner from captions where status = 'failed'") if everything else []
        library.put("captions", [{**row, "version": ""} for row in captions])


def is_settled(row: dict[str, Any] | None) -> bool:
    """Whether a row of the ledger says of a footage that reading it again would end the same, without success."""
    if row is None or row["status"] == "ok":
        return False
    return row["status"] == "rejected" or not json.loads(row["out"]).get("again")


def entered(result: Result) -> Result:
    """A result as the ledger keeps it: of one that failed, whether another attempt may succeed."""
    if result.status != "failed":
        return result
    return Result(result.id, {"again": result.again}, result.error, result.seconds, result.status)


def passed_over(library: Library, here: Iterable[str], tried: set[str]) -> int:
    """How many of the inputs `here` failed before and were not tried in this run.

    Args:
        tried: the inputs and footage that were.
    """
    rows = library.rows(
        "select path, footage from inputs where status = 'failed' and stage in ('probe', 'read', 'cut')"
    )
    wanted = set(here)
    return sum(row["path"] in wanted and not tried & {row["path"], row["footage"]} for row in rows)


def _reader() -> list[str]:
    return [_PROBE, _READ, f"marey {marey.__version__}", f"av {version('av')}"]


_PROBE, _READ = stage_key(ProbeStage()), stage_key(ReadStage())
