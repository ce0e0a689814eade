"""Steps a second and memory of a training, beside the loop that people use for Stable Video Diffusion.

    python benchmarks/bench_training.py [--precision no|bf16] [--threads 2] [--steps 5] [--rounds 2]

The common loop is written here from its description (shared by the public trainers of SVD): in every step the
autoencoder encodes all frames and, with noise, the first one; CLIP embeds the first one; diffusers' UNet runs with its
own gradient checkpointing, which leaves the temporal blocks out; the loss is the weighted denoising error; AdamW and
diffusers' EMAModel follow. Its pixels lie in memory, decoded, which is more than it has in life. Ours is
`marey.train.loop.fit` on a library's shards: latents' moments, tokens and noised first frames are read, and a step runs
the UNet alone.

Both train all of one UNet from the same shape, the same clips and the same batch, each in a process of its own, by
turns; the median step of all rounds counts. The networks are small, with the autoencoder's encoding and the UNet's step
(forward and backward, nothing twice) in the proportion that they have in SVD, about 1 : 5, printed as counted.

Memory is resident: the peak of the process over all its steps (ours with the checkpoint that it saves), less what it
held when its networks' weights were loaded, so that gradients, moments, average, activations and the kernels' own
memory count, and imports and weights do not. Beside it the same with the weights, which are the more on their side,
since ours has no autoencoder and no CLIP in memory. The common loop takes its batch whole, as it is written by those
who use it; once more it takes it in the pieces that ours takes, by gradient accumulation. The loader's share is that of
reading, drawing and stacking a step's batch in the seconds of a step.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FRAMES, SIDE, FACTOR, BATCH, CLIPS = 14, 128, 8, 4, 8
UNET = {"channels": (96, 192, 288), "layers": 1, "head_width": 32, "context": 128, "embed": 64}
VAE = (32, 64, 96, 96)
CLIP = {"hidden": 192, "layers": 4, "heads": 3, "patch": 32}
COMMON = {"common loop": 1, "common loop, in pieces": 2}
"""Pieces of a batch."""
SETTINGS: dict[str, dict[str, Any]] = {
    "ours, equal memory": {"checkpointing": False, "accumulate": 2},
    "ours, half the memory": {"checkpointing": True, "accumulate": 2},
}
WARM = 2
"""Steps that are not counted: the first ones build kernels."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--precision", default="no")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--role", default="")
    given = parser.parse_args()
    if given.role:
        print(json.dumps(role(given.role, given.precision, given.threads, given.steps)))
        return
    names = [*COMMON, *SETTINGS]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(given.rounds):
        for name in names:
            words = ["--precision", given.precision, "--threads", str(given.threads), "--steps", str(given.steps)]
            done = subprocess.run(
                [sys.executable, __file__, "--role", name, *words], check=True, stdout=subprocess.PIPE, text=True
            )
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    tell(found, given)


def tell(found: dict[str, list[dict[str, Any]]], given: argparse.Namespace) -> None:
    """Print shares of FLOP, and a line a loop."""
    import torch

    common = found["common loop"][0]
    unet, vae, clip = common["unet"], common["vae"], common["clip"]
    print(
        f"torch {torch.__version__}, {given.threads} threads, precision {given.precision}; {BATCH} clips of {FRAMES} "
        f"frames of {SIDE}x{SIDE}; UNet of {common['parameters'] / 1e6:.1f} M parameters"
    )
    print(
        f"GFLOP a step: UNet forward and backward {3 * unet / 1e9:.0f}, VAE encoding {vae / 1e9:.0f} (1 : "
        f"{3 * unet / vae:.1f}), CLIP {clip / 1e9:.1f}; of the common loop's own work, with what its checkpointing "
        f"computes twice: UNet {4 * unet / (4 * unet + vae + clip):.0%}, VAE {vae / (4 * unet + vae + clip):.0%}, "
        f"CLIP {clip / (4 * unet + vae + clip):.0%}"
    )
    heads = ("s/step", "x", "CPU s/step", "x", "peak MB", "x", "with weights", "x", "loader")
    print(f"{'loop':<24}" + "".join(f"{head:>13}" for head in heads))
    first = _summary(found["common loop"])
    for name, runs in found.items():
        own = _summary(runs)
        wall, cpu, peak, all_of_it = (own[key] for key in ("wall", "cpu", "peak", "whole"))
        cells = (
            f"{wall:.2f}", f"{first['wall'] / wall:.2f}", f"{cpu:.2f}", f"{first['cpu'] / cpu:.2f}",
            f"{peak / 2**20:.0f}", f"{peak / first['peak']:.2f}",
            f"{all_of_it / 2**20:.0f}", f"{all_of_it / first['whole']:.2f}",
            f"{own['loader']:.2%}" if name in SETTINGS else "in memory",
        )  # fmt: skip
        print(f"{name:<24}" + "".join(f"{cell:>13}" for cell in cells))


