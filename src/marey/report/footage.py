"""What came in and what became of it: the funnel, inputs with reasons, licences, decodes, and detection where truth is
known."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marey.catalog.paths import text_path
from marey.evaluate.shots import PROTOCOL, Detection, detection
from marey.report.words import count, duration

if TYPE_CHECKING:
    from marey.catalog import Library
    from marey.catalog.select import Selection


READ = "status = 'ok' and stage = 'read'"
"""Which footage was read: the rest of what is usable was over the budget, and is only known by name."""


@dataclass(frozen=True)
class Part:
    """So many of a step are of this kind."""

    name: str
    count: int
    tone: str


@dataclass(frozen=True)
class Step:
    """A step of the funnel: a whole and its parts."""

    title: str
    total: int
    parts: list[Part]
    note: str = ""

    @property
    def shown(self) -> list[Part]:
        return [part for part in self.parts if part.count]


@dataclass(frozen=True)
class Input:
    """One path as it was found."""

    name: str
    status: str
    stage: str
    reason: str
    note: str = ""


@dataclass(frozen=True)
class Credit:
    """The licence of one footage."""

    name: str
    kind: str
    license: str
    source: str
    credit: str


@dataclass(frozen=True)
class Decodes:
    """Frames that were decoded to know the footage, over those that the containers hold."""

    decoded: int
    frames: int
    videos: int
    cut_short: int
    """How many of the videos were read only to a part, as the recipe asked; of them only that part counts."""

    @property
    def ratio(self) -> float:
        return self.decoded / self.frames


@dataclass(frozen=True)
class Known:
    """Detection on footage whose true transitions are known."""

    protocol: str
    videos: list[str]
    result: Detection
    kinds: list[str] = field(default_factory=list)


class Names:
    """Short names for paths: what is left after the folder that they share, so that a page names no home directory."""

    def __init__(self, paths: Sequence[str]) -> None:
        folders = [os.path.dirname(path) for path in paths]
        try:
            self.root = os.path.commonpath(folders) if folders else ""
        except ValueError:  # two drives of Windows share nothing
            self.root = ""

    def __call__(self, path: str) -> str:
        try:
            return os.path.relpath(path, self.root) if self.root else path
        except ValueError:
            return path


def names_of(library: "Library") -> Names:
    """Short names for all inputs."""
    return Names([row["path"] for row in library.rows("select path from inputs")])


def footage_names(library: "Library", names: Names) -> dict[str, str]:
    """By footage id, what a reader calls it."""
    return {row["id"]: names(row["path"]) for row in library.rows("select id, path from footage")}


def funnel(
    library: "Library", selection: "Selection | None", windows: Sequence[dict[str, Any]], short: int = 0
) -> list[Step]:
    """From paths to windows, step by step; steps that were not taken yet are not in it.

    Args:
        windows: the info of each window that was encoded.
        short: selected clips that are too short for a window.
    """
    inputs = _by_status(library, "inputs")
    copies = _number(library, "select count(*) - count(distinct footage) as n from inputs where footage is not null")
    steps = [
        Step(
            "Inputs",
            sum(inputs.values()),
            _status_parts(inputs),
            f"{count(copies, 'is a copy', 'are copies')}" if copies else "",
        )
    ]
    kinds = {
        row["kind"]: row
        for row in library.rows(
            f"select kind, count(*) as n, sum(seconds) as seconds from footage where {READ} group by kind"
        )
    }
    unread = _number(library, f"select count(*) as n from footage where status = 'ok' and not ({READ})")
    if kinds or unread:
        video, photo = kinds.get("video"), kinds.get("photo")
        steps.append(
            Step(
                "Footage",
                sum(row["n"] for row in kinds.values()) + unread,
                [
                    Part("video" if video and video["n"] == 1 else "videos", video["n"] if video else 0, "kept"),
                    Part(
                        "photograph" if photo and photo["n"] == 1 else "photographs",
                        photo["n"] if photo else 0,
                        "still",
                    ),
                    Part("not read, over the budget", unread, "other"),
                ],
                f"{duration(video['seconds'])} of video read" if video else "",
            )
        )
    clips = _by_status(library, "clips")
    if clips:
        transitions = _number(library, "select count(*) as n from transitions")
        steps.append(
            Step("Clips", sum(clips.values()), _status_parts(clips), f"{count(transitions, 'transition')} found")
        )
    if selection is not None:
        kept, out = len(selection.clips), len(selection.dropped)
        steps.append(
            Step(
                "Selected",
                kept + out,
                [Part("kept", kept, "kept"), Part("left out", out, "out")],
                f"selection {selection.name!r}",
            )
        )
    if windows:
        sides = Counter("photo" if info.get("photo") else info["split"] for info in windows)
        steps.append(
            Step(
                "Windows",
                len(windows),
                [
                    Part("to train", sides["train"], "kept"),
                    Part("held out", sides["heldout"], "held"),
                    Part("single picture" if sides["photo"] == 1 else "single pictures", sides["photo"], "still"),
                ],
                f"{count(short, 'selected clip is', 'selected clips are')} too short for one" if short else "",
            )
        )
    return steps


def inputs(library: "Library", names: Names) -> list[Input]:
    """Every path, those that could not be used first."""
    rows = library.rows(
        "select inputs.*, footage.status as its, footage.stage as its_stage, footage.reason as why, "
        "footage.path as first from inputs left join footage on footage.id = inputs.footage order by inputs.path"
    )
    found = []
    for row in rows:
        ok = row["status"] == "ok"
        status = row["its"] if ok and row["its"] else row["status"]
        reason = row["reason"] or row["why"] or ""
        stage = row["its_stage"] if ok and row["its"] and row["its"] != "ok" else row["stage"]
        copy = f"a copy of {names(row['first'])}" if row["first"] and row["first"] != row["path"] else ""
        found.append(Input(names(row["path"]), status, stage or "", reason, copy))
    order = {"failed": 0, "rejected": 1}
    return sorted(found, key=lambda one: (order.get(one.status, 2), one.name))


def credits(library: "Library", names: Names) -> list[Credit]:
    """Licence, source and credit of all usable footage."""
    rows = library.rows(f"select path, kind, license, source, credit from footage where {READ} order by path")
    return [Credit(names(row["path"]), row["kind"], row["license"], row["source"], row["credit"]) for row in rows]


def decodes(library: "Library") -> Decodes | None:
    """Decoded frames over source frames, of the videos that were read; None where there are none."""
    rows = library.rows(f"select frames, decoded from footage where kind = 'video' and {READ} and decoded is not null")
    known = [(row["decoded"], row["frames"]) for row in rows if row["frames"]]
    if not known:
        return None
    return Decodes(
        decoded=sum(decoded for decoded, _ in known),
        frames=sum(frames for _, frames in known),
        videos=len(known),
        cut_short=_cut_short(library),
    )


def left_out(
    library: "Library", over: Mapping[str, Any], windows: Sequence[dict[str, Any]], animated: int | None
) -> list[str]:
    """What the recipe's limits kept from being used, each in a sentence.

    Args:
        over: what curation said of the footage over the budget: videos, photos, seconds.
        animated: how many held-out windows were animated; None: nothing was generated yet.
    """
    lines = []
    unread = {
        row["kind"]: row
        for row in library.rows(
            "select kind, count(*) as n, sum(seconds) as seconds from footage "
            f"where status = 'ok' and not ({READ}) group by kind"
        )
    }
    if "video" in unread or over.get("videos"):
        videos = max(unread.get("video", {}).get("n") or 0, int(over.get("videos") or 0))
        seconds = over.get("seconds") or unread.get("video", {}).get("seconds")
        length = f", {duration(seconds)}," if seconds else ""
        lines.append(f"{count(videos, 'video')}{length} over the budget {'was' if videos == 1 else 'were'} not read.")
    if "photo" in unread or over.get("photos"):
        photos = max(unread.get("photo", {}).get("n") or 0, int(over.get("photos") or 0))
        lines.append(f"{count(photos, 'photograph was', 'photographs were')} not read.")
    cut_short = _cut_short(library)
    if cut_short:
        lines.append(f"{count(cut_short, 'video was', 'videos were')} read only from the start, to the recipe's limit.")
    held = sum(info["split"] == "heldout" and not info.get("photo") for info in windows)
    if animated is not None and animated < held:
        lines.append(f"Of {count(held, 'held-out window')} {count(animated)} were animated.")
    return lines


def is_unread(library: "Library", over: Mapping[str, Any]) -> bool:
    """Whether some footage, or the rest of some, was not read because of the recipe's limits."""
    unread = _number(library, f"select count(*) as n from footage where status = 'ok' and not ({READ})")
    return bool(unread or over.get("videos") or over.get("photos") or _cut_short(library))


