"""Generated videos against true ones, or by themselves: `marey evaluate FAKE --against REAL`.

Each video is decoded once, both of a pair in step; every metric taps that pass. Memory does not grow with the length
of a video nor, but for one row of numbers each, with their number. A video that cannot be read or compared ends with a
status and a reason, and the others go on.
"""

import hashlib
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from marey.errors import MareyError
from marey.evaluate.features import Projection, fit
from marey.evaluate.journal import Journal
from marey.evaluate.metrics import METRICS, USUAL, chosen
from marey.evaluate.models import Models
from marey.evaluate.pairing import Job, jobs, texts_of, videos
from marey.evaluate.record import Evaluation
from marey.evaluate.scoring import key_of, score
from marey.evaluate.summary import distances, summarise
from marey.media import Unusable
from marey.progress import Progress, follow, silent
from marey.recipe import Evaluate as Settings

PROTOCOL, ALONE = "marey/pairs-2", "marey/videos-1"
FRECHET = "frechet"
RECORD = "record.json"


def evaluate_folders(
    fake: Path,
    real: Path | None = None,
    settings: Settings | None = None,
    *,
    metrics: Sequence[str] = (),
    texts: Path | None = None,
    given: int | None = None,
    baselines: bool = True,
    out: Path | None = None,
    shard: tuple[int, int] = (0, 1),
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """Score the videos of `fake` against those of the same name (without the ending) in `real`, or by themselves.

    Videos of one text are a group; where there are no texts each video is a group of its own. Beside the videos stand,
    as baselines, the frozen first true frame and the first true frames played to and fro (where there is no truth: the
    video's own).

    Args:
        fake, real: a folder, a list of paths, or one video; see `pairing.videos`.
        metrics: names, families ("motion"), "all", or "frechet"; those that need nothing more, if empty.
        texts: what each video was made from; see `pairing.texts_of`.
        given: so many first frames are not scored, because an image-to-video model was given them. 0 scores every
            frame; None: 1 where there are true videos, else 0.
        baselines: whether they are scored too.
        out: a folder for what is found of each video (so that a run that was killed goes on from there) and for
            record.json. None: nothing is kept.
        shard: (this one from 0, of so many): only that part of the videos is scored. Once the shards' files are in one
            folder, a run without it puts them together.

    Raises:
        MareyError: nothing is there, a metric cannot be computed that was asked for by name, or no video can be scored.
    """
    settings = settings or Settings()
    shown = videos(Path(fake))
    true = videos(Path(real)) if real is not None else None
    work, notes = jobs(shown, true, texts_of(texts, shown))
    given = (0 if true is None else 1) if given is None else given
    models = Models(settings.models)
    paired = any(job.kind == "pair" for job in work)
    names, described, absent = _possible(metrics, work, models, paired)
    mine = [job for job in work if _in_shard(job.name, shard)]

    with Journal(out, shard) as journal:
        rows = []
        for job in follow(mine, progress, "scoring videos", len(mine)):
            rows.append(_known_or_scored(job, names, models, journal, given, baselines, described))
    per_window = [_window(job, row) for job, row in zip(mine, rows, strict=True) if row["status"] == "ok"]
    failed = [
        {"id": job.name, "status": row["status"], "reason": row["reason"]}
        for job, row in zip(mine, rows, strict=True)
        if row["status"] != "ok"
    ]
    if not per_window:
        reason = f" {failed[0]['reason']}" if failed else ""
        raise MareyError(f"None of the {len(mine)} videos of {fake} could be scored.{reason}")
    notes += [f"{one['id']}: {one['note']}." for one in per_window if one["note"]]

    found, differences, gaps = summarise(per_window, settings, seed)
    if described:
        more, missing = _frechet([row for row in rows if row["status"] == "ok"], per_window, settings)
        found, gaps = found + more, gaps + missing
    lengths = [row["frames"] for row in rows if row["status"] == "ok"]
    evaluation = Evaluation(
        protocol=_protocol(paired, real is not None, given, lengths),
        n=len(per_window),
        groups=len({one["group"] for one in per_window}),
        # A folder says nothing of where its videos come from: there is one subset, all of them.
        rows=[row for row in found if row.subset == "all"],
        differences=[row for row in differences if row.subset == "all"],
        absent=absent + [row for row in gaps if row["subset"] == "all"],
        windows=per_window,
        notes=notes,
        settings=settings.model_dump(mode="json"),
        seed=seed,
        data=_digest(rows, ("shown", "true")),
        truth=_digest(rows, ("true",)),
        failed=failed,
        command=_command(fake, real, metrics, texts, given, baselines),
        backbones={name: models.sha256(METRICS[name].models[0]) for name in names if METRICS[name].models},
    )
    if out is not None and shard[1] == 1:
        evaluation.save(Path(out) / RECORD)
    return evaluation


def _possible(
    words: Sequence[str], work: Sequence[Job], models: Models, paired: bool
) -> tuple[list[str], bool, list[dict[str, str]]]:
    """Metrics that can be computed, whether a Frechet distance is asked for, and what is absent with the reason."""
    named = [word for word in words if word != FRECHET]
    names = chosen(named) if named else list(USUAL) if not words else []
    described = FRECHET in words or not words or "all" in words
    there, absent = [], []
    for name in names:
        needs = METRICS[name].needs
        reason = ""
        if "truth" in needs and not paired:
            reason = "it needs a true video for each: --against, with the same names, would do"
        elif "text" in needs and not any(job.text for job in work):
            reason = "it needs the videos' texts: --texts, or NAME.txt beside each video, would do"
        else:
            reason = next(filter(None, (models.lacking(model) for model in METRICS[name].models)), "")
        if not reason:
            there.append(name)
        elif name in words:
            raise MareyError(f"{name} cannot be computed: {reason}.")
        else:
            absent.append({"subset": "all", "metric": name, "reason": reason})
    if described and not paired:
        described = False
        absent.append({"subset": "all", "metric": FRECHET, "reason": "it needs true videos of the same names"})
    if not there and not described:
        raise MareyError(f"None of the metrics can be computed: {absent[0]['metric']}: {absent[0]['reason']}.")
    return there, described, absent


def _known_or_scored(
    job: Job, names: Sequence[str], models: Models, journal: Journal, given: int, baselines: bool, described: bool
) -> dict[str, Any]:
    try:
        key, contents = key_of(job, given, baselines, described)
    except Unusable as error:  # it may be there the next time, so it is not kept
        return {"status": error.status, "reason": str(error), "contents": {}}
    known = journal.get(key)
    ids = known.get("ids", [])
    left = [name for name in names if _stamp(name, models) not in ids]
    if known and (known["status"] != "ok" or not left):
        return known
    row = score(job, left, models, given=given, baselines=baselines, described=described and not known)
    if known and "features" in known:
        row["features"] = known["features"]
    stamps = [_stamp(name, models) for name in left]
    return journal.put({"key": key, "id": job.name, "contents": contents, "ids": stamps, **row})


def _stamp(name: str, models: Models) -> str:
    """The id of a metric with the hash of the network in it."""
    metric = METRICS[name]
    return " ".join([f"{name}={metric.id}", *(models.sha256(model)[:16] for model in metric.models)])


def _window(job: Job, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": job.name,
        "group": job.text or job.name,
        "real": True,
        "values": row["values"],
        "note": row["note"],
        "frames": row["frames"],
        "fps": row["fps"],
        "text": job.text,
        "shown": str(job.shown.resolve()) if job.shown else "",
        "true": str(job.true.resolve()) if job.true else "",
        "true_id": row["contents"].get("true", ""),
    }


def _frechet(
    rows: Sequence[dict[str, Any]], per_window: Sequence[dict[str, Any]], settings: Settings
) -> tuple[list[Any], list[dict[str, str]]]:
    """The Frechet distance on hand features, along the true videos' principal axes."""
    if any("features" not in row for row in rows):
        why = "a video has fewer than three frames"
        return distances({}, per_window, None, why, settings)
    methods = [method for method in ("model", "frozen", "loop", "truth") if method in rows[0]["features"]]
    tables = {method: np.array([row["features"][method] for row in rows]) for method in methods}
    projection: Projection | None = None
    reason = ""
    try:
        projection = fit(tables["truth"], settings.frechet_dims)
    except MareyError as error:
        reason = str(error)
    return distances(tables if projection else {}, per_window, projection, reason, settings)


def _protocol(paired: bool, against: bool, given: int, lengths: Sequence[int]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "id": PROTOCOL if paired else ALONE,
        "frames": min(lengths) if min(lengths) == max(lengths) else f"{min(lengths)} to {max(lengths)}",
        "given": given,
    }
    if paired:
        said |= {
            "against": "the video of the same name, at its size; frames by number, or by time where the rates differ",
            "frechet": "principal axes of the true videos",
        }
    whose = "true" if against else "own"
    return said | {
        "frozen": f"the {whose} first frame, held",
        "loop": f"the {whose} first eight frames, played to and fro",
    }


def _command(
    fake: Path, real: Path | None, metrics: Sequence[str], texts: Path | None, given: int, baselines: bool
) -> str:
    words = ["marey", "evaluate", str(fake)]
    words += ["--against", str(real)] if real is not None else []
    words += ["--metrics", ",".join(metrics)] if metrics else []
    words += ["--texts", str(texts)] if texts is not None else []
    words += ["--given", str(given)]
    words += [] if baselines else ["--no-baselines"]
    return shlex.join(words)


def _in_shard(name: str, shard: tuple[int, int]) -> bool:
    this, count = shard
    if not 0 <= this < count:
        raise MareyError(f"Shard {this} of {count}: 0 to {count - 1} would do.")
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % count == this


def _digest(rows: Sequence[dict[str, Any]], parts: Sequence[str]) -> str:
    hasher = hashlib.sha256()
    for row in rows:
        if row["status"] == "ok":
            hasher.update("".join(f"{row['contents'].get(part, '')} " for part in parts).encode())
    return hasher.hexdigest()[:16]
