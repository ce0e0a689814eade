"""The Frechet distance against the ways that others take, and the memory of a growing set of videos.

    python benchmarks/bench_frechet.py [DIMENSIONS ...]

The same features go to all. SciPy: `sqrtm(A @ B)`, as StyleGAN-V, cd-fvd and pytorch-fid do. Torchmetrics: its own
function where it is installed, else the same formula, the roots of `torch.linalg.eigvals(A @ B)`. Twice as many vectors
as features, and then half as many. Processor time of the best of several runs, because other programs may be at work;
a ratio is their time over ours. Then intervals of distances whose truth is known. Then synthetic videos go through the
hand features into one state, each number of them in a process of its own, and the peaks of their memory are printed.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from marey.evaluate import DISTANCES, FeatureSet, MomentState, frechet, open_backbone

DIMENSIONS = (400, 1408, 2048)
VIDEOS = (1_000, 10_000, 100_000)
FRAMES, SIDE = 4, 16


def clouds(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Two clouds with falling spectra and different means, as features of networks have."""
    rng = np.random.default_rng(d)
    spread = np.arange(1, d + 1) ** -0.5
    turn, _ = np.linalg.qr(rng.normal(size=(d, d)))
    return (rng.normal(size=(n, d)) * spread) @ turn, (rng.normal(size=(n, d)) * spread[::-1] * 1.1 + 0.1) @ turn


def best(work: Callable[[], float], runs: int) -> tuple[float, float, float]:
    """Value, processor seconds and wall seconds, each of the fastest run."""
    spent, waited, value = [], [], 0.0
    for _ in range(runs):
        start, begun = time.process_time(), time.perf_counter()
        value = work()
        spent.append(time.process_time() - start)
        waited.append(time.perf_counter() - begun)
    return value, min(spent), min(waited)


def by_sqrtm(a: np.ndarray, b: np.ndarray, apart: np.ndarray) -> float:
    """With SciPy, as the codes that papers name do it."""
    from scipy.linalg import sqrtm

    return float(apart @ apart + np.trace(a) + np.trace(b) - 2 * np.trace(sqrtm(a @ b).real))


def by_eigenvalues(a: Any, b: Any, ours: Any, theirs: Any) -> float:
    """Torchmetrics' formula on tensors, in the precision that it computes in."""
    import torch

    roots = torch.linalg.eigvals(a @ b).sqrt().real.sum()
    return float(((ours - theirs) ** 2).sum() + a.trace() + b.trace() - 2 * roots)


def torchmetrics_function() -> tuple[Callable[..., Any], str] | None:
    """Its own, and its version."""
    try:
        return import_module("torchmetrics.image.fid")._compute_fid, import_module("torchmetrics").__version__
    except ImportError:
        return None


def compare(d: int, n: int, runs: int) -> None:
    """One row of the table."""
    import torch

    x, y = clouds(n, d)
    first, second = MomentState(d).update(x), MomentState(d).update(y)
    a, b = first.covariance(), second.covariance()
    apart = first.mean - second.mean
    tensors = [torch.from_numpy(each) for each in (a, b, first.mean, second.mean)]
    found = torchmetrics_function()

    def theirs() -> float:
        if found is None:
            return by_eigenvalues(*tensors)
        return float(found[0](tensors[2], tensors[0], tensors[3], tensors[1]))

    value, ours, wall = best(lambda: frechet(first, second), runs)
    root, slow, slow_wall = best(lambda: by_sqrtm(a, b, apart), 1 if d > 1000 else 3)
    other, middle, middle_wall = best(theirs, 1 if d > 1000 else 3)
    print(
        f"{d:>6} {n:>6} {ours:>9.3f} {slow:>9.3f} {slow / ours:>6.1f}x {middle:>9.3f} {middle / ours:>6.1f}x"
        f" {wall:>9.3f} {slow_wall / wall:>6.1f}x {middle_wall / wall:>6.1f}x"
        f" {abs(root - value) / value:>9.1e} {abs(other - value) / value:>9.1e}",
        flush=True,
    )


