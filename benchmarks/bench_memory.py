"""Memory: plans for cards of 8 to 24 GiB, what they count beside what torch's allocator gives, and seams of chunks.

    python benchmarks/bench_memory.py [MODEL STILL]

Bytes are counted on the meta device; the allocator's are the peak of its events on the CPU, for a small network, once
as the CPU does it and once in the pieces that other devices work in. With a model's folder and a picture, the clip that
it makes of it is decoded whole, in hard chunks and in blended ones.
"""

import argparse
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from marey.errors import MareyError
from marey.generate import Model
from marey.generate.memory import GIB, plan_of
from marey.generate.shapes import SVD, Shapes, networks_of, unet_bytes, window_bytes
from marey.network import doubling, resblock, transformer
from marey.network.autoencoder import Autoencoder, AutoencoderConfig
from marey.network.config import UNetConfig
from marey.network.tiles import seams
from marey.network.unet import SpatioTemporalUNet


def allocated(work) -> int:
    """The peak of torch's allocator on the CPU while `work` runs."""
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    now = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    return peak


def plans() -> None:
    for model in ("svd", "svd-xt"):
        for vram in (8, 12, 16, 24):
            try:
                print(f"\n{model}: {plan_of(model, vram)}")
            except MareyError as error:
                print(f"\n{model}, {vram} GiB: {error}")


def counts() -> None:
    shapes = Shapes(
        UNetConfig.plain((64, 128, 256, 256), layers=2), AutoencoderConfig((64, 128, 128)), SVD.image_encoder
    )
    torch.manual_seed(0)
    unet, autoencoder = SpatioTemporalUNet(shapes.unet).eval(), Autoencoder(shapes.autoencoder).eval()
    batch, frames, side = 2, 8, 64
    given = [torch.zeros(batch, frames, 8, side, side), torch.zeros(batch), torch.zeros(batch, 1, 64)]
    latents = torch.zeros(1, frames, 4, side, side)
    size = (frames, side, side)
    works = {
        "UNet call": (
            unet_bytes(shapes, batch, size, torch.float32, None),
            lambda: unet(*given, torch.zeros(batch, 3)),
        ),
        "decoder": (window_bytes(shapes, size, torch.float32), lambda: autoencoder.decode(latents)),
    }
    print(
        "\nMiB for 8 frames of 256x256: counted on meta; allocated on the CPU, in its own small pieces, and in others'"
    )
    found = {name: [allocated(work)] for name, (_, work) in works.items()}
    resblock._CHUNK, doubling._CHUNK = resblock._CHUNK_ELSEWHERE, doubling._CHUNK_ELSEWHERE
    transformer._ROWS = transformer._LEAST_TOKENS = 2**40
    for name, (counted, work) in works.items():
        own, alike = *found[name], allocated(work)
        print(f"{name:<12}" + "".join(f"{n / 2**20:>8.1f}" for n in (counted, own, alike)) + f"  {counted / alike:.2f}")
    networks_of.cache_clear()


@torch.no_grad()
def chunks(model: Path, still: Path) -> None:
    opened = Model.open(model, device="cpu")
    autoencoder = opened.parts.autoencoder
    latents = opened.animate(still, frames=25, motion=180, output="latents") / autoencoder.scaling_factor
    whole = autoencoder.decode(latents)
    print(f"\n25 frames of {opened.info.width}x{opened.info.height}: seams, and the distance to the clip decoded whole")
    print(f"{'chunk':>6}{'overlap':>9}{'largest':>9}{'mean':>7}{'of 255':>8}")
    for chunk in (4, 8, 14):
        for overlap in (0, min(max(-(-chunk // 4), 3), chunk // 2)):
            pieces = autoencoder.decode(latents, chunk=chunk, overlap=overlap)
            found = seams(pieces[0], whole[0])
            apart = float((pieces - whole).abs().mean()) * 127.5
            print(f"{chunk:>6}{overlap:>9}{float(found.max()):>9.3f}{float(found.mean()):>7.3f}{apart:>8.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("still", nargs="?", type=Path)
    given = parser.parse_args()
    print(f"torch {torch.__version__}, a GiB is {GIB} bytes")
    plans()
    counts()
    if given.still is not None:
        chunks(given.model, given.still)
