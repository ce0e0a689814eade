"""Selections: named queries over signals. Nothing is marked on a clip and nothing computed anew for another threshold.

A rule looks at one signal alone. `drop` cuts a share of all ok clips from the signal's bad end, as Stable Video
Diffusion does (section 3.3 and appendix E: 12.5, 25 or 50 % an axis); `min` and `max` are absolute. A clip whose value
equals the threshold stays, so that ties never fall out by chance. A photograph has no motion: a rule on a signal that
it has no row for does not apply to it; nor does one on a signal that says of a clip that there is nothing to measure.
What a rule may name is told in `axes`.

With a selection is stored what a training on it needs to be repeatable: how often each caption is taken, and the motion
bucket of each clip.
"""

import difflib
import hashlib
import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from marey.catalog.axes import axis
from marey.catalog.buckets import motion_buckets
from marey.catalog.store import Library, Row
from marey.errors import MareyError
from marey.progress import Progress, silent
from marey.recipe import Select

DUPLICATES = "duplicates"  # the rule of near-duplicates, beside drop.SIGNAL, min.SIGNAL and max.SIGNAL


@dataclass(frozen=True)
class Threshold:
    """What one rule came to: clips whose value lies beyond `value` on its `side` fall out; equal ones stay."""

    signal: str
    side: Literal["low", "high"]
    value: float | None
    """In the signal's unit. None: no clip has the signal."""
    percent: float | None
    """The share that was asked for, of a `drop` rule."""
    clips: int
    """How many clips have a value."""
    missing: int
    """How many ought to have one and have none; they pass."""


@dataclass(frozen=True)
class Selection:
    """A selection as it came out."""

    name: str
    clips: tuple[str, ...]
    """Those that stay, sorted by id."""
    hash: str
    """Sixteen hex digits of the clips that stay."""
    dropped: dict[str, list[str]]
    """By clip, every rule that it falls to: drop.SIGNAL, min.SIGNAL, max.SIGNAL, duplicates."""
    thresholds: dict[str, Threshold]
    """By rule."""
    matrix: dict[str, dict[str, int]]
    """matrix[a][b]: how many clips fall to both rules; matrix[a][a]: to rule a at all."""
    alone: dict[str, int]
    """How many clips fall to this rule and to no other: what would come back without it."""
    captions: dict[str, float] = field(default_factory=dict)
    """By captioner, how often its caption is to be trained on."""
    motion_bucket: dict[str, int] = field(default_factory=dict)
    """By clip that is a video and stays: 0..255, its motion among theirs."""


@dataclass(frozen=True)
class _Rule:
    name: str
    signal: str
    percent: float | None = None
    value: float | None = None
    side: Literal["low", "high", ""] = ""


def select(library: Library, settings: Select, progress: Progress = silent) -> Selection:
    """Apply the rules to all ok clips and keep the result as the selection `settings.name`, in place of an older one.

    Run again on the same library it changes nothing.

    Raises:
        MareyError: no ok clips; a signal that clips lack, without `allow_missing`; a share of a signal that has no bad
            end; or nothing stays.
    """
    chosen = choose(library, settings, progress)
    keep_selection(library, chosen, settings.model_dump(mode="json"))
    return chosen


def keep_selection(library: Library, chosen: Selection, settings: Mapping[str, Any]) -> None:
    """Write a selection down in place of an older one of its name; the same one again changes nothing."""
    rules = {
        "settings": dict(settings),
        "thresholds": {name: asdict(threshold) for name, threshold in chosen.thresholds.items()},
        "dropped": chosen.dropped,
        "matrix": chosen.matrix,
        "alone": chosen.alone,
        "captions": chosen.captions,
        "motion_bucket": chosen.motion_bucket,
    }
    text = json.dumps(rules, sort_keys=True)
    before = library.one("select rules, hash from selections where name = ?", chosen.name)
    if before == {"rules": text, "hash": chosen.hash}:
        return
    made = datetime.now().astimezone().isoformat(timespec="seconds")
    with library.transaction():
        library.delete("selected", selection=chosen.name)
        library.put("selected", ({"selection": chosen.name, "clip": clip} for clip in chosen.clips))
        row = {"name": chosen.name, "rules": text, "hash": chosen.hash, "clips": len(chosen.clips), "made": made}
        library.put("selections", [row])


def read_selection(library: Library, name: str) -> Selection:
    """The selection `name` as it was kept.

    Raises:
        MareyError: there is none of this name; those that there are, are named.
    """
    row = library.one("select * from selections where name = ?", name)
    if row is None:
        known = [row["name"] for row in library.rows("select name from selections order by name")]
        would = f"one of {', '.join(known)} would do" if known else f"`marey select {library.path}` would make one"
        raise MareyError(f"{library.path} has no selection {name!r}: {would}.")
    rules = json.loads(row["rules"])
    clips = tuple(
        row["clip"] for row in library.rows("select clip from selected where selection = ? order by clip", name)
    )
    buckets = rules.get("motion_bucket")  # selections of an older Marey have none
    return Selection(
        name=name,
        clips=clips,
        hash=row["hash"],
        dropped=rules["dropped"],
        thresholds={rule: Threshold(**values) for rule, values in rules["thresholds"].items()},
        matrix=rules["matrix"],
        alone=rules["alone"],
        captions=rules.get("captions", Select().captions),
        motion_bucket=buckets_of(library, clips) if buckets is None else buckets,
    )


