"""Milliseconds of the networks beside diffusers' own modules, with the same weights and inputs.

    python benchmarks/bench_network.py [threads] [channels]

One training step (forward and backward) and one call without gradients of the UNet on a batch of 8 clips of 8 frames
of 16x16 latents, and the same of the autoencoder on 4 clips of 64x64 pixels. The two sides take turns, so that a drift
of the machine's speed meets both alike; the fastest of all rounds counts, and the largest relative difference of their
outputs stands beside it.
"""

import os
import sys
import time
from collections.abc import Callable

import torch
from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
from torch import Tensor

from marey.network.autoencoder import Autoencoder
from marey.network.config import UNetConfig
from marey.network.memory import keep_freed_memory
from marey.network.unet import SpatioTemporalUNet
from marey.recipe import Network

Call = Callable[[], Tensor]


def main(threads: int, channels: tuple[int, ...], rounds: int = 7) -> None:
    """Print one line a task: our milliseconds, diffusers', their ratio, the difference."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    kept = keep_freed_memory()
    print(f"torch {torch.__version__}, {threads} threads, freed memory {'kept' if kept else 'given back'}")
    print(f"{'task':<44} {'ours ms':>9} {'diffusers':>9} {'ratio':>6} {'difference':>11}")
    for name, ours, theirs, modules in [*unet_tasks(channels), *autoencoder_tasks()]:
        for trained in (True, False):
            fast, slow = race(ours, theirs, modules if trained else [], rounds)
            with torch.no_grad():
                expected = theirs()
                difference = float((ours().reshape_as(expected) - expected).abs().max() / expected.abs().max())
            what = f"{name}, {'step' if trained else 'call'}"
            print(f"{what:<44} {1e3 * fast:9.0f} {1e3 * slow:9.0f} {slow / fast:6.2f} {difference:11.1e}")


def unet_tasks(channels: tuple[int, ...]) -> list[tuple[str, Call, Call, list[torch.nn.Module]]]:
    """The UNet of these widths, one token of context."""
    config = UNetConfig.plain(channels, head_width=Network().head_width)
    ours = SpatioTemporalUNet(config)
    theirs = UNetSpatioTemporalConditionModel.from_config(config.to_json())
    theirs.load_state_dict(ours.state_dict())
    added = torch.tensor([[6.0, 127.0, 0.02]]).repeat(8, 1)
    arguments = torch.randn(8, 8, 8, 16, 16), torch.randn(8), torch.randn(8, 1, config.context), added
    name = f"UNet {'-'.join(map(str, channels))} 8x8x16x16"
    return [(name, lambda: ours(*arguments), lambda: theirs(*arguments).sample, [ours, theirs])]


def autoencoder_tasks() -> list[tuple[str, Call, Call, list[torch.nn.Module]]]:
    """There and back, and the decoder alone."""
    ours = Autoencoder.build()
    theirs = AutoencoderKLTemporalDecoder.from_config(ours.to_json())
    theirs.load_state_dict(ours.vae.state_dict())
    pixels, latents = torch.rand(4, 8, 3, 64, 64) * 2 - 1, torch.randn(4, 8, 4, 16, 16)
    flat = pixels.flatten(0, 1), latents.flatten(0, 1)
    modules = [ours, theirs]
    return [
        ("autoencoder 4x8x64x64", lambda: ours(pixels)[0], lambda: theirs(flat[0], num_frames=8).sample, modules),
        (
            "decoder 4x8x64x64",
            lambda: ours.decode(latents),
            lambda: theirs.decode(flat[1], num_frames=8).sample,
            modules,
        ),
    ]


def race(ours: Call, theirs: Call, modules: list[torch.nn.Module], rounds: int) -> tuple[float, float]:
    """The fewest seconds of each, by turns; with modules a step that trains them, without a call."""
    best = [float("inf")] * 2
    for turn in range(rounds + 1):
        for n, call in enumerate((ours, theirs)):
            started = time.perf_counter()
            if modules:
                modules[n].zero_grad(set_to_none=True)
                call().square().mean().backward()
            else:
                with torch.no_grad():
                    call()
            if turn:  # the first round builds the kernels
                best[n] = min(best[n], time.perf_counter() - started)
    return best[0], best[1]


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else min(2, os.cpu_count() or 1)
    widths = tuple(map(int, sys.argv[2].split(","))) if len(sys.argv) > 2 else Network().channels
    main(count, widths)
