"""Texts of clips, a column for each captioner, by clip id: what a person wrote beside the file, what was measured."""

import hashlib
import json
from typing import Any

from marey.catalog import Library
from marey.curate.caption import VERSION, caption

_NEEDS = ("brightness", "motion", "motion_share")


def tell(library: Library) -> int:
    """Write the captions `file` and `facts` of every ok clip where they are missing or out of date; returns how many
    were written."""
    had = {
        (row["clip"], row["captioner"]): (row["version"], row["text"])
        for row in library.rows("select clip, captioner, version, text from captions")
    }
    clips = library.rows(
        "select clips.*, footage.caption from clips join footage on footage.id = clips.footage "
        "where clips.status = 'ok' order by clips.footage, clips.n"
    )
    signals = library.signals()
    rows, gone, trace, traced = [], [], {}, ""
    for clip in clips:
        name, words = clip["id"], clip["caption"]
        if words and had.get((name, "file")) != ("1", words):
            rows.append({"clip": name, "captioner": "file", "version": "1", "text": words})
        if not words and (name, "file") in had:
            gone.append(name)
        known = {key: signals[name][key] for key in _NEEDS if key in signals.get(name, {})}
        version = f"{VERSION}+{_hash(known)}"
        if had.get((name, "facts"), ("",))[0] == version or known.get("brightness", {}).get("value") is None:
            continue
        if traced != clip["footage"]:
            whole = library.tensor("trace", clip["footage"])
            assert isinstance(whole, dict)
            trace, traced = whole, clip["footage"]
        middle = (clip["start_frame"] + clip["end_frame"]) // 2
        text = caption(clip, _with_data(known), trace["luma"][middle], trace["chroma"][middle])
        rows.append({"clip": name, "captioner": "facts", "version": version, "text": text})
    with library.transaction():
        library.delete("captions", clip=gone, captioner="file")
        library.put("captions", rows)
    return len(rows)


def _hash(known: dict[str, dict[str, Any]]) -> str:
    values = {name: [row["value"], row["data"]] for name, row in sorted(known.items())}
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:8]


def _with_data(known: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {**row, "data": json.loads(row["data"] or "null")} for name, row in known.items()}
