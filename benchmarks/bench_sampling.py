"""An image-to-video model in Marey and in diffusers' StableVideoDiffusionPipeline: seconds, bytes and differences.

    python benchmarks/bench_sampling.py [loop] [wide] [decoder] [memory]

Both sides open the same folder and start from the same still and the same noise, 8 frames of 256x256 pixels with
guidance, 25 Euler steps unless a row says otherwise. Every run has a process of its own, so that neither side's
allocator or threads are the other's; a few steps on one thread and on all tell which is faster, and that one counts.
The seconds of a loop are those between the ends of its first and its last step, over the steps in between and times
all of them: nothing before or after the loop is in them. Without arguments all tables are printed.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from marey.generate import Model
from marey.generate.device import fast_bfloat16
from marey.network.autoencoder import Autoencoder
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder
from marey.network.folder import save_model
from marey.network.memory import keep_freed_memory
from marey.network.unet import SpatioTemporalUNet

FRAMES, SIZE, CONTEXT = 8, 256, 1024
THREADS = tuple(sorted({1, min(2, os.cpu_count() or 1)}))
PROBE = 3
"""Steps on each number of threads."""
FULL_DECODER, SMALL_DECODER = (128, 256, 512, 512), (32, 32, 64, 64)


@dataclass(frozen=True)
class Row:
    """One line of a table of the loop."""

    name: str
    side: str
    """marey or diffusers."""
    dtype: str = "float32"
    steps: int = 25
    how: dict[str, Any] = field(default_factory=dict)
    """Further arguments of `Model.animate`, or of the pipeline's call."""


@dataclass(frozen=True)
class Network:
    """A UNet of the tables, and the rows that are run on it. The first row is what the others are compared with."""

    name: str
    channels: tuple[int, ...]
    layers: int
    rows: tuple[Row, ...]


MIDDLE = Network(
    "(64, 128, 256, 256) x 2 layers",
    (64, 128, 256, 256),
    2,
    (
        Row("diffusers, as it comes", "diffusers"),
        Row("Marey, exact", "marey"),
        Row("Marey, bfloat16", "marey", "bfloat16"),
    ),
)
WIDE = Network(
    "(320, 640, 1280, 1280) x 1 layer",
    (320, 640, 1280, 1280),
    1,
    (
        Row("diffusers, as it comes", "diffusers", steps=3),
        Row("Marey, exact", "marey", steps=3),
        Row("Marey, bfloat16", "marey", "bfloat16", steps=3),
    ),
)


def main(tables: set[str]) -> None:
    """Print the tables asked for, in markdown."""
    print(
        f"{_processor()}, {os.cpu_count()} cores; torch {torch.__version__}, diffusers {diffusers.__version__}, "
        f"Python {platform.python_version()}. {FRAMES} frames of {SIZE}x{SIZE} pixels.\n"
    )
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        if "loop" in tables:
            seconds = loop_table(MIDDLE, Path(folder) / "middle")
        if "wide" in tables:
            loop_table(WIDE, Path(folder) / "wide")
        if "decoder" in tables:
            decoder_tables(seconds)
        if "memory" in tables:
            memory_table(Path(folder) / "middle")


def loop_table(network: Network, folder: Path) -> dict[str, float]:
    """The denoising loop, row by row. Returns the best seconds of each row."""
    build(network, folder)
    best: dict[str, dict[str, Any]] = {}
    for row in network.rows:
        out = str(folder / f"{network.rows.index(row)}.npy")
        probes = [
            run("loop", threads, row={**asdict(row), "steps": PROBE}, folder=str(folder), out=out)
            for threads in THREADS
        ]
        threads = min(probes, key=lambda told: told["seconds"])["threads"]
        best[row.name] = run("loop", threads, row=asdict(row), folder=str(folder), out=out)
    first = best[network.rows[0].name]
    reference = np.load(first["out"])
    print(f"Denoising loop of {network.name}, {SIZE // 8}x{SIZE // 8} latents, guidance 1 to 3\n")
    print("| | steps | threads | seconds | a step | times as fast | largest relative difference |")
    print("|---|---|---|---|---|---|---|")
    for row in network.rows:
        told = best[row.name]
        latents = np.load(told["out"])
        difference = np.abs(latents - reference).max() / np.abs(reference).max()
        print(
            f"| {row.name} | {row.steps} | {told['threads']} | {told['seconds']:.1f} "
            f"| {told['seconds'] / row.steps:.2f} | {first['seconds'] / told['seconds']:.2f} "
            f"| {'' if told is first else f'{difference:.1e}'} |"
        )
    print(flush=True)
    return {name: told["seconds"] for name, told in best.items()}


