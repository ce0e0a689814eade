"""Three frames between two: a model finetuned for it beside a linear blend and a warp by flow.

    python benchmarks/bench_interpolation.py FOLDER [--clips 48] [--steps 300] [--fps 15] [--pairs 64]

By the road that anyone goes: `marey curate world`, `select`, and `marey finetune marey-tiny --full` with the preset
tiny-interpolation on clips of the world of Jules, in FOLDER; what is there is not made again. Then clips of another
seed, that nothing has seen: of each the first and the fifth of five frames are given, and the three between are judged
by PSNR, in decibels over all their pixels, beside

    blend       the weighted mean of the two ends
    flow        both ends warped to each moment by OpenCV's DIS flow (at four times the size), and blended
    coder       the truth, encoded and decoded: what no model over these latents can pass

The model is sampled with one step, which gives its mean, and with twelve; as decoded, and with what the autoencoder
lost of the ends put back, as `Model.interpolate` does. Controls: the ends exchanged, and the ends of the next clip.
"""

import argparse
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import torch

from marey.evaluate.intervals import cluster_bootstrap
from marey.generate import Model
from marey.generate.interpolate import restored
from marey.generate.plan import plan_for
from marey.generate.several import several
from marey.worlds.source import Source

FRAMES = 5
SIDE = 64
LARGER = 4
"""DIS looks at patches of eight pixels, which are too large for these pictures."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--fps", type=float, default=15.0)
    parser.add_argument("--pairs", type=int, default=64)
    asked = parser.parse_args()
    model = Model.open(trained(asked.folder, asked.clips, asked.steps, asked.fps), device="cpu")
    truth = heldout(asked.pairs, round(30 / asked.fps))
    print(f"{platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"{len(truth)} pairs, the ends {(FRAMES - 1) / asked.fps:.2f} s apart; {asked.steps} steps of training\n")

    ends = truth[:, [0, -1]]
    ways: dict[str, np.ndarray] = {
        "blend": np.stack([blend(*pair) for pair in ends]),
        "flow": np.stack([warp(*pair) for pair in ends]),
        "coder": model.reconstruct(truth),
    }
    started = time.process_time()
    for steps in (1, 12):
        decoded = between(model, ends, steps)
        ways[f"model, {steps} steps, as decoded"] = decoded
        ways[f"model, {steps} steps"] = restored(decoded, ends)
    spent = time.process_time() - started
    for name, other in (("ends exchanged", ends[:, ::-1]), ("ends of the next clip", np.roll(ends, 1, axis=0))):
        decoded = between(model, other, 1)
        ways[f"{name}, 1 step, as decoded"] = decoded
        ways[f"{name}, 1 step"] = restored(decoded, other)

    print("| way | PSNR, dB (95 % interval) | better than blend | better than flow |\n|---|---|---|---|")
    scores = {name: psnr(made, truth) for name, made in ways.items()}
    for name, found in scores.items():
        near = cluster_bootstrap(found, range(len(found)))
        wins = [f"{float((found > scores[other]).mean()):.0%}" for other in ("blend", "flow")]
        print(f"| {name} | {near.value:.2f} ({near.low:.2f} to {near.high:.2f}) | {wins[0]} | {wins[1]} |")
    print(f"\nThe model took {spent / (len(truth) * 13):.3f} CPU seconds a step and pair.")


def trained(folder: Path, clips: int, steps: int, fps: float) -> Path:
    """A model for two ends, made by the verbs."""
    library, name = folder / "library", f"between-{steps}"
    if not (library / "models" / name / "marey.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        marey("curate", "world", f"footage.world.clips={clips}", "--out", str(library))
        marey("select", str(library), "--name", "all")
        words = ["finetune.stage.preset=tiny-interpolation", f"finetune.stage.steps={steps}", f"finetune.fps={fps}"]
        words += ["finetune.stage.evaluate_every=50", "finetune.stage.checkpoint_every=50", "finetune.stage.ema=0.98"]
        marey("finetune", "marey-tiny", "--on", f"{library}:all", "--full", "--name", name, *words)
    return library / "models" / name


def marey(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "marey", *words], check=True)


def heldout(count: int, stride: int) -> np.ndarray:
    """uint8 (count, FRAMES, SIDE, SIDE, 3): of each clip of another seed the frames in its middle."""
    source = Source("jules", count, size=SIDE, seed=4711)
    clips = []
    for name in source.names():
        frames = list(source.shot(name).frames())
        first = (len(frames) - (FRAMES - 1) * stride) // 2
        clips.append(np.stack(frames[first : first + FRAMES * stride : stride]))
    return np.stack(clips)


def between(model: Model, ends: np.ndarray, steps: int) -> np.ndarray:
    """The clips (N, FRAMES, H, W, 3) that the model makes of the two ends (N, 2, H, W, 3)."""
    plan = plan_for(model.info, model.parts.autoencoder.factor, steps=steps)
    count = len(ends)
    given = [model.info.fps] * count, [model.info.motion] * count, [0] * count
    return several(model, "between", plan, np.ascontiguousarray(ends), *given)


def blend(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The ends and their weighted means."""
    return stacked(first * (1.0 - at) + last * at for at in moments())


def warp(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The ends, warped to each moment by flows that are scaled from those between them (Super SloMo, arXiv 1712.00080,
    equation 4), and blended."""
    there, back = flow(first, last), flow(last, first)

    def at(moment: float) -> np.ndarray:
        to_first = -(1 - moment) * moment * there + moment**2 * back
        to_last = (1 - moment) ** 2 * there - moment * (1 - moment) * back
        return (1 - moment) * pulled(first, to_first) + moment * pulled(last, to_last)

    return stacked(at(moment) for moment in moments())


def flow(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """DIS flow (H, W, 2) from a picture to another, in pixels."""
    large = [
        cv2.cvtColor(cv2.resize(p, None, fx=LARGER, fy=LARGER, interpolation=cv2.INTER_CUBIC), cv2.COLOR_RGB2GRAY)
        for p in (one, other)
    ]
    found = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*large, None)
    return cv2.resize(found, one.shape[1::-1], interpolation=cv2.INTER_AREA) / LARGER


def pulled(picture: np.ndarray, by: np.ndarray) -> np.ndarray:
    """A picture read at each place plus a flow."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    where = [(grid + by[..., n]).astype(np.float32) for n, grid in enumerate((x, y))]
    return cv2.remap(picture, *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float64)


def moments() -> np.ndarray:
    return np.arange(FRAMES) / (FRAMES - 1)


def stacked(pictures: Iterable[np.ndarray]) -> np.ndarray:
    return np.stack([np.clip(np.round(picture), 0, 255).astype(np.uint8) for picture in pictures])


def psnr(made: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N,) of the frames between the ends."""
    error = (made[:, 1:-1].astype(np.float64) - truth[:, 1:-1]) ** 2
    return 10 * np.log10(255**2 / np.maximum(error.mean(axis=(1, 2, 3, 4)), 1e-3))


if __name__ == "__main__":
    main()
