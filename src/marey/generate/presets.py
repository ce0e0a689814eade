"""Named sets of choices between exact and quick. What a caller says by itself overrides a preset's choice."""

from dataclasses import dataclass

from marey.errors import MareyError
from marey.network.folder import ModelInfo


@dataclass(frozen=True)
class Preset:
    """What is chosen where a caller says nothing. None: as the model has it."""

    solver: str | None = None
    schedule: str = "karras"
    steps: int | None = None
    """A model whose own are half as many or fewer keeps them: about half of these are cached."""
    sigma_min: float | None = None
    """The last noise level above 0, at least; a model that begins above it keeps its own."""
    cache: float = 0.0
    """Threshold of `diffusion.cache.Pace`; 0: all calls are full."""
    interval: tuple[float, float] | None = None
    """Noise levels between which there is guidance; None: at all."""
    narrow: bool = False
    """The UNet in bfloat16 on a processor that computes in it."""

    def steps_of(self, info: ModelInfo) -> int:
        """How many steps a model takes."""
        return info.steps if self.steps is None or info.steps <= self.steps // 2 else self.steps


PRESETS = {
    "exact": Preset(),
    "fast": Preset("dpmpp_2m", "ays", 20, sigma_min=0.034, cache=0.3, narrow=True),
    "draft": Preset("dpmpp_2m", "ays", 10, sigma_min=0.034, cache=0.3, narrow=True),
}


def preset_named(name: str) -> Preset:
    """Raises:
    MareyError: there is none of this name.
    """
    if name not in PRESETS:
        raise MareyError(f"There is no preset {name!r}: {', '.join(PRESETS)} would do.")
    return PRESETS[name]


def preset_for(info: ModelInfo, preset: str | Preset) -> Preset:
    """A preset as it is for a model: a consistency model is quick by its training, and keeps its own solver and steps.

    Raises:
        MareyError: there is none of this name.
    """
    chosen = preset if isinstance(preset, Preset) else preset_named(preset)
    return Preset(narrow=chosen.narrow) if info.solver == "lcm" else chosen
