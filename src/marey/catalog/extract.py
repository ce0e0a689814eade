"""The stage that writes clips: a source is opened once, and each of its selected clips becomes a file.

A clip is done when a small JSON beside the export says so, and the file is there as it says. That JSON is written after
the file has its name, so that a kill at any moment costs the clip in hand.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from marey.catalog.paths import path_text, text_path
from marey.catalog.replace import replace_text
from marey.errors import EndsRun, MareyError
from marey.media import Unusable
from marey.media.cut import copy_clip, exact_clip, why_not_exact
from marey.media.mux import Written
from marey.media.packets import Packets
from marey.media.recode import Margins, Recoding, encode_clip
from marey.recipe import Export

STATE = ".marey"  # inside an export's folder: what is done
VERSION = "1"
_FAITHFUL = Recoding(crf=8.0, square=False)  # for the clips that an exact cut has to encode whole


class ExtractStage:
    """Item: id (footage), path, and clips: a list of rows with clip, key, start_pts, end_pts and crop."""

    name, version, cpus, gpus = "export", VERSION, 1.0, 0.0

    def __init__(self, folder: Path, clips: str, settings: Export) -> None:
        self._folder = path_text(folder)
        self._clips = clips
        self._settings = settings

    def setup(self) -> None:
        """Nothing is loaded."""

    def process(self, item: dict[str, Any]) -> dict[str, Any]:
        """By clip under "clips", what became of it."""
        folder, clips = text_path(self._folder), item["clips"]
        path = text_path(item["path"])
        try:
            opened = Packets(path)
        except Exception as error:
            lost = _lost(error, path)
            return {"clips": {row["clip"]: lost for row in clips}}
        outcomes: dict[str, dict[str, Any]] = {}
        with opened as source:
            for row in sorted(clips, key=lambda row: (row["start_pts"], row["clip"])):
                file = folder / self._clips / f"{row['clip']}.mp4"
                try:
                    outcome = written(source, row, file, self._settings)
                except EndsRun:
                    raise
                except Exception as error:  # libav has many kinds, and each costs its clip alone
                    outcome = _lost(error, path)
                outcomes[row["clip"]] = outcome | {"key": row["key"]}
                if outcome["status"] != "failed":
                    replace_text(state_file(folder, row["clip"]), json.dumps(outcomes[row["clip"]]))
        return {"clips": outcomes}


def _lost(error: Exception, source: Path) -> dict[str, Any]:
    """Status and reason of a clip that is not written; no path of this machine is in it, for the card tells it."""
    if isinstance(error, EndsRun):
        raise error
    if isinstance(error, Unusable):
        return {"status": error.status, "reason": error.reason}
    said = getattr(error, "strerror", None)  # the system's errors have it, and libav's
    if said:
        reason = f"it cannot be written: {said}".lower()
    elif isinstance(error, MareyError):
        reason = str(error).replace(str(source), source.name)
    else:
        reason = f"{type(error).__name__}: {error}"
    return {"status": "failed", "reason": reason}


def written(source: Packets, row: Mapping[str, Any], path: Path, settings: Export) -> dict[str, Any]:
    """Write one clip as the settings say, and tell what the file holds.

    Raises:
        Unusable: it cannot be written so.
    """
    start, end, sound = row["start_pts"], row["end_pts"], settings.audio
    mode, note = settings.mode, ""
    done: Written | None = None
    if mode == "copy":
        try:
            done = copy_clip(source, start, end, path, sound=sound)
        except Unusable as error:
            if settings.fallback == "none":
                raise
            mode, note = settings.fallback, f"not copied: {error.reason.partition(':')[0]}"
    if mode == "exact" and done is None:
        done = exact_clip(source, start, end, path, sound=sound)
        if done is None:
            why = f"encoded whole: {why_not_exact(source, start, end)}"
            note = f"{note}; {why}" if note else why
            done = encode_clip(source, start, end, path, _FAITHFUL, sound=sound)
    if done is None:
        how = Recoding(crf=settings.crf, preset=settings.preset, size=settings.size, fps=settings.fps)
        crop: Margins = tuple(row["crop"]) if settings.crop and row["crop"] else (0, 0, 0, 0)
        done = encode_clip(source, start, end, path, how, crop=crop, sound=sound)
        if any(crop):
            note = f"{note}; cropped by {list(crop)}" if note else f"cropped by {list(crop)}"
    return asdict(done) | {
        "status": "ok",
        "reason": "",
        "mode": mode,
        "note": note,
        "bytes": path.stat().st_size,
    }


def clip_key(clip: Mapping[str, Any], crop: list[int] | None, settings: Export) -> str:
    """What a clip's file depends on: its place in the source, and the settings that its mode looks at."""
    looks_at = ["mode", "audio"]
    if settings.mode == "copy":
        looks_at.append("fallback")
    if settings.mode == "encode" or (settings.mode == "copy" and settings.fallback == "encode"):
        looks_at += ["crop", "size", "fps", "crf", "preset"]
    chosen = {name: getattr(settings, name) for name in looks_at}
    place = [clip["footage"], clip["start_pts"], clip["end_pts"], crop if "crop" in chosen else None]
    text = json.dumps([VERSION, place, chosen], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def state_file(folder: Path, clip: str) -> Path:
    """Where it is written down that a clip is done."""
    return folder / STATE / "clips" / f"{clip}.json"


def finished(folder: Path, clips: str, clip: str, key: str) -> dict[str, Any] | None:
    """What became of a clip that needs nothing more: its file is there, or it cannot be written as asked."""
    try:
        outcome: dict[str, Any] = json.loads(state_file(folder, clip).read_text(encoding="utf-8"))
        if outcome["key"] != key:
            return None
        if outcome["status"] == "ok" and (folder / clips / f"{clip}.mp4").stat().st_size != outcome["bytes"]:
            return None
    except (OSError, ValueError, KeyError):
        return None
    return outcome
