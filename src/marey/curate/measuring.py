"""Every signal that clips lack, and no other: a clip has a row for each measure, with the version that gave it."""

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from marey.catalog import Library, Place, flatten, new_shard, path_text, shard_name, text_path, write_shard
from marey.curate.listen import listen
from marey.curate.measure import Album, Measure, Trace, View
from marey.curate.measures import MEASURES
from marey.curate.pairs import PairPictures, places, watch
from marey.engine import Result
from marey.errors import MareyError
from marey.signals.given import Given

BATCH = 16
"""So many clips of one footage are measured together: its trace is read once for them."""
_CLIP = "id footage n start_frame end_frame start_pts end_pts frames seconds width height fps stills"
_FOOTAGE = "id kind path width height fps time_base interlaced has_audio vfr seconds"

Run = Callable[[Any, list[dict[str, Any]], str], Iterable[Result]]


class MeasureStage:
    """Several measures of several clips of one footage. Item: id, library, footage, clips [{clip, todo, stills,
    captions, arrays}], trace (shard, key), album [(frame, shard, key)], sound and pictures (shard, key) or None. What
    is too much for a row goes into a shard that this worker writes."""

    name, version, cpus, gpus = "measure", "1", 1.0, 0.0

    def __init__(self, names: list[str], threads: int = 1, given: Given | None = None) -> None:
        self._names, self._threads, self._given = names, threads, given or Given()
        self._measures: dict[str, Measure] = {}

    def setup(self) -> None:
        """Load what the measures need."""
        cv2.setNumThreads(self._threads)
        self._measures = {kind.name: kind(self._given) for kind in MEASURES if kind.name in self._names}
        for measure in self._measures.values():
            measure.setup(self._threads)

    def process(self, item: dict[str, Any]) -> dict[str, Any]:
        """The rows of the table signals, and those of the table tensors."""
        library = text_path(item["library"])
        trace, album = Trace(library, *item["trace"]), Album(library, item["album"])
        sound = Trace(library, *item["sound"]) if item["sound"] else None
        pictures = PairPictures(library, *item["pictures"]) if item["pictures"] else None
        rows = []
        arrays: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
        for one in item["clips"]:
            parts = (one["stills"], one["captions"], album, one["arrays"], sound, pictures)
            view = View(library, one["clip"], item["footage"], trace, *parts)
            for name in one["todo"]:
                row, array = self._row(self._measures[name], view)
                rows.append(row)
                if array is not None:
                    arrays[self._measures[name].tensors][view.clip["id"]] = array
        return {"rows": rows, "tensors": [row for kind in arrays for row in _stored(library, kind, arrays[kind])]}

    def _row(self, measure: Measure, view: View) -> tuple[dict[str, Any], np.ndarray | None]:
        row = blank(measure, view.clip["id"], view.captions)
        try:
            found = measure.measure(view)
            if found.value is not None and not math.isfinite(found.value):
                raise MareyError(f"it came out as {found.value}, which is no number")
        except Exception as error:
            text = str(error) if isinstance(error, MareyError) else f"{type(error).__name__}: {error}"
            return {**row, "status": "failed", "reason": text}, None
        data = found.data.tolist() if isinstance(found.data, np.ndarray) else found.data
        if found.array is not None:
            data = {**(data or {}), "tensors": measure.tensors}
        return {**row, "value": found.value, "data": data, "reason": found.reason}, found.array


