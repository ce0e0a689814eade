"""Libraries made by hand for the tests of this room."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marey.catalog import Library


def new(folder: Path) -> Library:
    return Library.open(folder / "library", create=True)


def add_footage(library: Library, name: str, **columns: Any) -> str:
    row = {"id": name, "kind": "video", "path": f"/footage/{name}.mp4", "status": "ok", "stage": "read@1", **columns}
    library.put("footage", [row])
    library.put("inputs", [{"path": row["path"], "footage": name, "status": "ok", "stage": "read@1"}])
    return name


def add_clip(
    library: Library, name: str, footage: str, signals: Mapping[str, Any] | None = None, **columns: Any
) -> str:
    """A clip of 24 frames; a signal is its value, or a whole row where it is a mapping."""
    row = {
        "id": name,
        "footage": footage,
        "n": 0,
        "start_frame": 0,
        "end_frame": 23,
        "start_pts": 0,
        "end_pts": 23,
        "frames": 24,
        "seconds": 1.0,
        "width": 64,
        "height": 36,
        "fps": 24.0,
        "status": "ok",
        "stage": "read@1",
        **columns,
    }
    library.put("clips", [row])
    bad = {"motion": "low", "motion_share": "low", "sharpness": "low", "text_area": "high"}
    for signal, value in (signals or {}).items():
        values = value if isinstance(value, Mapping) else {"value": value}
        library.put("signals", [{"clip": name, "name": signal, "version": "1", "bad": bad.get(signal, ""), **values}])
    return name


def group(name: str) -> dict[str, str]:
    return {"data": f'"{name}"'}
