"""Six metrics from one decode of each pair of videos against one pass a metric, and against named peers on the same
files.

    python benchmarks/bench_metrics.py --clips 500

The clips are 720p, of 16 frames, pairs of a textured pan and the same with noise; twenty different pairs are made and
the rest are copies under other names, which cost the decoder as much. Processor seconds are compared, all threads
together, because they are steadier than the clock's; the clock's stand beside them.

Peers, where they are installed: scikit-image (PSNR and its own SSIM, a pass each), torchmetrics (PSNR and SSIM, a pass
each) and the `psnr` and `ssim` filters of FFmpeg inside PyAV (a pass each, on planes as they are decoded: C code, not
the same numbers). A peer's frames are decoded by PyAV in the same way.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from marey.evaluate import evaluate_folders
from marey.evaluate.models import Models
from marey.evaluate.pairing import Frames, Job
from marey.evaluate.scoring import score
from marey.media import probe, read, write_video
from marey.recipe import Evaluate

SIX = ("psnr", "ssim", "difference", "flow_error", "motion", "flicker")
HEIGHT, WIDTH, FRAMES, FPS = 720, 1280, 16, 25
DIFFERENT = 20


@dataclass(frozen=True)
class Took:
    """Seconds a clip."""

    processor: float
    clock: float


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, default=500, help="pairs of videos")
    parser.add_argument("--peer-clips", type=int, default=20, help="pairs of videos that peers are timed on")
    parser.add_argument("--baselines", action="store_true", help="score the frozen still and the loop too")
    parser.add_argument("--folder", type=Path, help="where clips are made and kept; a temporary folder otherwise")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = words.folder or Path(scratch)
        pairs = made(place, words.clips)
        print(f"{len(pairs)} pairs of {FRAMES} frames of {WIDTH}x{HEIGHT}")
        ours(pairs, place, words.baselines)
        peers(pairs[: words.peer_clips])
    return 0


def made(place: Path, clips: int) -> list[Job]:
    """Pairs of videos under `place`, made where they are not there yet."""
    rng = np.random.default_rng(0)
    for side in ("real", "fake"):
        (place / side).mkdir(parents=True, exist_ok=True)
    for n in range(clips):
        real, fake = (place / side / f"clip{n:04d}.mp4" for side in ("real", "fake"))
        if n >= DIFFERENT:
            for path in (real, fake):
                if not path.is_file():
                    shutil.copyfile(path.with_name(f"clip{n % DIFFERENT:04d}.mp4"), path)
        elif not (real.is_file() and fake.is_file()):
            wide = rng.integers(0, 256, (HEIGHT + 200, WIDTH + 200, 3), dtype=np.uint8)
            wide = cv2.normalize(cv2.GaussianBlur(wide, (0, 0), 2 + n % 5), None, 0, 255, cv2.NORM_MINMAX)
            right, down = rng.integers(0, 8, 2)
            true = np.stack([wide[down * t :, right * t :][:HEIGHT, :WIDTH] for t in range(FRAMES)])
            noise = rng.normal(0, 6, (HEIGHT, WIDTH, 1))
            shown = np.stack([np.clip(frame + noise, 0, 255).astype(np.uint8) for frame in true])
            write_video(real, true, FPS, crf=20)
            write_video(fake, shown, FPS, crf=20)
    names = [f"clip{n:04d}" for n in range(clips)]
    return [Job(name, place / "fake" / f"{name}.mp4", place / "real" / f"{name}.mp4") for name in names]


def ours(pairs: list[Job], place: Path, baselines: bool) -> None:
    """One pass for all, and a pass for each."""
    models = Models()

    def run(names: tuple[str, ...]) -> dict[str, list[float]]:
        rows = [score(job, names, models, given=1, baselines=baselines) for job in pairs]
        return {name: [row["values"]["model"][name] for row in rows] for name in names}

    def decoded() -> None:
        for job in pairs:
            assert job.shown is not None
            for _ in Frames(job.shown, job.true):
                pass

    print(f"baselines: {'yes' if baselines else 'no'}\n{'':<34}{'CPU ms a pair':>16}{'wall ms a pair':>16}")
    bare, _ = timed(decoded, len(pairs))
    show("decoding both, and colour", bare)
    once, together = timed(lambda: run(SIX), len(pairs))
    show("six metrics, one pass", once)
    apart: list[Took] = []
    for name in SIX:
        took, found = timed(lambda name=name: run((name,)), len(pairs))  # type: ignore[misc]
        assert found[name] == together[name], f"{name} differs between the passes"
        apart.append(took)
        show(f"  {name}, by itself", took)
    total = Took(sum(one.processor for one in apart), sum(one.clock for one in apart))
    show("six metrics, a pass each", total)
    print(f"one pass is {total.processor / once.processor:.2f} times as fast (wall: {total.clock / once.clock:.2f})")
    whole, _ = timed(
        lambda: evaluate_folders(
            place / "fake", place / "real", Evaluate(resamples=1000), metrics=SIX, baselines=baselines
        ),
        len(pairs),
    )
    show("the whole verb, with intervals", whole)


def peers(pairs: list[Job]) -> None:
    """PSNR and SSIM, a pass each, by others; ours on the same files."""
    print(f"\nPSNR and SSIM by others, of {len(pairs)} pairs, one pass a metric")
    models = Models()
    mine, _ = timed(
        lambda: [score(job, ("psnr", "ssim"), models, given=0, baselines=False) for job in pairs], len(pairs)
    )
    show("Marey, both in one pass", mine)
    for name, metrics in (("scikit-image", scikit_image), ("torchmetrics", torchmetrics), ("FFmpeg in PyAV", ffmpeg)):
        functions = metrics()
        if functions is None:
            print(f"{name}: not installed")
            continue
        took = [timed(lambda f=f: [f(job) for job in pairs], len(pairs))[0] for f in functions]  # type: ignore[misc]
        total = Took(sum(one.processor for one in took), sum(one.clock for one in took))
        show(name, total)
        print(f"  Marey is {total.processor / mine.processor:.2f} times as fast (wall: {total.clock / mine.clock:.2f})")


def scikit_image() -> list[Callable[[Job], float]] | None:
    """PSNR and SSIM frame by frame."""
    if find_spec("skimage") is None or find_spec("scipy") is None or find_spec("lazy_loader") is None:
        return None
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    def mean(metric: Callable[[np.ndarray, np.ndarray], float]) -> Callable[[Job], float]:
        return lambda job: float(np.mean([metric(a, b) for a, b in frames(job)]))

    return [
        mean(lambda a, b: peak_signal_noise_ratio(b, a, data_range=255)),
        mean(lambda a, b: structural_similarity(a, b, channel_axis=2, data_range=255)),
    ]


def torchmetrics() -> list[Callable[[Job], float]] | None:
    """PSNR and SSIM of whole clips as batches."""
    if find_spec("torchmetrics") is None or find_spec("torch") is None:
        return None
    import torch
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    def batch(job: Job) -> tuple[Any, Any]:
        a, b = zip(*frames(job), strict=True)
        return tuple(torch.from_numpy(np.stack(one)).permute(0, 3, 1, 2).float() for one in (a, b))  # type: ignore[return-value]

    return [
        lambda job: float(peak_signal_noise_ratio(*batch(job), data_range=255.0)),
        lambda job: float(structural_similarity_index_measure(*batch(job), data_range=255.0)),
    ]


def ffmpeg() -> list[Callable[[Job], float]] | None:
    """The filters of these names, fed frame by frame."""
    import av

    def by(filter_name: str, key: str) -> Callable[[Job], float]:
        def run(job: Job) -> float:
            with av.open(str(job.shown)) as one, av.open(str(job.true)) as other:
                graph = av.filter.Graph()
                ends = [graph.add_buffer(template=file.streams.video[0]) for file in (one, other)]
                compare, sink = graph.add(filter_name), graph.add("buffersink")
                for n, end in enumerate(ends):
                    end.link_to(compare, 0, n)
                compare.link_to(sink)
                graph.configure()
                found = []
                for pair in zip(one.decode(video=0), other.decode(video=0), strict=True):
                    for end, frame in zip(ends, pair, strict=True):
                        end.push(frame)
                    while True:
                        try:
                            found.append(float(sink.pull().metadata[key]))
                        except (av.error.BlockingIOError, av.error.EOFError):
                            break
                return float(np.mean(found))

        return run

    return [by("psnr", "lavfi.psnr.psnr_avg"), by("ssim", "lavfi.ssim.All")]


def frames(job: Job) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Both videos in step, as a script would read them."""
    readings = [read(path, probe(path)) for path in (job.shown, job.true) if path]
    for a, b in zip(*readings, strict=True):
        yield a.rgb(None), b.rgb(None)


def timed(work: Callable[[], Any], clips: int) -> tuple[Took, Any]:
    """Seconds a clip, and what came of it."""
    clock, processor = time.perf_counter(), time.process_time()
    found = work()
    return Took((time.process_time() - processor) / clips, (time.perf_counter() - clock) / clips), found


def show(name: str, took: Took) -> None:
    """One line."""
    print(f"{name:<34}{1e3 * took.processor:>16.1f}{1e3 * took.clock:>16.1f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
