"""Keep and drop by Marey's text area beside RapidOCR at its defaults, on the same stills of clips with text or none.

    python benchmarks/bench_text.py [FOLDER] [--clips 200] [--media MORE] [--sheet FILE.png]

The clips are drawn (`titled`), the stills are those that Marey keeps: three a clip, long side 736 pixels, JPEG. Each
detector gives the share of each still that its boxes cover together; a clip is dropped where their mean is over 7 %, or
their largest. RapidOCR at its defaults now and then puts a box around everything where there is no text; Marey leaves
out boxes that are too tall to be a line, unless it is asked to decide as RapidOCR does (`text = "rapidocr"`). So there
are three comparisons: the defaults as they come with that, and with Marey's own settings; and those with the defaults
without such boxes. What was measured is kept in FOLDER/text, so that a run that was stopped goes on.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bench_practice import LARGEST
from demo_steps import cores, packages
from titled import SHARES, Backgrounds, Titled, fonts, titled

from marey.curate.album import QUALITY, still_size
from marey.media import jpeg_bytes
from marey.signals.text import MAREY, RAPIDOCR, TextDetector, lines_only, union_area

LINE = MAREY.line
assert LINE is not None
Boxes = Callable[[np.ndarray], np.ndarray]


def stills(clip: Titled) -> list[bytes]:
    """As the pass keeps them: JPEG."""
    kept = []
    for frame in clip.frames:
        height, width = still_size(*frame.shape[:2])
        kept.append(jpeg_bytes(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), QUALITY))
    return kept


def seen(file: Path) -> np.ndarray:
    """A still, uint8 RGB (H, W, 3)."""
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
    assert picture is not None, file
    return picture[..., ::-1]


def default_boxes() -> Boxes:
    """The boxes of RapidOCR's detector, as it comes."""
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"Global.log_level": "error"})

    def boxes(picture: np.ndarray) -> np.ndarray:
        found = engine(np.ascontiguousarray(picture[..., ::-1]), use_det=True, use_cls=False, use_rec=False)
        given = [] if found is None or found.boxes is None else found.boxes
        return np.asarray(given, np.float32).reshape(-1, 4, 2)

    return boxes


class Measured:
    """What one detector said of each clip: boxes and CPU seconds, kept in a file."""

    def __init__(self, path: Path, make: Callable[[], Boxes]) -> None:
        self._path, self._make = path, make
        self._boxes: Boxes | None = None
        self.clips: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}

    def look(self, clip: int, shown: list[np.ndarray]) -> None:
        """The boxes of a clip, unless they are there."""
        if str(clip) in self.clips:
            return
        if self._boxes is None:
            self._boxes = self._make()
            self._boxes(shown[0])  # what is loaded at the first picture is not timed
        start = time.process_time()
        boxes = [self._boxes(picture) for picture in shown]
        took = time.process_time() - start
        size = shown[0].shape[:2]
        self.clips[str(clip)] = {"boxes": [one.tolist() for one in boxes], "size": size, "cpu": took}

    def save(self) -> None:
        """Write the file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self.clips))

    def areas(self, count: int, *, lines: bool = False) -> np.ndarray:
        """The text areas (count, 3), of all boxes or of those that can be lines."""
        found = []
        for n in range(count):
            row = self.clips[str(n)]
            stills = [np.asarray(one, np.float32).reshape(-1, 4, 2) for one in row["boxes"]]
            kept = [lines_only(one, *row["size"], LINE) if lines else one for one in stills]
            found.append([union_area(one, *row["size"]) for one in kept])
        return np.array(found)

    def cpu(self, count: int) -> float:
        """Mean CPU seconds a clip."""
        return float(np.mean([self.clips[str(n)]["cpu"] for n in range(count)]))


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share."""
    share, square = hits / count, z * z / count
    middle = (share + square / 2) / (1 + square)
    reach = z * ((share * (1 - share) + square / 4) / count) ** 0.5 / (1 + square)
    return middle - reach, middle + reach


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, ties at their mean."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[where]


def compare(what: str, theirs: np.ndarray, mine: np.ndarray, kinds: list[str]) -> list[int]:
    """Print the agreement of areas (clips, 3); returns the clips on which keep and drop by the mean differ."""
    print(f"\n### {what}\n\n| rule | both keep | both drop | only Marey drops | only the default drops | agree |")
    print("|---|---:|---:|---:|---:|---:|")
    differ = np.zeros(0, int)
    for rule, reduce in (("text_area", np.mean), ("text_area.max", np.max)):
        a, b = reduce(theirs, axis=1) > LARGEST, reduce(mine, axis=1) > LARGEST
        low, high = wilson(int((a == b).sum()), len(a))
        cells = [(~a & ~b).sum(), (a & b).sum(), (b & ~a).sum(), (a & ~b).sum()]
        share = f"{100 * (a == b).mean():.1f} % ({100 * low:.1f} to {100 * high:.1f})"
        print(f"| {rule} at most {LARGEST} | " + " | ".join(str(cell) for cell in cells) + f" | {share} |")
        differ = np.flatnonzero(a != b) if rule == "text_area" else differ
    rank = float(np.corrcoef(ranks(theirs.mean(axis=1)), ranks(mine.mean(axis=1)))[0, 1])
    print(f"\nRank correlation of the mean areas: {rank:.3f}.")
    for n in differ:
        print(f"  clip {n}: {kinds[n]}, default {theirs[n].round(3)}, Marey {mine[n].round(3)}")
    return [int(n) for n in differ]


