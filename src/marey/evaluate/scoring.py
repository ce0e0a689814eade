"""One video, with its truth where it has one, from one decode of each to numbers: its own, those of the baselines, and
the truth's."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from marey.errors import EndsRun, MareyError, MissingExtra
from marey.evaluate.baselines import LOOP, loop_place
from marey.evaluate.measure import Subject
from marey.evaluate.metrics import METRICS, Scorer
from marey.evaluate.models import Models
from marey.evaluate.pairing import TRUE, Frames, Job
from marey.evaluate.protocols import Side
from marey.evaluate.sets import Gatherer, Plan, packed
from marey.evaluate.views import View
from marey.media import Unusable, content_id

Row = dict[str, Any]


def key_of(job: Job, given: int, baselines: bool) -> tuple[str, dict[str, str]]:
    """What a job's numbers are kept under, and the hashes of its files.

    Raises:
        Unusable: a file cannot be read.
    """
    contents = {what: content_id(path) for what, path in (("shown", job.shown), ("true", job.true)) if path}
    said = f"1 {job.name} {job.kind} {sorted(contents.items())} {given} {baselines} {job.text}"
    return hashlib.sha256(said.encode()).hexdigest()[:24], contents


def score(
    job: Job, names: Sequence[str], models: Models, *, given: int, baselines: bool, plan: Plan | None = None
) -> Row:
    """A row of `status`, `reason`, `note`, sizes, `values` (method to metric to number) and `sets` (features for
    distances); what breaks is told in it.

    Args:
        names: of metrics.
        given: so many first frames are not scored.
        baselines: whether the frozen still and the loop are scored too.
        plan: what is to be found for distances between sets.
    """
    try:
        return {"status": "ok", "reason": "", **_scored(job, names, models, given, baselines, plan)}
    except (EndsRun, MissingExtra):
        raise
    except Unusable as error:
        return {"status": error.status, "reason": str(error), "note": ""}
    except MareyError as error:
        return {"status": "failed", "reason": str(error), "note": ""}


def _scored(job: Job, names: Sequence[str], models: Models, given: int, baselines: bool, plan: Plan | None) -> Row:
    alone = [name for name in names if "truth" not in METRICS[name].needs]
    path = job.shown or job.true
    assert path is not None
    frames = Frames(path, job.true if job.shown else None)
    if job.kind != "pair":
        names = alone
    methods = {"pair": ["model", "truth"], "alone": ["model"], "true": ["truth"]}[job.kind]
    methods += ["frozen", "loop"] if baselines else []
    subject = Subject(models, job.text, frames.fps)
    # The loop is made of true frames: what knows the truth would praise it for having seen them.
    asked = {method: alone if method in ("truth", "loop") else names for method in methods}
    scorers = {method: Scorer(asked[method], subject, given=given) for method in methods}
    gatherers = _gatherers(plan, job, methods, frames) if plan is not None else {}
    first: list[View] = []
    for shown, other in frames:
        source = other or shown
        if len(first) < LOOP:
            first.append(source)
        place = loop_place(frames.count - 1)
        stands = {"model": shown, "truth": source, "frozen": first[0], "loop": first[place]}
        for method, scorer in scorers.items():
            scorer.add(stands[method], None if method in ("truth", "loop") else other)
    values = {method: scorer.values() for method, scorer in scorers.items()}
    row: Row = {
        "note": frames.note,
        "frames": frames.count,
        "width": frames.width,
        "height": frames.height,
        "fps": frames.fps,
        "values": {method: found for method, found in values.items() if found},
    }
    if plan is not None:
        held = {method: packed(gatherer.features()) for method, gatherer in gatherers.items()}
        row["sets"] = {plan.stamp: {method: found for method, found in held.items() if found}}
    return row


def _gatherers(plan: Plan, job: Job, methods: Sequence[str], frames: Frames) -> dict[str, Gatherer]:
    """What collects the features of each method, fed by taps on the readings: of frames as they are, to the last."""
    name = job.name.removeprefix(TRUE) if job.kind == "true" else job.name
    # The baselines are made of every true video, whichever generated ones the protocol draws.
    drawn = plan if job.kind != "true" else replace(plan, drawn={**plan.drawn, "fake": {name: (name,)}})
    source = len(frames.readings) - 1
    found = {}
    first: list[View] = []

    def hold(n: int, view: View) -> None:
        if len(first) < LOOP:
            first.append(view)

    frames.taps[source].append(hold)
    for method in methods:
        side: Side = "real" if method == "truth" else "fake"
        which = 0 if method == "model" else source
        told = frames.readings[which].probe
        found[method] = Gatherer(drawn, name, side, told.frames or 0, told.fps)
        frames.taps[which].append(partial(_feed, found[method], method, first))
    return found


def _feed(gatherer: Gatherer, method: str, first: list[View], n: int, view: View) -> None:
    if method == "frozen":
        view = first[0]
    elif method == "loop":
        view = first[loop_place(n)]
    gatherer.add(n, view.rgb)
