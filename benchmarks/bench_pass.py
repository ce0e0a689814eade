"""The pass beside decoding alone, and beside scenedetect's ContentDetector alone.

    python benchmarks/bench_pass.py [FOLDER] [--seconds 60] [--rounds 3] [--memory]

FOLDER (demo/bench) keeps the files, which are made once: edits of real shots as H.264 720p and 1080p, HEVC and VP9.
Each side runs with 1, 2, 3 threads and with as many as there are cores, in turn, and its best wall time counts; CPU
seconds are the least of its runs with one thread. The pass is signatures, transitions, motion, brightness, sharpness
and perceptual hashes; with its stills it is a line of its own. Lines that skip work have their F1 on the file's true
transitions, and Spearman's rank correlation of their motion with that of the full pass over all half seconds.

A source of more than a minute and a half is also read as curation reads it with several workers: in reels of a minute,
one decoder thread and one process a reel ("threads" are the processes then, which are started beforehand).

`--memory` reads one minute and ten minutes of the 720p file, each in a process of its own, and prints their peaks.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from demo_steps import cores, packages
from edits_on_disk import ENCODES, ENDS, edited
from scenedetect import ContentDetector, SceneManager, open_video

from marey.curate.album import StillsTap
from marey.curate.read import REEL_SECONDS
from marey.curate.taps import LightTap, MotionTap, Pass, SignatureTap, Tap
from marey.curate.transitions import find_transitions, shots
from marey.evaluate.shots import detection
from marey.media import Frame, Probe, Reel, divide, probe, read, read_reel
from marey.media.pixels import Scaler
from marey.recipe import Transitions
from marey.signals.hashes import perceptual_hash

THREADS = sorted({1, 2, 3, os.cpu_count() or 1})


@dataclass
class Run:
    """One way to go through a file: what it took and what it found."""

    wall: float
    cpu: float
    threads: int
    found: Any


@dataclass
class Shared:
    """What was found by several processes, and the CPU seconds of the others."""

    found: Any
    cpu: float


def decode_alone(path: Path, threads: int) -> int:
    """Every picture, and nothing done with it."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "AUTO", threads
        return sum(len(packet.decode()) for packet in container.demux(stream))


def the_pass(path: Path, threads: int, *, stills: bool = False) -> tuple[list[dict[str, Any]], np.ndarray]:
    """The transitions, and the motion of each half second, of Marey's own reading."""
    facts = probe(path)
    return known(iter(read(path, facts, threads=threads)), facts.fps, [StillsTap()] if stills else [])


def in_reels(path: Path, reels: list[Reel], workers: ProcessPoolExecutor) -> Shared:
    """The pass over a long source, whose reels are shared by processes."""
    facts = probe(path)
    parts = list(workers.map(_reel, [(path, facts, reel) for reel in reels]))
    trace = {name: np.concatenate([part[name] for part, _ in parts]) for name in parts[0][0]}
    return Shared(_told(trace, facts.fps, float(facts.time_base)), sum(cpu for _, cpu in parts))


def _reel(given: tuple[Path, Probe, Reel]) -> tuple[dict[str, np.ndarray], float]:
    start = time.process_time()
    through = Pass([SignatureTap(), MotionTap(), LightTap()])
    for frame in read_reel(*given, threads=1):
        through.take(frame)
    return through.end(), time.process_time() - start


def skipping(path: Path, threads: int, **options: str) -> tuple[list[dict[str, Any]], np.ndarray]:
    """The same from a decoder that leaves work out."""
    return known(pictures(path, threads, **options), probe(path).fps, [])


def from_vectors(path: Path, threads: int) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Transitions from a decoder that skips the loop filter, and motion from the stream's own motion vectors."""
    facts, signatures = probe(path), SignatureTap()
    through, moved = Pass([signatures]), []
    for frame in pictures(path, threads, skip_loop_filter="all", flags2="+export_mvs"):
        through.take(frame)
        vectors = frame._picture.side_data.get("MOTION_VECTORS")
        moved.append(0.0 if vectors is None else vector_length(vectors.to_ndarray()))
    trace = through.end()
    steps = max(1, round(facts.fps / 2))
    per_half = [sum(moved[n : n + steps]) for n in range(0, len(moved) - steps, steps)]
    return transitions(trace, facts.fps), np.array(per_half)


