"""Encoding: a selection's clips to windows, an autoencoder trained on them, and their latents, once."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from marey import recipe
from marey.catalog import Library
from marey.generate.device import pick
from marey.network.autoencoder import Autoencoder
from marey.progress import Progress, silent
from marey.train.autoencoder import load_autoencoder, psnr, train_autoencoder
from marey.train.batches import spread
from marey.train.pixels import Drawn, read_pixels, stacked, to_unit
from marey.train.windows import Window, encoded, fingerprint, plan

VERSION = 1
"""Changes whenever the same pixels and autoencoder would give other latents."""
_SHARD = 64
"""Windows a shard of latents."""
_PIXELS = 2**21
"""So many go through the autoencoder at a time."""
_JUDGED = 24
"""Held-out windows whose reconstruction is measured for the summary, at most."""


@dataclass(frozen=True)
class EncodeSummary:
    """What a selection became. Kept as the fact "encode/<selection>", by which the later steps find the tensors."""

    selection: str
    pixels: str
    """Kind of the tensors of pixels: uint8 (T, H, W, 3)."""
    latents: str
    """Kind of the tensors of latents: mean and logvar, float32 (T, C, h, w), not multiplied by scaling_factor."""
    autoencoder: str
    """Its folder, inside the library."""
    train: int
    """Windows for training, photographs not counted."""
    heldout: int
    photos: int
    """Photographs for training."""
    groups: int
    """Groups of footage, each on one side only."""
    short: int
    """Selected clips too short for a window."""
    decoded: int
    """Frames that were decoded for this, in this call."""
    failed: dict[str, str] = field(default_factory=dict)
    """Clips that could not be read, and why."""
    scaling_factor: float = 1.0
    psnr: float = 0.0
    """Of held-out windows through the autoencoder, in dB."""

    def __str__(self) -> str:
        text = (
            f"{self.train} windows to train on, {self.heldout} held out, {self.photos} photographs; "
            f"the autoencoder gives held-out windows back at {self.psnr:.1f} dB"
        )
        text += f"; {self.short} clips are too short for a window" if self.short else ""
        return text + (f"; {len(self.failed)} clips could not be read" if self.failed else "")


def encode(
    library: Library,
    settings: recipe.Encode,
    selection: str,
    seed: int = 0,
    run_folder: Path | None = None,
    device: str = "auto",
    progress: Progress = silent,
    drawn: Drawn | None = None,
) -> EncodeSummary:
    """Windows of the selected clips to latents; what is there already is not made again.

    Args:
        library: open for writing.
        selection: its name.
        seed: of the split, the autoencoder's first weights and its batches.
        run_folder: gets the autoencoder's curve in metrics.jsonl, and its checkpoints. None: runs/encode.
        device: auto, cpu, cuda, cuda:N or mps.
        drawn: the frames of footage that lies in no file, as `marey.worlds.source.drawn` gives them.

    Raises:
        MareyError: no such selection, too little footage, or training diverged.
    """
    where = pick(device)
    planned = plan(library, settings.windows, selection, seed)
    decoded = read_pixels(library, planned, settings.windows, progress, drawn)
    windows = encoded(library, decoded.kind)
    run = Path(run_folder) if run_folder else library.path / "runs" / "encode"
    folder = train_autoencoder(library, decoded.kind, windows, settings.autoencoder, seed, run, where, progress)
    autoencoder = load_autoencoder(folder, where)
    kind = f"latents@{fingerprint([VERSION, decoded.kind, folder.name])}"
    encode_windows(library, autoencoder, decoded.kind, kind, windows, progress)

    heldout = [window for window in windows if window.heldout and not window.photo]
    summary = EncodeSummary(
        selection=selection,
        pixels=decoded.kind,
        latents=kind,
        autoencoder=folder.relative_to(library.path).as_posix(),
        train=sum(1 for window in windows if not window.heldout and not window.photo),
        heldout=len(heldout),
        photos=sum(1 for window in windows if not window.heldout and window.photo),
        groups=len({window.group for window in windows}),
        short=planned.short,
        decoded=decoded.frames,
        failed=decoded.failed,
        scaling_factor=autoencoder.scaling_factor,
        psnr=_measured(library, autoencoder, decoded.kind, kind, heldout),
    )
    library.facts[f"encode/{selection}"] = _fact(summary)
    return summary


@torch.no_grad()
def encode_windows(
    library: Library, autoencoder: Autoencoder, pixels: str, kind: str, windows: list[Window], progress: Progress
) -> None:
    """Mean and log-variance of the windows that have none, as tensors of `kind`."""
    there = set(library.places(kind))
    missing = [window for window in windows if window.id not in there]
    device = next(autoencoder.parameters()).device
    what = "encoding windows"
    for first in range(0, len(missing), _SHARD):
        arrays = {}
        for window in missing[first : first + _SHARD]:
            frames = stacked(library, pixels, [window])
            run = max(1, _PIXELS // (frames.shape[2] * frames.shape[3]))  # frames are encoded one by one
            parts = [
                autoencoder.encode(to_unit(frames[:, n : n + run]).to(device)) for n in range(0, frames.shape[1], run)
            ]
            mean, logvar = (torch.cat([part[which] for part in parts], dim=1)[0] for which in (0, 1))
            arrays[window.id] = {"mean": mean.cpu().numpy(), "logvar": logvar.cpu().numpy()}
        library.put_tensors(kind, arrays, {w.id: w.info() for w in missing[first : first + _SHARD]})
        progress(what, first + len(arrays), len(missing))


def _measured(library: Library, autoencoder: Autoencoder, pixels: str, latents: str, heldout: list[Window]) -> float:
    """Held-out PSNR, measured once for these latents and then read from the catalog."""
    name = f"psnr/{latents}"
    if name not in library.facts:
        judged = [heldout[n] for n in spread(len(heldout), _JUDGED)]
        library.facts[name] = psnr(autoencoder, library, pixels, judged)
    return float(library.facts[name])


def _fact(summary: EncodeSummary) -> dict[str, Any]:
    """What later steps and the report read. What one call did (decoded) is not a fact of the selection."""
    kept = (
        "pixels",
        "latents",
        "autoencoder",
        "train",
        "heldout",
        "photos",
        "groups",
        "short",
        "scaling_factor",
        "psnr",
    )
    return {name: getattr(summary, name) for name in kept}
