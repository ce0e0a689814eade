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

from marey.errors import MareyError
from marey.evaluate.distances import DISTANCES
from marey.evaluate.journal import Journal
from marey.evaluate.metrics import METRICS, USUAL, chosen
from marey.evaluate.models import Models
from marey.evaluate.pairing import TRUE, Job, jobs, texts_of, videos
from marey.evaluate.record import Evaluation
from marey.evaluate.scoring import key_of, score
from marey.evaluate.sets import USUAL_PROTOCOL, Plan, planned, set_distances
from marey.evaluate.summary import summarise
from marey.media import Unusable
from marey.progress import Progress, follow, silent
from marey.recipe import Evaluate as Settings

PROTOCOL, ALONE = "marey/pairs-2", "marey/videos-1"
USUAL_DISTANCE = "frechet"
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
    protocol: str = USUAL_PROTOCOL,
    weights: Path | None = None,
    sha256: str | None = None,
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
        metrics: names, families ("movement"), "all", and distances of sets ("frechet", "kvd" ...); those that need
            nothing more, if empty.
        texts: what each video was made from; see `pairing.texts_of`.
        given: so many first frames are not scored, because an image-to-video model was given them. 0 scores every
            frame; None: 1 where there are true videos, else 0.
        baselines: whether they are scored too.
        protocol: of the distances of sets; see `protocols.PROTOCOLS`.
        weights, sha256: of the network that the protocol needs.
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
    names, asked, absent = _possible(metrics, work, models, paired, true is not None, settings)
    plan = planned(asked, protocol, weights, sha256, *_sides(work)) if asked else None
    mine = [job for job in work if _in_shard(job.name, shard)]

    with Journal(out, shard) as journal:
        rows = []
        for job in follow(mine, progress, "scoring videos", len(mine)):
            rows.append(_known_or_scored(job, names, models, journal, given, baselines, plan))
    good = [row for row in rows if row["status"] == "ok"]
    per_window = [_window(job, row, names) for job, row in zip(mine, rows, strict=True) if row["status"] == "ok"]
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
    if plan is not None:
        held = [{"group": one["group"], "sets": row["sets"]} for one, row in zip(per_window, good, strict=True)]
        more, missing, said = set_distances(
            plan,
            held,
            least=settings.frechet_least if protocol == USUAL_PROTOCOL else 2,
            confidence=settings.confidence,
        )
        found, gaps, notes = found + more, gaps + missing, notes + said
    lengths = [row["frames"] for row in good]
    evaluation = Evaluation(
        protocol=_protocol(paired, real is not None, given, lengths, plan),
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
        command=_command(fake, real, metrics, texts, given, baselines, protocol, weights, sha256),
        backbones=_backbones(names, models, plan),
    )
    if out is not None and shard[1] == 1:
        evaluation.save(Path(out) / RECORD)
    return evaluation


def _possible(
    words: Sequence[str], work: Sequence[Job], models: Models, paired: bool, against: bool, settings: Settings
) -> tuple[list[str], list[str], list[dict[str, str]]]:
    """Metrics of videos and distances of sets that can be computed, and what is absent with the reason."""
    named = [word for word in words if word not in DISTANCES]
    names = chosen(named) if named else list(USUAL) if not words else []
    asked = [word for word in words if word in DISTANCES]
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
    if asked and not against:
        raise MareyError(f"{asked[0]} is a distance of two sets: --against would do.")
    if not words or "all" in words:
        if not against:
            absent.append({"subset": "all", "metric": USUAL_DISTANCE, "reason": "it needs true videos: --against"})
        elif min(map(len, _sides(work))) < settings.frechet_least:
            few = " and ".join(str(len(side)) for side in _sides(work))
            why = f"{few} videos are there; a distance needs at least {settings.frechet_least} to mean anything"
            absent.append({"subset": "all", "metric": USUAL_DISTANCE, "reason": why})
        elif USUAL_DISTANCE not in asked:
            asked.append(USUAL_DISTANCE)
    if not there and not asked:
        raise MareyError(f"None of the metrics can be computed: {absent[0]['metric']}: {absent[0]['reason']}.")
    return there, asked, absent