def vector_length(vectors: np.ndarray) -> float:
    """Mean length over the area of the blocks, in pixels from the reference picture."""
    area = vectors["w"].astype(float) * vectors["h"]
    length = np.hypot(vectors["motion_x"], vectors["motion_y"]) / np.maximum(vectors["motion_scale"], 1)
    return float((area * length).sum() / max(area.sum(), 1))


def pictures(path: Path, threads: int, **options: str) -> Iterator[Frame]:
    """Frames of a decoder with settings of its own."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "AUTO", threads
        stream.codec_context.options = options
        scaler, first = None, 0
        for n, picture in enumerate(container.decode(stream)):
            scaler = scaler or Scaler(picture.height, picture.width, probe(path).orientation)
            first = picture.pts if n == 0 else first
            yield Frame(picture, scaler, n, picture.pts, first, stream.time_base)


def known(frames: Iterator[Frame], fps: float, more: list[Tap]) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Everything that the benchmark's operations give, of these frames."""
    through, first, last = Pass([SignatureTap(), MotionTap(), LightTap(), *more]), None, None
    for frame in frames:
        through.take(frame)
        first, last = first or frame, frame
    trace = through.end()
    if last is not None and first is not None and last.n:
        fps = last.n / float(last.seconds)
    return _told(trace, fps, float(last.time_base if last else 0))


def _told(trace: dict[str, np.ndarray], fps: float, tick: float) -> tuple[list[dict[str, Any]], np.ndarray]:
    # Frames are numbered from the source's first one, whichever reel they are of.
    seconds = trace["pts"][trace["pairs"][:, 0]] - trace["pts"][0]
    return transitions(trace, fps), np.stack([seconds * tick, trace["motion"][:, 0]], axis=1)


