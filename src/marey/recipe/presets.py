"""Settings of training stages by name: those of the paper (arXiv 2311.15127; svd.md §1.6), and small ones of the same
shape for a CPU.

A stage of a recipe names one (`preset = "video-pretrain-256"`); what else it says overrides.
"""

import difflib
from dataclasses import dataclass
from typing import Any

TINY = "tiny-"
"""What the names of the small ones begin with."""


@dataclass(frozen=True)
class Preset:
    """One row of the paper's table."""

    stage: str
    """What it makes."""
    data: str
    """What the paper trained it on."""
    start: str
    """The preset that it goes on from, or what else."""
    frames: int
    height: int
    width: int
    values: dict[str, Any]
    """Keys of a stage's section and their values."""
    ours: tuple[str, ...] = ()
    """Keys of `values` that the paper does not state, chosen here."""
    converts: str = ""
    """Where it begins with a picture model: what the names of the only weights that it trains begin with."""
    condition: str = "still"
    """What the model is told, as of `recipe.Finetune.condition`."""


# Of no stage does the paper state warm-up, clipping or precision; nor how often it is saved and measured.
_LARGE = {
    "warmup": 1000,
    "ema": 0.9999,
    "ema_warmup": True,
    "precision": "auto",
    "checkpoint_every": 1000,
    "evaluate_every": 1000,
}
_SMALL = {"warmup": 10, "precision": "auto", "checkpoint_every": 100, "evaluate_every": 50, "ema_warmup": True}
_CLIPS = "LVD-F, 152 M curated clips"
_BEST = "about 1 M clips of high quality"

_PAPER = {
    "image-convert": Preset(
        stage="a picture model told its noise in continuous levels",
        data="pictures",
        start="Stable Diffusion 2.1",
        frames=1,
        height=512,
        width=512,
        values={"steps": 1_000, "batch": 256, "lr": 1e-4, "p_mean": -1.2, "p_std": 1.0, "drop_condition": 0.1},
        ours=("batch", "lr", "drop_condition"),
        converts="time_embedding.",
    ),
    "image-pretrain": Preset(
        stage="pictures of the videos' size",
        data="pictures",
        start="image-convert",
        frames=1,
        height=256,
        width=384,
        values={"steps": 30_000, "batch": 256, "lr": 1e-4, "p_mean": -1.2, "p_std": 1.0, "drop_condition": 0.1},
        ours=("batch", "lr", "drop_condition"),
    ),
    "video-pretrain-256": Preset(
        stage="video from text, small",
        data=_CLIPS,
        start="image-pretrain",
        frames=14,
        height=256,
        width=384,
        values={"steps": 150_000, "batch": 1536, "lr": 1e-4, "p_mean": -1.2, "p_std": 1.0, "drop_condition": 0.15},
    ),
    "video-pretrain-320": Preset(
        stage="video from text: the base model",
        data=_CLIPS,
        start="video-pretrain-256",
        frames=14,
        height=320,
        width=576,
        values={"steps": 100_000, "batch": 768, "lr": 1e-4, "p_mean": 0.0, "p_std": 1.0, "drop_condition": 0.15},
        ours=("drop_condition",),
    ),
    "finetune-hq": Preset(
        stage="high-quality finetuning, as in the paper's study of curation",
        data="250 k clips of high quality",
        start="video-pretrain-256",
        frames=8,
        height=512,
        width=512,
        values={"steps": 50_000, "batch": 768, "lr": 3e-5, "p_mean": 0.5, "p_std": 1.4, "drop_condition": 0.15},
        ours=("batch", "lr", "p_mean", "p_std", "drop_condition"),
    ),
    "text-to-video": Preset(
        stage="text to video, large",
        data=_BEST,
        start="video-pretrain-320",
        frames=14,
        height=576,
        width=1024,
        values={"steps": 50_000, "batch": 768, "lr": 3e-5, "p_mean": 0.5, "p_std": 1.4, "drop_condition": 0.15},
        ours=("drop_condition",),
    ),
    "image-to-video-320": Preset(
        stage="picture to video, small",
        data=_CLIPS,
        start="video-pretrain-320",
        frames=14,
        height=320,
        width=576,
        values={"steps": 50_000, "batch": 768, "lr": 3e-5, "p_mean": 0.7, "p_std": 1.6, "drop_condition": 0.15},
        ours=("drop_condition",),
    ),
    "image-to-video-14": Preset(
        stage="picture to video: SVD",
        data=_BEST,
        start="image-to-video-320",
        frames=14,
        height=576,
        width=1024,
        values={"steps": 50_000, "batch": 768, "lr": 3e-5, "p_mean": 1.0, "p_std": 1.6, "drop_condition": 0.15},
        ours=("drop_condition",),
    ),
    "image-to-video-25": Preset(
        stage="picture to video: SVD-XT",
        data=_BEST,
        start="image-to-video-14",
        frames=25,
        height=576,
        width=1024,
        values={"steps": 50_000, "batch": 768, "lr": 3e-5, "p_mean": 1.0, "p_std": 1.6, "drop_condition": 0.15},
        ours=("drop_condition",),
    ),
    "interpolation": Preset(
        stage="three frames between two: four times the frame rate",
        data=_BEST,
        start="text-to-video",
        frames=5,
        height=576,
        width=1024,
        values={"steps": 10_000, "batch": 256, "lr": 1e-4, "p_mean": 1.0, "p_std": 1.2, "drop_condition": 0.15},
        ours=("drop_condition",),
        condition="ends",
    ),
    "multi-view": Preset(
        stage="a thing seen from all around",
        data="Objaverse, 150 k objects",
        start="image-to-video-25",
        frames=21,
        height=576,
        width=576,
        values={"steps": 12_000, "batch": 16, "lr": 1e-5, "p_mean": 1.0, "p_std": 1.6, "drop_condition": 0.15},
        ours=("p_mean", "p_std", "drop_condition"),
        condition="elevation",
    ),
    "camera-lora": Preset(
        stage="one move of the camera, as a LoRA",
        data="a small set of clips with one move",
        start="image-to-video-25",
        frames=25,
        height=576,
        width=1024,
        values={"steps": 5_000, "batch": 16, "lr": 1e-4, "p_mean": 1.0, "p_std": 1.6, "drop_condition": 0.15},
        ours=("batch", "lr", "p_mean", "p_std", "drop_condition"),
    ),
}

