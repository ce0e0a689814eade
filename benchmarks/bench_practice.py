"""Marey beside common practice: the same operations, one decode an operation, as public curation scripts do them.

    python benchmarks/bench_practice.py [FOLDER] [--seconds 60] [--files h264-720p.mp4 h264-1080p.mp4] [--no-text]

Common practice, one after the other, with as many threads as OpenCV and the decoders like: shots by scenedetect's
ContentDetector (PyAV backend, the faster one); motion by OpenCV's Farneback at 2 frames a second on full-size frames
(0.5, 3, 15, 3, 5, 1.2, 0); brightness and sharpness of the same frames, read again by cv2.VideoCapture; a perceptual
hash of each clip's middle frame, seeked; boxes of RapidOCR's detector at its defaults on the first, the middle and the
last frame of each clip, seeked. Marey: `curate` from the file to the catalog, with the stills that it keeps. Text is
looked for in the same clips by both, and is timed apart: by Marey deciding as RapidOCR's defaults do (`rapidocr`), and
by its own settings. A clip is kept where the mean text area of the three is at most 7 %.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from demo_steps import cores, packages
from edits_on_disk import edited
from scenedetect import ContentDetector, SceneManager, open_video

from marey.catalog import Library
from marey.curate import curate
from marey.curate.measures import MEASURES
from marey.recipe import Curate
from marey.signals.hashes import perceptual_hash
from marey.signals.text import MAREY, RAPIDOCR, TextDetector, TextSettings, union_area

WANTED = {"motion", "motion_share", "brightness", "sharpness", "fps", "phash"}
LARGEST = 0.07


@dataclass
class Took:
    """Wall and CPU seconds of a piece of work, and what it gave."""

    wall: float
    cpu: float
    gave: Any


def timed(work: Callable[[], Any]) -> Took:
    """Do it once."""
    start, cpu = time.perf_counter(), time.process_time()
    gave = work()
    return Took(time.perf_counter() - start, time.process_time() - cpu, gave)


def shots(path: Path) -> int:
    """scenedetect's ContentDetector."""
    manager = SceneManager()
    manager.add_detector(ContentDetector())
    return manager.detect_scenes(open_video(str(path), backend="pyav", threading_mode="AUTO"))


def twice_a_second(path: Path) -> list[np.ndarray]:
    """Grey frames in full size by cv2.VideoCapture."""
    video = cv2.VideoCapture(str(path))
    step = max(1, round(video.get(cv2.CAP_PROP_FPS) / 2))
    frames, n = [], 0
    while video.grab():
        if n % step == 0:
            frames.append(cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2GRAY))
        n += 1
    return frames


def motion(path: Path) -> list[float]:
    """Mean length of Farneback's flow on full-size frames."""
    frames, means = twice_a_second(path), []
    for before, after in pairwise(frames):
        flow = cv2.calcOpticalFlowFarneback(before, after, None, 0.5, 3, 15, 3, 5, 1.2, 0)
        means.append(float(np.hypot(flow[..., 0], flow[..., 1]).mean()))
    return means


def light(path: Path) -> list[tuple[float, float]]:
    """Brightness and sharpness."""
    return [(float(grey.mean()), float(cv2.Laplacian(grey, cv2.CV_64F).var())) for grey in twice_a_second(path)]


def seeked(path: Path, numbers: list[int]) -> list[np.ndarray]:
    """Frames by their numbers, each sought for."""
    video, frames = cv2.VideoCapture(str(path)), []
    for n in numbers:
        video.set(cv2.CAP_PROP_POS_FRAMES, n)
        done, frame = video.read()
        if done:
            frames.append(frame[..., ::-1])
    return frames


def hashes(path: Path, clips: list[dict[str, Any]]) -> list[int | None]:
    """Of each clip's middle frame."""
    middles = [(clip["start_frame"] + clip["end_frame"]) // 2 for clip in clips]
    return [perceptual_hash(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)) for frame in seeked(path, middles)]


def curated(path: Path, place: Path) -> list[dict[str, Any]]:
    """Marey, without text: the ok clips of the file, from a fresh library."""
    shutil.rmtree(place, ignore_errors=True)
    footage = place / "footage"
    footage.mkdir(parents=True)
    (footage / path.name).symlink_to(path.absolute())
    without = tuple(kind.name for kind in MEASURES if kind.name not in WANTED)
    curate(footage, place / "library", settings=Curate(without=without), workers=0)
    with Library.open(place / "library") as library:
        return library.rows("select * from clips where status = 'ok' order by n")


def stills(place: Path, clip: dict[str, Any]) -> list[np.ndarray]:
    """First, middle and last, as the pass kept them."""
    with Library.open(place / "library") as library:
        kept = [library.tensor("stills", f"{clip['footage']}:{n}") for n in json.loads(clip["stills"])]
    return [cv2.imdecode(np.asarray(data), cv2.IMREAD_COLOR)[..., ::-1] for data in kept]


def areas(
    engine: Callable[[np.ndarray], float], pictures: Callable[[dict[str, Any]], list[np.ndarray]], clips: list[Any]
) -> list[float]:
    """The mean text area of each clip."""
    return [float(np.mean([engine(picture) for picture in pictures(clip)])) for clip in clips]


