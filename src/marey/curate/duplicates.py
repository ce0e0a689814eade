"""Groups of clips that show nearly the same, across the whole catalog."""

from typing import Any

from marey.catalog import Library
from marey.signals.hashes import NEAR, near_pairs

VERSION = "1"


def group_duplicates(library: Library) -> int:
    """Write the signal duplicate_group of every ok clip: the least clip id of its group. Returns how many clips are in
    a group of two or more. A clip without a hash is a group of its own."""
    rows = library.rows(
        "select clips.id, signals.data from clips "
        "left join signals on signals.clip = clips.id and signals.name = 'phash' "
        "where clips.status = 'ok' order by clips.id"
    )
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
    sizes: dict[str, int] = {}
    for group in groups.values():
        sizes[group] = sizes.get(group, 0) + 1
    had = {
        row["clip"]: row["data"]
        for row in library.rows("select clip, data from signals where name = 'duplicate_group'")
    }
    library.put("signals", [_row(clip, group) for clip, group in groups.items() if had.get(clip) != group])
    return sum(size for size in sizes.values() if size > 1)


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
