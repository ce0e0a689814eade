"""What each signal costs beside the pass that it lives on, and how many painted logos the overlays' signal finds.

    python benchmarks/bench_signals.py [FOLDER]

Processor time in milliseconds a clip, in one process and on one core; without a folder, on footage made by
`marey.worlds`. The signals of networks and text are left out: their time is the networks'. Then opaque and half
transparent logos are painted on the stills of each clip in which the signal gives an answer.
"""

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from marey.curate import curate, measuring
from marey.curate.listen import ListenStage
from marey.curate.measure import Measure, Measured, View
from marey.curate.measures import MEASURES
from marey.curate.measures.motion import motion_table
from marey.curate.read import ReadStage
from marey.recipe import Curate
from marey.signals.camera import camera_move
from marey.signals.overlay import Box, overlays
from marey.worlds import make

NETWORKS = {"text_area", "looks_proxy", "looks", "safety", "embedding", "match", "labels"}
LOGOS = 10  # of each opacity on each clip

SPENT: defaultdict[str, float] = defaultdict(float)
SEEN: list[tuple[list[np.ndarray], int, int, str]] = []


class Pictures(Measure):
    """Keeps what the overlays' signal looks at."""

    name, version, photos = "pictures", "1", False

    def measure(self, view: View) -> Measured:
        """No value."""
        height, width = view.footage["height"], view.footage["width"]
        SEEN.append((view.looks, height, width, camera_move(motion_table(view)[0], height, width).move))
        return Measured(None, reason="nothing is measured")


def timed(name: Callable[..., str], work: Callable[..., Any]) -> Callable[..., Any]:
    """The same work, with its processor time noted under a name."""

    def noted(*args: Any) -> Any:
        start = time.process_time()
        out = work(*args)
        SPENT[name(*args)] += time.process_time() - start
        return out

    return noted


def logo(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """How much of it there is at each pixel: float (h, w), 0..1, without an empty border."""
    ink = np.zeros((round(height * rng.uniform(0.08, 0.16)), round(width * rng.uniform(0.1, 0.2))), np.uint8)
    high, wide = ink.shape
    if rng.random() < 0.5:
        cv2.putText(ink, "MAREY", (2, round(0.8 * high)), 0, wide / 95, 255, max(2, wide // 45))
    else:
        cv2.circle(ink, (wide // 2, high // 2), min(high, wide) // 2 - 2, 255, max(2, high // 10))
    rows, columns = np.nonzero(ink)
    return ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] / 255


def painted(rng: np.random.Generator, looks: list[np.ndarray], opacity: float) -> tuple[list[np.ndarray], Box]:
    """The pictures with a logo in a corner or elsewhere, and where it is; its tone stands out from what lies there."""
    high, wide = looks[0].shape
    weight = opacity * logo(rng, high, wide)
    rows, columns = weight.shape
    gap = round(0.04 * wide)
    places = [
        (gap, gap),
        (wide - columns - gap, gap),
        (gap, high - rows - gap),
        (wide - columns - gap, high - rows - gap),
    ]
    places.append((int(rng.integers(gap, wide - columns - gap)), int(rng.integers(gap, high - rows - gap))))
    x, y = places[rng.integers(len(places))]
    tone = 255 if np.mean([one[y : y + rows, x : x + columns].mean() for one in looks]) < 150 else 0
    out = []
    for one in looks:
        picture = one.astype(float)
        part = picture[y : y + rows, x : x + columns]
        part[:] = (1 - weight) * part + weight * tone
        jpeg = cv2.imencode(".jpg", picture.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
        out.append(np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE)))
    return out, Box(x, y, columns, rows)


def overlap(found: list[Box], truth: Box, shape: tuple[int, ...]) -> float:
    """Intersection over union."""
    masks = np.zeros((2, *shape), bool)
    for n, boxes in enumerate(([truth], found)):
        for box in boxes:
            masks[n, box.y : box.y + box.height, box.x : box.x + box.width] = True
    return float(masks.all(axis=0).sum() / masks.any(axis=0).sum())


def main(folder: Path) -> None:
    """Print both tables."""
    cv2.setNumThreads(1)
    stage: Any = measuring.MeasureStage
    stage._row = timed(lambda _, measure, view: measure.name, stage._row)
    for one in (ReadStage, ListenStage):
        kind: Any = one
        kind.process = timed(lambda self, item: f"({self.name})", kind.process)
    measuring.MEASURES = (*(kind for kind in MEASURES if kind.name not in NETWORKS), Pictures)
    with tempfile.TemporaryDirectory() as place:
        summary = curate(folder, Path(place) / "library", settings=Curate(), workers=0)
    clips, frames = summary.clips["ok"], summary.decoded
    whole = SPENT["(read)"]
    print(f"{clips} clips, {frames} frames, {1e3 * whole / frames:.2f} ms a frame for the pass itself")
    print(f"{'signal':<16} {'ms a clip':>10} {'of the pass':>12}")
    for name, seconds in sorted(SPENT.items(), key=lambda one: -one[1]):
        if name != "pictures":
            print(f"{name:<16} {1e3 * seconds / clips:10.2f} {100 * seconds / whole:11.1f}%")

    rng = np.random.default_rng(0)
    answered = [seen for seen in SEEN if overlays(seen[0], *seen[0][0].shape, move=seen[3]) is not None]
    false = sum(bool(overlays(looks, *looks[0].shape, move=move)) for looks, _, _, move in answered)
    print(f"overlays: {len(answered)} of {len(SEEN)} clips give an answer by themselves, {false} of them a false one")
    for opacity in (1.0, 0.5):
        found = []
        for looks, _, _, move in answered:
            for _ in range(LOGOS):
                pictures, truth = painted(rng, looks, opacity)
                boxes = overlays(pictures, *looks[0].shape, move=move) or []
                found.append(overlap(boxes, truth, looks[0].shape) > 0.5)
        if found:
            print(f"opacity {opacity}: {sum(found)} of {len(found)} logos found (IoU over 0.5), {np.mean(found):.2f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            make(Path(made) / "footage", seed=5, share=0.2)
            main(Path(made) / "footage")
