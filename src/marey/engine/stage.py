"""The protocol of a curation stage, and what comes of one item.

A stage is plain Python and imports no engine, so that the same class runs in this process, in guarded worker processes
or on a cluster. Rows go in and rows come out; they carry ids and paths, never pixels. A stage that makes arrays writes
its own shard and returns the pointer. `process` may run twice for an item (the process may have died after it): it must
be repeatable.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from marey.errors import EndsRun, MareyError

Row = Mapping[str, Any]
Status = Literal["ok", "failed", "rejected"]


class Stage(Protocol):
    """One step over one item. Picklable, so that a spawned process can have it; weights are loaded in `setup`."""

    name: str
    version: str
    """With the name it keys the ledger: a new version does everything anew."""
    cpus: float
    gpus: float
    """Hints for a cluster; a share such as 0.25 will do. The other runners ignore both."""

    def setup(self) -> None:
        """Load what is loaded once a process.

        Raises:
            MareyError: it cannot run here (an extra is missing); this ends the run.
        """

    def process(self, item: dict[str, Any]) -> dict[str, Any]:
        """The new columns of an item, which has a str under "id".

        Raises:
            Exception: this costs the item alone. One with an attribute `status` of "rejected" says that the item is
                unfit by nature, and its text says why; one with an attribute `again` of False says that another attempt
                would end the same.
            EndsRun: what ails is not the item; this ends the run.
        """


@dataclass(frozen=True)
class Result:
    """What came of one item."""

    id: str
    out: dict[str, Any] = field(default_factory=dict)
    """The columns that the stage gave; empty unless the status is ok."""
    error: str = ""
    seconds: float = 0.0
    """Wall time of `process`."""
    status: Status = "ok"
    again: bool = False
    """Whether the same item may well succeed the next time: it failed, and nobody says that it is the item's fault."""


def stage_key(stage: Stage) -> str:
    """The stage as the ledger names it: name@version."""
    return f"{stage.name}@{stage.version}"


def guarded(stage: Stage, item: dict[str, Any]) -> Result:
    """Process one item; an exception becomes its result. Only KeyboardInterrupt and EndsRun pass through."""
    name = str(item["id"])
    start = time.perf_counter()
    try:
        out = stage.process(item)
        if not isinstance(out, dict):
            raise TypeError(f"stage {stage_key(stage)} returned {type(out).__name__}: a dict of columns would do")
    except EndsRun:
        raise
    except (Exception, SystemExit) as error:
        seconds = time.perf_counter() - start
        if getattr(error, "status", None) == "rejected":
            return Result(name, error=_reason(error), seconds=seconds, status="rejected")
        again = bool(getattr(error, "again", True))
        return Result(name, error=_reason(error), seconds=seconds, status="failed", again=again)
    return Result(name, out, seconds=time.perf_counter() - start)


def _reason(error: BaseException) -> str:
    """The text of an error that was written for people; of any other, its kind too."""
    if (isinstance(error, MareyError) or hasattr(error, "status")) and str(error):
        return str(error)
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    return f"{type(error).__name__}: {error}".rstrip(": ")