def measure_clips(
    library: Library, run: Run, threads: int, without: Iterable[str], given: Given, *, of_captions: bool
) -> Counter[str]:
    """Compute what ok clips lack of the measures that are of their captions, or of those that are not, but for those
    `without`; returns how many values of each were computed. `given` are the user's own models.

    A measure whose extra is not installed gives rows of status `missing`, which are filled once it is.

    Raises:
        MareyError: there is no measure of a name in `without`.
    """
    unknown = sorted(set(without) - {kind.name for kind in MEASURES})
    if unknown:
        known = ", ".join(kind.name for kind in MEASURES)
        raise MareyError(f"curate.without names {unknown[0]!r}, which is no signal: {known} would do.")
    kinds = [kind for kind in MEASURES if kind.offered(given)]
    stored = sorted({kind(given).tensors for kind in kinds} - {""})
    measures = [kind(given) for kind in kinds if kind.name not in set(without) and kind.of_captions == of_captions]
    lacking = {measure.name: measure.lacking() for measure in measures}
    todo, captions = _todo(library, measures)
    absent = [
        {**blank(measure, clip, captions[clip]), "status": "missing", "reason": lacking[measure.name]}
        for clip, names in todo.items()
        for measure in measures
        if measure.name in names and lacking[measure.name]
    ]
    library.put("signals", absent)
    able = {clip: [name for name in names if not lacking[name]] for clip, names in todo.items()}
    todo = {clip: names for clip, names in able.items() if names}
    done: Counter[str] = Counter()
    for group, fetch in (
        ([measure for measure in measures if measure.of_sound], listen),
        ([measure for measure in measures if measure.of_pairs], watch),
    ):
        todo, entered = _fetched(library, run, todo, captions, group, fetch)
        done += entered
    items = list(_items(library, todo, captions, stored, {measure.name for measure in measures if measure.of_pairs}))
    stage = MeasureStage(sorted({name for names in todo.values() for name in names}), threads, given)
    while items:
        waiting = {item["id"]: item for item in items}
        items = []
        for result in run(stage, list(waiting.values()), "measuring clips"):
            item = waiting[result.id]
            # One of them broke the process or took too long: each by itself tells which, and the others lose nothing.
            parts = _parts(item) if result.status != "ok" else []
            items += parts
            if not parts:
                done += _enter(library, item, result, measures)
    return done


def blank(measure: Measure, clip: str, captions: Mapping[str, str]) -> dict[str, Any]:
    """The row of a signal without its value."""
    return {
        "clip": clip,
        "name": measure.name,
        "version": stamp(measure, captions),
        "value": None,
        "data": None,
        "unit": measure.unit,
        "bad": measure.bad,
        "params": measure.params,
        "status": "ok",
        "reason": "",
    }


def stamp(measure: type[Measure] | Measure, captions: Mapping[str, str]) -> str:
    """The version of a measure, and of the captions too where it is of them."""
    if not measure.of_captions:
        return measure.version
    text = json.dumps(dict(sorted(captions.items())), ensure_ascii=False)
    return f"{measure.version}+{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _todo(library: Library, measures: list[Measure]) -> tuple[dict[str, list[str]], dict[str, dict[str, str]]]:
    """By clip the measures whose value is not there, or is of another version; and the clip's captions."""
    captions: dict[str, dict[str, str]] = defaultdict(dict)
    for row in library.rows("select clip, captioner, text from captions where status = 'ok'"):
        captions[row["clip"]][row["captioner"]] = row["text"]
    had: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for row in library.rows("select clip, name, version, status from signals"):
        had[row["clip"]][row["name"]] = (row["version"], row["status"])
    here = {measure.name: not measure.lacking() for measure in measures}
    todo: dict[str, list[str]] = {}
    clips = library.rows(
        "select clips.id, footage.kind from clips join footage on footage.id = clips.footage "
        "where clips.status = 'ok' order by clips.footage, clips.n"
    )
    for clip in clips:
        names = []
        for measure in measures:
            if clip["kind"] == "photo" and not measure.photos:
                continue
            version, status = had[clip["id"]].get(measure.name, ("", ""))
            if version != stamp(measure, captions[clip["id"]]) or (status == "missing" and here[measure.name]):
                names.append(measure.name)
        if names:
            todo[clip["id"]] = names
    return todo, captions


def _fetched(
    library: Library,
    run: Run,
    todo: dict[str, list[str]],
    captions: dict[str, dict[str, str]],
    group: list[Measure],
    fetch: Callable[[Library, Run, set[str]], dict[str, Result]],
) -> tuple[dict[str, list[str]], Counter[str]]:
    """See that what a group of measures looks at is there, of the footage whose clips lack them; returns what is still
    to do, and what is done: where it cannot be had, that is entered as their value."""
    names = {measure.name: measure for measure in group}
    footage = {row["id"]: row["footage"] for row in library.rows("select id, footage from clips")}
    wanting = {clip: footage[clip] for clip, those in todo.items() if set(names) & set(those)}
    lost = fetch(library, run, set(wanting.values())) if wanting else {}
    entered = [
        {**blank(names[name], clip, captions[clip]), **_told(lost[name_of])}
        for clip, name_of in wanting.items()
        if name_of in lost
        for name in todo[clip]
        if name in names
    ]
    library.put("signals", entered)
    gone = {(row["clip"], row["name"]) for row in entered}
    left = {clip: [name for name in those if (clip, name) not in gone] for clip, those in todo.items()}
    return {clip: those for clip, those in left.items() if those}, Counter(row["name"] for row in entered)


