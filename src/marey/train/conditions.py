"""What a frozen model is told of a clip, made once and kept: the first frame's token, and several noised encodings of
it.

A run whose autoencoder and image embedder are not trained needs neither of them in a step. The token is that of the
clean frame. Of the conditioning frame, whose noise is drawn anew for every step where it is encoded in the step, some
draws are kept, each with its strength; the first has the law's median strength and is what held-out loss is measured
with.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from marey.catalog import Library
from marey.network.autoencoder import Autoencoder
from marey.network.embedders import ImageEmbedder
from marey.progress import Progress, silent
from marey.train.batches import noise, stream
from marey.train.pixels import stacked, to_unit
from marey.train.processes import Batch
from marey.train.windows import Window, fingerprint

VERSION = 1
"""Changes whenever the same frames and networks would give other conditions."""
_SHARD = 64
"""Windows a shard."""


@dataclass(frozen=True)
class Tokens:
    """The kept tokens of windows, and the way to them."""

    library: Library
    kind: str
    """Of the tensors: float32 (S, D)."""

    def of(self, windows: Sequence[Window]) -> torch.Tensor:
        """(B, S, D)"""
        return torch.stack([torch.from_numpy(self.library.tensor(self.kind, window.id)) for window in windows])


@dataclass(frozen=True)
class Conditions:
    """The kept conditions of windows, and the way to them."""

    library: Library
    tokens: str
    """Kind of the tensors of tokens: float32 (1, D)."""
    frames: str
    """Kind of the tensors of frames: strength (K,) and mean (K, C, h, w), not scaled."""

    def of(self, windows: Sequence[Window], pick: torch.Tensor, *_: object) -> Batch:
        """token (B, 1, D), condition (B, C, h, w) and strength (B,); `pick` (B,) in 0..1 chooses among the draws."""
        tokens = Tokens(self.library, self.tokens).of(windows)
        strengths, means = [], []
        for window, at in zip(windows, pick.tolist(), strict=True):
            kept = self.library.tensor(self.frames, window.id)
            assert isinstance(kept, dict)
            number = min(int(at * len(kept["strength"])), len(kept["strength"]) - 1)
            strengths.append(float(kept["strength"][number]))
            means.append(torch.from_numpy(kept["mean"][number]))
        return {"token": tokens, "condition": torch.stack(means), "strength": torch.tensor(strengths)}


@torch.no_grad()
def keep_conditions(
    library: Library,
    pixels: str,
    windows: Sequence[Window],
    autoencoder: Autoencoder,
    embedder: ImageEmbedder,
    *,
    draws: int,
    mean: float,
    std: float,
    seed: int,
    progress: Progress = silent,
) -> Conditions:
    """Make the conditions that are missing of these windows; photographs have none.

    Args:
        library: open for writing.
        pixels: kind of the windows' pixels.
        draws: how many noised encodings of each first frame.
        mean, std: of the logarithm of the noise's strength.
        seed: of the noise.
    """
    tokens = f"embedding@token-{fingerprint([VERSION, pixels, digest(embedder)])}"
    key = [VERSION, pixels, digest(autoencoder.vae), draws, mean, std, seed]
    frames = f"latents@first-{fingerprint(key)}"
    there = set(library.places(tokens)) & set(library.places(frames))
    missing = [window for window in windows if not window.photo and window.id not in there]
    device = next(autoencoder.parameters()).device
    for first in range(0, len(missing), _SHARD):
        some = missing[first : first + _SHARD]
        found_tokens, found_frames = {}, {}
        for done, window in enumerate(some, first + 1):
            still = to_unit(stacked(library, pixels, [window])[0, :1])  # (1, 3, H, W)
            found_tokens[window.id] = embedder(still.to(device)).float()[0].cpu().numpy()
            strength = torch.exp(mean + std * torch.randn(draws, generator=stream(seed, "kept strength", window.id)))
            strength[0] = math.exp(mean)
            encoded = []
            for number in range(draws):
                speckle = noise(still.shape[1:], seed, "kept noise", window.id, number)
                noised = still + strength[number] * speckle
                encoded.append(autoencoder.encode(noised[None].to(device))[0][0, 0].float().cpu())
            found_frames[window.id] = {"strength": strength.numpy(), "mean": torch.stack(encoded).numpy()}
            progress("keeping conditions", done, len(missing))
        library.put_tensors(tokens, found_tokens)
        library.put_tensors(frames, found_frames)
    return Conditions(library, tokens, frames)


@torch.no_grad()
def keep_tokens(
    library: Library,
    pixels: str,
    windows: Sequence[Window],
    embedder: ImageEmbedder,
    places: Sequence[int],
    progress: Progress = silent,
) -> Tokens:
    """Make the tokens of some frames of windows that are missing; photographs have none.

    Args:
        library: open for writing.
        pixels: kind of the windows' pixels.
        places: which frames.
    """
    kind = f"embedding@token-{fingerprint([VERSION, pixels, digest(embedder), list(places)])}"
    there = set(library.places(kind))
    missing = [window for window in windows if not window.photo and window.id not in there]
    device = next(embedder.parameters()).device
    for first in range(0, len(missing), _SHARD):
        found = {}
        for done, window in enumerate(missing[first : first + _SHARD], first + 1):
            stills = to_unit(stacked(library, pixels, [window])[0, list(places)])  # (S, 3, H, W)
            found[window.id] = embedder(stills.to(device)).float()[:, 0].cpu().numpy()
            progress("keeping tokens", done, len(missing))
        library.put_tensors(kind, found)
    return Tokens(library, kind)


def digest(network: nn.Module) -> str:
    """Sixteen hex digits of all weights of a network: what it encoded is found again by them."""
    hasher = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        hasher.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        hasher.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()[:16]
