"""Values as SQLite and JSON take them."""

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from marey.catalog.paths import path_text, storable


def plain(value: Any) -> Any:
    """A value as SQLite takes it."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return path_text(value)
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, list | tuple | Mapping):
        return to_json(value)
    return value


def to_json(value: Any) -> str:
    """A value as text; mappings, arrays, paths and fractions are known."""
    text = json.dumps(value, ensure_ascii=False, default=_known)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # lone surrogates, which JSON's own escapes can hold
        return json.dumps(value, default=_known)
    return text


def _known(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path | Fraction):
        return plain(value)
    raise TypeError(f"{value!r} has no place in JSON")
