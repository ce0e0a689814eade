"""The pass as its parent sees it: which footage is read whole and which in reels, and what of it enters the catalog.

A long source is read in reels by all workers. Each reel is entered in the ledger when it is done, so that a kill costs
the reels in hand and no more; the footage's own rows are entered once, when the last one is done. Where a reel fails,
or two that meet do not agree on the keyframe between them, the source is read as a whole, and that is what counts.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any

from marey.catalog import Library, join_shards, new_shard, path_text, shard_name, text_path
from marey.curate.again import entered, is_settled
from marey.curate.asking import BYTES
from marey.curate.budget import demand_room, needed_bytes
from marey.curate.drawing import DrawStage, World, footage_id
from marey.curate.pairs import BYTES_A_SECOND
from marey.curate.read import REEL_SECONDS, DivideStage, ReadStage
from marey.engine import Result, Stage, stage_key
from marey.media import Reel

Run = Callable[[Stage, Any, str], Iterable[Result]]
"""Runs a stage over items, and says what it does meanwhile."""

REEL = f"reel@{ReadStage.version}"
_KEPT = ("trace@reels", "stills@reels")  # rows that hold the shards of reels until their source is whole


class Reader:
    """Reads footage into a library.

    Args:
        run: the runner of stages.
        divide: whether several workers stand ready to share a source.
        threads: of each worker.
        reel_seconds: how long a reel is, about.
        second: whether the frames are kept that a second opinion on transitions sees.
        pairs: whether the frames are kept in colour between which motion is measured.
    """

    def __init__(
        self,
        library: Library,
        run: Run,
        *,
        divide: bool,
        threads: int,
        reel_seconds: float = REEL_SECONDS,
        second: bool = False,
        pairs: bool = False,
    ) -> None:
        self._library, self._run, self._divide = library, run, divide
        self._threads, self._reel_seconds, self._kept = threads, reel_seconds, (second, pairs)

    def read(self, chosen: Mapping[str, float | None]) -> set[str]:
        """The one decode of each chosen footage that was not read yet, or not so much of it; returns which it read.

        Args:
            chosen: seconds to read by footage; None: all of it.

        Raises:
            MareyError: the disk has no room for what it will give.
        """
        wholes, needed = [], 0
        known = self.whole_seconds()
        # The longest first: no worker is left alone with it at the end.
        for row in self._library.rows("select * from footage order by seconds desc, id"):
            name = row["id"]
            if name not in chosen or self._was_read(name, chosen[name]):
                continue
            source = self._source(name)
            if source is None:
                continue
            # Of footage of which a part was read, the row has the frames of that part.
            frames = None if name in known else row["frames"]
            second, pairs = self._kept
            more = BYTES * second + int(pairs and BYTES_A_SECOND / (row["fps"] or 1))
            needed += needed_bytes(row["fps"], known.get(name, row["seconds"]), chosen[name], frames, more)
            wholes.append(
                {
                    "id": name,
                    "footage": name,
                    "path": source["path"],
                    "library": path_text(self._library.path),
                    "kind": row["kind"],
                    "size": source["size"],
                    "mtime_ns": source["mtime_ns"],
                    "limit": chosen[name],
                    "long": row["kind"] == "video"
                    and chosen[name] is None
                    and (row["seconds"] or 0) >= 1.5 * self._reel_seconds,
                }
            )
        demand_room(self._library.path, needed)
        divided = self._divided(wholes) if self._divide else {}
        items = _Items(
            [reel for item in wholes if item["id"] in divided for reel in divided[item["id"]]]
            + [item for item in wholes if item["id"] not in divided]
        )
        reels = {
            name: _Reels(self._library, name, [one["reel"] for one in parts], self._kept)
            for name, parts in divided.items()
        }
        items.skip = {f"{name}:{n}" for name, one in reels.items() for n in one.outs}
        stage = ReadStage(self._threads, self._reel_seconds, *self._kept)
        again = set()
        for one in reels.values():
            again |= self._enter_if_whole(one)  # the last reel was done, and the run was killed then
        for result in self._run(stage, items, "reading footage"):
            name, _, n = result.id.partition(":")
            if not n:
                self._enter(result, chosen[name])
            elif result.status == "ok":
                reels[name].add(int(n), result)
                again |= self._enter_if_whole(reels[name])
            else:
                again.add(name)
            items.skip |= {f"{name}:{n}" for name in again for n in range(len(divided.get(name, [])))}
        for name in again:
            reels[name].drop()
        for result in self._run(stage, [item for item in wholes if item["id"] in again], "reading footage as a whole"):
            self._enter(result, chosen[result.id])
        return {item["id"] for item in wholes}

    def draw(self, world: World) -> set[str]:
        """Enter the clips of a world that are not there yet, without a file; returns which were drawn."""
        items = [
            {"id": footage_id(name), "name": name, "library": path_text(self._library.path)} for name in world.names()
        ]
        todo = {item["id"]: item["name"] for item in items if not self._was_read(item["id"], None)}
        stage = DrawStage(world, self._threads, *self._kept)
        for result in self._run(stage, [item for item in items if item["id"] in todo], "drawing footage"):
            made = {"path": todo[result.id], **result.out.get("row", {})}
            row = {"id": result.id, "kind": "video", "status": "ok", "stage": "probe", "reason": ""}
            known = {"path": made["path"], "footage": result.id, "status": "ok", "stage": "probe", "reason": ""}
            with self._library.transaction():
                self._library.put("footage", [{**row, **made}])
                self._library.put("inputs", [known])
                self._enter(result, None)
        return set(todo)

    def read_seconds(self) -> dict[str, float | None]:
        """How much of each footage was read, in seconds; None: all of it."""
        rows = self._library.rows(
            "select item, out from ledger where stage = ? and status = 'ok'", stage_key(ReadStage())
        )
        return {row["item"]: json.loads(row["out"]).get("limit") for row in rows}

    def whole_seconds(self) -> dict[str, float]:
        """How long the footage is of which only a part was read: its own row tells of that part."""
        rows = self._library.rows("select item, out from ledger where stage = ?", stage_key(ReadStage()))
        return {row["item"]: seconds for row in rows if (seconds := _whole_seconds(row))}

    def _divided(self, wholes: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
        """Items of reels by footage, of each that can be divided."""
        items = {item["id"]: item for item in wholes if item["long"]}
        found = {}
        for result in self._run(DivideStage(self._reel_seconds), list(items.values()), "dividing long footage"):
            reels: list[Reel] = result.out.get("reels", [])
            if result.status == "ok" and len(reels) > 1:
                found[result.id] = [
                    {**items[result.id], "id": f"{result.id}:{n}", "reel": reel, "facts": result.out["facts"]}
                    for n, reel in enumerate(reels)
                ]
        return found

    def _source(self, footage: str) -> dict[str, Any] | None:
        """An input of a footage that is still there; if none is, that is entered."""
        rows = self._library.rows("select * from inputs where footage = ? order by path", footage)
        for row in rows:
            if text_path(row["path"]).is_file():
                return row
        gone = {"status": "failed", "stage": "read", "reason": "it vanished"}
        self._library.put("inputs", [{"path": row["path"], **gone} for row in rows])
        self._library.put("footage", [{"id": footage, **gone}])
        return None

    def _was_read(self, footage: str, limit: float | None) -> bool:
        row = self._library.one("select * from ledger where item = ? and stage = ?", footage, stage_key(ReadStage()))
        if row is None or row["status"] != "ok":
            return is_settled(row)
        had = json.loads(row["out"]).get("limit")
        return (had is None or (limit is not None and limit <= had)) and self._is_kept(footage)

    def _is_kept(self, footage: str) -> bool:
        """Whether the files are still there that its trace and its stills lie in."""
        rows = self._library.rows(
            "select distinct shard from tensors where (kind = 'trace' and item = ?) "
            "or (kind = 'stills' and item >= ? and item < ?)",
            footage,
            f"{footage}:",
            f"{footage};",
        )
        return all((self._library.path / row["shard"]).is_file() for row in rows)

    def _enter_if_whole(self, reels: "_Reels") -> set[str]:
        """Enter a footage whose reels are all there; returns its name if they do not agree."""
        if len(reels.outs) < reels.count:
            return set()
        if not reels.agree():
            return {reels.name}
        self._enter(reels.joined(), None)
        return set()

    def _enter(self, result: Result, limit: float | None) -> None:
        """One footage: what it is, where its trace and its stills lie, and that it was read."""
        library, name = self._library, result.id
        before = library.one("select seconds from footage where id = ?", name) or {}
        done = library.one("select out from ledger where item = ? and stage = ?", name, stage_key(ReadStage()))
        whole = _whole_seconds(done) or before.get("seconds")
        parts = result.out.get("parts", [])
        trace = self._whole_trace([part["trace"] for part in parts]) if parts else ""
        with library.transaction():
            if result.status == "ok":
                row = {"id": name, **footage_columns(result.out), "status": "ok", "stage": "read"}
                library.delete("tensors", kind="stills", item=stills_of(library, name))
                library.put("tensors", [{"kind": "trace", "item": name, "shard": trace, "key": name}])
                stills = [(f"{name}:{n}", part["stills"]) for part in parts for n in part["still_frames"]]
                library.put(
                    "tensors", [{"kind": "stills", "item": item, "shard": at, "key": item} for item, at in stills]
                )
                # A new trace: all that was computed from the old one is stale.
                library.delete("ledger", item=name)
                clips = [clip["id"] for clip in library.rows("select id from clips where footage = ?", name)]
                library.delete("signals", clip=clips)
                library.delete("tensors", item=clips)
                kept = {"trace": trace, "reason": row["reason"], "limit": None}
                if result.out["limited"]:
                    kept |= {"limit": limit, "whole_seconds": whole}
                result = Result(name, kept, seconds=result.seconds)
            else:
                row = {"id": name, "status": result.status, "stage": "read", "reason": result.error}
                result = entered(result)
            _delete_reels(library, name)
            library.put("footage", [row])
            for one in library.rows("select path from inputs where footage = ?", name):
                library.put(
                    "inputs", [{"path": one["path"], "status": row["status"], "stage": "read", "reason": row["reason"]}]
                )
            library.record(result, stage_key(ReadStage()))
        if len(parts) > 1:
            for part in parts:
                (library.path / part["trace"]).unlink(missing_ok=True)

    def _whole_trace(self, shards: list[str]) -> str:
        if len(shards) == 1:
            return shards[0]
        path = new_shard(self._library.path, "trace")
        join_shards(path, [self._library.path / shard for shard in shards])
        return shard_name(self._library.path, path)


class _Items(list[dict[str, Any]]):
    """Items of which some turn out not to be needed before they are drawn."""

    skip: frozenset[str] | set[str] = frozenset()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (item for item in super().__iter__() if item["id"] not in self.skip)


class _Reels:
    """The reels of one footage that are done, and those that an earlier run had done."""

    def __init__(self, library: Library, name: str, reels: list[Reel], kept: tuple[bool, bool]) -> None:
        self.library, self.name, self.count = library, name, len(reels)
        self.outs: dict[int, dict[str, Any]] = {}
        self._seconds = 0.0
        for row in library.rows("select * from ledger where stage = ? and item glob ?", REEL, f"{name}:*"):
            n = int(row["item"].rpartition(":")[2])
            out = json.loads(row["out"])
            there = all((library.path / out["parts"][0][kind]).is_file() for kind in ("trace", "stills"))
            same = n < len(reels) and out["reel"] == [reels[n].start, reels[n].end] and out.get("kept") == list(kept)
            if same and there:
                self.outs[n] = out
                self._seconds += row["seconds"] or 0.0

    def add(self, n: int, result: Result) -> None:
        """Enter one that was read."""
        self.outs[n] = dict(result.out)
        self._seconds += result.seconds
        (part,) = result.out["parts"]
        with self.library.transaction():
            rows = [{"kind": kind, "item": result.id, "shard": part[kind.partition("@")[0]]} for kind in _KEPT]
            self.library.put("tensors", [{**row, "key": self.name} for row in rows])
            self.library.record(result, REEL)

    def agree(self) -> bool:
        """Whether reels that meet saw the same pictures at the keyframe between them."""
        return all(self.outs[n]["closing"] == self.outs[n + 1]["opening"] for n in range(self.count - 1)) and all(
            a["parts"][0]["last_pts"] < b["parts"][0]["first_pts"]
            for a, b in pairwise(self.outs[n] for n in range(self.count))
        )

    def joined(self) -> Result:
        """What one reading of the whole source would have given."""
        outs = [self.outs[n] for n in range(self.count)]
        parts = [part for out in outs for part in out["parts"]]
        decoded = sum(out["decoded"] for out in outs)
        return Result(self.name, {**outs[0], "decoded": decoded, "parts": parts}, seconds=self._seconds)

    def drop(self) -> None:
        """Forget them: the source is read as a whole."""
        self.outs.clear()
        with self.library.transaction():
            _delete_reels(self.library, self.name)


def footage_columns(out: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of the table footage that only a decode can tell, from what `ReadStage` returned."""
    parts = out["parts"]
    frames = sum(part["frames"] for part in parts)
    span = float((parts[-1]["last_pts"] - parts[0]["first_pts"]) * Fraction(out["time_base"]))
    fps = (frames - 1) / span if span > 0 else out["announced_fps"]
    return {
        "frames": out["announced"] or frames,
        "decoded": out["decoded"],
        "seconds": span + (1 / fps if fps else 0),
        "fps": fps,
        **{name: out[name] for name in ("width", "height", "rotation", "interlaced", "reason")},
    }


def stills_of(library: Library, footage: str) -> list[str]:
    """The items of a footage's stills: its id, a colon and the number of the frame."""
    # A range of the primary key: a pattern would look through those of all other footage too.
    rows = library.rows(
        "select item from tensors where kind = 'stills' and item >= ? and item < ?", f"{footage}:", f"{footage};"
    )
    return [row["item"] for row in rows]


def _whole_seconds(row: Mapping[str, Any] | None) -> float | None:
    """What a row of the ledger says of the length of a footage of which a part was read."""
    return None if row is None else json.loads(row["out"]).get("whole_seconds")


def _delete_reels(library: Library, footage: str) -> None:
    ends = (f"{footage}:", f"{footage};")
    rows = library.rows("select item from ledger where stage = ? and item >= ? and item < ?", REEL, *ends)
    mine = [row["item"] for row in rows]
    if not mine:
        return
    library.delete("ledger", item=mine, stage=REEL)
    for kind in _KEPT:
        library.delete("tensors", kind=kind, item=mine)
