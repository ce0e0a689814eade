"""Marey's presets and each of their savings beside diffusers' 25 steps of Euler's method: how near, and how fast.

    python benchmarks/bench_presets.py [MODEL] [--pairs N] [quality] [speed]

MODEL is a folder with trained weights; marey-tiny otherwise. Both sides start from the same still and the same noise.

Quality: the reference is Marey's exact run with 100 steps of Euler's method. Distances to it: PSNR of the latents, PSNR
of their differences from frame to frame, and the perceptual sum of LPIPS on EfficientNet-Lite0's features of the
decoded frames. A run counts as good as diffusers' where all three are no worse for that still and seed.

Speed: seconds from the start of the first call of the network to the end of the last step, after a short run that
warms up, on one thread and on all; the better counts. On MODEL, and on a network of (64, 128, 256, 256) x 2 layers with
random weights at 8 frames of 256x256 pixels.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import Any

import diffusers
import numpy as np
import torch
from bench_sampling import FRAMES, MIDDLE, SIZE, THREADS, _processor, build
from PIL import Image
from torch import Tensor

from marey.generate import Model, sampling
from marey.generate.meter import motion_psnr, psnr
from marey.generate.predictor import Calls, Predictor
from marey.generate.presets import PRESETS
from marey.generate.tiny import place_of
from marey.network.efficientnet import EfficientNetLite0
from marey.network.perceptual import distance, lite_stages

REFERENCE: dict[str, Any] = {"solver": "euler", "schedule": "karras", "steps": 100}
EULER: dict[str, Any] = {"solver": "euler", "schedule": "karras", "steps": 25}
STEPS = PRESETS["fast"].steps
SECOND: dict[str, Any] = {"preset": replace(PRESETS["fast"], narrow=False, cache=0.0)}


@dataclass(frozen=True)
class Row:
    """A way to sample: arguments of `Model.animate`, and the precision that the model is opened in."""

    name: str
    how: dict[str, Any] = field(default_factory=dict)
    dtype: str = "float32"


BASE = "diffusers, 25 steps of Euler's method"
ROWS = (
    Row("exact", {"preset": "exact"}),
    Row("fast", {"preset": "fast"}, "auto"),
    Row("draft", {"preset": "draft"}, "auto"),
    Row("Euler, 25 steps, bfloat16", EULER, "bfloat16"),
    Row("Euler, 25 steps, cache 0.3", {**EULER, "cache": 0.3}),
    Row("Euler, 25 steps, guidance in (0.1, 20]", {**EULER, "guidance_interval": (0.1, 20.0)}),
    Row(f"Euler, {STEPS} steps", {**EULER, "steps": STEPS}),
    Row(f"DPM++ 2M on AYS, {STEPS} steps", SECOND),
    Row(f"DPM++ 2M on AYS, {STEPS} steps, cache 0.3", {**SECOND, "cache": 0.3}),
)
"""The presets, then each saving alone."""


def main(folder: Path, pairs: int, guidance: tuple[float, float] | None, tables: set[str]) -> None:
    """Print the tables asked for, in markdown."""
    print(
        f"{_processor()}, {os.cpu_count()} cores; torch {torch.__version__}, diffusers {diffusers.__version__}, "
        f"Python {platform.python_version()}. Model {folder.name}.\n"
    )
    if "quality" in tables:
        quality_table(folder, pairs, guidance)
    if "speed" in tables:
        speed_table(f"{folder.name}, as trained", folder, guidance)
        with tempfile.TemporaryDirectory() as made:
            build(MIDDLE, Path(made) / "middle")
            name = f"{MIDDLE.name}, random weights, {FRAMES} frames of {SIZE}x{SIZE}"
            speed_table(name, Path(made) / "middle", (1.0, 3.0))


def quality_table(folder: Path, pairs: int, guidance: tuple[float, float] | None) -> None:
    """Distances to the reference, of each way to sample."""
    models = {dtype: Model.open(folder, device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16", "auto")}
    exact = models["float32"]
    info = exact.info
    given = {"guidance": guidance or info.guidance}
    network = _features()
    pipeline = None if info.text else _pipeline(folder)
    found: dict[str, list[tuple[float, float, float]]] = {}
    seconds: dict[str, float] = {}
    calls: dict[str, list[str]] = {}
    for n in range(pairs):
        still = still_of(n, info.height, info.width, info.text)
        shape = (1, info.frames, exact.parts.autoencoder.latent_channels)
        side = exact.parts.autoencoder.factor
        noise = torch.randn(
            *shape, info.height // side, info.width // side, generator=torch.Generator().manual_seed(1000 + n)
        )
        reference = exact.animate(still, noise=noise, output="latents", noise_aug=0.0, **given, **REFERENCE)
        pictures = stages(network, exact, reference)

        def take(
            name: str, latents: Tensor, start: float, reference: Tensor = reference, pictures: Any = pictures
        ) -> None:
            seconds[name] = seconds.get(name, 0.0) + time.process_time() - start
            apart = float(distance(stages(network, exact, latents), pictures).mean())
            found.setdefault(name, []).append((psnr(latents, reference), motion_psnr(latents, reference), apart))

        start = time.process_time()
        if pipeline is None:  # which knows no model that takes a text; ours is within rounding of it
            take(BASE, exact.animate(still, noise=noise, output="latents", noise_aug=0.0, **given, **EULER), start)
        else:
            take(BASE, theirs(pipeline, info, still, noise, given["guidance"]), start)
        for row in ROWS:
            model, start = models[row.dtype], time.process_time()
            ours = model.animate(still, noise=noise, output="latents", noise_aug=0.0, **{**given, **row.how})
            take(row.name, ours, start)
            calls.setdefault(row.name, []).append(told_of(RUNS[-1].calls))
    print(f"Distance to 100 steps of Euler's method, guidance {given['guidance']}, {pairs} stills, a seed each\n")
    if pipeline is None:
        print("(diffusers' pipeline takes no model with a text: Marey's own Euler in float32 stands for it.)\n")
    print(
        "| | latents dB, mean | worst | motion dB, mean | worst | features, mean | worst | as good "
        "| calls full+cached, unconditional | CPU s a clip |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, values in found.items():
        a, b, c = zip(*values, strict=True)
        good = sum(x[0] >= y[0] and x[1] >= y[1] and x[2] <= y[2] for x, y in zip(values, found[BASE], strict=True))
        told = max(set(calls[name]), key=calls[name].count) if name in calls else "25+0, 25"
        print(
            f"| {name} | {mean(a):.1f} | {min(a):.1f} | {mean(b):.1f} | {min(b):.1f} | {mean(c):.4f} | {max(c):.4f} "
            f"| {good} of {pairs} | {told} | {seconds[name] / pairs:.2f} |"
        )
    print(flush=True)


def speed_table(name: str, folder: Path, guidance: tuple[float, float] | None) -> None:
    """The denoising loop of diffusers and of the presets, each at its better thread count."""
    best: dict[str, dict[str, Any]] = {}
    for row in (Row("diffusers"), *ROWS[:3]):
        for threads in THREADS:
            task = {"folder": str(folder), "side": row.name, "guidance": guidance, "threads": threads}
            told = subprocess.run(
                [sys.executable, __file__, "--worker", json.dumps(task)],
                check=True,
                capture_output=True,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"},
            )
            seconds = json.loads(told.stdout.splitlines()[-1])
            if row.name not in best or seconds["loop"] < best[row.name]["loop"]:
                best[row.name] = {**seconds, "threads": threads}
    first = best["diffusers"]
    print(f"Denoising loop: {name}\n")
    print(f"| | threads | s | times as fast | decoder ({first['decoder']}) s | with the decoder, times as fast |")
    print("|---|---|---|---|---|---|")
    for side, told in best.items():
        whole = told["loop"] + told["decode"]
        print(
            f"| {BASE if told is first else side}{told['calls']} | {told['threads']} | {told['loop']:.2f} "
            f"| {first['loop'] / told['loop']:.2f} | {told['decode']:.2f} "
            f"| {(first['loop'] + first['decode']) / whole:.2f} |"
        )
    print(flush=True)


def worker(folder: str, side: str, guidance: tuple[float, float] | None, threads: int) -> dict[str, Any]:
    """Seconds of one loop and of the decoding after it."""
    torch.set_num_threads(threads)
    model = Model.open(folder, device="cpu", dtype="float32" if side in ("diffusers", "exact") else "auto")
    info, autoencoder = model.info, model.parts.autoencoder
    still = still_of(0, info.height, info.width, info.text)
    size = info.height // autoencoder.factor, info.width // autoencoder.factor
    noise = torch.randn(
        1, info.frames, autoencoder.latent_channels, *size, generator=torch.Generator().manual_seed(1000)
    )
    weights = guidance or info.guidance
    foreign = side == "diffusers"
    pipeline = _pipeline(Path(folder)) if foreign else None
    starts: list[float] = []
    ends: list[float] = []

    def run(steps: int | None) -> Tensor:
        starts.clear()
        ends.clear()
        if pipeline is not None:
            return theirs(pipeline, info, still, noise, weights, steps or 25, ends)
        given = {"preset": side, **({"steps": steps} if steps else {})}
        return model.animate(
            still,
            noise=noise,
            noise_aug=0.0,
            guidance=weights,
            output="latents",
            progress=lambda *told: ends.append(time.perf_counter()),
            **given,
        )

    modules = [pipeline.unet] if pipeline is not None else [model.parts.unet]
    run(3)
    modules += [model._narrow] if model._narrow is not None else []
    for module in modules:
        module.register_forward_pre_hook(lambda *given: starts.append(time.perf_counter()))
    latents = run(None)
    loop = ends[-1] - starts[0]
    start = time.perf_counter()
    if pipeline is not None:
        with torch.no_grad():
            pipeline.decode_latents(latents, info.frames, info.frames)
    else:
        model.decode(latents)
    calls = "" if foreign else f": {told_of(RUNS[-1].calls)}"
    widths = autoencoder.to_json()["block_out_channels"]
    decoder = f"temporal, {tuple(widths)}, {info.frames}x{info.height}x{info.width}"
    return {
        "loop": loop,
        "decode": time.perf_counter() - start,
        "decoder": decoder,
        "calls": calls,
    }


def theirs(
    pipeline: Any,
    info: Any,
    still: Image.Image,
    noise: Tensor,
    guidance: tuple[float, float],
    steps: int = 25,
    ends: list[float] | None = None,
) -> Tensor:
    """Latents of diffusers' pipeline; the ends of its steps go to `ends`."""

    def ended(pipe: Any, step: int, timestep: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        if ends is not None:
            ends.append(time.perf_counter())
        return tensors

    return pipeline(
        still,
        height=info.height,
        width=info.width,
        num_frames=info.frames,
        num_inference_steps=steps,
        min_guidance_scale=guidance[0],
        max_guidance_scale=guidance[1],
        fps=info.fps,
        motion_bucket_id=info.motion,
        noise_aug_strength=0.0,
        latents=noise,
        output_type="latent",
        callback_on_step_end=ended,
    ).frames


def still_of(n: int, height: int, width: int, played: bool) -> Image.Image:
    """A picture that no model has seen: of the game where a model was trained on it, else of the scenes."""
    if played:
        from base_clips import WIDE, near

        from marey.worlds.game import clip
        from marey.worlds.game.picture import Painter

        play = clip(8_000_001, n, 30)
        last = play.states[-1:]
        square = near([Painter(play.level, WIDE).paint(state) for state in last], last)[0][0]
    else:
        from marey.worlds.scenes import KINDS, scene

        shown = scene(list(KINDS)[n % len(KINDS)], 8_000_001 + n, height=240, width=320)
        square = shown.frame(shown.frames // 2)
    return Image.fromarray(np.ascontiguousarray(square)).resize((width, height), Image.Resampling.LANCZOS)


def stages(network: EfficientNetLite0, model: Model, latents: Tensor) -> list[Tensor]:
    """Feature maps of the decoded frames, at 128 pixels or more."""
    frames = torch.from_numpy(model.decode(latents)[0]).permute(0, 3, 1, 2).float()
    if frames.shape[-1] < 128:
        frames = torch.nn.functional.interpolate(frames, size=(128, 128), mode="bicubic", align_corners=False)
    with torch.no_grad():
        return lite_stages(network, (frames - 127) / 128)


def told_of(calls: Calls) -> str:
    """full+cached, unconditional"""
    return f"{calls.full}+{calls.cached}, {calls.unconditional}"


class _Watched(Predictor):
    """Keeps itself in `RUNS`."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        RUNS.append(self)


RUNS: list[Predictor] = []
sampling.Predictor = _Watched  # type: ignore[misc]


def _pipeline(folder: Path) -> Any:
    pipeline = diffusers.StableVideoDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _features() -> EfficientNetLite0:
    from marey.signals.embedding import Lite

    return Lite()._network


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(worker(**json.loads(sys.argv[2]))))
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("model", nargs="?", default="marey-tiny")
        parser.add_argument("--pairs", type=int, default=5, help="stills, each with a seed of its own")
        parser.add_argument("--guidance", type=float, nargs=2, help="of the first and the last frame; the model's own")
        parser.add_argument("tables", nargs="*", help="quality, speed; both otherwise")
        asked = parser.parse_intermixed_args()
        two = tuple(asked.guidance) if asked.guidance else None
        main(Path(place_of(asked.model)), asked.pairs, two, set(asked.tables) or {"quality", "speed"})
