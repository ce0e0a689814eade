"""Groups of clips that show nearly the same, across the whole catalog."""

import hashlib
import json
from dataclasses import asdict
from typing import Any

import numpy as np

from marey.catalog import Library, Shard
from marey.curate.measures.embedding import kind
from marey.signals.given import Given
from marey.signals.near import Rule, near_groups

VERSION = "2"
FACT = "curate/duplicates"
"""The fact that tells of which clips, hashes and embeddings the groups are."""


def group_duplicates(library: Library, given: Given, rule: Rule) -> None:
    """Write the signal duplicate_group of every ok clip: the least clip id of its group. A clip without a hash is a
    group of its own. Nothing is compared where no clip, hash or embedding has come or changed since.

    Args:
        given: the user's own models, which tell what embeddings to go by.
    """
    rows = library.rows(
        "select clips.id, signals.data, tensors.shard, tensors.key from clips "
        "left join signals on signals.clip = clips.id and signals.name = 'phash' "
        "left join tensors on tensors.item = clips.id and tensors.kind = ? "
        "where clips.status = 'ok' order by clips.id",
        kind(given),
    )
    told = [[row["id"], row["data"], row["shard"] is not None] for row in rows]
    params = {"hash": "dct64", "embedding": kind(given), **asdict(rule)}
    seen = hashlib.sha256(json.dumps([VERSION, params, told]).encode()).hexdigest()[:16]
    if library.facts.get(FACT) == seen and not _lacking(library):
        return
    values = [(row["data"] or "").strip('"') for row in rows]
    hashes = np.array([int(value or "0", 16) for value in values], np.uint64)
    hashed = np.array([bool(value) for value in values], bool)
    labels = near_groups(hashes, hashed, _middles(library, rows), rule)
    groups = {row["id"]: rows[label]["id"] for row, label in zip(rows, labels, strict=True)}
    had = {
        row["clip"]: (row["version"], row["data"], json.loads(row["params"]))
        for row in library.rows("select clip, version, data, params from signals where name = 'duplicate_group'")
    }
    changed = [clip for clip, group in groups.items() if had.get(clip) != (VERSION, group, params)]
    with library.transaction():
        library.put("signals", [_row(clip, groups[clip], params) for clip in changed])
        library.facts[FACT] = seen


def _lacking(library: Library) -> bool:
    """Whether a clip has no group: it was read again, and came out as it was."""
    row = library.one(
        "select 1 from clips left join signals on signals.clip = clips.id and signals.name = 'duplicate_group' "
        "where clips.status = 'ok' and signals.clip is null limit 1"
    )
    return row is not None


def _middles(library: Library, rows: list[dict[str, Any]]) -> np.ndarray:
    """The embedding of each clip's middle still, float16 (N, D); zeros where there is none."""
    by_shard: dict[str, list[int]] = {}
    for n, row in enumerate(rows):
        if row["shard"]:
            by_shard.setdefault(row["shard"], []).append(n)
    vectors = np.zeros((len(rows), 0), np.float16)
    for name, places in by_shard.items():
        shard = Shard(library.path / name)
        for n in places:
            stills = np.asarray(shard.read(rows[n]["key"]))
            if not vectors.shape[1]:
                vectors = np.zeros((len(rows), stills.shape[1]), np.float16)
            vectors[n] = stills[(len(stills) - 1) // 2]
    return vectors


def _row(clip: str, group: str, params: dict[str, Any]) -> dict[str, Any]:
    return {
        "clip": clip,
        "name": "duplicate_group",
        "version": VERSION,
        "value": None,
        "data": group,
        "unit": "",
        "bad": "",
        "params": params,
        "status": "ok",
        "reason": "",
    }
