"""What of a library is still there, and what stands beside it now: no file is opened but the sidecars.

A file that is gone or has other content takes its clips out of use, for they could not be decoded; their traces and
signals stay, so that a drive that comes back costs no second decode.
"""

import json
import os
from pathlib import Path
from typing import Any

from marey.catalog import Library, path_text, text_path
from marey.curate.read import ReadStage
from marey.curate.scan import Found, Sidecars
from marey.engine import stage_key

GONE = "it is no longer there"
LOST = "no file that is there has this content any more"


def settle(library: Library, found: list[Found], place: Path, sidecars: Sidecars) -> None:
    """Bring inputs, footage and clips in line with the paths that a scan of `place` found.

    Footage takes its path, licence and caption from its inputs in the order of their paths, never in the order in which
    they happened to be probed.
    """
    here = {path_text(one.path) for one in found}
    with library.transaction():
        _part_with_missing(library, here, place)
        live: dict[str, list[str]] = {}
        for row in library.rows(
            "select path, footage from inputs where footage is not null and reason != ? order by path", GONE
        ):
            live.setdefault(row["footage"], []).append(row["path"])
        for row in library.rows("select * from footage order by id"):
            paths = live.get(row["id"], [])
            if not paths:
                if row["reason"] != LOST:
                    _lose(library, row["id"])
                continue
            if row["reason"] == LOST:
                _find_again(library, row["id"])
            told = _described(paths, here, sidecars) if here.intersection(paths) else {}
            told = {key: value for key, value in told.items() if row[key] != value}
            if told:
                library.put("footage", [{"id": row["id"], **told}])


def _part_with_missing(library: Library, here: set[str], place: Path) -> None:
    """Inputs below `place` that were not found. One whose content is there under another name was only renamed."""
    within = path_text(place)
    below = within.rstrip(os.sep) + os.sep
    rows = library.rows("select path, footage, reason from inputs order by path")
    missing = [row for row in rows if row["path"] not in here and (row["path"] + os.sep).startswith(below)]
    gone = {row["path"] for row in missing}
    kept = {row["footage"] for row in rows if row["path"] not in gone and row["reason"] != GONE}
    renamed = [row["path"] for row in missing if row["footage"] is None or row["footage"] in kept]
    library.delete("inputs", path=renamed)
    lost = gone - set(renamed)
    library.put(
        "inputs",
        [
            {"path": row["path"], "status": "failed", "stage": "scan", "reason": GONE}
            for row in missing
            if row["path"] in lost and row["reason"] != GONE
        ],
    )


def _lose(library: Library, footage: str) -> None:
    out_of_use = {"status": "failed", "stage": "scan", "reason": LOST}
    library.put("footage", [{"id": footage, **out_of_use}])
    clips = library.rows("select id from clips where footage = ? and status = 'ok'", footage)
    library.put("clips", [{"id": row["id"], **out_of_use} for row in clips])


def _find_again(library: Library, footage: str) -> None:
    done = library.one("select * from ledger where item = ? and stage = ?", footage, stage_key(ReadStage()))
    row = {"id": footage, "status": "ok", "stage": "probe", "reason": ""}
    if done is not None:
        reason = done["reason"] or json.loads(done["out"]).get("reason", "")
        row |= {"status": done["status"], "stage": "read", "reason": reason}
    library.put("footage", [row])
    # Its clips get their statuses back from the trace.
    stages = library.rows("select stage from ledger where item = ? and stage like 'cut@%'", footage)
    library.delete("ledger", item=footage, stage=[row["stage"] for row in stages])


def _described(paths: list[str], here: set[str], sidecars: Sidecars) -> dict[str, Any]:
    """Path, licence, origin and caption of one footage, from what stands beside its inputs."""
    licences = [sidecars.licence(text_path(path)) for path in paths]
    caption = next((text for text in (sidecars.caption(text_path(path)) for path in paths) if text), "")
    told: dict[str, Any] = {"license": "unknown", "source": "", "credit": ""}
    told |= next((one for one in licences if "license" in one), {})
    told["origin"] = json.dumps(sorted({work for one in licences for work in one.get("origin", [])}))
    told["caption"] = caption
    if not here.issuperset(paths):  # beside what was not scanned now, a sidecar may stand out of reach
        told = {key: value for key, value in told.items() if value not in ("", "unknown", "[]")}
    return {**told, "path": next(path for path in paths if path in here)}