def decoder_tables(loop: dict[str, float]) -> None:
    """The temporal decoder at full size and at a small one; with the loop's seconds, the factor of the two together."""
    for name, channels in (("full-size", FULL_DECODER), ("small", SMALL_DECODER)):
        print(f"The {name} temporal decoder {channels}, {FRAMES}x{SIZE}x{SIZE} pixels\n")
        print("| | threads | seconds | times as fast | largest difference, of 0..255 |")
        print("|---|---|---|---|---|")
        best: dict[str, dict[str, Any]] = {}
        rows = ("diffusers", "marey") + (("marey, bfloat16",) if fast_bfloat16(torch.device("cpu")) else ())
        with tempfile.TemporaryDirectory() as folder:
            for threads in reversed(THREADS):
                for side in rows:
                    out = f"{folder}/{rows.index(side)}-{threads}.npy"
                    told = run("decoder", threads, side=side, channels=channels, out=out)
                    if side not in best or told["seconds"] < best[side]["seconds"]:
                        best[side] = told
            pixels = {side: np.load(told["out"]) for side, told in best.items()}
        for side, told in best.items():
            difference = float(np.abs(pixels[side] - pixels["diffusers"]).max()) * 127.5
            print(
                f"| {side} | {told['threads']} | {told['seconds']:.2f} "
                f"| {best['diffusers']['seconds'] / told['seconds']:.2f} "
                f"| {'' if side == 'diffusers' else f'{difference:.4f}'} |"
            )
        if loop:
            theirs = loop[MIDDLE.rows[0].name] + best["diffusers"]["seconds"]
            ours = {row.name: loop[row.name] + best["marey"]["seconds"] for row in MIDDLE.rows if row.side == "marey"}
            told_of = ", ".join(f"{row} {theirs / seconds:.2f}" for row, seconds in ours.items())
            print(f"\nLoop of {MIDDLE.name} and this decoder together, times as fast: {told_of}.")
        print(flush=True)


def memory_table(folder: Path) -> None:
    """Bytes above the weights: the peak of what torch's allocator gives, and of the resident set. Each has a process of
    its own: the profiler's records lie among the tensors, and keep what is freed beside them from being whole again."""
    if not folder.is_dir():
        build(MIDDLE, folder)
    print("Memory above the weights, MB (10^6 bytes)\n")
    print("| | diffusers | Marey | ratio | resident: diffusers | Marey | ratio |")
    print("|---|---|---|---|---|---|---|")
    tasks: list[tuple[str, dict[str, Any]]] = [
        (f"UNet {MIDDLE.name}, a guided call", {"what": "unet", "folder": str(folder)}),
        (f"decoder {SMALL_DECODER}", {"what": "decoder", "channels": SMALL_DECODER}),
        (f"decoder {FULL_DECODER}", {"what": "decoder", "channels": FULL_DECODER}),
    ]
    for name, task in tasks:
        cells = [name]
        for of in ("allocated", "resident"):
            theirs, ours = (run("memory", THREADS[-1], of=of, side=side, **task) for side in ("diffusers", "marey"))
            cells += [f"{told['bytes'] / 1e6:.0f}" for told in (theirs, ours)]
            cells.append(f"{ours['bytes'] / theirs['bytes']:.2f}")
        print(f"| {' | '.join(cells)} |")
    print(flush=True)


def build(network: Network, folder: Path) -> None:
    """A folder with random weights, the same each time, mixes too; a small autoencoder of factor 8."""
    config = UNetConfig.plain(
        network.channels, layers=network.layers, head_width=64, context=CONTEXT, embed=256, sample_size=SIZE // 8
    )
    torch.manual_seed(0)
    unet = SpatioTemporalUNet(config)
    for name, value in unet.named_parameters():
        if name.endswith("mix_factor"):
            torch.nn.init.normal_(value)
    save_model(
        folder,
        unet,
        Autoencoder.build((32, 32, 32, 32)),
        ImageEmbedder.build(CONTEXT),
        card="# Random weights\n",
        frames=FRAMES,
        size=SIZE,
        fps=7.0,
        sigma_max=700.0,
    )


def run(task: str, threads: int, **how: Any) -> dict[str, Any]:
    """One measurement, in a process of its own."""
    told = subprocess.run(
        [sys.executable, __file__, "--worker", json.dumps({"task": task, "threads": threads, **how})],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"},
    )
    return {"threads": threads, **json.loads(told.stdout.splitlines()[-1])}


def worker(task: str, threads: int, **how: Any) -> dict[str, Any]:
    """What `run` asked for."""
    torch.set_num_threads(threads)
    return {"loop": worker_loop, "decoder": worker_decoder, "memory": worker_memory}[task](**how)