def shared(
    settings: TextSettings, pictures: Callable[[dict[str, Any]], list[np.ndarray]], clips: list[Any]
) -> Callable[[], list[float]]:
    """The same by a detector of Marey's on each core, each on one thread, as `curate` shares clips among workers."""
    count = os.cpu_count() or 1
    engines = [TextDetector(1, settings) for _ in range(count)]

    def work() -> list[float]:
        found = [0.0] * len(clips)

        def some(n: int) -> None:
            found[n::count] = areas(engines[n].area, pictures, clips[n::count])

        with ThreadPoolExecutor(count) as pool:
            list(pool.map(some, range(count)))
        return found

    return work


def default_detector() -> Callable[[np.ndarray], float]:
    """The share of a picture that the boxes of RapidOCR, as it comes, cover."""
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"Global.log_level": "error"})

    def area(picture: np.ndarray) -> float:
        found = engine(np.ascontiguousarray(picture[..., ::-1]), use_det=True, use_cls=False, use_rec=False)
        boxes = [] if found is None or found.boxes is None else found.boxes
        return union_area(np.asarray(boxes, np.float32).reshape(-1, 4, 2), *picture.shape[:2])

    return area


def first_middle_last(path: Path) -> Callable[[dict[str, Any]], list[np.ndarray]]:
    """As common practice finds them: each sought for."""

    def found(clip: dict[str, Any]) -> list[np.ndarray]:
        start, end = clip["start_frame"], clip["end_frame"]
        return seeked(path, [start, (start + end) // 2, end])

    return found


def bench(folder: Path, name: str, seconds: float, text: bool, rounds: int) -> None:
    """The table of one file."""
    path, _ = edited(folder, name, seconds, titled=text)
    with tempfile.TemporaryDirectory() as place:
        own = min((timed(lambda: curated(path, Path(place))) for _ in range(rounds)), key=lambda took: took.wall)
        clips = own.gave
        parts = {
            "shots: scenedetect Content": lambda: shots(path),
            "motion: Farneback at full size": lambda: motion(path),
            "brightness, sharpness: cv2.VideoCapture": lambda: light(path),
            "hash: a frame sought for": lambda: hashes(path, clips),
        }
        took = {
            part: min((timed(work) for _ in range(rounds)), key=lambda took: took.wall) for part, work in parts.items()
        }
        print(f"\n### {path.name}: {seconds:.0f} s, {len(clips)} clips\n\n| | seconds | CPU seconds |\n|---|---:|---:|")
        for part, one in took.items():
            print(f"| {part} | {one.wall:.2f} | {one.cpu:.2f} |")
        print(f"| **Marey: all of these, and the catalog** | {own.wall:.2f} | {own.cpu:.2f} |")
        wall, cpu = (sum(getattr(one, what) for one in took.values()) for what in ("wall", "cpu"))
        lines = [("without text", wall / own.wall, cpu / own.cpu)]
        if text:
            usual = default_detector()
            theirs = timed(lambda: areas(usual, first_middle_last(path), clips))
            peer = timed(lambda: areas(usual, lambda clip: stills(Path(place), clip), clips))
            same, ours = (
                timed(shared(settings, lambda clip: stills(Path(place), clip), clips)) for settings in (RAPIDOCR, MAREY)
            )
            for what, one in (
                ("text: RapidOCR at its defaults, frames sought for", theirs),
                ("text: RapidOCR at its defaults, on the stills of the pass", peer),
                ("Marey, text by `rapidocr`, on these stills", same),
                ("Marey, text by its own settings, on these stills", ours),
            ):
                print(f"| {what} | {one.wall:.2f} | {one.cpu:.2f} |")
            for what, one in (
                ("RapidOCR itself on our stills", peer),
                ("text by `rapidocr`", same),
                ("text by Marey's own settings", ours),
            ):
                ratio = (wall + theirs.wall) / (own.wall + one.wall), (cpu + theirs.cpu) / (own.cpu + one.cpu)
                lines.append((what, *ratio))
        print("\n| | times as fast | times less CPU |\n|---|---:|---:|")
        for what, by_wall, by_cpu in lines:
            print(f"| {what} | {by_wall:.1f} | {by_cpu:.1f} |")
        if text:
            dropped = sum(a > LARGEST for a in theirs.gave)
            print(f"\nOf {len(clips)} clips RapidOCR's defaults drop {dropped} by the frames sought for. Keep and drop")
            for what, one, other in (
                ("`rapidocr` and the defaults on the same stills", same, peer),
                ("`rapidocr` and the defaults on the frames sought for", same, theirs),
                ("the defaults on our stills and on the frames sought for", peer, theirs),
                ("Marey's own settings and the defaults on the same stills", ours, peer),
            ):
                agree = sum((a <= LARGEST) == (b <= LARGEST) for a, b in zip(one.gave, other.gave, strict=True))
                print(f"- of {what} agree on {agree}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, nargs="?", default=Path("demo/bench"))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--files", nargs="+", default=["h264-720p.mp4", "h264-1080p.mp4", "hevc-720p.mp4"])
    parser.add_argument("--no-text", action="store_true")
    given = parser.parse_args()
    print(f"{cores()}, {packages()}")
    for name in given.files:
        bench(given.folder, name, given.seconds, not given.no_text, given.rounds)


if __name__ == "__main__":
    main()
