"""How good it is, and who says so: `[evaluate]`, `[report]` and `[study]`."""

from typing import Literal

from pydantic import Field, model_validator

from marey.recipe.ablations import Ablations
from marey.recipe.section import Section


class Script(Section):
    """A network as TorchScript, read only if it is the file that is meant."""

    file: str
    sha256: str = Field(min_length=64, max_length=64)


class Judges(Section):
    """Networks of your own for metrics, as files and folders. None is ever downloaded."""

    clip: str | None = None
    """Folder of a CLIP or SigLIP, as transformers saves it."""
    dino: str | None = None
    """Folder of a DINO or another vision transformer, as transformers saves it."""
    lpips_trunk: str | None = None
    """torchvision's AlexNet (alexnet-owt-7be5be79.pth)."""
    lpips_heads: str | None = None
    """LPIPS's weights/v0.1/alex.pth."""
    looks_head: str | None = None
    """LAION's aesthetic head, for the CLIP that is given."""
    looks_head_sha256: str | None = None
    raft: str | None = None
    """Weights of RAFT, .safetensors or .pth; VBench has raft-things."""
    raft_sha256: str | None = Field(None, pattern=r"^[0-9a-fA-F]{64}$")
    scripts: dict[str, Script] = {}
    """amt, musiq, dreamsim: see docs/evaluate.md."""


class Evaluate(Section):
    """Generated videos against the true continuation."""

    confidence: float = Field(0.95, gt=0.5, lt=1)
    resamples: int = Field(1000, ge=100)
    frechet_least: int = Field(64, ge=2)
    """No Frechet distance under this many videos."""
    frechet_dims: int = Field(16, ge=1, le=16)
    models: Judges = Judges()


class Report(Section):
    """The page."""

    title: str = "Marey"
    examples: int = Field(12, ge=1)
    """How many kept, rejected and generated clips are shown at most, each."""
    transitions: int = Field(12, ge=0)


class Study(Section):
    """Which filter thresholds people prefer: subsets by axis, equal trainings on them, and votes."""

    name: str = Field("study", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")
    """Of the study; its arms are selections, runs and models named after it."""
    axes: tuple[str, ...] = ("motion",)
    """Signals, or parts of them, that have a bad end: each is filtered alone."""
    shares: tuple[float, ...] = (12.5, 25.0, 50.0)
    """Percent of all clips that fall from an axis's bad end, an arm each."""
    random: bool = False
    """Beside each subset a random one of the same size: does the axis matter, or only how many clips there are?"""
    stages: tuple[Literal["image", "video", "finetune"], ...] = ("image", "video")
    """Training stages of each arm, with the steps that [train] gives them."""
    prompts: int = Field(64, ge=1)
    """Held-out stills that every arm animates."""
    votes: int = Field(60, ge=1)
    """How many votes the page asks of a person."""
    width: float = Field(100.0, gt=0)
    """Of the intervals, in Elo points: how many votes it still takes is told."""
    ties: Literal["davidson", "half"] = "davidson"
    """davidson: ties tell how near two arms are; half: each is half a vote for either."""
    ablations: Ablations = Ablations()

    @model_validator(mode="after")
    def _shares(self) -> "Study":
        if not self.axes or not self.shares or not all(0 < share < 100 for share in self.shares):
            raise ValueError(
                f"axes is {list(self.axes)}, shares {list(self.shares)}: one axis and percentages between 0 and 100 "
                "would do"
            )
        return self
