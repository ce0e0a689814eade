"""Which clips are held out of training: whole groups, so that nothing held out has a neighbour or a twin in training.

Clips are of one group if they are of the same footage, of footage that shares an origin (an edit and what it was cut
from), or of the same group of near-duplicates, and so on through any chain of these.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from marey.catalog.store import Library
from marey.errors import MareyError

MADE = "made by Marey"  # how the source of footage with known truth begins
Side = Literal["train", "heldout"]


def groups(library: Library, clips: Iterable[str]) -> dict[str, str]:
    """The group of each clip, as sixteen hex digits that depend on the footage in it and on nothing else.

    Raises:
        ValueError: a clip that is not in the library.
    """
    wanted = sorted(set(clips))
    known = {row["id"]: row["footage"] for row in library.rows("select id, footage from clips")}
    strangers = [clip for clip in wanted if clip not in known]
    if strangers:
        raise ValueError(f"{strangers[0]!r} is no clip of {library.path}")
    origins = {row["id"]: json.loads(row["origin"]) for row in library.rows("select id, origin from footage")}
    twins = {
        row["clip"]: row["data"]
        for row in library.rows(
            "select clip, data from signals where name = 'duplicate_group' and status = 'ok' and data != 'null'"
        )
    }
    union = _Union()
    for clip in wanted:
        footage = known[clip]
        union.join(("footage", footage), ("clip", clip))
        for origin in origins.get(footage, []):
            union.join(("footage", footage), ("origin", str(origin)))
        if twins.get(clip):
            union.join(("footage", footage), ("twin", twins[clip]))
    members: dict[tuple[str, str], set[str]] = {}
    for clip in wanted:
        members.setdefault(union.root(("clip", clip)), set()).add(known[clip])
    names = {
        root: hashlib.sha256("\n".join(sorted(footage)).encode()).hexdigest()[:16] for root, footage in members.items()
    }
    return {clip: names[union.root(("clip", clip))] for clip in wanted}


def split(
    library: Library, clips: Iterable[str], windows_of: Mapping[str, int], share: float, least: int, seed: int
) -> dict[str, Side]:
    """Hold whole groups out: at least `least` windows and at least `share` of all windows, but never more than half.

    The same library, clips, numbers and seed give the same split. Where two groups or more hold footage that Marey did
    not make itself, one of them is held out and one stays, if that can be.

    Args:
        windows_of: by clip, how many windows it gives; 0 or no entry: none.
        share: 0..1.

    Raises:
        MareyError: no choice of groups does; the sentence says what there is and what would do.
    """
    of = groups(library, clips)
    sizes: dict[str, int] = {}
    for clip, group in of.items():
        sizes[group] = sizes.get(group, 0) + windows_of.get(clip, 0)
    total = sum(sizes.values())
    target = max(least, math.ceil(total * share - 1e-9))
    candidates = sorted((group for group in sizes if sizes[group]), key=lambda group: _draw(seed, group))
    held = _hold_out(candidates, sizes, _real(library, of), target, total // 2)
    if held is None:
        raise MareyError(_impossible(sizes, total, target, share, least))
    return {clip: "heldout" if group in held else "train" for clip, group in of.items()}


class _Union:
    """Union-find: which things hang together."""

    def __init__(self) -> None:
        self._parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(self, thing: tuple[str, str]) -> tuple[str, str]:
        parent = self._parent.setdefault(thing, thing)
        while parent != thing:
            self._parent[thing] = self._parent[parent]  # halve the way for those who come after
            thing, parent = parent, self._parent[parent]
        return thing

    def join(self, a: tuple[str, str], b: tuple[str, str]) -> None:
        self._parent[self.root(a)] = self.root(b)


def _draw(seed: int, group: str) -> str:
    """A place in an order that looks random and is the same everywhere."""
    return hashlib.sha256(f"{seed} {group}".encode()).hexdigest()


def _real(library: Library, of: Mapping[str, str]) -> set[str]:
    """The groups that hold footage which Marey did not make itself."""
    rows = library.rows("select clips.id, footage.source from clips join footage on footage.id = clips.footage")
    return {of[row["id"]] for row in rows if row["id"] in of and not row["source"].startswith(MADE)}


def _hold_out(
    candidates: Sequence[str], sizes: Mapping[str, int], real: set[str], target: int, most: int
) -> set[str] | None:
    """Groups of `target` to `most` windows in all, or None if no choice has as many."""
    small_real = [group for group in candidates if group in real and sizes[group] <= most]
    all_real = [group for group in candidates if group in real]
    first = small_real[:1] if len(all_real) > 1 else []
    stays = next((group for group in reversed(all_real) if group not in first), None)
    held = set(first)
    windows = sum(sizes[group] for group in held)
    for group in candidates:
        if windows >= target:
            break
        if group not in held and group != stays and windows + sizes[group] <= most:
            held.add(group)
            windows += sizes[group]
    return held if windows >= target else _exactly(candidates, sizes, target, most)


def _exactly(candidates: Sequence[str], sizes: Mapping[str, int], target: int, most: int) -> set[str] | None:
    """The choice of fewest windows from `target` to `most`, by subset sums: bit n is set if n can be reached."""
    reached = [1]
    for group in candidates:
        reached.append((reached[-1] | reached[-1] << sizes[group]) & ((1 << most + 1) - 1))
    windows = next((n for n in range(target, most + 1) if reached[-1] >> n & 1), None)
    if windows is None:
        return None
    held = set()
    for n in range(len(candidates), 0, -1):
        if not reached[n - 1] >> windows & 1:
            held.add(candidates[n - 1])
            windows -= sizes[candidates[n - 1]]
    return held


def _impossible(sizes: Mapping[str, int], total: int, target: int, share: float, least: int) -> str:
    filled = [group for group in sizes if sizes[group]]
    sums = 1
    for group in filled:
        sums |= sums << sizes[group]
    best = max((n for n in range(total // 2 + 1) if sums >> n & 1), default=0)
    there_are = (
        f"There are {total} windows in {len(filled)} groups of footage that belongs together "
        f"(the largest has {max(sizes.values(), default=0)}): {target} cannot be held out "
        f"(encode.windows.heldout_least = {least}, heldout_share = {share:g}) without parting a group or holding out "
        f"more than half"
    )
    if best == 0:
        return f"{there_are}. Footage of more than one origin would do."
    lower = [f"encode.windows.heldout_least={best}"] if least > best else []
    if math.ceil(total * share - 1e-9) > best:
        lower.append(f"encode.windows.heldout_share={math.floor(best / total * 1000) / 1000:g}")
    return f"{there_are}. More footage, or {' and '.join(lower)}, would do."