def worker_loop(row: dict[str, Any], folder: str, out: str) -> dict[str, Any]:
    """The loop of one row; its latents go to `out`."""
    ends: list[float] = []
    still = Image.fromarray(np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), np.uint8))
    noise = torch.randn(1, FRAMES, 4, SIZE // 8, SIZE // 8, generator=torch.Generator().manual_seed(1))
    given = {"motion": 127, "fps": 7, "noise_aug": 0.0}
    if row["side"] == "marey":
        model = Model.open(folder, device="cpu", dtype=row["dtype"])

        def progress(what: str, done: float, total: float | None = None, note: str = "") -> None:
            if done:
                ends.append(time.perf_counter())

        latents = model.animate(
            still,
            frames=FRAMES,
            steps=row["steps"],
            guidance=(1.0, 3.0),
            noise=noise,
            output="latents",
            progress=progress,
            **given,
            **row["how"],
        )
    else:
        pipeline = diffusers.StableVideoDiffusionPipeline.from_pretrained(folder)
        pipeline.set_progress_bar_config(disable=True)

        def ended(pipe: Any, step: int, timestep: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            ends.append(time.perf_counter())
            return tensors

        latents = pipeline(
            still,
            height=SIZE,
            width=SIZE,
            num_frames=FRAMES,
            num_inference_steps=row["steps"],
            min_guidance_scale=1.0,
            max_guidance_scale=3.0,
            fps=7,
            motion_bucket_id=127,
            noise_aug_strength=0.0,
            latents=noise,
            output_type="latent",
            callback_on_step_end=ended,
            **row["how"],
        ).frames
    np.save(out, latents.float().numpy())
    return {"seconds": (ends[-1] - ends[0]) / (len(ends) - 1) * len(ends), "out": out}


def worker_decoder(side: str, channels: list[int], out: str) -> dict[str, Any]:
    """One decoding, after one of fewer pixels; the pixels go to `out`."""
    _decoder(side, tuple(channels), 8)()
    decode = _decoder(side, tuple(channels))
    started = time.perf_counter()
    pixels = decode()
    seconds = time.perf_counter() - started
    np.save(out, pixels.numpy())
    return {"seconds": seconds, "out": out}


def worker_memory(of: str, side: str, what: str, folder: str = "", channels: list[int] | None = None) -> dict[str, Any]:
    """A peak above what lies there before the call. The first call is small: it loads what torch loads once."""
    call = _decoder(side, tuple(channels or ()), 8) if what == "decoder" else _unet(side, folder, 8)
    call()
    call = _decoder(side, tuple(channels or ())) if what == "decoder" else _unet(side, folder)
    if of == "allocated":
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
            call()
        return {"bytes": peak(watched)}
    before = _resident()
    with open("/proc/self/clear_refs", "w") as file:  # the peak of the resident set starts anew
        file.write("5")
    call()
    return {"bytes": _resident("VmHWM") - before}


def peak(watched: profile) -> int:
    """Most bytes that lived at once, of all that was allocated while watched."""
    events = [event for event in watched.profiler.kineto_results.events() if event.name() == "[memory]"]
    live = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        most = max(most, live)
    return most


def _decoder(side: str, channels: tuple[int, ...], size: int = SIZE // 8) -> Callable[[], Tensor]:
    ours = Autoencoder.build(channels, layers=2).eval().requires_grad_(False)
    latents = torch.randn(1, FRAMES, 4, size, size, generator=torch.Generator().manual_seed(2))
    if side != "diffusers":
        keep_freed_memory()
        if side.endswith("bfloat16"):
            ours.decode_in(torch.bfloat16)
        return torch.no_grad()(lambda: ours.decode(latents))
    theirs = diffusers.AutoencoderKLTemporalDecoder.from_config(ours.to_json()).eval()
    theirs.load_state_dict(ours.vae.state_dict())
    return torch.no_grad()(lambda: theirs.decode(latents[0], num_frames=FRAMES).sample[None])


def _unet(side: str, folder: str, size: int = SIZE // 8) -> Callable[[], Tensor]:
    draw = torch.Generator().manual_seed(2)
    sample = torch.randn(2, FRAMES, 8, size, size, generator=draw)
    token, added = torch.randn(2, 1, CONTEXT, generator=draw), torch.tensor([[6.0, 127.0, 0.0]]).repeat(2, 1)
    if side == "marey":
        unet = Model.open(folder, device="cpu").parts.unet
        return torch.no_grad()(lambda: unet(sample, torch.tensor([0.5, 0.5]), token, added))
    theirs = diffusers.UNetSpatioTemporalConditionModel.from_pretrained(folder, subfolder="unet")
    return torch.no_grad()(lambda: theirs(sample, torch.tensor(0.5), token, added).sample)


def _resident(what: str = "VmRSS") -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(worker(**json.loads(sys.argv[2]))))
    else:
        main(set(sys.argv[1:]) or {"loop", "wide", "decoder", "memory"})
