"""The verb: a selection's clips become files, laid out as a trainer reads them.

Only selected clips are written, a source is opened once for all of them, and nothing is written twice: what is done
stands in `.marey/` inside the export's folder. Whatever a clip of an earlier selection left there goes away. File names
are made of clip ids, never of the names that footage came with.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marey.catalog.card import export_card
from marey.catalog.extract import STATE, ExtractStage, clip_key, finished
from marey.catalog.layouts import LAYOUTS, Layout
from marey.catalog.paths import path_text, text_path
from marey.catalog.replace import replace_text
from marey.catalog.sample import Sample, captions_of, make_sample
from marey.catalog.select import Selection, read_selection
from marey.catalog.store import Library, Row
from marey.catalog.table import clip_table
from marey.errors import MareyError, require
from marey.media import content_id
from marey.progress import Progress, silent
from marey.recipe import Export

MANIFEST, CARD = "export.json", "README.md"
Runner = Callable[..., Iterator[Any]]
"""As `marey.engine.run`, whose room stands beside this one: called with a stage, items, and the keywords
`timeout_seconds`, `progress`, `what` and `total`."""


@dataclass(frozen=True)
class Exported:
    """What an export came to."""

    folder: str
    layout: str
    mode: str
    selection: str
    hash: str
    """Of the selection's clips."""
    clips: int
    """That are there now."""
    made: int
    """Of them, written by this call."""
    frames: int
    copied_frames: int
    """Of them, bit for bit those of the sources."""
    seconds: float
    files: tuple[str, ...]
    """What the layout wrote, without the clips' own files."""
    left_out: tuple[dict[str, str], ...]
    """Clips of the selection that are not there: clip, status, reason."""
    notes: dict[str, int]
    """What was not done as asked, and of how many clips."""

    def __str__(self) -> str:
        text = (
            f"{self.folder}: {self.clips} clips ({self.seconds / 60:.1f} minutes, {self.frames} frames, "
            f"{self.copied_frames} of them copied) as {self.layout}; {self.made} written now"
        )
        for note, count in self.notes.items():
            text += f"\n  {count} x {note}"
        for reason, count in Counter(row["reason"] for row in self.left_out).most_common():
            text += f"\n  left out: {count} x {reason}"
        return text


def export(
    library: Library,
    out: str | Path,
    settings: Export | None = None,
    *,
    selection: str = "selected",
    run: Runner | None = None,
    progress: Progress = silent,
) -> Exported:
    """Write the clips of a selection into the folder `out`, which is made if it is not there.

    Can be killed at any moment and called again: it goes on, and the files are the same.

    Args:
        run: how the stage is run over the sources; None: in this process. `marey.run.export` gives guarded workers.

    Raises:
        MareyError: no such selection; `out` holds something else; no clip at all can be written.
        MissingExtra: the layout needs a package that is not installed.
    """
    settings = settings or Export()
    layout = LAYOUTS[settings.layout]
    if layout.needs:
        require(*layout.needs)
    chosen = read_selection(library, selection)
    folder = Path(out).expanduser().absolute()
    _demand_ours(folder)
    work = _Work(library, folder, settings, layout, chosen)
    known = work.unchanged()
    if known is not None:
        return known
    (folder / STATE / "clips").mkdir(parents=True, exist_ok=True)
    made = work.extract(run or _here, progress)
    samples = work.samples()
    if not samples:
        reasons = Counter(row["reason"] for row in work.left_out).most_common(3)
        said = "; ".join(f"{count} x {reason}" for reason, count in reasons)
        raise MareyError(f"None of the {len(chosen.clips)} clips of {selection!r} could be written: {said}.")
    return work.lay_out(samples, made, progress)