def _sides(work: Sequence[Job]) -> tuple[list[str], list[str]]:
    """Names of the generated and of the true videos."""
    return [job.name for job in work if job.shown], [job.name.removeprefix(TRUE) for job in work if job.true]


def _known_or_scored(
    job: Job,
    names: Sequence[str],
    models: Models,
    journal: Journal,
    given: int,
    baselines: bool,
    plan: Plan | None,
) -> dict[str, Any]:
    try:
        key, contents = key_of(job, given, baselines)
    except Unusable as error:  # it may be there the next time, so it is not kept
        return {"status": error.status, "reason": str(error), "contents": {}}
    known = journal.get(key)
    ids = known.get("ids", [])
    left = [name for name in names if _stamp(name, models) not in ids]
    new = plan if plan is not None and plan.stamp not in ids else None
    if known and (known["status"] != "ok" or not (left or new)):
        return known
    row = score(job, left, models, given=given, baselines=baselines, plan=new)
    stamps = [_stamp(name, models) for name in left] + ([new.stamp] if new else [])
    return journal.put({"key": key, "id": job.name, "contents": contents, "ids": stamps, "sets": {}, **row})


def _backbones(names: Sequence[str], models: Models, plan: Plan | None) -> dict[str, str]:
    found = {name: models.sha256(METRICS[name].models[0]) for name in names if METRICS[name].models}
    if plan is not None:
        found |= dict.fromkeys(plan.distances, plan.backbone.sha256)
    return found


def _stamp(name: str, models: Models) -> str:
    """The id of a metric with the hash of the network in it."""
    metric = METRICS[name]
    return " ".join([f"{name}={metric.id}", *(models.sha256(model)[:16] for model in metric.models)])


def _window(job: Job, row: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """What a record says of a video: only what was asked for, whatever else is known of it from other runs."""
    values = {method: {name: found[name] for name in names if name in found} for method, found in row["values"].items()}
    return {
        "id": job.name,
        "group": job.text or job.name,
        "real": True,
        "values": {method: found for method, found in values.items() if found},
        "note": row["note"],
        "frames": row["frames"],
        "fps": row["fps"],
        "text": job.text,
        "shown": str(job.shown.resolve()) if job.shown else "",
        "true": str(job.true.resolve()) if job.true else "",
        "true_id": row["contents"].get("true", ""),
    }


def _protocol(paired: bool, against: bool, given: int, lengths: Sequence[int], plan: Plan | None) -> dict[str, Any]:
    said: dict[str, Any] = {
        "id": PROTOCOL if paired else ALONE,
        "frames": min(lengths) if min(lengths) == max(lengths) else f"{min(lengths)} to {max(lengths)}",
        "given": given,
    }
    if paired:
        said |= {
            "against": "the video of the same name, at its size; frames by number, or by time where the rates differ",
        }
    if plan is not None:
        said["sets"] = f"{plan.protocol.id} on {plan.backbone.id}: {plan.protocol.says}"
    whose = "true" if against else "own"
    return said | {
        "frozen": f"the {whose} first frame, held",
        "loop": f"the {whose} first eight frames, played to and fro",
    }


def _command(
    fake: Path,
    real: Path | None,
    metrics: Sequence[str],
    texts: Path | None,
    given: int,
    baselines: bool,
    protocol: str,
    weights: Path | None,
    sha256: str | None,
) -> str:
    words = ["marey", "evaluate", str(fake)]
    words += ["--against", str(real)] if real is not None else []
    words += ["--metrics", ",".join(metrics)] if metrics else []
    words += ["--texts", str(texts)] if texts is not None else []
    words += ["--given", str(given)]
    words += [] if baselines else ["--no-baselines"]
    words += ["--protocol", protocol] if protocol != USUAL_PROTOCOL else []
    words += ["--weights", str(weights)] if weights is not None else []
    words += ["--sha256", sha256] if sha256 else []
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