# Steps, pictures or clips a step, and rate of the small ones, a hundredth to a thousandth of the paper's work. Rates
# are higher, as narrow networks want them; the order of rates and lengths among the stages is the paper's.
_TINY = {
    "image-convert": (20, 16, 1e-3, 0.95),
    "image-pretrain": (180, 16, 1e-3, 0.98),
    "video-pretrain-256": (280, 8, 1e-3, 0.99),
    "video-pretrain-320": (200, 8, 1e-3, 0.99),
    "finetune-hq": (90, 8, 3e-4, 0.98),
    "text-to-video": (90, 8, 3e-4, 0.98),
    "image-to-video-320": (90, 8, 3e-4, 0.98),
    "image-to-video-14": (90, 8, 3e-4, 0.98),
    "image-to-video-25": (90, 8, 3e-4, 0.98),
    "interpolation": (60, 8, 1e-3, 0.98),
    "multi-view": (60, 4, 1e-4, 0.98),
    "camera-lora": (40, 4, 1e-3, 0.95),
}
_TINY_FRAMES = {1: 1, 5: 5, 8: 8, 14: 8, 21: 12, 25: 14}


def _tiny(name: str) -> Preset:
    large = _PAPER[name]
    steps, batch, lr, ema = _TINY[name]
    changed = {"steps": steps, "batch": batch, "lr": lr, "ema": ema}
    return Preset(
        stage=large.stage,
        data="footage of your own",
        start=TINY + large.start if large.start in _PAPER else "random weights",
        frames=_TINY_FRAMES[large.frames],
        height=64,
        width=64,
        values={**large.values, **_SMALL, **changed},
        ours=(*changed, *(key for key in large.ours if key not in changed)),
        converts=large.converts,
        condition=large.condition,
    )


PRESETS: dict[str, Preset] = {
    **{name: Preset(**{**vars(preset), "values": {**_LARGE, **preset.values}}) for name, preset in _PAPER.items()},
    **{TINY + name: _tiny(name) for name in _PAPER},
}
"""By name, in the order in which the paper's models follow one another; then the small ones."""


def preset(name: str) -> Preset:
    """The preset of a name.

    Raises:
        ValueError: there is none; the nearest name is told.
    """
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1, cutoff=0.0)[0]
        raise ValueError(f"there is no preset {name!r}; the nearest is {near!r}, and `marey presets` lists them all")
    return PRESETS[name]


def table() -> str:
    """All presets as a table in Markdown; an asterisk marks what the paper does not state."""
    lines = [
        "| preset | makes | from | frames x height x width | steps | batch | rate "
        "| log sigma (mean, deviation) | dropped |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in PRESETS.items():
        said = {key: _number(value) for key, value in one.values.items() if isinstance(value, (int, float))}
        said |= {key: f"{said[key]}*" for key in one.ours}
        noise = f"N({said['p_mean']}, {said['p_std']})"
        size = f"{one.frames} x {one.height} x {one.width}"
        cells = (f"`{name}`", one.stage, one.start, size, said["steps"], said["batch"], said["lr"], noise)
        lines.append(f"| {' | '.join(cells)} | {said['drop_condition']} |")
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else format(value, "g")
