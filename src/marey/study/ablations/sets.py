"""The sets that arms see, paired place by place: what curation takes out of a set is replaced where it stood."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from marey.errors import MareyError
from marey.progress import Progress, silent
from marey.recipe.ablations import Figures
from marey.study.ablations.footage import AXES, SOURCE, Judge, Judged, Shot, clean, plain, raw, small
from marey.study.ablations.judge import Truth
from marey.worlds.figures import FIGURES, MOTIONS, Told, parse, tell
from marey.worlds.palette import NAMES

_FOOTAGE, _PICTURES, _QUALITY, _HELDOUT, _CODEC = 101, 102, 103, 104, 105
_WAYS = ("to the right", "to the left", "upwards", "downwards", "clockwise", "anticlockwise", "larger", "smaller", "")
_MOST = 60
"""So many times the set's size are looked through for clips that pass."""


@dataclass(frozen=True)
class Some:
    """Videos with their texts."""

    videos: np.ndarray
    """uint8 (N, T, H, W, 3)."""
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Sets:
    """All that the arms of one seed see, by name, and what curation found."""

    small: Mapping[str, Some]
    large: Mapping[str, Some]
    """The curated set at the larger size."""
    found: Mapping[str, float]
    """Of the uncurated clips: `clean`, the share that passes; of each axis `AXIS found`, the share of the clips with
    that defect that were found, and `AXIS mistaken`, the share of the others that were."""


def sentences() -> list[str]:
    """Everything that the world says."""
    found = []
    for colour, figure, motion, way in product(sorted(set(NAMES.values())), FIGURES, MOTIONS, _WAYS):
        try:
            told = Told(colour, figure, motion, way)
            found.append(tell(parse(tell(told))))
        except ValueError:
            continue
    return sorted(set(found))


def sets(seed: int, settings: Figures, *, cache: Path | None = None, progress: Progress = silent) -> Sets:
    """The sets of a seed; the same arguments give the same.

    Args:
        cache: a file that keeps them.
    """
    if cache is not None and cache.is_file():
        return _read(cache)
    made = _made(seed, settings, progress)
    if cache is not None:
        _keep(cache, made)
    return made


def found_in(cache: Path) -> dict[str, float]:
    """`Sets.found` of a file that keeps sets, without their videos."""
    with np.load(cache, allow_pickle=False) as arrays:
        return {key.removeprefix("found/"): float(arrays[key]) for key in arrays.files if key.startswith("found/")}


def heldout(settings: Figures, size: int) -> tuple[Some, Truth]:
    """Clean clips that no set has, the same for all seeds, and their truth at a size."""
    figures = [plain(_HELDOUT, n, settings.frames, settings.fps) for n in range(settings.heldout)]
    videos = np.stack([small(np.stack(list(one.scene.render())), size) for one in figures])
    return Some(videos, tuple(one.scene.sentence for one in figures)), Truth(videos, figures, SOURCE)


def samples(settings: Figures, count: int = 64) -> np.ndarray:
    """Clean clips for the codec, the same for all seeds, uint8 (N, T, H, W, 3)."""
    return np.stack([small(clean(_CODEC, n, settings).frames, settings.size) for n in range(count)])


def filled(first: list[Judged], more: Iterator[Judged], against: frozenset[str]) -> list[Judged]:
    """The first ones, each against which nothing of `against` is found where it stands, the others replaced by the next
    of `more` that pass."""
    return [
        one if not one.found & against else next(other for other in more if not other.found & against) for one in first
    ]


def _made(seed: int, settings: Figures, progress: Progress) -> Sets:
    judge, world = Judge(), _FOOTAGE + 1000 * (seed + 1)
    what = f"footage of seed {seed}"
    kept: list[Judged] = []
    sizes = {"small": settings.size, "large": settings.large}
    frames: dict[int, dict[str, np.ndarray]] = {}

    def stream(start: int) -> Iterator[Judged]:
        for number in range(start, _MOST * settings.clips):
            if number == len(kept):
                shot = raw(world, number, settings)
                found = judge(shot, settings.fps)
                frames[number] = {name: small(shot.frames, size) for name, size in sizes.items()}
                # What is judged is kept without its large pictures: thousands of them would not fit.
                kept.append(Judged(Shot(np.array([number]), shot.text, shot.truth), found.found))
                progress(what, number, None)
            yield kept[number]
        raise MareyError(
            f"Of {_MOST * settings.clips} clips too few pass curation: smaller shares of defects "
            "(study.ablations.footage.cuts and so on) would do."
        )

    def some(judged: list[Judged], size: str) -> Some:
        numbers = [int(one.shot.frames[0]) for one in judged]
        return Some(np.stack([frames[n][size] for n in numbers]), tuple(one.shot.text for one in judged))

    beginning = stream(0)
    first = [next(beginning) for _ in range(settings.clips)]
    everything = frozenset(AXES)
    curated = filled(first, stream(settings.clips), everything)
    passed = [one for one in first if not one.found]
    if not passed:
        raise MareyError(
            f"None of {settings.clips} clips passes curation: more of them (study.ablations.footage.clips) would do."
        )
    only = {f"only {axis}": some(filled(first, stream(settings.clips), frozenset((axis,))), "small") for axis in AXES}
    quality = [clean(_QUALITY + 1000 * (seed + 1), n, settings) for n in range(settings.quality)]
    return Sets(
        {
            "uncurated": some(first, "small"),
            "curated": some(curated, "small"),
            "small": some(passed, "small"),
            **only,
            "quality": Some(
                np.stack([small(shot.frames, settings.size) for shot in quality]), tuple(shot.text for shot in quality)
            ),
            "pictures": _pictures(seed, settings),
        },
        {"curated": some(curated, "large")},
        _told(first),
    )


def _pictures(seed: int, settings: Figures) -> Some:
    """Clean clips of one frame each, of which no two are of one motion."""
    rng = np.random.default_rng([seed, _PICTURES])
    shown, texts = [], []
    for n in range(settings.pictures):
        scene = plain(_PICTURES + 1000 * (seed + 1), n, settings.frames, settings.fps).scene
        shown.append(small(scene.frame(int(rng.integers(settings.frames)))[None], settings.size))
        texts.append(scene.sentence)
    return Some(np.stack(shown), tuple(texts))


def _told(judged: list[Judged]) -> dict[str, float]:
    told = {"clean": sum(not one.found for one in judged) / len(judged)}
    for axis in AXES:
        for name, having in (("found", True), ("mistaken", False)):
            those = [axis in one.found for one in judged if (axis in one.shot.truth) is having]
            if those:
                told[f"{axis} {name}"] = sum(those) / len(those)
    return told


def _keep(path: Path, made: Sets) -> None:
    arrays = {}
    for size, group in (("small", made.small), ("large", made.large)):
        for name, some in group.items():
            arrays[f"{size}/{name}/videos"], arrays[f"{size}/{name}/texts"] = some.videos, np.array(some.texts)
    arrays |= {f"found/{name}": np.array(value) for name, value in made.found.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.tmp")
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _read(path: Path) -> Sets:
    with np.load(path, allow_pickle=False) as arrays:
        groups: dict[str, dict[str, Some]] = {"small": {}, "large": {}}
        for key in arrays.files:
            size, _, rest = key.partition("/")
            if rest.endswith("/videos"):
                texts = arrays[f"{key.removesuffix('videos')}texts"]
                groups[size][rest.removesuffix("/videos")] = Some(arrays[key], tuple(str(text) for text in texts))
    return Sets(groups["small"], groups["large"], found_in(path))