def sheet(path: Path, clips: list[list[Path]]) -> None:
    """The stills of these clips, a row each."""
    rows = []
    for files in clips[:24]:
        row = [cv2.resize(one, (320, round(320 * one.shape[0] / one.shape[1])))[:240] for one in map(seen, files)]
        rows.append(np.concatenate([np.pad(one, ((0, 240 - len(one)), (0, 4), (0, 0))) for one in row], axis=1))
    if rows:
        half = -(-len(rows) // 2)
        rows += [np.zeros_like(rows[0])] * (2 * half - len(rows))
        whole = np.concatenate([np.concatenate(rows[:half]), np.concatenate(rows[half:])], axis=1)
        cv2.imwrite(str(path), whole[..., ::-1])


def main() -> None:
    """Measure what is missing, and print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, nargs="?", default=Path("demo/bench"))
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--media", type=Path, help="more footage and photographs, as for bench_transitions.py")
    parser.add_argument("--sheet", type=Path, help="a PNG of the clips on which the two differ")
    given = parser.parse_args()
    kept, faces = given.folder / "text", fonts()
    backgrounds = Backgrounds(given.folder, given.media)
    usual = Measured(kept / "default.json", default_boxes)
    ours = Measured(kept / f"marey-{MAREY.side}-{MAREY.score}-{LINE}.json", lambda: TextDetector(1).boxes)
    same = Measured(kept / "marey-as-rapidocr.json", lambda: TextDetector(1, RAPIDOCR).boxes)
    told = kept / "kinds.json"
    kinds: dict[str, list[str]] = json.loads(told.read_text()) if told.exists() else {}
    for n in range(given.clips):
        if str(n) in kinds and all(str(n) in one.clips for one in (usual, ours, same)):
            continue
        files = [kept / "stills" / f"{n}-{k}.jpg" for k in range(3)]
        if str(n) not in kinds or not all(file.exists() for file in files):
            clip = titled(n, backgrounds, faces)
            kinds[str(n)] = [clip.kind, clip.source]
            files[0].parent.mkdir(parents=True, exist_ok=True)
            for file, data in zip(files, stills(clip), strict=True):
                file.write_bytes(data)
        shown = [seen(file) for file in files]
        for one in (usual, ours, same):
            one.look(n, shown)
        if n % 10 == 9 or n == given.clips - 1:
            for one in (usual, ours, same):
                one.save()
            told.write_text(json.dumps(kinds))
            print(f"{n + 1} of {given.clips}", flush=True)
    count = given.clips
    named = [" over ".join(kinds[str(n)]) for n in range(count)]
    print(f"{cores()}, {packages()}, {len(faces)} fonts")
    print("clips: " + ", ".join(f"{sum(one.startswith(kind + ' ') for one in named)} {kind}" for kind in SHARES))
    mine, raw, lines = ours.areas(count), usual.areas(count), usual.areas(count, lines=True)
    compare("RapidOCR at its defaults, as it comes; Marey by `rapidocr`", raw, same.areas(count), named)
    compare("RapidOCR at its defaults, as it comes; Marey by its own settings", raw, mine, named)
    differ = compare(
        "RapidOCR at its defaults, without boxes too tall to be a line; Marey by its own settings", lines, mine, named
    )
    clean = [n for n, one in enumerate(named) if one.startswith("none ")]
    dropped = [int((areas[clean].mean(axis=1) > LARGEST).sum()) for areas in (raw, lines, mine)]
    print(
        f"\nOf {len(clean)} clips over which nothing was written, the defaults drop {dropped[0]}, the defaults without"
    )
    print(f"boxes too tall {dropped[1]}, Marey {dropped[2]}.")
    theirs = usual.cpu(count)
    for what, my in (("its own settings", ours.cpu(count)), ("`rapidocr`", same.cpu(count))):
        print(f"CPU seconds a clip: defaults {theirs:.3f}, Marey by {what} {my:.3f}: {theirs / my:.1f} times less.")
    if given.sheet:
        sheet(given.sheet, [[kept / "stills" / f"{n}-{k}.jpg" for k in range(3)] for n in differ])


if __name__ == "__main__":
    main()
