"""Groups of clips that show nearly the same, across the whole catalog."""

import hashlib
import json
from typing import Any

from marey.catalog import Library
from marey.signals.hashes import NEAR, near_pairs

VERSION = "1"
FACT = "curate/duplicates"
"""The fact that tells of which clips and hashes the groups are."""


def group_duplicates(library: Library) -> None:
    """Write the signal duplicate_group of every ok clip: the least clip id of its group. A clip without a hash is a
    group of its own. Nothing is compared where no clip and no hash has changed since."""
    rows = library.rows(
        "select clips.id, signals.data from clips "
        "left join signals on signals.clip = clips.id and signals.name = 'phash' "
        "where clips.status = 'ok' order by clips.id"
    )
    seen = hashlib.sha256(json.dumps([VERSION, NEAR, [list(row.values()) for row in rows]]).encode()).hexdigest()[:16]
    if library.facts.get(FACT) == seen:
        return
    hashed = [(row["id"], int(row["data"].strip('"'), 16)) for row in rows if row["data"]]
    parent = {row["id"]: row["id"] for row in rows}

    def root(clip: str) -> str:
        while parent[clip] != clip:
            parent[clip] = parent[parent[clip]]
            clip = parent[clip]
        return clip

    for i, j in near_pairs([value for _, value in hashed]):
        a, b = sorted((root(hashed[i][0]), root(hashed[j][0])))
        parent[b] = a
    groups = {clip: root(clip) for clip in parent}
    had = {
        row["clip"]: row["data"]
        for row in library.rows("select clip, data from signals where name = 'duplicate_group'")
    }
    with library.transaction():
        library.put("signals", [_row(clip, group) for clip, group in groups.items() if had.get(clip) != group])
        library.facts[FACT] = seen


def _row(clip: str, group: str) -> dict[str, Any]:
    return {
        "clip": clip,
        "name": "duplicate_group",
        "version": VERSION,
        "value": None,
        "data": group,
        "unit": "",
        "bad": "",
        "params": {"hash": "dct64", "near": NEAR},
        "status": "ok",
        "reason": "",
    }
