"""A thing from all around: a model finetuned on orbits, told the camera's height, beside the still held frozen.

    python benchmarks/bench_orbits.py FOLDER [--clips 40] [--steps 80] [--judged 24]

By the road that anyone goes: `marey worlds orbits`, `curate`, `select`, and `marey finetune marey-tiny --full` with the
preset tiny-multi-view, in FOLDER; what is there is not made again. Then orbits of another seed: the first view is
given, and the others are judged by PSNR, in decibels over all their pixels, beside

    frozen      the first view, held
    coder       the truth, encoded and decoded: what no model over these latents can pass

The model is sampled with one step, which gives its mean, and with twelve. Control: the height of the next orbit instead
of its own.
"""

import argparse
import platform
from pathlib import Path

import numpy as np
import torch
from bench_interpolation import marey

from marey.evaluate.intervals import cluster_bootstrap
from marey.generate import Model
from marey.generate.plan import plan_for
from marey.generate.several import several
from marey.worlds.orbits import orbit
from marey.worlds.things import THINGS, make

VIEWS = 12
SIDE = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--judged", type=int, default=24)
    asked = parser.parse_args()
    model = Model.open(trained(asked.folder, asked.clips, asked.steps), device="cpu")
    truth, heights = heldout(asked.judged)
    print(f"{platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"{len(truth)} orbits of {VIEWS} views, {asked.steps} steps of training on {asked.clips}\n")
    ways = {
        "frozen": np.repeat(truth[:, :1], VIEWS, axis=1),
        "coder": model.reconstruct(truth),
        "model, 1 step": turned(model, truth[:, 0], heights, 1),
        "model, 12 steps": turned(model, truth[:, 0], heights, 12),
        "another's height, 1 step": turned(model, truth[:, 0], heights.roll(1), 1),
    }
    print("| way | PSNR of the other views, dB (95 % interval) | better than frozen |\n|---|---|---|")
    scores = {name: psnr(made, truth) for name, made in ways.items()}
    for name, found in scores.items():
        near = cluster_bootstrap(found, range(len(found)))
        wins = float((found > scores["frozen"]).mean())
        print(f"| {name} | {near.value:.2f} ({near.low:.2f} to {near.high:.2f}) | {wins:.0%} |")
    apart = scores["model, 1 step"] - scores["another's height, 1 step"]
    near = cluster_bootstrap(apart, range(len(apart)))
    print(f"\nIts own height less another's: {near.value:.3f} dB ({near.low:.3f} to {near.high:.3f})")


def trained(folder: Path, clips: int, steps: int) -> Path:
    """A model that is told a height, made by the verbs."""
    library, name = folder / "library", f"around-{steps}"
    if not (library / "models" / name / "marey.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        views = ("--clips", str(clips), "--views", str(VIEWS), "--size", str(SIDE), "--seed", "7")
        marey("worlds", "orbits", *views, "--out", str(folder / "orbits"))
        marey("curate", str(folder / "orbits"), "--out", str(library))
        marey("select", str(library), "--name", "all")
        words = ["finetune.stage.preset=tiny-multi-view", f"finetune.stage.steps={steps}", "finetune.stage.lr=3e-4"]
        words += ["finetune.fps=7", "finetune.heldout_least=4", "finetune.heldout_share=0.1", "finetune.draws=2"]
        words += ["finetune.stage.evaluate_every=20", "finetune.stage.checkpoint_every=20"]
        marey("finetune", "marey-tiny", "--on", f"{library}:all", "--full", "--name", name, *words)
    return library / "models" / name


def heldout(count: int) -> tuple[np.ndarray, torch.Tensor]:
    """uint8 (count, VIEWS, SIDE, SIDE, 3) of another seed, and the camera's heights (count,)."""
    rngs = [np.random.default_rng([4711, number]) for number in range(count)]
    orbits = [
        orbit(make(THINGS[number % len(THINGS)], rng), rng, views=VIEWS, size=SIDE) for number, rng in enumerate(rngs)
    ]
    return np.stack([one.frames for one in orbits]), torch.tensor([one.cameras[0].elevation for one in orbits])


def turned(model: Model, stills: np.ndarray, heights: torch.Tensor, steps: int) -> np.ndarray:
    """The orbits (N, VIEWS, H, W, 3) that the model makes of first views."""
    plan = plan_for(model.info, model.parts.autoencoder.factor, steps=steps, guidance=1.0, frames=VIEWS)
    count = len(stills)
    given = [model.info.fps] * count, [model.info.motion] * count, [0] * count
    return several(model, "turning", plan, stills, *given, numbers=heights[:, None])


def psnr(made: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N,) of all views but the first."""
    error = (made[:, 1:].astype(np.float64) - truth[:, 1:]) ** 2
    return 10 * np.log10(255**2 / np.maximum(error.mean(axis=(1, 2, 3, 4)), 1e-3))


if __name__ == "__main__":
    main()
