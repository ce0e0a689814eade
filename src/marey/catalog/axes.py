"""What a rule looks at: a signal's value of every clip, or a part of what is stored beside it.

`motion` is the signal's own value; of a signal measured on several stills that is their mean. `text_area.max` addresses
the stored values themselves: `min`, `max`, `mean`, `first`, `middle`, `last`. Where a signal stores values by name, so
do rules: `match.merged` is that of the merged caption.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from marey.catalog.store import Library, Row

LIST_PARTS: dict[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "max": max,
    "mean": lambda values: sum(values) / len(values),
    "first": lambda values: values[0],
    "middle": lambda values: values[(len(values) - 1) // 2],
    "last": lambda values: values[-1],
}


def axis(library: Library, name: str) -> dict[str, Row]:
    """The rows of a signal, or of a part of one, by clip.

    Returns:
        Rows with value, data, bad, status and reason. A part that a clip's row does not have is a value of None, with
        `absent` true and a reason that says which parts there are.
    """
    rows = _signal(library, name)
    signal, dot, part = name.partition(".")
    if rows or not dot:
        return rows
    return {clip: _part(row, signal, part) for clip, row in _signal(library, signal).items()}


def _signal(library: Library, name: str) -> dict[str, Row]:
    rows = library.rows("select clip, value, data, bad, status, reason from signals where name = ? order by clip", name)
    return {row["clip"]: row for row in rows}


def _part(row: Row, signal: str, part: str) -> Row:
    if row["status"] != "ok" or (row["value"] is None and row["data"] in (None, "null")):
        return {**row, "value": None}  # it says itself why there is nothing
    stored = _stored(row["data"])
    if part in stored:
        return {**row, "value": stored[part]}
    return _absent(row, signal, part, stored)


def _absent(row: Row, signal: str, part: str, stored: dict[str, float]) -> Row:
    there = f"there are {', '.join(sorted(stored))}" if stored else "it stores one value"
    return {**row, "value": None, "absent": True, "reason": f"{signal} has no part {part!r} there; {there}"}


def _stored(data: str | None) -> dict[str, float]:
    """The numbers that a row's data holds, by the name of the part."""
    value = json.loads(data) if data else None
    if isinstance(value, list) and value and all(_is_number(one) for one in value):
        return {name: float(take(value)) for name, take in LIST_PARTS.items()}
    if isinstance(value, dict):
        return {str(name): float(one) for name, one in value.items() if _is_number(one)}
    return {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