def without(library: Library, clips: Collection[str]) -> None:
    """Take clips out of all selections, their numbers and hashes too, as if they had never been; thresholds stay."""
    for name in [row["name"] for row in library.rows("select name from selections")]:
        chosen = read_selection(library, name)
        kept = [clip for clip in chosen.clips if clip not in clips]
        fallen = {clip: out for clip, out in chosen.dropped.items() if clip not in clips}
        rules = json.loads((library.one("select rules from selections where name = ?", name) or {})["rules"])
        rules |= {
            "dropped": fallen,
            "matrix": _matrix(list(chosen.matrix), fallen),
            "alone": _alone(chosen.matrix, fallen),
            "motion_bucket": {clip: value for clip, value in chosen.motion_bucket.items() if clip not in clips},
        }
        text = json.dumps(rules, sort_keys=True)
        library.put("selections", [{"name": name, "rules": text, "hash": hash_of(kept), "clips": len(kept)}])
    library.delete("selected", clip=clips)


def choose(library: Library, settings: Select, progress: Progress = silent) -> Selection:
    """What `select` would keep; writes nothing. Raises as it does."""
    clips = usable_clips(library)
    rules = _rules(settings)
    signals = {name: axis(library, name) for name in {rule.signal for rule in rules}}
    _demand(library, settings, clips, rules, signals)

    fallen: dict[str, list[str]] = {}
    thresholds = {}
    for n, rule in enumerate(rules):
        progress("selecting clips", n, len(rules) + 1, rule.name)
        threshold, out = _apply(rule, clips, signals[rule.signal])
        thresholds[rule.name] = threshold
        for clip in out:
            fallen.setdefault(clip, []).append(rule.name)
    if settings.duplicates == "drop":
        for clip in _duplicates(library, settings, clips, set(fallen)):
            fallen.setdefault(clip, []).append(DUPLICATES)
    progress("selecting clips", len(rules) + 1, len(rules) + 1)

    names = [rule.name for rule in rules] + ([DUPLICATES] if settings.duplicates == "drop" else [])
    matrix = _matrix(names, fallen)
    kept = tuple(clip["id"] for clip in clips if clip["id"] not in fallen)
    if not kept:
        counts = ", ".join(f"{name} {matrix[name][name]}" for name in names)
        raise MareyError(
            f"The selection {settings.name!r} leaves none of {len(clips)} clips (each rule drops: {counts}): "
            f"looser rules would do."
        )
    return Selection(
        name=settings.name,
        clips=kept,
        hash=hash_of(kept),
        dropped=dict(sorted(fallen.items())),
        thresholds=thresholds,
        matrix=matrix,
        alone=_alone(names, fallen),
        captions=dict(settings.captions),
        motion_bucket=buckets_of(library, kept),
    )


def usable_clips(library: Library) -> list[Row]:
    """Id and kind of footage of every ok clip, in order.

    Raises:
        MareyError: there is none.
    """
    clips = library.rows(
        "select clips.id, footage.kind from clips left join footage on footage.id = clips.footage "
        "where clips.status = 'ok' order by clips.id"
    )
    if not clips:
        raise MareyError(f"{library.path} has no usable clips to select from: other footage would do.")
    return clips


def buckets_of(library: Library, clips: Collection[str]) -> dict[str, int]:
    """The motion bucket of each of some clips, among them all; photographs have none."""
    kinds = {clip["id"]: clip["kind"] for clip in usable_clips(library)}
    motion = axis(library, "motion")
    videos = [clip for clip in clips if kinds.get(clip) != "photo"]
    return motion_buckets({clip: motion[clip]["value"] if clip in motion else None for clip in videos})


def hash_of(clips: Iterable[str]) -> str:
    """Sixteen hex digits of a set of clips."""
    return hashlib.sha256("\n".join(sorted(clips)).encode()).hexdigest()[:16]


def _matrix(names: Iterable[str], fallen: Mapping[str, list[str]]) -> dict[str, dict[str, int]]:
    return {a: {b: sum(a in out and b in out for out in fallen.values()) for b in names} for a in names}


def _alone(names: Iterable[str], fallen: Mapping[str, list[str]]) -> dict[str, int]:
    return {name: sum(out == [name] for out in fallen.values()) for name in names}


def _rules(settings: Select) -> list[_Rule]:
    return (
        [_Rule(f"drop.{name}", name, percent=percent) for name, percent in sorted(settings.drop.items())]
        + [_Rule(f"min.{name}", name, value=value, side="low") for name, value in sorted(settings.min.items())]
        + [_Rule(f"max.{name}", name, value=value, side="high") for name, value in sorted(settings.max.items())]
    )