def transitions(trace: dict[str, np.ndarray], fps: float) -> list[dict[str, Any]]:
    """The transitions, with the shots' hashes computed too. Frames are told by their time."""
    found = find_transitions(trace["luma"], trace["chroma"], fps, Transitions())
    for start, end in shots(len(trace["pts"]), found, trace["luma"]):
        perceptual_hash(trace["luma"][(start + end) // 2])
    return [
        {"kind": one.kind, "a_end": int(trace["pts"][one.a_end]), "b_start": int(trace["pts"][one.b_start])}
        for one in found
    ]


def content_detector(path: Path, threads: int, backend: str) -> int:
    """scenedetect's ContentDetector as it comes."""
    cv2.setNumThreads(threads)
    video = open_video(str(path), backend=backend, **({"threading_mode": "AUTO"} if backend == "pyav" else {}))
    manager = SceneManager()
    manager.add_detector(ContentDetector())
    count = manager.detect_scenes(video)
    cv2.setNumThreads(1)
    return count


def timed(work: Callable[[int], Any], threads: int) -> Run:
    """Wall and CPU seconds of one run, all threads together."""
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    found = work(threads)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    if isinstance(found, Shared):
        found, cpu = found.found, cpu + found.cpu
    return Run(wall, cpu, threads, found)


def race(sides: dict[str, Callable[[int], Any]], rounds: int, threads: list[int]) -> dict[str, tuple[Run, float]]:
    """By side the run of the best wall time, and the least CPU seconds of a run with one thread."""
    runs: dict[str, list[Run]] = {name: [] for name in sides}
    for _ in range(rounds):
        for count in threads:
            for name, work in sides.items():
                runs[name].append(timed(work, count))
    return {
        name: (min(tried, key=lambda run: run.wall), min(run.cpu for run in tried if run.threads == threads[0]))
        for name, tried in runs.items()
    }


def score(path: Path, truth: list[dict[str, Any]], found: list[dict[str, Any]]) -> float:
    """F1 under TransNetV2's protocol, frames counted by their times."""
    pts = probe(path).pts
    numbered = [{**one, **{end: int(np.searchsorted(pts, one[end])) for end in ENDS}} for one in found]
    value = detection(truth, numbered).f1()
    return float("nan") if value is None else value


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's, of what both have."""
    count = min(len(a), len(b))
    ranks = [np.argsort(np.argsort(one[:count])) for one in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def halves(moved: np.ndarray, seconds: float) -> np.ndarray:
    """Motion by half second, from (time, value) rows or from values that are so already."""
    if moved.ndim == 1:
        return moved
    return np.interp(np.arange(0, seconds - 1, 0.5), moved[:, 0], moved[:, 1])


def bench(folder: Path, name: str, seconds: float, rounds: int, threads: list[int]) -> None:
    """All lines of one file."""
    path, truth = edited(folder, name, seconds)
    reels = divide(probe(path), REEL_SECONDS)
    workers = {n: _started(n) for n in threads} if len(reels) > 1 else {}
    sides: dict[str, Callable[[int], Any]] = {
        "decode alone (PyAV)": lambda n: decode_alone(path, n),
        "the pass": lambda n: the_pass(path, n),
        "the pass, with stills": lambda n: the_pass(path, n, stills=True),
        "the pass, in reels": lambda n: in_reels(path, reels, workers[n]),
        "the pass, no loop filter": lambda n: skipping(path, n, skip_loop_filter="all"),
        "the pass, no non-reference frames": lambda n: skipping(path, n, skip_frame="noref"),
        "the pass, the stream's motion vectors": lambda n: from_vectors(path, n),
        "scenedetect Content (OpenCV)": lambda n: content_detector(path, n, "opencv"),
        "scenedetect Content (PyAV)": lambda n: content_detector(path, n, "pyav"),
    }
    if not name.startswith("h264"):
        del sides["the pass, the stream's motion vectors"]  # other decoders export none
    if not workers:
        del sides["the pass, in reels"]
    done = race(sides, rounds, threads)
    for pool in workers.values():
        pool.shutdown()
    alone, alone_cpu = done["decode alone (PyAV)"]
    usual = halves(done["the pass"][0].found[1], seconds)
    content = min(run.wall for side, (run, _) in done.items() if side.startswith("scenedetect"))
    frames = alone.found
    print(f"\n### {path.name}: {frames} frames, {path.stat().st_size * 8 / frames * 25 / 1e6:.1f} Mbit/s\n")
    print("| | frames/s | threads | x decode alone | CPU ms a frame | x decode's CPU | x Content | F1 | motion rank |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for side, (run, cpu) in done.items():
        marks = ["", ""]
        if isinstance(run.found, tuple):
            marks[0] = f"{score(path, truth, run.found[0]):.3f}"
            marks[1] = f"{rank_correlation(usual, halves(run.found[1], seconds)):.3f}"
        print(
            f"| {side} | {frames / run.wall:.0f} | {run.threads} | {alone.wall / run.wall:.2f} "
            f"| {1e3 * cpu / frames:.2f} "
            f"| {alone_cpu / cpu:.2f} | {content / run.wall:.2f} | {' | '.join(marks)} |",
            flush=True,
        )


def _started(count: int) -> ProcessPoolExecutor:
    """Processes that stand ready, as curation's workers do when a file comes to them."""
    pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,))
    list(pool.map(time.sleep, [0.2] * 4 * count))
    return pool


def peak(folder: Path, seconds: float) -> float:
    """Peak memory in MB of reading so many seconds as curation's worker does, in a fresh process."""
    path, _ = edited(folder, "h264-720p.mp4", seconds)
    script = (
        "import resource, sys, tempfile\nfrom pathlib import Path\nfrom marey.curate.read import ReadStage\n"
        "path = Path(sys.argv[1])\nnow = path.stat()\nstage = ReadStage(1)\nstage.setup()\n"
        "with tempfile.TemporaryDirectory() as library:\n"
        "    stage.process({'id': 'f', 'footage': 'f', 'path': str(path), 'library': library, 'kind': 'video',\n"
        "                   'size': now.st_size, 'mtime_ns': now.st_mtime_ns, 'limit': None})\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, nargs="?", default=Path("demo/bench"))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=THREADS)
    parser.add_argument("--only", default="", help="files whose name has this in it")
    parser.add_argument("--memory", action="store_true")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"{cores()}, {packages()}")
    if given.memory:
        for seconds in (60.0, 600.0):
            print(
                f"peak memory of reading {seconds / 60:.0f} min of 720p: {peak(given.folder, seconds):.0f} MB",
                flush=True,
            )
        return
    for name in ENCODES:
        if given.only in name:
            bench(given.folder, name, given.seconds, given.rounds, given.threads)


if __name__ == "__main__":
    main()
