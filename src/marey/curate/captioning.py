"""Texts of clips, a column for each captioner, by clip id: what a person wrote beside the file, what was measured, and
what captioners say. Only what is missing, or of another version, is written."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from marey.catalog import Library, path_text, text_path
from marey.curate.captioner import Captioner, Column, Seen, Told
from marey.curate.captioners import captioners
from marey.curate.measure import Trace
from marey.engine import Result
from marey.errors import MareyError
from marey.recipe import Captions

_CLIP = "id footage n start_frame end_frame start_pts end_pts frames seconds width height fps stills"
EARLIER = "of an earlier version: "
"""How the reason begins of a caption that could not be written anew and stays as it was; a later run tries again."""
OF_VIDEOS = ("video", "merged")
"""Columns that a photograph does not have."""

Run = Callable[[Any, list[dict[str, Any]], str, float | None, int], Iterable[Result]]
"""A stage, its items, what it is called, the seconds that an item may take (None: as usual), and how many processes."""


class CaptionStage:
    """One captioner over batches of clips. Item: id, library, clips [{clip, footage, trace, stills, signals,
    captions}]."""

    name, version, cpus, gpus = "caption", "1", 1.0, 0.0

    def __init__(self, column: Column, settings: Captions, threads: int = 1) -> None:
        self._column, self._settings, self._threads = column, settings, threads
        self._captioner: Captioner | None = None
        self._traces: dict[tuple[str, str], Trace] = {}

    def setup(self) -> None:
        """Make the captioner and load what it needs."""
        self._captioner = next(one for one in captioners(self._settings) if one.column == self._column)
        self._captioner.setup(self._threads)

    def process(self, item: dict[str, Any]) -> dict[str, Any]:
        """{"told": {clip: [text, status, reason]}}."""
        assert self._captioner is not None
        library = text_path(item["library"])
        seen = []
        for one in item["clips"]:
            trace = self._trace(library, tuple(one["trace"]))
            seen.append(
                Seen(library, one["clip"], one["footage"], trace, one["stills"], one["signals"], one["captions"])
            )
        told = self._captioner.tell(seen)
        return {"told": {name: [one.text, one.status, one.reason] for name, one in told.items()}}

    def _trace(self, library: Any, place: tuple[str, str]) -> Trace:
        if place not in self._traces:
            self._traces = {place: Trace(library, *place)}  # clips come by footage: one at a time is held
        return self._traces[place]


def tell(library: Library, settings: Captions, run: Run, threads: int = 1) -> Counter[str]:
    """Write every caption that an ok clip lacks; returns how many rows of each column were written.

    Raises:
        MareyError: a model that the recipe names is not there, or cannot be loaded.
    """
    done: Counter[str] = Counter()
    done["file"] = _of_files(library)
    for captioner in captioners(settings):
        done[captioner.column] += _column(library, captioner, run, threads)
    return +done


def troubles(library: Library) -> list[str]:
    """A sentence for each reason for which captions are not there or not of now, the commonest first; at most three a
    column."""
    rows = library.rows(
        "select captioner, captions.status, captions.reason, count(*) n from captions "
        "join clips on clips.id = captions.clip where clips.status = 'ok' "
        "and (captions.status != 'ok' or captions.reason glob ?) group by 1, 2, 3 order by captioner, n desc, 3",
        f"{EARLIER}*",
    )
    by_column: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_column[row["captioner"]].append(f"{row['n']} captions {row['captioner']} {row['status']}: {row['reason']}")
    return [text for texts in by_column.values() for text in texts[:3]]


def _of_files(library: Library) -> int:
    """The captions that persons wrote."""
    had = {
        row["clip"]: (row["version"], row["text"])
        for row in library.rows("select clip, version, text from captions where captioner = 'file'")
    }
    rows, gone = [], []
    for clip in library.rows(
        "select clips.id, footage.caption from clips join footage on footage.id = clips.footage "
        "where clips.status = 'ok' order by clips.footage, clips.n"
    ):
        name, words = clip["id"], clip["caption"]
        if words and had.get(name) != ("1", words):
            rows.append({"clip": name, "captioner": "file", "version": "1", "text": words})
        if not words and name in had:
            gone.append(name)
    with library.transaction():
        library.delete("captions", clip=gone, captioner="file")
        library.put("captions", rows)
    return len(rows)


def _column(library: Library, captioner: Captioner, run: Run, threads: int) -> int:
    """Write one column; returns how many rows."""
    had = {
        row["clip"]: row
        for row in library.rows(
            "select clip, captioner, version, text, status, reason from captions where captioner = ?", captioner.column
        )
    }
    known = library.signals() if captioner.needs else {}
    texts, why = _texts(library, captioner.of)
    lacking = captioner.lacking()
    todo: list[dict[str, Any]] = []
    stamps: dict[str, str] = {}
    absent: list[dict[str, Any]] = []
    columns = ", ".join(f"clips.{name}" for name in _CLIP.split())
    for clip in library.rows(
        f"select {columns}, footage.kind from clips join footage on footage.id = clips.footage "
        "where clips.status = 'ok' order by clips.footage, clips.n"
    ):
        name = clip["id"]
        if clip["kind"] == "photo" and captioner.column in OF_VIDEOS:
            continue
        signals = {key: known[name][key] for key in captioner.needs if key in known.get(name, {})}
        stamp = captioner.stamp(signals, texts[name])
        row = had.get(name)
        if row is not None and row["version"] == stamp and row["status"] != "missing":
            continue
        reason = lacking or next(
            (f"there is no caption {of}: {why[name, of]}" for of in captioner.of if (name, of) in why), ""
        )
        if reason:
            kept = _kept(row, _row(name, captioner.column, stamp, Told(status="missing", reason=reason)))
            if kept != row:
                absent.append(kept)
            continue
        stamps[name] = stamp
        todo.append({"clip": clip, "signals": _parsed(signals), "captions": texts[name]})
    library.put("captions", absent)
    items = list(_items(library, captioner, todo))
    stage = CaptionStage(captioner.column, captioner.settings, threads)
    written = len(absent)
    while items:
        waiting = {item["id"]: item for item in items}
        items = []
        for result in run(
            stage, list(waiting.values()), f"captions: {captioner.column}", captioner.seconds, captioner.processes
        ):
            item = waiting[result.id]
            if result.status != "ok" and len(item["clips"]) > 1:
                # One of them broke the process or took too long: each by itself tells which, and the others lose
                # nothing.
                items += [{**item, "id": one["clip"]["id"], "clips": [one]} for one in item["clips"]]
                continue
            rows = [_kept(had.get(row["clip"]), row) for row in _rows(captioner.column, item, result, stamps)]
            library.put("captions", rows)
            written += sum(row != had.get(row["clip"]) for row in rows)
    return written


def _rows(column: str, item: Mapping[str, Any], result: Result, stamps: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """What came of an item, each clip's under its own id."""
    told = result.out.get("told", {})
    strange = set(told) - {one["clip"]["id"] for one in item["clips"]}
    if strange:
        raise MareyError(f"The captioner {column} answered for clip {min(strange)}, of which it was not asked.")
    for one in item["clips"]:
        name = one["clip"]["id"]
        nothing = ("", "failed", result.error or "the captioner said nothing of it")
        # Without a version a caption counts as not there: the next run tries again.
        yield _row(name, column, "" if result.again else stamps[name], Told(*told.get(name, nothing)))


