"""What a curation did and found, for people and for JSON."""

from dataclasses import dataclass, field
from typing import Any

from marey.catalog import Library


@dataclass(frozen=True)
class Summary:
    """Counts of a library after a curation, and what this run of it did."""

    library: str
    inputs: dict[str, int]
    """Inputs by status."""
    unusable: list[dict[str, str]]
    """Path, status and reason of each input that is not ok."""
    footage: dict[str, int]
    """Footage that was read, by kind."""
    clips: dict[str, int]
    transitions: dict[str, int]
    """By kind."""
    decoded: int
    """Frames decoded to know the videos that were read."""
    source_frames: int
    """Frames that these videos hold, in the span that was asked for."""
    did: dict[str, int]
    """What this run did: probed, read, cut, measured, told. All zero: there was nothing to do."""
    measured: dict[str, int]
    """How many values of each signal it computed."""
    left_out: dict[str, Any]
    """Footage over the budget: videos, photos, seconds, and the command for all of it. Empty if there is none."""
    notes: list[str] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)
    """How many captions of each column it wrote."""

    def __str__(self) -> str:
        def counted(counts: dict[str, int]) -> str:
            return ", ".join(f"{n} {name}" for name, n in sorted(counts.items())) or "none"

        ratio = f"{self.decoded / self.source_frames:.2f}" if self.source_frames else "-"
        lines = [
            f"inputs       {counted(self.inputs)}",
            f"footage      {counted(self.footage)}",
            f"transitions  {counted(self.transitions)}",
            f"clips        {counted(self.clips)}",
            f"decoded      {self.decoded} frames of {self.source_frames} ({ratio} a frame)",
            f"this run     {_done(self.did)}",
        ]
        if self.measured:
            lines.append(f"measured     {_measured(self.measured)}")
        if self.told:
            lines.append(f"captions     {_measured(self.told)}")
        lines += [f"  {row['status']:<9} {_shown(row['path'])}: {row['reason']}" for row in self.unusable[:20]]
        if len(self.unusable) > 20:
            lines.append(f"  ... and {len(self.unusable) - 20} more, all in the catalog")
        if self.left_out:
            lines.append(
                f"left out     {self.left_out['videos']} videos ({self.left_out['seconds']:.0f} s) and "
                f"{self.left_out['photos']} photographs, over the budget. For all of it: {self.left_out['command']}"
            )
        return "\n".join(lines + [f"note         {note}" for note in self.notes])


def _done(did: dict[str, int]) -> str:
    """What a run did, but for the signals, in words."""

    def some(name: str, thing: str) -> str:
        n = did.get(name, 0)
        return f"{n} {thing}" + ("s" if n > 1 else "") if n else ""

    looked, read, cut, told = (
        some("probed", "file"),
        some("read", "source"),
        some("cut", "source"),
        some("told", "caption"),
    )
    said = [
        looked and f"looked at {looked} (new, changed or tried again)",
        read and f"read {read}",
        cut and f"cut {cut} into clips",
        told and f"wrote {told}",
    ]
    return ", ".join(part for part in said if part) or ("only measured" if did.get("measured") else "nothing to do")


def _measured(counts: dict[str, int]) -> str:
    """Which signals were computed of how many clips: those of equally many together."""
    groups: dict[int, list[str]] = {}
    for name, n in sorted(counts.items()):
        groups.setdefault(n, []).append(name)
    return "; ".join(f"{', '.join(names)} of {_clips(n)}" for n, names in sorted(groups.items(), reverse=True))


def _shown(path: str) -> str:
    """A path on one line: a name can hold line breaks, and codes that a terminal would obey."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in path)


def _clips(n: int) -> str:
    return "1 clip" if n == 1 else f"{n} clips"


def _unmeasured(library: Library) -> list[str]:
    """Which signals are not there, of how many clips, and why."""
    rows = library.rows(
        "select signals.name, signals.status, signals.reason, count(*) n from signals "
        "join clips on clips.id = signals.clip where clips.status = 'ok' and signals.status != 'ok' "
        "group by 1, 2, 3 order by 1, 4 desc, 3"
    )
    said = [f"{row['name']} of {_clips(row['n'])} is {row['status']}: {row['reason']}" for row in rows]
    return said[:10] + ([f"and {len(said) - 10} more such reasons, all in the catalog"] if len(said) > 10 else [])


def summarise(
    library: Library,
    did: dict[str, int],
    measured: dict[str, int],
    left_out: dict[str, Any],
    notes: list[str],
    told: dict[str, int],
) -> Summary:
    """Count what the library holds."""

    def count(sql: str) -> dict[str, int]:
        return {str(row["name"]): row["n"] for row in library.rows(sql)}

    bad = library.rows("select path, status, reason from inputs where status != 'ok' order by path")
    frames = library.one(
        "select coalesce(sum(decoded), 0) decoded, coalesce(sum(frames), 0) frames from footage "
        "where kind = 'video' and status = 'ok' and stage = 'read'"
    )
    assert frames is not None
    return Summary(
        library=str(library.path),
        inputs=count("select status name, count(*) n from inputs group by status"),
        unusable=[{key: str(row[key]) for key in ("path", "status", "reason")} for row in bad],
        footage=count("select kind name, count(*) n from footage where status = 'ok' and stage = 'read' group by kind"),
        clips=count("select status name, count(*) n from clips group by status"),
        transitions=count("select kind name, count(*) n from transitions group by kind"),
        decoded=frames["decoded"],
        source_frames=frames["frames"],
        did=did,
        measured=measured,
        left_out=left_out,
        notes=[*notes, *_unmeasured(library)],
        told=told,
    )
