"""The verb: a folder of footage becomes a library, or a library is brought up to date with it.

Scan, probe, budget, read (the one decode), cut (from the trace), measure, tell, duplicates. Each piece is entered in
the ledger or as a row of its own when it is done, in the same transaction as what it gave: a kill costs at most the
item in hand, and a second run finds out what is missing.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from marey.catalog import Library, path_text, trust_new_shards
from marey.curate import asking, second
from marey.curate import clips as cutting
from marey.curate import transitions as detection
from marey.curate.again import forgive, is_settled, passed_over
from marey.curate.budget import within
from marey.curate.captioners import captioners
from marey.curate.captioning import tell, troubles
from marey.curate.drawing import World
from marey.curate.duplicates import group_duplicates
from marey.curate.heal import Healing
from marey.curate.measures import MEASURES
from marey.curate.measuring import measure_clips
from marey.curate.present import settle
from marey.curate.read import ProbeStage, ReadStage
from marey.curate.reading import Reader, stills_of
from marey.curate.scan import Found, Sidecars, scan
from marey.curate.summary import Summary, summarise
from marey.engine import Result, run, stage_key
from marey.errors import MareyError
from marey.progress import Progress, silent
from marey.recipe import Curate, Footage
from marey.signals.given import Given, resolve
from marey.signals.near import Rule
from marey.signals.shotnet import weights


def curate(
    footage: str | Path | World,
    out: str | Path,
    *,
    footage_settings: Footage | None = None,
    settings: Curate | None = None,
    workers: int = 2,
    retry: bool = False,
    check: bool = False,
    progress: Progress = silent,
) -> Summary:
    """Curate the folder `footage` into the library `out`, which is made if it is not there; or the clips of a world,
    which are drawn and never become files.

    Every path ends in the catalog with a status and a reason; one that is broken costs itself alone.

    Args:
        footage_settings: budgets; the default reads everything.
        workers: guarded processes that read; 0 reads in this process, unguarded.
        retry: try everything again that failed, also what would fail the same way; see `again`.
        check: look at every byte of what was kept, also of files that look untouched; see `heal`.

    Raises:
        MareyError: there is no such folder, no usable footage in it, no room on the disk, or another process writes to
        the library, or a second opinion on transitions is wanted and its extra is not installed.
    """
    out = Path(out).expanduser().absolute()
    place = Path(footage).expanduser().absolute() if isinstance(footage, str | Path) else out
    budget, settings = footage_settings or Footage(), settings or Curate()
    if isinstance(footage, str | Path) and not os.path.lexists(place):
        raise MareyError(f"{place} is not there: a folder of footage would do.")
    given = resolve(settings.models)
    captioners(settings.captions)  # a model that is not there is told before hours of reading
    if settings.transitions.second != "none":
        weights()  # better said before footage is read than after
    with Library.open(out, create=True) as library:
        work = _Work(library, budget, settings, given, workers, progress)
        forgive(library, settings.file_timeout_seconds, everything=retry)
        healing = Healing(library, progress, everything=check)
        found: list[Found] = []
        left_out: dict[str, Any] = {}
        if isinstance(footage, str | Path):
            found = scan(place, leave=out)
            work.probe(found)
            settle(library, found, place, work.sidecars)
            left_out = work.choose(found, place)
            work.read()
        else:
            work.draw(footage)
        work.ask()
        work.cut()
        work.measure(of_captions=False)
        work.tell()
        work.measure(of_captions=True)
        group_duplicates(library, given, Rule(same=settings.duplicate_cosine))
        work.tell_of_failures(found)
        if library.one("select 1 from clips where status = 'ok'") is None:
            raise MareyError(_nothing(library, place, len(found)))
        trust_new_shards(library, healing.shards)
        notes = [*work.notes, *healing.notes(), *troubles(library)]
        return summarise(library, work.did, dict(sorted(work.measured.items())), left_out, notes, work.told)


class _Work:
    """One curation: the library, the settings, and what was done."""

    def __init__(
        self,
        library: Library,
        budget: Footage,
        settings: Curate,
        given: Given,
        workers: int,
        progress: Progress,
    ) -> None:
        self.library, self.budget, self.settings, self.given = library, budget, settings, given
        self.workers, self.progress = workers, progress
        self.sidecars = Sidecars()
        self.notes = self.sidecars.notes
        self.did = {"probed": 0, "read": 0, "cut": 0, "measured": 0, "told": 0}
        self.measured: Counter[str] = Counter()
        self.told: dict[str, int] = {}
        self._tried: set[str] = set()  # inputs that were looked at, footage that was read
        self._chosen: dict[str, float | None] = {}  # footage to the seconds that are read of it; None: all
        self._threads = 1 if workers else (os.cpu_count() or 1)
        self._second = settings.transitions.second != "none"
        self._asked: set[str] = set()  # footage on which there is a second opinion
        # Of a damaged source, a decoder of several threads gives other pictures each time.
        self._reader = Reader(library, self._batches, divide=workers > 1, threads=1, **self._kept())

    def _kept(self) -> dict[str, bool]:
        """Which frames the pass is to keep for networks that may look at them."""
        wanted = [kind for kind in MEASURES if kind.of_pairs and kind.offered(self.given)]
        pairs = any(kind.name not in self.settings.without for kind in wanted)
        return {"second": self._second, "pairs": pairs}

    def run(
        self, stage: Any, items: list[dict[str, Any]], what: str, seconds: float, most: int | None = None
    ) -> Iterable[Result]:
        """A stage over items, guarded where there are workers (`most` at most); nothing is started for nothing."""
        if not items:
            return []
        count = min(self.workers, len(items), self.workers if most is None else most)
        return run(stage, items, workers=count, timeout_seconds=seconds, progress=self.progress, what=what)

    def probe(self, found: list[Found]) -> None:
        """Enter every path; hash and probe those that are new or have changed."""
        known = {row["path"]: row for row in self.library.rows("select * from inputs")}
        fresh: list[dict[str, Any]] = []
        for one in found:
            path = path_text(one.path)
            row = known.get(path)
            if one.status != "ok":
                if row is None or (row["status"], row["reason"]) != (one.status, one.reason):
                    self._input(path, one.size, one.mtime_ns, None, one.status, "scan", one.reason)
            elif not _known(row, one):
                fresh.append({"id": path, "path": path})
        sizes = {path_text(one.path): (one.size, one.mtime_ns) for one in found}
        forgotten = self.library.forgotten()
        for result in self.run(ProbeStage(), fresh, "looking at files", self.settings.file_timeout_seconds):
            self.did["probed"] += 1
            self._tried.add(result.id)
            size, mtime_ns = sizes[result.id]
            with self.library.transaction():
                if result.status != "ok":
                    size = None if result.again else size
                    self._input(result.id, size, mtime_ns, None, result.status, "probe", result.error)
                elif result.out["footage"] in forgotten:
                    reason = f"forgotten on {forgotten[result.out['footage']]}"
                    self._input(result.id, size, mtime_ns, None, "rejected", "probe", reason)
                else:
                    self._footage(result)

    def choose(self, found: list[Found], place: Path) -> dict[str, Any]:
        """Which footage is read, and how much of it, under the budget: in the order of their content ids, so that the
        choice stays."""
        here = {path_text(one.path) for one in found}
        rows = [
            row
            for row in self.library.rows(
                "select footage.*, inputs.path input from inputs join footage on footage.id = inputs.footage "
                "order by footage.id, inputs.path"
            )
            if row["input"] in here
        ]
        one_each = list({row["id"]: row for row in reversed(rows)}.values())[::-1]
        whole = self._reader.whole_seconds()
        one_each = [{**row, "seconds": whole.get(row["id"], row["seconds"])} for row in one_each]
        videos = [row for row in one_each if row["kind"] == "video"]
        photos = [row for row in one_each if row["kind"] == "photo"]
        read, left, total = within(videos, self.budget)
        self._chosen = {**read, **{row["id"]: None for row in photos[: self.budget.photos]}}
        left += photos[len(self._chosen) - len(read) :]
        reason = "left out: over the budget of the recipe's [footage]"
        for row in left:
            if row["stage"] != "read" and (row["stage"], row["reason"]) != ("budget", reason):
                self.library.put("footage", [{"id": row["id"], "stage": "budget", "reason": reason}])
        left = [row for row in left if row["stage"] != "read"]
        cut_short = sum(row["seconds"] - (read[row["id"]] or row["seconds"]) for row in videos if row["id"] in read)
        if not left and cut_short < 1:
            return {}
        seconds = sum(row["seconds"] for row in left if row["kind"] == "video") + cut_short
        return {
            "videos": sum(row["kind"] == "video" for row in left),
            "photos": sum(row["kind"] == "photo" for row in left),
            "seconds": round(seconds, 1),
            "read_seconds": round(total, 1),
            "command": f'marey curate "{place}" --out "{self.library.path}"',
        }

    def read(self) -> None:
        """The one decode of each footage that was not read yet, or not so much of it."""
        read = self._reader.read(self._chosen)
        self._tried |= read
        self.did["read"] = len(read)

    def draw(self, world: World) -> None:
        """The clips of a world that are not there yet."""
        drawn = self._reader.draw(world)
        self._tried |= drawn
        self.did["read"] = len(drawn)

    def ask(self) -> None:
        """The second opinion on transitions, where it is wanted and not there. What gets none goes without, and the
        summary says so."""
        if self._second:
            why = asking.ask(self.library, self._patiently, self._reader.read_seconds())
            self.sidecars.notes += [f"no second opinion on {name}: {reason}" for name, reason in why.items()]

    def cut(self) -> None:
        """Transitions and clips from the traces, where the settings or the trace are new."""
        done = {
            row["item"]: row["stage"]
            for row in self.library.rows("select item, stage from ledger where stage like 'cut@%'")
        }
        rows = self.library.rows(
            "select * from footage where (status = 'ok' and stage = 'read') or (status = 'failed' and stage = 'cut') "
            "order by id"
        )
        self._asked = set(self.library.places(asking.KIND)) if self._second else set()
        waiting = [(row, self._cut_key(row["id"] in self._asked)) for row in rows]
        waiting = [(row, key) for row, key in waiting if done.get(row["id"]) != key]
        for n, (row, key) in enumerate(waiting):
            self.progress("cutting into clips", n, len(waiting))
            self._cut(row, key)
            self.did["cut"] += 1
        if waiting:
            self.progress("cutting into clips", len(waiting), len(waiting))

    def measure(self, *, of_captions: bool) -> None:
        """Every signal that an ok clip lacks."""
        settings = (self._threads, self.settings.without, self.given)
        done = measure_clips(self.library, self._batches, *settings, of_captions=of_captions)
        self.measured.update(done)
        self.did["measured"] = sum(self.measured.values())

    def tell(self) -> None:
        """The captions that ok clips lack."""
        cores = os.cpu_count() or 1
        self.told = dict(sorted(tell(self.library, self.settings.captions, self._captions, cores).items()))
        self.did["told"] = sum(self.told.values())

    def _captions(
        self, stage: Any, items: list[dict[str, Any]], what: str, seconds: float | None, most: int
    ) -> Iterable[Result]:
        return self.run(stage, items, what, seconds or self.settings.file_timeout_seconds, most)

    def _patiently(self, stage: Any, items: list[dict[str, Any]], what: str) -> Iterable[Result]:
        """With time for the longest of them, however slow the machine."""
        needed = asking.SECONDS_A_FRAME * max((item["frames"] or 0 for item in items), default=0)
        return self.run(stage, items, what, max(self.settings.file_timeout_seconds, needed))

    def tell_of_failures(self, found: list[Found]) -> None:
        """Note how many inputs failed before and were left at that."""
        here = [path_text(one.path) for one in found]
        if count := passed_over(self.library, here, self._tried):
            were = "1 input that failed before has" if count == 1 else f"{count} inputs that failed before have"
            self.notes.append(f"{were} not changed, nor has what reads them: --retry would try again")

    def _batches(self, stage: Any, items: list[dict[str, Any]], what: str) -> Iterable[Result]:
        return self.run(stage, items, what, self.settings.file_timeout_seconds)

    def _input(
        self,
        path: str,
        size: int | None,
        mtime_ns: int | None,
        footage: str | None,
        status: str,
        stage: str,
        reason: str,
    ) -> None:
        row = {"path": path, "size": size, "mtime_ns": mtime_ns, "footage": footage}
        self.library.put("inputs", [{**row, "status": status, "stage": stage, "reason": reason}])

    def _footage(self, result: Result) -> None:
        name, facts, size = result.out["footage"], dict(result.out["facts"]), result.out["size"]
        note = facts.pop("reason")
        self._input(result.id, size, result.out["mtime_ns"], name, "ok", "probe", note)
        done = self.library.one("select * from ledger where item = ? and stage = ?", name, stage_key(ReadStage()))
        if done is not None and is_settled(done):  # another name of something that was no use then
            self._input(result.id, size, result.out["mtime_ns"], name, done["status"], "read", done["reason"])
        if self.library.one("select 1 from footage where id = ?", name) is None:
            status = {"status": "ok", "stage": "probe", "reason": note}
            self.library.put("footage", [{"id": name, **facts, "path": result.id, "bytes": size, **status}])

    def _cut_key(self, asked: bool) -> str:
        """What the clips of a footage depend on: versions and thresholds, and whether there is a second opinion. The
        trace's own row is deleted with it."""
        parts = [
            f"{asking.AskStage.version}.{second.VERSION}" if asked else "",
            detection.VERSION,
            cutting.VERSION,
            self.settings.transitions.fingerprint(),
            self.settings.shortest_seconds,
            self.settings.longest_seconds,
        ]
        return "cut@" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def _cut(self, row: dict[str, Any], key: str) -> None:
        library, name = self.library, row["id"]
        try:
            trace = library.tensor("trace", name)
            assert isinstance(trace, dict)
            stills = [int(item.rpartition(":")[2]) for item in stills_of(library, name)]
            said = library.tensor(asking.KIND, name) if name in self._asked else None
            assert not isinstance(said, dict)
            made = cutting.cut(row, trace, stills, self.settings, said)
        except Exception as error:  # a trace of what no rule foresaw costs that footage alone
            self._enter_uncut(name, key, error)
            return
        had = {one["id"] for one in library.rows("select id from clips where footage = ?", name)}
        gone = had - {clip["id"] for clip in made.clips}
        with library.transaction():
            for table in ("signals", "captions", "selected"):
                library.delete(table, clip=gone)
            library.delete("tensors", item=gone)
            library.delete("clips", id=gone)
            library.delete("transitions", footage=name)
            library.put("transitions", made.transitions)
            library.put("clips", made.clips)
            library.delete("ledger", item=name, stage=self._cut_stages(name))
            library.record(Result(name, {"clips": len(made.clips)}), key)
            if row["status"] == "failed":
                done = library.one("select out from ledger where item = ? and stage = ?", name, stage_key(ReadStage()))
                self._mark(name, "ok", "read", json.loads(done["out"]).get("reason", "") if done else "")

    def _enter_uncut(self, name: str, key: str, error: Exception) -> None:
        library = self.library
        reason = f"its transitions cannot be found ({type(error).__name__}: {error})"
        with library.transaction():
            library.delete("ledger", item=name, stage=self._cut_stages(name))
            if isinstance(error, MareyError):  # the trace is damaged: the next run reads the footage again
                reason = f"what was kept of it is damaged: run again ({error})"
                library.delete("ledger", item=name, stage=stage_key(ReadStage()))
            self._mark(name, "failed", "cut", reason)
            library.record(Result(name, error=reason, status="failed"), key)

    def _mark(self, footage: str, status: str, stage: str, reason: str) -> None:
        """The status of a footage and of all its inputs that are there."""
        row = {"status": status, "stage": stage, "reason": reason}
        self.library.put("footage", [{"id": footage, **row}])
        inputs = self.library.rows("select path from inputs where footage = ? and stage in ('read', 'cut')", footage)
        self.library.put("inputs", [{**one, **row} for one in inputs])

    def _cut_stages(self, footage: str) -> list[str]:
        rows = self.library.rows("select stage from ledger where item = ? and stage like 'cut@%'", footage)
        return [row["stage"] for row in rows]


def _known(row: dict[str, Any] | None, one: Found) -> bool:
    """Whether a path was looked at as it is now. What was not there for a time is looked at again."""
    if row is None or (row["size"], row["mtime_ns"]) != (one.size, one.mtime_ns):
        return False
    return row["status"] == "rejected" or row["stage"] != "scan"


def _nothing(library: Library, place: Path, looked_at: int) -> str:
    if not looked_at:
        return f"{place} is empty: there is no footage in it."
    reasons = library.rows(
        "select reason, count(*) n from inputs where status != 'ok' group by reason order by n desc, reason limit 3"
    )
    said = "; ".join(f"{row['n']} x {row['reason']}" for row in reasons) or "every clip in it is too short"
    return f"There is no usable footage in {place}: {looked_at} inputs, {said}."
