"""What a saving costs: how far its latents are from those of the same run without it."""

from dataclasses import asdict, dataclass
from math import inf, log10
from typing import Any

from torch import Tensor

from marey.generate.predictor import Calls
from marey.generate.sampling import Sampled


@dataclass(frozen=True)
class Cost:
    """The distance of a clip to the same clip without savings, in dB, more is nearer; inf where they are equal."""

    latent_psnr: float
    """Of the latents: 10 log10 (range^2 / mean squared difference), the range that of the clip without savings."""
    motion_psnr: float
    """The same of the differences from frame to frame. inf for a single frame."""
    calls: Calls
    """Of the network in the run with savings."""
    calls_without: Calls

    def to_json(self) -> dict[str, Any]:
        """As a table; None where nothing differs."""
        told = asdict(self)
        return {**told, **{name: None for name in ("latent_psnr", "motion_psnr") if told[name] == inf}}

    def __str__(self) -> str:
        ours, theirs = (f"{one.full} full, {one.cached} cached" for one in (self.calls, self.calls_without))
        return (
            f"latents {self.latent_psnr:.1f} dB and motion {self.motion_psnr:.1f} dB from the exact run; "
            f"calls: {ours}; without savings {theirs}"
        )


def cost(ours: Sampled, exact: Sampled) -> Cost:
    """What the savings of a run cost its clip, against the run without."""
    return Cost(psnr(ours.latents, exact.latents), motion_psnr(ours.latents, exact.latents), ours.calls, exact.calls)


def psnr(values: Tensor, reference: Tensor) -> float:
    """10 log10 (range^2 / mse) in dB, the range that of the reference; computed in float64."""
    values, reference = values.double(), reference.double()
    error = float((values - reference).square().mean()) if reference.numel() else 0.0
    if error == 0.0:
        return inf
    return 10 * log10(max(float(reference.max() - reference.min()) ** 2, 1e-300) / error)


def motion_psnr(latents: Tensor, reference: Tensor) -> float:
    """`psnr` of the differences from frame to frame of clips (..., T, C, h, w)."""
    return psnr(latents.diff(dim=-4), reference.diff(dim=-4))