def _summary(runs: list[dict[str, Any]]) -> dict[str, float]:
    """Median seconds of all steps, the largest peaks, the median share of the loader."""
    times = {key: statistics.median(t for run in runs for t in run[key]) for key in ("wall", "cpu")}
    peaks = {key: max(run[key] for run in runs) for key in ("peak", "whole")}
    return {**times, **peaks, "loader": statistics.median(run["loader"] for run in runs)}


def role(name: str, precision: str, threads: int, steps: int) -> dict[str, Any]:
    """Run one loop in this process: seconds of each counted step, peak memory, the loader's share, FLOP."""
    import diffusers
    import torch

    import marey.train.loop  # what both sides import is no one's memory  # noqa: F401

    assert diffusers.AutoencoderKLTemporalDecoder
    assert diffusers.UNetSpatioTemporalConditionModel
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    before = _status("VmRSS")
    told = common(precision, steps, COMMON[name]) if name in COMMON else ours(precision, steps, **SETTINGS[name])
    peak = _status("VmHWM")
    return {**told, "peak": peak - told["loaded"], "whole": peak - before}


def common(precision: str, steps: int, pieces: int) -> dict[str, Any]:
    """The loop that people use, with its batch in so many pieces."""
    import torch
    from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
    from diffusers.training_utils import EMAModel
    from torch.nn import functional

    config, autoencoder, embedder = networks()
    unet = UNetSpatioTemporalConditionModel.from_config(config.to_json())
    vae = AutoencoderKLTemporalDecoder.from_config(autoencoder.to_json()).requires_grad_(False)
    vae.load_state_dict(autoencoder.vae.state_dict())
    del autoencoder
    embedder.requires_grad_(False)
    unet.enable_gradient_checkpointing()
    unet.train()
    clips = pixels()
    loaded, size, seconds = _status("VmRSS"), BATCH // pieces, _Clock()
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-4)
    average = EMAModel(unet.parameters(), decay=0.9999)
    scale = vae.config.scaling_factor

    def encode(frames: Any) -> Any:  # (B, T, 3, H, W) -> (B, T, C, h, w)
        return vae.encode(frames.flatten(0, 1)).latent_dist.sample().unflatten(0, frames.shape[:2])

    one, side = clips[:1], SIDE // FACTOR
    given = torch.zeros(1, FRAMES, 8, side, side), torch.zeros(1), torch.zeros(1, 1, config.context), torch.zeros(1, 3)
    flops = {
        "vae": _flop(lambda: (encode(one), encode(one[:, :1]))),
        "clip": _flop(lambda: embedder(one[:, 0])),
        "unet": _flop(lambda: unet(*given)),
    }
    for _ in range(steps + WARM):
        seconds.start()
        for _ in range(pieces):
            chosen = torch.randint(len(clips), (size,))
            frames = clips[chosen]
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                with torch.no_grad():
                    first = frames[:, :1]
                    strength = torch.exp(torch.randn(size) * 0.5 - 3.0)
                    noised = first + strength.view(-1, 1, 1, 1, 1) * torch.randn_like(first)
                    latents = encode(frames) * scale
                    condition = encode(noised).repeat(1, FRAMES, 1, 1, 1)
                    token = embedder(first[:, 0])
                    drop = torch.rand(size) < 0.1
                    token, condition = token * ~drop.view(-1, 1, 1), condition * ~drop.view(-1, 1, 1, 1, 1)
                noise = torch.randn_like(latents)
                sigma = torch.exp(torch.randn(size, 1, 1, 1, 1) * 1.6 + 0.7)
                noisy = latents + sigma * noise
                inputs = torch.cat([noisy / (sigma**2 + 1) ** 0.5, condition], dim=2)
                added = torch.stack([torch.full((size,), 6.0), torch.full((size,), 127.0), strength], dim=1)
                predicted = unet(inputs, 0.25 * sigma.flatten().log(), token, added).sample
                denoised = noisy / (sigma**2 + 1) - predicted * sigma / (sigma**2 + 1) ** 0.5
                weight = (1 + sigma**2) / sigma**2
                loss = (weight * functional.mse_loss(denoised.float(), latents.float(), reduction="none")).mean()
            (loss / pieces).backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.step(unet.parameters())
        seconds.stop()
    parameters = sum(value.numel() for value in unet.parameters())
    told = {"loaded": loaded, "loader": 0.0, "parameters": parameters, **flops}
    return {"wall": seconds.wall[WARM:], "cpu": seconds.cpu[WARM:], **told}


