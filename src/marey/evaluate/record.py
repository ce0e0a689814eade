"""What an evaluation says: rows of (method, metric) with interval, n, ids and versions, as it is kept in metrics.json.

Every number carries the id of its metric and of its protocol. Rows with other ids are other quantities, and refuse to
be compared.
"""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import marey
from marey.errors import MareyError
from marey.evaluate.intervals import Interval

FORMAT = 1
METHODS = {
    "model": "Model",
    "frozen": "Frozen still",
    "frozen_autoencoder": "Frozen, via autoencoder",
    "drift": "Constant drift",
    "autoencoder": "Autoencoder (ceiling)",
    "truth": "True continuation",
}
"""The methods in the order in which they are shown, and what a reader calls them."""
SUBSETS = {"all": "all held-out windows", "real": "real footage", "made": "footage made by Marey"}


@dataclass(frozen=True)
class Row:
    """One number: a metric of a method over a subset of the windows."""

    subset: str
    method: str
    metric: str
    id: str
    value: float
    low: float | None
    high: float | None
    n: int
    groups: int
    unit: str
    better: str
    interval: str
    """How the interval was found; see `intervals.Interval.method`."""
    note: str = ""
    corrected: float | None = None
    """The bias-corrected value, where the interval is around that (Frechet distances)."""


@dataclass(frozen=True)
class Difference:
    """A metric of one method minus that of another, window by window."""

    subset: str
    method: str
    against: str
    metric: str
    id: str
    value: float
    low: float | None
    high: float | None
    n: int
    groups: int
    unit: str
    interval: str
    note: str
    verdict: str
    """better | worse | not distinguishable | too few groups to say: of `method`, against `against`."""


@dataclass(frozen=True)
class Evaluation:
    """All that one evaluation found."""

    protocol: dict[str, Any]
    """id, frames, height, width, given, and sentences that say what was compared with what."""
    n: int
    groups: int
    rows: list[Row]
    differences: list[Difference]
    absent: list[dict[str, str]]
    """Metrics that are not there, each with subset, metric and reason."""
    windows: list[dict[str, Any]]
    """One a video: id, group, real, and `values`: method to metric to number."""
    notes: list[str]
    settings: dict[str, Any]
    seed: int
    data: str
    """Hash of the videos that were compared."""
    versions: dict[str, str] = field(default_factory=lambda: versions())

    def row(self, method: str, metric: str, subset: str = "all") -> Row | None:
        """The row of a method and metric, if there is one."""
        return next((r for r in self.rows if (r.subset, r.method, r.metric) == (subset, method, metric)), None)

    def difference(self, metric: str, against: str = "frozen", subset: str = "all") -> Difference | None:
        """The paired difference of the model against a baseline, if there is one."""
        wanted = subset, against, metric
        return next((d for d in self.differences if (d.subset, d.against, d.metric) == wanted), None)

    def save(self, path: Path) -> None:
        """Write metrics.json, atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".tmp")
        part.write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False), encoding="utf-8")
        os.replace(part, path)

    @classmethod
    def load(cls, path: Path) -> "Evaluation":
        """Read metrics.json.

        Raises:
            MareyError: no such file, or one that another version wrote.
        """
        try:
            table = json.loads(Path(path).read_text(encoding="utf-8"))
            if table.pop("format") != FORMAT:
                raise MareyError(f"{path} was written by another version of Marey: evaluating again would do.")
            table["rows"] = [Row(**row) for row in table["rows"]]
            table["differences"] = [Difference(**row) for row in table["differences"]]
            return cls(**table)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise MareyError(f"{path} holds no evaluation: {error}.") from error

    def __str__(self) -> str:
        lines = [f"{self.protocol['id']}: {self.n} videos of {self.groups} groups"]
        for row in self.rows:
            if row.subset == "all":
                lines.append(f"  {row.method:<12} {row.metric:<16} {_with_interval(row):<34} {row.unit}".rstrip())
        for gap in self.differences:
            if gap.subset == "all":
                lines.append(
                    f"  {gap.method} - {gap.against}: {gap.metric:<16} {_with_interval(gap):<34} {gap.verdict}"
                )
        lines += [f"  no {gap['metric']} ({gap['subset']}): {gap['reason']}" for gap in self.absent]
        return "\n".join(lines + [f"  {note}" for note in self.notes])


def comparable(a: Row, b: Row) -> None:
    """Nothing, if two rows measure the same thing on the same windows.

    Raises:
        MareyError: they do not, and ranking one above the other would mean nothing.
    """
    for what in ("id", "subset", "n"):
        if getattr(a, what) != getattr(b, what):
            raise MareyError(
                f"{a.method} and {b.method} cannot be ranked: {what} is {getattr(a, what)!r} of one and "
                f"{getattr(b, what)!r} of the other."
            )


def made_row(subset: str, method: str, metric: Mapping[str, str], found: Interval, plain: float | None = None) -> Row:
    """A row from an interval; `plain` where the interval is around a corrected value and this is the plain one."""
    return Row(
        subset=subset,
        method=method,
        metric=metric["name"],
        id=metric["id"],
        value=found.value if plain is None else plain,
        low=found.low,
        high=found.high,
        n=found.n,
        groups=found.groups,
        unit=metric["unit"],
        better=metric["better"],
        interval=found.method,
        note=found.note,
        corrected=None if plain is None else found.value,
    )


def verdict(found: Interval, better: str) -> str:
    """Is a difference (ours minus theirs) good news? Only an interval over groups that leaves out zero says so."""
    if found.low is None or found.high is None or found.method != "cluster-bootstrap":
        return "too few groups to say"
    if found.low <= 0 <= found.high:
        return "not distinguishable"
    return "better" if (found.value > 0) == (better == "higher") else "worse"


def versions() -> dict[str, str]:
    """Of all that the numbers depend on."""
    found = {"marey": marey.__version__, "python": platform.python_version()}
    for package in ("numpy", "opencv-python-headless", "av"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def _with_interval(row: Row | Difference) -> str:
    ends = "no interval" if row.low is None else f"[{row.low:.4g}, {row.high:.4g}]"
    return f"{row.value:.4g} {ends}"
