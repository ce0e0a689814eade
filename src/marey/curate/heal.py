"""What was kept of footage and is damaged or gone is made again, and only that.

A shard that is not as it was written any more, or is not there, is noticed at the start of a run. Of a trace or of
stills the footage is read again, and its clips are measured again; of the sound, of embeddings and of the like that
alone is made again.
"""

import json
from collections import Counter
from collections.abc import Iterable

from marey.catalog import Library, broken_shards
from marey.curate import asking, pairs
from marey.curate.measures import MEASURES
from marey.curate.read import ReadStage
from marey.curate.reading import REEL
from marey.engine import stage_key
from marey.progress import Progress

_READ = stage_key(ReadStage())
_ELSEWHERE = ("latents", "pixels")  # kinds that encoding makes


class Healing:
    """What a run finds damaged. It marks that as to be made again; the run does so, as if it had never been there.

    Args:
        library: open for writing.
        everything: look at every byte, also of what looks untouched.

    Attributes:
        shards: the damaged or missing files inside the library.
    """

    def __init__(self, library: Library, progress: Progress, *, everything: bool = False) -> None:
        self._library = library
        self.shards = broken_shards(library, everything=everything, progress=progress)
        self._sources: set[str] = set()
        self._others: Counter[str] = Counter()
        if self.shards:
            with library.transaction():
                self._mark()

    def notes(self) -> list[str]:
        """After the run: what was damaged, and what became of it. Nothing if nothing was."""
        if not self.shards:
            return []
        again = {
            row["item"]
            for row in self._library.rows("select item from ledger where stage = ? and status = 'ok'", _READ)
        }
        done, left = self._sources & again, self._sources - again
        parts = [f"{_count(len(done), 'source')} read again"] if done else []
        for what, n in sorted(self._others.items()):
            parts.append(f"{what} of {_count(n, 'item')} {'to be ' if what in _ELSEWHERE else ''}made again")
        if left:
            parts.append(f"{_count(len(left), 'source')} not there to be read again")
        shown = ", ".join(self.shards[:3]) + (f" and {len(self.shards) - 3} more" if len(self.shards) > 3 else "")
        were = "file of the library was" if len(self.shards) == 1 else "files of the library were"
        return [f"{len(self.shards)} {were} damaged or missing ({shown}): {', '.join(parts) or 'nothing needed it'}"]

    def _mark(self) -> None:
        library, broken = self._library, set(self.shards)
        for row in library.rows("select kind, item, shard from tensors"):
            if row["shard"] not in broken:
                continue
            kind, item = row["kind"], row["item"]
            if kind in ("trace", "stills"):
                self._sources.add(item.partition(":")[0])
                continue
            library.delete("tensors", kind=kind, item=item)
            if kind.endswith("@reels"):
                library.delete("ledger", item=item, stage=REEL)
            else:
                self._others[kind.partition("@")[0] if "trace" not in kind else "frames or answers"] += 1
                self._forget_values(kind, item)
        for footage in self._sources:
            done = library.one("select out from ledger where item = ? and stage = ?", footage, _READ)
            if done is not None:
                out = json.loads(done["out"]) | {"again": True}
                row = {"item": footage, "stage": _READ, "status": "failed", "reason": "what was kept of it is damaged"}
                library.put("ledger", [{**row, "out": out}])

    def _forget_values(self, kind: str, item: str) -> None:
        """The signals whose arrays these were, or that come with them: so that they are computed again."""
        if kind == "sound":
            self._forget((one.name for one in MEASURES if one.of_sound), item)
        elif kind == pairs.KIND:
            self._forget((one.name for one in MEASURES if one.of_pairs), item)
        elif kind != asking.KIND:
            said = f'%"tensors": "{kind}"%'
            rows = self._library.rows("select name from signals where clip = ? and data like ?", item, said)
            self._library.delete("signals", clip=item, name=[row["name"] for row in rows])

    def _forget(self, names: Iterable[str], footage: str) -> None:
        clips = [row["id"] for row in self._library.rows("select id from clips where footage = ?", footage)]
        self._library.delete("signals", clip=clips, name=list(names))


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}" + ("" if n == 1 else "s")
