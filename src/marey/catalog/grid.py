"""The paper's subsets: each axis alone, less its worst 12.5, 25 and 50 percent, and random subsets of the same sizes.

Stable Video Diffusion (section 3.3, appendix E.2) trains one model on each and lets people choose. Near-duplicates
stay, so that nothing but the axis differs.
"""

import hashlib
from collections.abc import Sequence

from marey.catalog.select import Selection, buckets_of, choose, hash_of, keep_selection, usable_clips
from marey.catalog.store import Library
from marey.catalog.survivors import columns
from marey.errors import MareyError
from marey.progress import Progress, follow, silent
from marey.recipe import Select

SHARES = (12.5, 25.0, 50.0)
RANDOM = "random"  # the rule to which the clips fall that a random subset leaves out


def subset_grid(
    library: Library,
    axes: Sequence[str],
    *,
    shares: Sequence[float] = SHARES,
    seed: int | None = None,
    settings: Select | None = None,
    progress: Progress = silent,
) -> list[Selection]:
    """Make the selections `AXIS-drop-SHARE`, and with a seed `AXIS-drop-SHARE-random` of equal size.

    The random ones are taken from one order of all clips, drawn by the seed, so that a smaller one lies in a larger
    one. The same library and seed give the same selections.

    Args:
        axes: signals, or parts of them, that have a bad end.
        shares: percent of all ok clips that fall.
        settings: for `allow_missing` and the caption weights; its own rules are not applied.

    Raises:
        MareyError: as `select` does, before any selection is written; or no axis is given.
    """
    if not axes:
        raise MareyError("The grid has no axis: signals such as motion,text_area would do.")
    base = settings or Select()
    cells = [(axis, share) for axis in dict.fromkeys(axes) for share in shares]
    rules = [
        base.model_copy(
            update={
                "name": f"{axis}-drop-{share:g}",
                "drop": {axis: float(share)},
                "min": {},
                "max": {},
                "duplicates": "keep",
            }
        )
        for axis, share in cells
    ]
    made = [
        (choose(library, Select.model_validate(rule.model_dump())), rule)
        for rule in follow(rules, progress, "choosing subsets", len(rules))
    ]
    grid: list[Selection] = []
    with library.transaction():
        for chosen, rule in made:
            keep_selection(library, chosen, rule.model_dump(mode="json"))
            grid.append(chosen)
            if seed is not None:
                twin = _random(library, f"{chosen.name}-random", len(chosen.clips), seed, base)
                keep_selection(library, twin, {"name": twin.name, "random": len(twin.clips), "seed": seed})
                grid.append(twin)
    return grid


def grid_table(grid: Sequence[Selection]) -> str:
    """The selections of a grid, one a line."""
    rows = [["selection", "clips", "left out", "hash"]]
    rows += [[one.name, str(len(one.clips)), str(len(one.dropped)), one.hash] for one in grid]
    return "\n".join(columns(rows, left=(0,)))


def _random(library: Library, name: str, count: int, seed: int, base: Select) -> Selection:
    """A subset of `count` ok clips."""
    clips = [clip["id"] for clip in usable_clips(library)]
    order = sorted(clips, key=lambda clip: hashlib.sha256(f"{seed} {clip}".encode()).digest())
    kept, left_out = tuple(sorted(order[:count])), sorted(order[count:])
    return Selection(
        name=name,
        clips=kept,
        hash=hash_of(kept),
        dropped={clip: [RANDOM] for clip in left_out},
        thresholds={},
        matrix={RANDOM: {RANDOM: len(left_out)}},
        alone={RANDOM: len(left_out)},
        captions=dict(base.captions),
        motion_bucket=buckets_of(library, kept),
    )
