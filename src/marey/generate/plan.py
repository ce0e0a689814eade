"""How to sample: what a caller asked for, checked, and the model's own where nothing was said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from marey.diffusion import guidance as guiding
from marey.diffusion.cache import Pace
from marey.diffusion.schedules import schedule_named
from marey.diffusion.solvers import Solver
from marey.diffusion.stochastic import Draw, solver_named
from marey.errors import MareyError
from marey.generate.presets import Preset, preset_for
from marey.network.folder import ModelInfo

Guidance = float | tuple[float, float] | str
"""One weight for all frames, those of the first and the last, or a guider by name as of `weights_named`."""


@dataclass(frozen=True)
class Plan:
    """How every clip of a call is sampled."""

    frames: int
    height: int
    width: int
    weights: Tensor
    """Guidance of each frame, (T,)."""
    sigmas: Tensor
    noise_aug: float
    solver: Callable[[Draw], Solver]
    cache: float = 0.0
    """Threshold of `diffusion.cache.Pace`; 0: all calls are full."""
    interval: tuple[float, float] | None = None
    """Noise levels between which there is guidance; None: at all."""
    narrow: bool = False
    """The UNet in bfloat16 where the processor computes in it."""

    @property
    def guided(self) -> bool:
        """Whether the unconditional prediction is needed: with weights of 1 it has no part in the result."""
        return bool((self.weights != 1.0).any())

    def weights_at(self, sigma: float) -> Tensor:
        """Guidance of each frame at a noise level, (T,)."""
        return self.weights if self.interval is None else guiding.within(self.weights, sigma, *self.interval)

    @property
    def steps(self) -> int:
        """How many steps the solver takes."""
        return len(self.sigmas) - 1


def plan_for(
    info: ModelInfo,
    factor: int,
    *,
    frames: int | None = None,
    steps: int | None = None,
    guidance: Guidance | None = None,
    noise_aug: float | None = None,
    solver: str | None = None,
    schedule: str | None = None,
    size: tuple[int, int] | None = None,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    preset: str | Preset = "exact",
    cache: float | None = None,
    guidance_interval: tuple[float, float] | None = None,
) -> Plan:
    """The plan of a call of `Model.animate`, whose arguments these are.

    Args:
        info: the model's own, for what neither is said nor chosen by the preset.
        factor: pixels of a latent's side.

    Raises:
        MareyError: a number or a name that will not do.
    """
    chosen = preset_for(info, preset)
    frames = info.frames if frames is None else frames
    if frames < 1:
        raise MareyError(f"frames is {frames}: 1 or more would do; the model was trained on {info.frames}.")
    height, width = size or (info.height, info.width)
    if height < factor or width < factor or height % factor or width % factor:
        near = tuple(max(round(side / factor), 1) * factor for side in (height, width))
        raise MareyError(f"The size is {height}x{width}: multiples of {factor}, such as {near[0]}x{near[1]}, would do.")
    aug = info.noise_aug if noise_aug is None else noise_aug
    if not 0 <= aug < float("inf"):
        raise MareyError(f"noise_aug is {aug}: 0 or more would do.")
    weights = info.guidance if guidance is None else guidance
    cache = chosen.cache if cache is None else cache
    Pace(cache)  # refuses a threshold that cannot be
    interval = chosen.interval if guidance_interval is None else guidance_interval
    if interval is not None and not 0 <= interval[0] < interval[1]:
        raise MareyError(f"guidance_interval is {interval}: two noise levels, the lower first, would do.")
    least = info.sigma_min if chosen.sigma_min is None else max(info.sigma_min, chosen.sigma_min)
    return Plan(
        frames=frames,
        height=height,
        width=width,
        weights=guiding.weights_named(weights, frames),
        sigmas=schedule_named(
            chosen.schedule if schedule is None else schedule,
            chosen.steps_of(info) if steps is None else steps,
            least if sigma_min is None else sigma_min,
            info.sigma_max if sigma_max is None else sigma_max,
        ),
        noise_aug=aug,
        solver=solver_named(solver or chosen.solver or info.solver),
        cache=cache,
        interval=interval,
        narrow=chosen.narrow,
    )


def fps_for(info: ModelInfo, fps: float | None) -> float:
    """Frames a second, the model's own for None.

    Raises:
        MareyError: no rate.
    """
    fps = info.fps if fps is None else float(fps)
    if not 0 < fps < float("inf"):
        raise MareyError(f"fps is {fps}: a number above 0 would do; the model was trained at about {info.fps:g}.")
    return fps


def motion_for(info: ModelInfo, motion: float | None) -> float:
    """The motion bucket, the model's own for None.

    Raises:
        MareyError: no bucket.
    """
    motion = info.motion if motion is None else float(motion)
    if not 0 <= motion <= 255:
        raise MareyError(f"motion is {motion}: 0 (still) to 255 (the liveliest of the training clips) would do.")
    return motion


def each(value: float | Sequence[float] | None, count: int, name: str) -> list[float | None]:
    """A value for each still, of one for all or of one each.

    Raises:
        MareyError: another number of them.
    """
    if value is None or isinstance(value, (int, float)):
        return [value] * count
    if len(value) != count:
        raise MareyError(f"There are {len(value)} values of {name} for {count} stills: one, or one each, would do.")
    return list(value)
