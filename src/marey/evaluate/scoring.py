"""One video, with its truth where it has one, from one decode of each to numbers: its own, those of the baselines, and
the truth's."""

import hashlib
from collections.abc import Sequence
from typing import Any

from marey.errors import EndsRun, MareyError, MissingExtra
from marey.evaluate.baselines import LOOP, loop_place
from marey.evaluate.features import Describer
from marey.evaluate.measure import Subject
from marey.evaluate.metrics import METRICS, Scorer
from marey.evaluate.models import Models
from marey.evaluate.pairing import Frames, Job
from marey.evaluate.views import View
from marey.media import Unusable, content_id

Row = dict[str, Any]


def key_of(job: Job, given: int, baselines: bool, described: bool) -> tuple[str, dict[str, str]]:
    """What a job's numbers are kept under, and the hashes of its files.

    Raises:
        Unusable: a file cannot be read.
    """
    contents = {what: content_id(path) for what, path in (("shown", job.shown), ("true", job.true)) if path}
    said = f"2 {job.kind} {sorted(contents.items())} {given} {baselines} {described} {job.text}"
    return hashlib.sha256(said.encode()).hexdigest()[:24], contents


def score(job: Job, names: Sequence[str], models: Models, *, given: int, baselines: bool, described: bool) -> Row:
    """A row of `status`, `reason`, `note`, sizes and `values` (method to metric to number); what breaks is told in it.

    Args:
        names: of metrics.
        given: so many first frames are not scored.
        baselines: whether the frozen still and the loop are scored too.
        described: whether the features of a Frechet distance are found too.
    """
    try:
        return {"status": "ok", "reason": "", **_scored(job, names, models, given, baselines, described)}
    except (EndsRun, MissingExtra):
        raise
    except Unusable as error:
        return {"status": error.status, "reason": str(error), "note": ""}
    except MareyError as error:
        return {"status": "failed", "reason": str(error), "note": ""}


def _scored(job: Job, names: Sequence[str], models: Models, given: int, baselines: bool, described: bool) -> Row:
    alone = [name for name in names if "truth" not in METRICS[name].needs]
    path = job.shown or job.true
    assert path is not None
    frames = Frames(path, job.true if job.shown else None)
    if job.kind != "pair":
        names = alone
    scorers: dict[str, Scorer] = {}
    describers: dict[str, Describer] = {}
    first: list[View] = []
    for shown, other in frames:
        if not scorers:
            subject = Subject(models, job.text, frames.fps)
            mine = {"pair": ["model", "truth"], "alone": ["model"], "true": ["truth"]}[job.kind]
            for method in [*mine, *(["frozen", "loop"] if baselines else [])]:
                # The loop is made of true frames: what knows the truth would praise it for having seen them.
                chosen = alone if method in ("truth", "loop") else names
                scorers[method] = Scorer(chosen, subject, given=given)
                if described:
                    describers[method] = Describer(given=given)
        source = other or shown
        if len(first) < LOOP:
            first.append(source)
        n = frames.count - 1
        stands = {"model": shown, "truth": source, "frozen": first[0], "loop": first[loop_place(n)]}
        for method, scorer in scorers.items():
            scorer.add(stands[method], None if method in ("truth", "loop") else other)
        for method, describer in describers.items():
            describer.add(stands[method].rgb)
    values = {method: scorer.values() for method, scorer in scorers.items()}
    row: Row = {
        "note": frames.note,
        "frames": frames.count,
        "width": frames.width,
        "height": frames.height,
        "fps": frames.fps,
        "values": {method: found for method, found in values.items() if found},
    }
    if describers and frames.count >= 3:
        row["features"] = {method: describer.values().tolist() for method, describer in describers.items()}
    return row