def _told(result: Result) -> dict[str, str]:
    """Status and reason of what failed. Without a version a value counts as not there: the next run tries again."""
    return {"status": "failed", "reason": result.error} | ({"version": ""} if result.again else {})


def _items(
    library: Library,
    todo: dict[str, list[str]],
    captions: dict[str, dict[str, str]],
    kinds: list[str],
    of_pairs: set[str],
) -> Iterator[dict[str, Any]]:
    if not todo:
        return
    traces, stills, sounds = library.places("trace"), library.places("stills"), library.places("sound")
    stored = {kind: library.places(kind) for kind in kinds}
    footage = {row["id"]: row for row in library.rows(f"select {_FOOTAGE.replace(' ', ', ')} from footage")}
    rows = library.rows(f"select {_CLIP.replace(' ', ', ')} from clips where status = 'ok' order by footage, n")
    albums: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for item, place in stills.items():
        name, _, frame = item.rpartition(":")
        albums[name].append((int(frame), *_where(place)))
    batches: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["id"] in todo:
            pictures = [_where(stills[f"{row['footage']}:{n}"]) for n in json.loads(row["stills"])]
            arrays = {kind: _where(places[row["id"]]) for kind, places in stored.items() if row["id"] in places}
            one = {"clip": row, "todo": todo[row["id"]], "captions": captions.get(row["id"], {})}
            batches[row["footage"]].append({**one, "stills": pictures, "arrays": arrays})
    paired = {name for name, clips in batches.items() if any(of_pairs & set(one["todo"]) for one in clips)}
    kept = places(library, paired)
    for name, clips in batches.items():
        for n in range(0, len(clips), BATCH):
            yield {
                "id": f"{name}:{n}",
                "library": path_text(library.path),
                "footage": footage[name],
                "trace": _where(traces[name]),
                "album": sorted(albums[name]),
                "sound": _where(sounds[name]) if name in sounds else None,
                "pictures": kept.get(name),
                "clips": clips[n : n + BATCH],
            }


def _parts(item: dict[str, Any]) -> list[dict[str, Any]]:
    """An item of several clips as one a clip, an item of several measures as one a measure; none of a single one."""
    clips = item["clips"]
    if len(clips) > 1:
        return [{**item, "id": one["clip"]["id"], "clips": [one]} for one in clips]
    (one,) = clips
    if len(one["todo"]) > 1:
        return [{**item, "id": f"{item['id']} {name}", "clips": [{**one, "todo": [name]}]} for name in one["todo"]]
    return []


def _where(place: Place) -> tuple[str, str]:
    return place.shard, place.key


def _stored(library: Path, kind: str, arrays: dict[str, np.ndarray]) -> list[dict[str, str]]:
    """Write a shard; the rows of the table tensors that point into it."""
    path = new_shard(library, kind)
    write_shard(path, flatten(arrays))
    shard = shard_name(library, path)
    return [{"kind": kind, "item": clip, "shard": shard, "key": clip} for clip in arrays]


def _enter(library: Library, item: dict[str, Any], result: Result, measures: list[Measure]) -> Counter[str]:
    tensors: list[dict[str, str]] = []
    if result.status == "ok":
        rows, tensors = result.out["rows"], result.out["tensors"]
    else:
        named = {measure.name: measure for measure in measures}
        rows = [
            {**blank(named[name], one["clip"]["id"], one["captions"]), **_told(result)}
            for one in item["clips"]
            for name in one["todo"]
        ]
    with library.transaction():
        for row in tensors:  # what another model gave of the clip goes
            family = row["kind"].partition("@")[0]
            for had in library.rows(
                "select kind from tensors where item = ? and kind glob ?", row["item"], f"{family}@*"
            ):
                library.delete("tensors", kind=had["kind"], item=row["item"])
        library.put("tensors", tensors)
        library.put("signals", rows)
    return Counter(row["name"] for row in rows)
