"""The paper's claims, re-tested in miniature: `[study.ablations]`."""

from typing import Any, Literal

from pydantic import Field, model_validator

from marey.recipe.section import Section
from marey.recipe.training import Network, Stage


class Figures(Section):
    """The world of the trainings: figures that move in one plain way each, clean or as real footage is."""

    clips: int = Field(384, ge=8)
    """Of the uncurated set, and of the curated one of its size."""
    pictures: int = Field(768, ge=8)
    """Clean single pictures with their texts, for the image stage."""
    quality: int = Field(64, ge=4)
    """Clean clips for finetuning that no other set has."""
    heldout: int = Field(64, ge=8)
    """Clean clips that every arm is measured on."""
    size: int = Field(24, ge=16)
    """Pixels of a side, as the network sees them; a multiple of twice the codec's square."""
    large: int = Field(48, ge=16)
    """The larger size of the noise laws."""
    frames: int = Field(6, ge=4)
    fps: int = Field(8, ge=1)
    cuts: float = Field(0.35, ge=0, lt=1)
    """Share of the uncurated clips with a leftover cut; each defect is drawn apart from the others."""
    static: float = Field(0.25, ge=0, lt=1)
    """Share that stands still."""
    text: float = Field(0.25, ge=0, lt=1)
    """Share with text over the picture."""
    captions: float = Field(0.3, ge=0, lt=1)
    """Share with the text of another clip."""


class Ablations(Section):
    """Small trainings that differ in one thing each, with paired seeds."""

    seeds: int = Field(5, ge=1)
    """Each with first weights, order, noise and footage of its own, the same in all its arms."""
    claims: tuple[Literal["a", "b", "c", "d", "e"], ...] = ("a", "b", "c", "d", "e")
    """a: image pretraining; b: curation; c: after finetuning; d: each filter alone; e: noise laws."""
    footage: Figures = Figures()
    square: int = Field(4, ge=2)
    """Pixels of a side of what becomes one latent."""
    latent_channels: int = Field(8, ge=1)
    network: Network = Network(channels=(64,), attends=(False,), context=32)
    image: Stage = Stage(
        steps=200, batch=16, lr=5e-3, p_mean=0.0, p_std=1.4, ema=0.99, precision="auto", evaluate_every=500
    )
    video: Stage = Stage(
        steps=400, batch=4, lr=5e-3, p_mean=0.0, p_std=1.4, ema=0.99, precision="auto", evaluate_every=100
    )
    finetune: Stage = Stage(
        steps=100, batch=4, lr=1e-3, p_mean=0.0, p_std=1.4, ema=0.98, precision="auto", evaluate_every=50
    )
    laws: tuple[float, ...] = (-1.2, 0.0, 1.0)
    """`p_mean` of the noise laws, rising; `video.p_mean` is one of them, and its small arm is that of the others."""
    sigmas: tuple[float, ...] = (0.3, 1.0, 3.0, 10.0)
    """Noise levels at which the held-out loss is measured; its mean over them is the primary measure."""
    solver_steps: int = Field(10, ge=1)
    """Of the sampled videos."""
    sigma_min: float = Field(0.02, gt=0)
    sigma_max: float = Field(40.0, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _usual(cls, said: Any) -> Any:
        """What a section within does not say is as here, not as in other places."""
        if not isinstance(said, dict):
            return said
        filled = dict(said)
        for name in ("network", "image", "video", "finetune"):
            if isinstance(said.get(name), dict):
                filled[name] = {**cls.model_fields[name].default.model_dump(), **said[name]}
        return filled

    @model_validator(mode="after")
    def _fits(self) -> "Ablations":
        for name in ("size", "large"):
            value = getattr(self.footage, name)
            if value % self.square:
                raise ValueError(f"footage.{name} is {value}: a multiple of square, {self.square}, would do")
        if list(self.laws) != sorted(set(self.laws)) or self.video.p_mean not in self.laws:
            raise ValueError(
                f"laws is {list(self.laws)}: rising values with video.p_mean, {self.video.p_mean}, among them would do"
            )
        if not self.sigmas or min(self.sigmas) <= 0:
            raise ValueError(f"sigmas is {list(self.sigmas)}: levels above 0, such as 0.3 and 3, would do")
        if not self.claims:
            raise ValueError("claims is empty: a to e, or some of them, would do")
        return self
