"""What an evaluation says: rows of (method, metric) with interval, n, ids and versions, as it is kept in metrics.json.

Every number carries the id of its metric and of its protocol. Rows with other ids are other quantities, and refuse to
be compared.
"""

import json
import os
import platform
from collections.abc import Mapping, Sequence
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
    "loop": "Loop of the first frames",
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
class Record:
    """One number with all that it depends on. Two may be ranked where `kind` is the same."""

    metric: str
    id: str
    """Of the metric's variant."""
    protocol: str
    backbone: str
    """The sha256 of the network's weights; empty where there is none."""
    data: str
    """Hash of the true videos, or, where there are none, of those that were judged."""
    subset: str
    method: str
    n: int
    groups: int
    value: float
    low: float | None
    high: float | None
    unit: str
    better: str
    versions: dict[str, str]

    @property
    def kind(self) -> tuple[str, str, str, str, str, int]:
        """Metric id, protocol, backbone, data, subset and n: numbers of one kind may be ranked."""
        return self.id, self.protocol, self.backbone, self.data, self.subset, self.n


def ranked(records: Sequence[Record]) -> list[Record]:
    """Best first.

    Raises:
        MareyError: they are not of one kind, or none is better or worse by its number; ranking them would mean nothing.
    """
    for record in records[1:]:
        for what in ("id", "protocol", "backbone", "data", "subset", "n"):
            here, there = getattr(records[0], what), getattr(record, what)
            if here != there:
                raise MareyError(
                    f"{records[0].method} and {record.method} cannot be ranked by {record.metric}: {what} is {here!r} "
                    f"of one and {there!r} of the other."
                )
    if records and records[0].better not in ("higher", "lower"):
        raise MareyError(f"{records[0].metric} ranks nothing: it is to be {records[0].better}.")
    return sorted(records, key=lambda one: one.value, reverse=bool(records) and records[0].better == "higher")


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
    truth: str = ""
    """Hash of the true videos alone: two models are compared on the same ones."""
    failed: list[dict[str, str]] = field(default_factory=list)
    """Videos that could not be scored: id, status and reason."""
    backbones: dict[str, str] = field(default_factory=dict)
    """The sha256 of the network's weights, by the name of the metric that it is in."""
    command: str = ""
    """That makes it again."""

    def records(self) -> list["Record"]:
        """Each number by itself, with all that says what it is."""
        protocol = f"{self.protocol['id']} given={self.protocol.get('given', 0)}"
        return [
            Record(
                row.metric,
                row.id,
                protocol,
                self.backbones.get(row.metric, ""),
                self.truth or self.data,
                row.subset,
                row.method,
                row.n,
                row.groups,
                row.value if row.corrected is None else row.corrected,
                row.low,
                row.high,
                row.unit,
                row.better,
                dict(self.versions),
            )
            for row in self.rows
        ]

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
        lines += [f"  {one['id']} {one['status']}: {one['reason']}" for one in self.failed]
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
