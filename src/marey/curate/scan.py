"""Look through a folder: every path in it that is no sidecar becomes an input."""

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marey.errors import MareyError

VIDEOS = frozenset(
    {".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf"}
    | {".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"}
)
PHOTOS = frozenset([".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"])
SOUNDS = frozenset([".aac", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav"])
LICENCES = "LICENCES.json"
"""Beside footage: {"file name": {"license", "source", "credit", "origin": [...]}}."""


@dataclass(frozen=True)
class Found:
    """A path as it was found. `reason` is why it cannot be footage, if that is known without opening it."""

    path: Path
    size: int | None = None
    mtime_ns: int | None = None
    status: str = "ok"
    reason: str = ""


@dataclass
class Sidecars:
    """What stands beside footage: licences and captions. Files that cannot be read are named in `notes` and passed
    over."""

    notes: list[str] = field(default_factory=list)
    _licences: dict[Path, dict[str, Any]] = field(default_factory=dict)

    def licence(self, path: Path) -> dict[str, Any]:
        """license, source, credit and origin of a path, as far as its folder's LICENCES.json says."""
        if path.parent not in self._licences:
            self._licences[path.parent] = self._read(path.parent / LICENCES)
        said = self._licences[path.parent].get(path.name, {})
        if not isinstance(said, dict):
            return {}
        origin = said.get("origin", [])
        row: dict[str, Any] = {key: str(said[key]) for key in ("license", "source", "credit") if said.get(key)}
        return {**row, "origin": sorted({str(one) for one in origin}) if isinstance(origin, list) else [str(origin)]}

    def caption(self, path: Path) -> str:
        """The text of x.txt beside x.mp4, at most 2,000 characters; empty if there is none."""
        try:
            text = path.with_suffix(".txt").read_bytes()[:8000].decode("utf-8", errors="replace")
        except (OSError, ValueError):
            return ""
        return " ".join(text.replace("\0", " ").split())[:2000]

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            self.notes.append(f"{path} cannot be read ({error}): the licences in it are taken as unknown")
            return {}
        return table if isinstance(table, dict) else {}


def scan(place: Path, leave: Path | None = None) -> list[Found]:
    """Every input under `place` (a folder, or one file), sorted by path. Nothing is opened, and no loop is followed.

    Args:
        leave: a folder that is passed over, such as the library itself.

    Raises:
        MareyError: `place` is not there.
    """
    if not os.path.lexists(place):
        raise MareyError(f"{place} is not there: a folder of footage would do.")
    if not place.is_dir():
        return [_look(place)]
    return sorted(_walk(place, leave, frozenset()), key=lambda found: os.fsencode(found.path))


def _walk(folder: Path, leave: Path | None, above: frozenset[tuple[int, int]]) -> Iterator[Found]:
    try:
        here = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Found(folder, status="failed", reason=f"the folder cannot be read: {error.strerror}".lower())
        return
    identity = (here.st_dev, here.st_ino)
    if identity in above:
        yield Found(folder, status="failed", reason="it is a link that leads back to a folder above it")
        return
    names = {entry.name for entry in entries}
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith(".") or path == leave or is_sidecar(path, names):
            continue
        try:
            is_folder = entry.is_dir()
        except OSError:
            is_folder = False
        if is_folder:
            if path.suffix.lower() in VIDEOS | PHOTOS:
                yield Found(path, status="rejected", reason="it is a folder, not a file")
            yield from _walk(path, leave, above | {identity})
        else:
            yield _look(path)


def is_sidecar(path: Path, names: set[str]) -> bool:
    """Whether a file tells of footage beside it: licences, known truth (flow and labels too), or a caption."""
    if path.name == LICENCES or path.name.endswith((".truth.json", ".flow.npz", ".labels.npz")):
        return True
    if path.suffix.lower() != ".txt":
        return False
    return any(Path(name).stem == path.stem and Path(name).suffix.lower() in VIDEOS | PHOTOS for name in names)


def _look(path: Path) -> Found:
    try:
        found = path.stat()
    except OSError as error:
        if path.is_symlink():
            loop = "leads back to itself" if error.errno == 40 else "leads nowhere"
            return Found(path, status="failed", reason=f"it is a link that {loop}")
        return Found(path, status="failed", reason=f"it cannot be looked at: {error.strerror}".lower())
    kind = Found(path, found.st_size, found.st_mtime_ns)
    suffix = path.suffix.lower()
    if stat.S_ISREG(found.st_mode) and suffix and suffix not in VIDEOS | PHOTOS | SOUNDS:
        return Found(
            path,
            found.st_size,
            found.st_mtime_ns,
            "rejected",
            f"neither a video nor a photograph by its name ({suffix})",
        )
    return kind  # pipes, devices and the like are told by the probe, which opens none of them