def peak_mb() -> float:
    """Of this program's own memory; what stood before it was started does not count, as it would in getrusage."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("This system does not tell a program's peak.")


def stream(videos: int) -> None:
    """So many synthetic videos through features and state; prints the peak of memory and the seconds."""
    backbone = open_backbone("marey-td")
    state = FeatureSet(backbone.d, backbone=backbone.id, cap=1024)
    rng = np.random.default_rng(0)
    start = time.process_time()
    for n in range(videos):
        clip = rng.integers(0, 256, (FRAMES, SIDE, SIDE, 3), dtype=np.uint8)
        state.update(backbone.features(clip), [f"{n:06d}"])
    held = videos * backbone.d * 8 / 2**20
    print(f"{videos:>9,} {peak_mb():>9.0f} {held:>16.0f} {time.process_time() - start:>9.0f}", flush=True)


def intervals(d: int, n: int, replicates: int = 20, resamples: int = 40) -> None:
    """How often the naive bootstrap's and the jackknife's 95 % intervals hold the truth, which is known here."""
    shift, scale = 0.1, 1.1
    truth = d * (shift**2 + (scale - 1) ** 2)
    plain, corrected, extrapolated = [], [], []
    held = {"bootstrap": 0, "jackknife": 0}
    ends = np.zeros((2, 2))
    for seed in range(replicates):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(shift, scale, (n, d)), rng.normal(size=(n, d))
        fake, real = (
            FeatureSet(d).update(rows, [f"{name}{k}" for k in range(n)]) for rows, name in ((x, "x"), (y, "y"))
        )
        found = DISTANCES["frechet"](fake, real)
        drawn = [
            frechet(*(MomentState(d).update(rows[rng.integers(0, n, n)]) for rows in (x, y))) for _ in range(resamples)
        ]
        pairs = np.array([np.quantile(drawn, (0.025, 0.975)), (found.interval.low, found.interval.high)])
        ends += pairs / replicates
        for name, (low, high) in zip(held, pairs, strict=True):
            held[name] += bool(low <= truth <= high)
        plain.append(found.plain)
        corrected.append(found.interval.value)
        extrapolated.append(DISTANCES["frechet-infinity"](fake, real).interval.value)
    print(
        f"{d:>6} {n:>6} {truth:>8.3f} {np.mean(plain):>8.3f}  [{ends[0, 0]:.2f}, {ends[0, 1]:.2f}] "
        f"{held['bootstrap']:>3}/{replicates}  {np.mean(corrected):>8.3f} [{ends[1, 0]:.2f}, {ends[1, 1]:.2f}] "
        f"{held['jackknife']:>3}/{replicates}  {np.mean(extrapolated):>8.3f}",
        flush=True,
    )


def main() -> None:
    """All tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dimensions", nargs="*", type=int, default=DIMENSIONS)
    parser.add_argument("--videos", nargs="*", type=int, default=VIDEOS)
    parser.add_argument("--stream", type=int, help="one such run, in this process")
    asked = parser.parse_args()
    if asked.stream is not None:
        stream(asked.stream)
        return
    import scipy
    import torch

    found = torchmetrics_function()
    print(
        f"numpy {np.__version__}, scipy {scipy.__version__}, torch {torch.__version__}, "
        f"torchmetrics {'formula' if found is None else found[1]}; "
        f"{os.cpu_count()} cores, {torch.get_num_threads()} threads of torch"
    )
    print("Processor seconds (wall seconds at the right), ratios to ours, and relative differences of the values")
    print(
        f"{'d':>6} {'n':>6} {'ours':>9} {'sqrtm':>9} {'':>7} {'eigvals':>9} {'':>7}"
        f" {'wall':>9} {'sqrtm':>7} {'eigvals':>7} {'sqrtm':>9} {'eigvals':>9}"
    )
    for d in asked.dimensions:
        compare(d, 2 * d, 5)
    for d in asked.dimensions:
        compare(d, d // 2, 5)
    print(
        "\nMeans over 20 pairs of sets: truth, plain value, bootstrap and how often it holds the truth, the same of the"
    )
    print("jackknife, and the extrapolation to endless videos")
    for d, n in ((16, 300), (64, 512), (200, 1024)):
        intervals(d, n)
    print(f"\nVideos of {FRAMES} frames of {SIDE}x{SIDE} through the hand features into one state")
    print(f"{'videos':>9} {'peak MB':>9} {'all features MB':>16} {'CPU s':>9}")
    for videos in asked.videos:
        subprocess.run([sys.executable, __file__, "--stream", str(videos)], check=True)


if __name__ == "__main__":
    main()