def ours(precision: str, steps: int, checkpointing: Any, accumulate: int) -> dict[str, Any]:
    """`fit` on a library in which the same clips are encoded."""
    import torch

    from marey import recipe
    from marey.catalog import Library
    from marey.network.unet import SpatioTemporalUNet
    from marey.train.conditions import Conditions
    from marey.train.encoded import Encoded
    from marey.train.loop import Pace, fit
    from marey.train.networks import VideoNetwork
    from marey.train.stages import VideoTask

    config = networks(only_shape=True)
    stage = recipe.Stage(
        steps=steps + WARM + 1, batch=BATCH, lr=1e-4, warmup=0, p_mean=0.7, p_std=1.6, ema=0.9999, precision=precision,
        checkpointing=checkpointing, accumulate=accumulate, checkpoint_every=10**6, evaluate_every=10**6,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder) / "library")
        with Library.open(Path(folder) / "library") as library:
            data = Encoded.of(library, "pixels@bench", "latents@bench", 0.18215, windows())
            kept = Conditions(library, "embedding@bench", "latents@first")
            network = VideoNetwork(SpatioTemporalUNet(config), None)
            task = VideoTask("video", data, stage, network, None, 0, conditions=kept)  # type: ignore[arg-type]
            loaded, seconds, loading = _status("VmRSS"), _Clock(), []
            rows: Callable[..., Any] = task.rows

            def timed(step: int, chosen: Any) -> Any:
                if not chosen or chosen[0] == 0:  # the first piece of a step
                    seconds.stop()
                    seconds.start()
                started = time.perf_counter()
                found = rows(step, chosen)
                loading.append(time.perf_counter() - started)
                return found

            task.rows = timed  # type: ignore[method-assign]
            task.heldout = lambda losses: {}  # type: ignore[method-assign]
            fit(task, Pace.of(stage), Path(folder) / "run", "bench", device=torch.device("cpu"))
    share = sum(loading) / (steps + WARM + 1) / statistics.median(seconds.wall[WARM:])
    return {"wall": seconds.wall[WARM:], "cpu": seconds.cpu[WARM:], "loaded": loaded, "loader": share}


def _flop(work: Callable[[], Any]) -> float:
    """Of a batch, by one call with one clip."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        work()
    return float(BATCH * counter.get_total_flops())


def fill(folder: Path) -> None:
    """Encode the clips into a library, in a process of its own: encoding happens once, before any training."""
    words = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); "
             f"import bench_training; bench_training.encode({str(folder)!r})"]  # fmt: skip
    subprocess.run(words, check=True)


def encode(folder: str) -> None:
    """The clips' moments, tokens and noised first frames, as `marey finetune` keeps them."""
    import torch

    from marey.catalog import Library

    _, autoencoder, embedder = networks()
    clips = pixels()
    with Library.open(folder, create=True) as library, torch.no_grad():
        for window, clip in zip(windows(), clips, strict=True):
            mean, logvar = (moment[0].numpy() for moment in autoencoder.encode(clip[None]))
            strength = torch.exp(torch.randn(16) * 0.5 - 3.0)
            noised = clip[:1] + strength.view(-1, 1, 1, 1) * torch.randn(16, *clip.shape[1:])
            first = autoencoder.encode(noised[None])[0][0].numpy()
            info = {window.id: window.info()}
            library.put_tensors("latents@bench", {window.id: {"mean": mean, "logvar": logvar}}, info)
            library.put_tensors("embedding@bench", {window.id: embedder(clip[:1])[0].numpy()})
            library.put_tensors("latents@first", {window.id: {"strength": strength.numpy(), "mean": first}})


def networks(only_shape: bool = False) -> Any:
    """The UNet's shape, the autoencoder and the image embedder."""
    from marey.network.autoencoder import Autoencoder
    from marey.network.config import UNetConfig
    from marey.network.embedders import ImageEmbedder

    config = UNetConfig.plain(**UNET, frames=FRAMES, sample_size=SIDE // FACTOR)  # type: ignore[arg-type]
    if only_shape:
        return config
    autoencoder = Autoencoder.build(VAE, sample_size=SIDE)
    return config, autoencoder, ImageEmbedder.build(config.context, **CLIP)


def pixels() -> Any:
    """Clips (N, T, 3, H, W) in [-1, 1]."""
    import torch

    return torch.rand(CLIPS, FRAMES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1


def windows() -> list[Any]:
    from marey.train.windows import Window

    return [
        Window(
            id=f"clip{n}:0",
            clip=f"clip{n}",
            footage=f"f{n}",
            group=str(n),
            first_frame=0,
            stride=1,
            fps=7.0,
            pts=tuple(range(FRAMES)),
            motion=1.0,
            motion_bucket=127,
            split="train",
            caption="",
            photo=False,
            size=SIDE,
        )
        for n in range(CLIPS)
    ]


class _Clock:
    """Wall and CPU seconds between start and stop, each time."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self._began: tuple[float, float] | None = None

    def start(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        if self._began is not None:
            self.wall.append(time.perf_counter() - self._began[0])
            self.cpu.append(time.process_time() - self._began[1])


def _status(key: str) -> int:
    """Bytes that /proc says of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


if __name__ == "__main__":
    main()
