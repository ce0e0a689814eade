"""How fast the world of Jules is made, by part, on one core: python benchmarks/bench_game.py [CLIPS]

Frames a second of processor time. The issue's aims: simulation, policy, picture and mask together at least 300 at 64
pixels and 60 at 256; with video, sound and flow at least 150 at 64. Below them, from nothing to what training reads
(signals, stills and pixels at 64), with files between and without.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from marey.curate.drawing import DrawStage, footage_id
from marey.curate.read import ReadStage
from marey.media import frames_at, probe, write_video
from marey.media.given import given
from marey.worlds.game import Clip, clip, play
from marey.worlds.game.hero import FPS
from marey.worlds.game.sound import RATE
from marey.worlds.source import Source, drawn

FRAMES = 96


def timed(work: Callable[[Clip], object], clips: list[Clip]) -> float:
    """Seconds of processor time a frame."""
    work(clips[0])  # what is drawn once and kept
    start = time.process_time()
    for one in clips:
        work(one)
    return (time.process_time() - start) / (FRAMES * len(clips))


def main(count: int) -> None:
    start = time.process_time()
    clips = [clip(7, number, FRAMES) for number in range(count)]
    play = (time.process_time() - start) / (FRAMES * count)
    print(f"{count} clips of {FRAMES} frames, frames/s of processor time on one core\n")
    print(f"{'simulation and policy':<34}{1 / play:>10.0f}")
    for size in (64, 256):
        picture = timed(lambda one, size=size: list(one.pictures(size)), clips)
        print(f"{f'picture and mask at {size}':<34}{1 / picture:>10.0f}")
        print(f"{'  with simulation and policy':<34}{1 / (picture + play):>10.0f}")
        if size == 64:
            total = picture + play
    pictures = {one.number: list(one.pictures(64)) for one in clips}
    flow = timed(lambda one: [a.flow(b) for a, b in pairwise(pictures[one.number])], clips)
    sound = timed(lambda one: one.sound(), clips)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"

        def write(one: Clip) -> None:
            images = (picture.rgb for picture in pictures[one.number])
            write_video(path, images, FPS, crf=18, preset="veryfast", sound=one.sound(), sound_rate=RATE)

        video = timed(write, clips)
    for name, part in (("flow at 64", flow), ("sound", sound), ("video with sound at 64", video)):
        print(f"{name:<34}{1 / part:>10.0f}")
    print(f"{'all of it at 64':<34}{1 / (total + flow + video):>10.0f}")
    files, direct = road(count)
    print(f"\n{'to signals and pixels, by files':<34}{1 / files:>10.0f}")
    print(f"{'to signals and pixels, without':<34}{1 / direct:>10.0f}   ({files / direct:.2f} times as many)")


def road(count: int) -> tuple[float, float]:
    """Seconds of processor time a frame from a seed to traces, stills and pixels: by files, and without."""
    world = Source("jules", count, FRAMES / FPS)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        start = time.process_time()
        play(place / "files", count, seconds=FRAMES / FPS, workers=0)
        reader = ReadStage()
        for path in sorted((place / "files").glob("*.mp4")):
            facts, found = probe(path), path.stat()
            item = {"id": path.stem, "footage": path.stem, "path": str(path), "library": folder, "kind": "video"}
            reader.process({**item, "size": found.st_size, "mtime_ns": found.st_mtime_ns, "limit": None})
            frames_at(path, facts.pts.tolist(), 64)
        files = time.process_time() - start
        start = time.process_time()
        drawer = DrawStage(world)
        for name in world.names():
            known = drawer.process({"id": footage_id(name), "name": name, "library": folder})
            images, fps = drawn(known["row"]["path"]) or ([], FPS)
            for frame in given(images, fps):
                frame.rgb(64, crop=True)
        return files / (FRAMES * count), (time.process_time() - start) / (FRAMES * count)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 42)