class _Work:
    """One export: what is asked for, and what became of each clip."""

    def __init__(self, library: Library, folder: Path, settings: Export, layout: Layout, selection: Selection) -> None:
        self.library, self.folder, self.settings = library, folder, settings
        self.layout, self.selection = layout, selection
        wanted = set(selection.clips)
        self.rows = {row["clip"]: row for row in clip_table(library)[0] if row["clip"] in wanted}
        self.signals = library.signals(self.rows)
        self.captions = captions_of(library, list(self.rows))
        self.keys = {
            clip: clip_key(row, _crop(self.signals[clip]), settings)
            for clip, row in self.rows.items()
            if row["kind"] == "video"
        }
        self.outcomes: dict[str, dict[str, Any]] = {
            clip: {"status": "rejected", "reason": "a photograph is no clip of video"}
            for clip in self.rows
            if clip not in self.keys
        }

    @property
    def left_out(self) -> list[dict[str, str]]:
        """Clip, status and reason of those that are not there."""
        return [
            {"clip": clip, "status": outcome["status"], "reason": outcome["reason"]}
            for clip, outcome in sorted(self.outcomes.items())
            if outcome["status"] != "ok"
        ]

    def unchanged(self) -> Exported | None:
        """The result of a call before, if this one would come to the same and all of its files are there."""
        try:
            before = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
            if before["key"] != self._key() or any(row["status"] == "failed" for row in before["left_out"]):
                return None
            for name, size in before["files"].items():
                if (self.folder / name).stat().st_size != size:
                    return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if self.layout.clips.startswith(STATE):  # packed, and left behind by a kill after the manifest
            for spent in (self.folder / self.layout.clips).glob("*"):
                spent.unlink()
        result = before["result"] | {"folder": str(self.folder), "made": 0}
        return Exported(**{**result, "files": tuple(result["files"]), "left_out": tuple(before["left_out"])})

    def extract(self, run: Runner, progress: Progress) -> int:
        """Write the clips that are not done; returns how many were."""
        for clip, key in self.keys.items():
            outcome = finished(self.folder, self.layout.clips, clip, key)
            if outcome is not None:
                self.outcomes[clip] = outcome
        waiting = [clip for clip in sorted(self.keys) if clip not in self.outcomes]
        sources: dict[str, list[str]] = {}
        for clip in waiting:
            sources.setdefault(self.rows[clip]["footage"], []).append(clip)
        items = [item for footage, clips in sorted(sources.items()) if (item := self._item(footage, clips))]
        self._run(run, items, progress, "writing clips")
        # A process that died says nothing of the clip that killed it: each that is left gets a process of its own.
        alone = [
            {**item, "id": clip["clip"], "clips": [clip]}
            for item in items
            if len(item["clips"]) > 1
            for clip in item["clips"]
            if self.outcomes[clip["clip"]].get("died")
        ]
        self._run(run, alone, progress, "writing clips one by one")
        return sum(self.outcomes[clip]["status"] == "ok" for clip in waiting)

    def samples(self) -> list[Sample]:
        """Every clip that is there, in order."""
        return [
            make_sample(
                self.rows[clip],
                outcome,
                f"{self.layout.clips}/{clip}.mp4",
                self.selection,
                self.captions[clip],
                self.signals[clip],
                self.settings.caption,
            )
            for clip, outcome in sorted(self.outcomes.items())
            if outcome["status"] == "ok"
        ]

    def lay_out(self, samples: list[Sample], made: int, progress: Progress) -> Exported:
        """Let the layout write its files, then the card and the manifest; what is no longer wanted goes."""
        what = f"laying out as {self.layout.name}"
        progress(what, 0, 1)
        written = self.layout.write(self.folder, samples, self.settings)
        notes = Counter(outcome["note"] for outcome in self.outcomes.values() if outcome.get("note"))
        result: dict[str, Any] = {
            "layout": self.layout.name,
            "mode": self.settings.mode,
            "selection": self.selection.name,
            "hash": self.selection.hash,
            "clips": len(samples),
            "frames": sum(sample.frames for sample in samples),
            "copied_frames": sum(self.outcomes[sample.clip]["copied"] for sample in samples),
            "seconds": round(sum(sample.seconds for sample in samples), 6),
            "files": sorted(set(written.files) - {sample.file for sample in samples}),
            "notes": dict(notes.most_common()),
        }
        facts = [
            (name.replace("_", " "), value) for name, value in result.items() if not isinstance(value, list | dict)
        ]
        rows = [sample.row for sample in samples]
        gone = [(row["clip"], row["reason"]) for row in self.left_out]
        replace_text(self.folder / CARD, export_card(rows, facts, gone, written.data))
        self._sweep({*written.files, CARD, MANIFEST})
        manifest = {
            "key": self._key(),
            "result": result,
            "settings": self.settings.model_dump(mode="json"),
            "captions": self.selection.captions,
            "left_out": self.left_out,
            "clips": {sample.clip: sample.known() | self._told(sample.clip) for sample in samples},
            "files": {name: (self.folder / name).stat().st_size for name in sorted({*written.files, CARD})},
        }
        replace_text(self.folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1) + "\n")
        for name in written.spent:  # not before the manifest says that all is there
            (self.folder / name).unlink(missing_ok=True)
        progress(what, 1, 1)
        return Exported(
            **{**result, "files": tuple(result["files"])},
            folder=str(self.folder),
            made=made,
            left_out=tuple(self.left_out),
        )

    def _told(self, clip: str) -> dict[str, Any]:
        return {name: self.outcomes[clip][name] for name in ("copied", "note", "bytes", "sound")}

    def _run(self, run: Runner, items: Sequence[dict[str, Any]], progress: Progress, what: str) -> None:
        if not items:
            return
        clips_of = {item["id"]: item["clips"] for item in items}
        longest = max(len(item["clips"]) for item in items) * self.settings.clip_timeout_seconds
        stage = ExtractStage(self.folder, self.layout.clips, self.settings)
        for result in run(stage, items, timeout_seconds=longest, progress=progress, what=what, total=len(items)):
            told = result.out.get("clips", {})
            for row in clips_of[result.id]:
                clip = row["clip"]
                outcome = told.get(clip) or finished(self.folder, self.layout.clips, clip, row["key"])
                lost = {"status": "failed", "reason": result.error, "died": not told}
                self.outcomes[clip] = outcome or lost

    def _item(self, footage: str, clips: Sequence[str]) -> dict[str, Any] | None:
        """What a worker gets of a source; None, with the reason entered, if the source is no longer as it was."""
        path, reason = _source(self.library, footage)
        if path is None:
            for clip in clips:
                self.outcomes[clip] = {"status": "failed", "reason": reason}
            return None
        rows = [
            {
                "clip": clip,
                "key": self.keys[clip],
                "start_pts": self.rows[clip]["start_pts"],
                "end_pts": self.rows[clip]["end_pts"],
                "crop": _crop(self.signals[clip]),
            }
            for clip in clips
        ]
        return {"id": footage, "path": path_text(path), "clips": rows}

    def _key(self) -> str:
        """A hash of all that the files depend on."""
        parts = [
            self.settings.model_dump(mode="json"),
            str(self.folder),
            self.selection.name,
            self.selection.hash,
            self.selection.captions,
            self.selection.motion_bucket,
            sorted(self.keys.items()),
            self.captions,
            [self.rows[clip] | {"selections": None} for clip in sorted(self.rows)],
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()

    def _sweep(self, wanted: set[str]) -> None:
        """Remove what earlier exports into this folder left and this one does not want."""
        stale: set[str] = set()
        with suppress(OSError, ValueError, KeyError):
            stale |= set(json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))["files"])
        places = {layout.clips for layout in LAYOUTS.values()}
        states = list((self.folder / STATE / "clips").glob("*.json"))
        for state in states:
            stale |= {f"{place}/{state.stem}{ending}" for place in places for ending in (".mp4", ".txt")}
        there = {clip for clip, outcome in self.outcomes.items() if outcome["status"] == "ok"}
        for name in stale - wanted - {f"{self.layout.clips}/{clip}.mp4" for clip in there}:
            (self.folder / name).unlink(missing_ok=True)
        for state in states:  # after the files that it tells of
            if self.outcomes.get(state.stem, {}).get("status") not in ("ok", "rejected"):
                state.unlink()
        for half in list(self.folder.rglob(".*.tmp")):
            half.unlink(missing_ok=True)