def _concerns(clip: Row, rows: Mapping[str, Row]) -> bool:
    """Whether a rule on a signal with these rows applies: to every video, and to a photograph that has a row; but to
    no clip in which there was nothing to measure."""
    row = rows.get(clip["id"])
    if row is None or row.get("absent"):
        return clip["kind"] != "photo"
    # A measure that ran and says why it has nothing: no sound to have a loudness, say. What is missing or failed is
    # another matter, and so are vectors and texts, which no rule can look at.
    return not (row["status"] == "ok" and row["value"] is None and row["data"] in (None, "null") and row["reason"])


def _lacking(clips: list[Row], rows: Mapping[str, Row]) -> list[str]:
    """The clips that ought to have a value and have none."""
    return [
        clip["id"]
        for clip in clips
        if _concerns(clip, rows) and (clip["id"] not in rows or rows[clip["id"]]["value"] is None)
    ]


def _demand(
    library: Library, settings: Select, clips: list[Row], rules: list[_Rule], signals: dict[str, dict[str, Row]]
) -> None:
    """Every signal is there, or may be missing; and a share has an end to be cut from."""
    problems = []
    for name in sorted(signals):
        lacking = _lacking(clips, signals[name])
        if lacking and not settings.allow_missing:
            problems.append(
                f"{name} of {len(lacking)} of {len(clips)} clips ({_why(library, name, lacking, signals[name])})"
            )
    if problems:
        raise MareyError(
            f"The selection {settings.name!r} needs what is not known: {'; '.join(problems)}. "
            f"select.allow_missing = true (--allow-missing) would let these clips pass."
        )
    for rule in rules:
        if rule.percent is not None and {row["bad"] for row in signals[rule.signal].values()} & {"", None}:
            raise MareyError(
                f"{rule.name} = {rule.percent:g}: neither end of the signal {rule.signal!r} is bad; "
                f"min.{rule.signal} or max.{rule.signal} would do."
            )


def _why(library: Library, name: str, lacking: list[str], rows: Mapping[str, Row]) -> str:
    reasons = Counter(rows[clip]["reason"] for clip in lacking if clip in rows and rows[clip]["reason"])
    if reasons:
        return reasons.most_common(1)[0][0].rstrip(".")
    if rows:
        return "curate again to compute it"
    known = [row["name"] for row in library.rows("select distinct name from signals order by name")]
    near = difflib.get_close_matches(name, known, n=1)
    return (
        f"no clip has it; did you mean {near[0]!r}?"
        if near
        else f"no clip has it; there are {', '.join(known) or 'none'}"
    )


def _apply(rule: _Rule, clips: list[Row], rows: Mapping[str, Row]) -> tuple[Threshold, list[str]]:
    """A rule's threshold, and the clips that fall to it."""
    known = {clip["id"]: rows[clip["id"]] for clip in clips if clip["id"] in rows}
    values = {clip: float(row["value"]) for clip, row in known.items() if row["value"] is not None}
    side, value = rule.side, rule.value
    if rule.percent is not None:
        side = next((row["bad"] for row in known.values()), "low")
        value = _percentile(list(values.values()), rule.percent, side) if values else None
    if value is None:
        out = []
    elif side == "low":
        out = [clip for clip, number in values.items() if number < value]
    else:
        out = [clip for clip, number in values.items() if number > value]
    threshold = Threshold(
        rule.signal, "low" if side == "low" else "high", value, rule.percent, len(values), len(_lacking(clips, rows))
    )
    return threshold, out


def _percentile(values: list[float], percent: float, side: str) -> float:
    """The value of the worst clip that stays when at most `percent` of all fall out."""
    ordered = sorted(values, reverse=side == "high")
    # The small addition undoes the rounding of shares such as 29 % of 100.
    return ordered[math.floor(len(ordered) * percent / 100 + 1e-9)]


def _duplicates(library: Library, settings: Select, clips: list[Row], fallen: set[str]) -> list[str]:
    """All but one of each group of near-duplicates.

    The one is the sharpest of those that pass the other rules, or of all where none does; then the longest; then by id.
    """
    rows = axis(library, "duplicate_group")
    unknown = [clip["id"] for clip in clips if clip["id"] in rows and rows[clip["id"]]["status"] != "ok"]
    if unknown and not settings.allow_missing:
        raise MareyError(
            f"The near-duplicates of {len(unknown)} of {len(clips)} clips are not known "
            f'({rows[unknown[0]]["reason"].rstrip(".")}): select.duplicates = "keep" or '
            f"select.allow_missing = true (--allow-missing) would do."
        )
    sharpness = axis(library, "sharpness")
    frames = {row["id"]: row["frames"] for row in library.rows("select id, frames from clips")}
    groups: dict[str, list[str]] = {}
    for clip in clips:
        group = rows.get(clip["id"], {}).get("data")
        if group and group != "null":
            groups.setdefault(group, []).append(clip["id"])

    def merit(clip: str) -> tuple[Any, ...]:
        value = sharpness.get(clip, {}).get("value")
        return (clip in fallen, -(value if value is not None else -math.inf), -frames[clip], clip)

    return sorted(clip for members in groups.values() for clip in sorted(members, key=merit)[1:])