def known_truth(library: "Library", names: Names) -> Known | None:
    """How well transitions were found in footage that has an x.truth.json beside it; None where none has."""
    total, videos = Detection(), []
    for row in library.rows("select id, path from footage where kind = 'video' and " + READ + " order by path"):
        true = _truth(text_path(row["path"]))
        if true is None:
            continue
        found = library.rows("select kind, a_end, b_start from transitions where footage = ? order by n", row["id"])
        last = _number(library, "select max(end_frame) as n from clips where footage = ?", row["id"])
        # Where the recipe read only a part of the file, nothing can be found in the rest.
        within = [transition for transition in true if transition["b_start"] <= last]
        total = total + detection(within, found)
        videos.append(names(row["path"]))
    if not videos:
        return None
    return Known(PROTOCOL, videos, total, sorted({*total.true, *total.found}))


def _truth(path: Path) -> list[dict[str, Any]] | None:
    side = path.with_name(f"{path.stem}.truth.json")
    try:
        table = json.loads(side.read_text(encoding="utf-8"))
        return [
            {"kind": str(one["kind"]), "a_end": int(one["a_end"]), "b_start": int(one["b_start"])}
            for one in table["transitions"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no truth beside it, or none that can be read: then nothing is claimed of it


def _cut_short(library: "Library") -> int:
    """How many videos were read only to the limit: the ledger's entries of the reading say so."""
    rows = library.rows("select out from ledger where stage like 'read@%' and status = 'ok'")
    return sum(bool(json.loads(row["out"]).get("limited")) for row in rows)


def _by_status(library: "Library", table: str) -> dict[str, int]:
    rows = library.rows(f"select status, count(*) as n from {table} group by status")
    return {row["status"]: row["n"] for row in rows}


def _status_parts(counts: dict[str, int]) -> list[Part]:
    words = {"ok": ("usable", "kept"), "rejected": ("rejected", "out"), "failed": ("failed", "failed")}
    known = [Part(name, counts.get(status, 0), tone) for status, (name, tone) in words.items()]
    return known + [Part(status, n, "still") for status, n in counts.items() if status not in words]


def _number(library: "Library", sql: str, *values: Any) -> int:
    row = library.one(sql, *values)
    return int(row["n"] or 0) if row else 0