def _here(stage: ExtractStage, items: Iterable[dict[str, Any]], **how: Any) -> Iterator[Any]:
    """The stage in this process."""
    progress, what, total = how["progress"], how["what"], how["total"]
    progress(what, 0, total)
    for n, item in enumerate(items, 1):
        try:
            yield _Here(item["id"], stage.process(item), "")
        except MareyError as error:
            yield _Here(item["id"], {}, str(error))
        progress(what, n, total)


@dataclass(frozen=True)
class _Here:
    id: str
    out: dict[str, Any]
    error: str


def _demand_ours(folder: Path) -> None:
    """The folder is new, empty, or of an earlier export."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise MareyError(f"{folder} is a file: a folder would do.")
    if not (folder / STATE).is_dir() and any(folder.iterdir()):
        raise MareyError(f"{folder} holds something that is no export: an empty folder, or a new one, would do.")


def _source(library: Library, footage: str) -> tuple[Path | None, str]:
    """A path at which a footage still lies as it was when it was read, or why there is none."""
    rows = library.rows("select path, size, mtime_ns from inputs where footage = ? order by path", footage)
    reason = "its source is gone: curate again"
    for row in rows:
        path = text_path(row["path"])
        try:
            found = os.stat(path)
        except OSError:
            continue
        if (found.st_size, found.st_mtime_ns) == (row["size"], row["mtime_ns"]) or content_id(path) == footage:
            return path, ""
        reason = "its source has changed: curate again"
    return None, reason


def _crop(signals: Mapping[str, Row]) -> list[int] | None:
    """What is to be cut away at the top, bottom, left and right, in pixels as shown, if that is known."""
    row = signals.get("crop")
    value = json.loads(row["data"]) if row and row["status"] == "ok" and row["data"] else None
    if isinstance(value, list) and len(value) == 4 and all(isinstance(side, int) for side in value):
        return value
    return None