def _kept(had: dict[str, Any] | None, row: dict[str, Any]) -> dict[str, Any]:
    """A new row; but where there is no caption now, and was one of another version, that one with the reason."""
    if row["status"] != "missing" or had is None or had["status"] != "ok":
        return row
    return {**had, "reason": EARLIER + row["reason"]}


def _row(clip: str, column: str, version: str, told: Told) -> dict[str, Any]:
    return {
        "clip": clip,
        "captioner": column,
        "version": version,
        "text": told.text,
        "status": told.status,
        "reason": told.reason,
    }


def _texts(library: Library, columns: Sequence[str]) -> tuple[dict[str, dict[str, str]], dict[tuple[str, str], str]]:
    """By clip the ok texts of these columns; and by (clip, column) why one is not there."""
    texts: dict[str, dict[str, str]] = defaultdict(dict)
    if not columns:
        return texts, {}
    clips = library.rows("select id from clips where status = 'ok'")
    why = {(clip["id"], column): "it was not asked for" for clip in clips for column in columns}
    for row in library.rows("select clip, captioner, text, status, reason from captions"):
        key = row["clip"], row["captioner"]
        if row["captioner"] not in columns:
            continue
        if row["status"] == "ok":
            texts[row["clip"]][row["captioner"]] = row["text"]
            why.pop(key, None)
        else:
            why[key] = row["reason"]
    return texts, why


def _items(library: Library, captioner: Captioner, todo: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    if not todo:
        return
    traces = library.places("trace")
    stills: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for item, place in library.places("stills").items():
        footage, _, n = item.rpartition(":")
        stills[footage].append((int(n), place.shard, place.key))
    rows = {row["id"]: row for row in library.rows("select id, kind, path from footage")}
    size = captioner.batch
    for first in range(0, len(todo), size):
        clips = []
        for one in todo[first : first + size]:
            clip = one["clip"]
            trace, kept = traces[clip["footage"]], stills[clip["footage"]]
            within = sorted(place for place in kept if clip["start_frame"] <= place[0] <= clip["end_frame"])
            clips.append({**one, "footage": rows[clip["footage"]], "trace": (trace.shard, trace.key), "stills": within})
        yield {"id": f"{captioner.column}:{first}", "library": path_text(library.path), "clips": clips}


def _parsed(signals: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {"value": row["value"], "data": json.loads(row["data"] or "null")} for name, row in signals.items()}
