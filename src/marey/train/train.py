"""From an encoded selection to a model: the image, video and finetuning stages, one after another, each where it was
left.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from marey import recipe
from marey.catalog import Library
from marey.errors import MareyError
from marey.generate.device import pick
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder, TextEmbedder
from marey.network.folder import ModelInfo, Parts, save_model
from marey.network.inflate import inflate
from marey.network.stable_diffusion import PictureModel
from marey.network.unet import SpatioTemporalUNet, fresh
from marey.progress import Progress, silent
from marey.train.autoencoder import STAGE as AUTOENCODER
from marey.train.autoencoder import load_autoencoder
from marey.train.batches import seed_of
from marey.train.begin import begun_with, converted, demand_own
from marey.train.card import card, counts
from marey.train.checkpoints import Checkpoints
from marey.train.conditions import digest
from marey.train.encoded import Encoded, best
from marey.train.loop import Pace, fit
from marey.train.metrics import Metrics
from marey.train.needs import demand_fit, needs_of
from marey.train.networks import ImageNetwork, VideoNetwork
from marey.train.processes import largest_piece, main_process
from marey.train.stages import ImageTask, VideoTask
from marey.train.told import ToldTask
from marey.train.windows import Window, encoded, fingerprint

STAGES = ("image", "video", "finetune")
VERSION = 3
"""Changes whenever the same data and settings would give another model."""
_INDIFFERENT = {
    "preset",
    "checkpoint_every",
    "evaluate_every",
    "samples_every",
    "accumulate",
    "checkpointing",
}  # to the weights


def train(
    library: Library,
    run_folder: Path,
    settings: recipe.Train,
    encode: recipe.Encode,
    selection: str,
    seed: int = 0,
    device: str = "auto",
    progress: Progress = silent,
    stages: Sequence[str] | None = None,
    anyway: bool = False,
) -> Path:
    """Train the stages on the latents of a selection, and save the model as `models/<settings.name>`.

    Each stage goes on from its last checkpoint; a finished model is left alone. The model has the averaged weights; the
    raw ones stay in `run_folder/checkpoints/`.

    Args:
        library: open for writing.
        run_folder: runs/NAME: gets metrics.jsonl and checkpoints/.
        encode: as the selection was encoded with.
        stages: those to train, of image, video and finetune, in this order; the video or the finetuning stage must be
            one of them. Without the image stage, and without `settings.start`, the video stage begins with random
            weights; with a start that is of videos there is no image stage. None: all.
        anyway: begin also where a step is expected not to fit into the memory that is there.

    Returns: the model's folder.

    Raises:
        MareyError: the selection is not encoded with these settings, a stage is unknown, there is too little memory, or
            training diverged.
    """
    start = begun_with(settings.start)
    clips = start if isinstance(start, Parts) else None
    pictures = start if isinstance(start, PictureModel) else None
    chosen = _checked(stages, clips is not None)
    fact = _fact(library, selection)
    windows = encoded(library, fact["latents"])
    _same(encode, windows)
    prints = _fingerprints(fact, windows, settings, encode, seed, chosen, start)
    folder = library.path / "models" / settings.name
    made = {"fingerprint": prints[chosen[-1]], "selection": selection, "run": Path(run_folder).name}
    if library.facts.get(f"model/{settings.name}") == made and (folder / "model_index.json").is_file():
        progress("training: already done", 1, 1)
        return folder

    where = pick(device)
    autoencoder = load_autoencoder(library.path / fact["autoencoder"], where)
    if start is not None:
        demand_own(start, autoencoder, settings, selection)
    data = Encoded.of(library, fact["pixels"], fact["latents"], autoencoder.scaling_factor, windows)
    long, *frame = max(encode.windows.shapes)
    size = min(frame) // autoencoder.factor
    metrics = Metrics(Path(run_folder) / "metrics.jsonl")
    if main_process() and not metrics.lines(AUTOENCODER):
        metrics.put(AUTOENCODER, Metrics(library.path / fact["autoencoder"] / "metrics.jsonl").lines(AUTOENCODER))
    work = _Work(Path(run_folder), settings, encode, seed, where, progress, prints, size, anyway)

    image = work.image(data, pictures) if "image" in chosen else None
    text = start.text_embedder if start else image.text_embedder if image else None
    told = text.requires_grad_(False) if text and clips and clips.info.text else None
    if clips is not None:
        video = VideoNetwork(clips.unet, clips.image_embedder, told.tokens + 1 if told else 1)
    else:
        unet = image.unet if image else pictures.unet if pictures else work.fresh(4)
        embedder = ImageEmbedder.build(unet.config.context, seed=seed_of(seed, "image embedder"))
        video = VideoNetwork(inflate(unet, frames=long), embedder)
    for name in ("video", "finetune"):
        if name in chosen:
            work.video(name, data, video, autoencoder, told)

    if not main_process():
        return folder
    parameters = counts(
        unet=video.unet,
        autoencoder=autoencoder,
        image_embedder=video.image_embedder,
        text_embedder=text,
    )
    assert video.image_embedder is not None
    save_model(
        folder,
        video.unet,
        autoencoder.cpu(),
        video.image_embedder,
        text_embedder=text,
        unet_image=image.unet if image else None,
        card=card(library, settings, encode, selection, seed, windows, metrics, chosen, parameters, told is not None),
        frames=long,
        size=(frame[0], frame[1]),
        fps=encode.windows.fps,
        **(_sampling(clips.info) if clips else {}),
    )
    library.facts[f"model/{settings.name}"] = made
    return folder


@dataclass(frozen=True)
class _Work:
    """What all stages of one call share."""

    run: Path
    settings: recipe.Train
    encode: recipe.Encode
    seed: int
    device: torch.device
    progress: Progress
    prints: dict[str, str]
    latent: int
    """Height and width of the latents."""
    anyway: bool

    def shape(self, channels: int) -> UNetConfig:
        """The UNet with so many input channels."""
        network = self.settings.network
        return UNetConfig.plain(
            network.channels,
            pools_context=network.pools_context,
            layers=network.layers,
            attends=network.attends,
            head_width=network.head_width,
            context=network.context,
            embed=network.embed,
            in_channels=channels,
            frames=max(self.encode.windows.shapes)[0],
            sample_size=self.latent,
        )

    def fresh(self, channels: int) -> SpatioTemporalUNet:
        """That UNet with random weights."""
        return fresh(self.shape(channels), seed_of(self.seed, "image", "weights"))

    def image(self, data: Encoded, start: PictureModel | None) -> ImageNetwork:
        """The image stage, and its averaged weights. A picture model's text embedder stays as it is."""
        network, stage = self.settings.network, self.settings.image
        if start is not None:
            module = ImageNetwork(start.unet, start.text_embedder.requires_grad_(False), converted(stage, start))
        else:
            embedder = TextEmbedder.build(
                sorted({text for window in data.training for text, _ in window.captions} | {""}),
                network.context,
                tokens=network.text_tokens,
                seed=seed_of(self.seed, "text embedder"),
            )
            module = ImageNetwork(self.fresh(self.encode.autoencoder.latent_channels), embedder)
        self._fit(ImageTask(data, stage, module, self.seed), stage, module)
        return module

    def video(
        self, name: str, data: Encoded, module: VideoNetwork, autoencoder: Any, told: TextEmbedder | None
    ) -> None:
        """The video or the finetuning stage; `module` is left with its averaged weights. What takes texts is told them
        beside the stills."""
        stage: recipe.Stage = getattr(self.settings, name)
        windows = None
        if stage.quality_percent is not None:
            windows = best(data.library, data.training, stage.quality_by, stage.quality_percent)
        given = name, data, stage, module, autoencoder, self.seed
        task = ToldTask(*given, told, 0.0, windows=windows) if told else VideoTask(*given, windows)
        self._fit(task, stage, module)

    def _fit(self, task: ImageTask | VideoTask, stage: recipe.Stage, module: torch.nn.Module) -> None:
        pace = replace(Pace.of(stage), trackers=self.settings.trackers)
        self._estimate(task, stage, pace)
        average = fit(task, pace, self.run, self.prints[task.name], device=self.device, progress=self.progress)
        module.cpu().load_state_dict(average, strict=False)

    def _estimate(self, task: ImageTask | VideoTask, stage: recipe.Stage, pace: Pace) -> None:
        """Tell what a step of what is left to be trained needs, before the first one."""
        if Checkpoints(self.run / "checkpoints" / task.name, self.prints[task.name]).last_step() >= stage.steps:
            return
        batch = task.rows(0, largest_piece(task, stage.accumulate))
        needs = needs_of(task.module, batch, pace, self.device, checkpointing=stage.checkpointing)
        self.progress(f"training stage {task.name} needs {needs}", 0, stage.steps)
        if not self.anyway:
            demand_fit(needs, f"Training stage {task.name}")


def _sampling(info: ModelInfo) -> dict[str, Any]:
    """How a model is sampled, for one that began with it."""
    names = ("motion", "steps", "guidance", "sigma_min", "sigma_max", "noise_aug", "solver", "text")
    return {name: getattr(info, name) for name in names}


def _checked(stages: Sequence[str] | None, begun: bool) -> list[str]:
    """The stages to train; `begun`: with a model of videos, which has learned from pictures."""
    unknown = [name for name in stages or () if name not in STAGES]
    if unknown:
        raise MareyError(f"There is no training stage {unknown[0]!r}: {', '.join(STAGES)} would do.")
    chosen = [name for name in STAGES if (stages is None or name in stages) and not (begun and name == "image")]
    if not {"video", "finetune"} & set(chosen):
        raise MareyError(f"The stages {chosen} make no video model: 'video' or 'finetune' has to be one of them.")
    return chosen


def _fact(library: Library, selection: str) -> dict[str, Any]:
    fact = library.facts.get(f"encode/{selection}")
    if not isinstance(fact, dict):
        raise MareyError(f"The selection {selection!r} is not encoded: `marey encode` would do.")
    return fact


def _same(encode: recipe.Encode, windows: Sequence[Window]) -> None:
    """The windows that are there are those of these settings."""
    there = {window.shape for window in windows if not window.photo}
    wanted = set(encode.windows.shapes)
    if not there or not there <= wanted:
        raise MareyError(
            f"The selection was encoded to {_said(there)}, the recipe asks for {_said(wanted)}: "
            "`marey encode` with this recipe would do."
        )


def _said(shapes: Iterable[tuple[int, int, int]]) -> str:
    words = [f"{frames} frames of {height}x{width} pixels" for frames, height, width in sorted(shapes)]
    return ", ".join(words) or "no window"


def _fingerprints(
    fact: dict[str, Any],
    windows: Sequence[Window],
    settings: recipe.Train,
    encode: recipe.Encode,
    seed: int,
    chosen: Sequence[str],
    start: Parts | PictureModel | None,
) -> dict[str, str]:
    """Of each stage: all that its weights depend on. How often is saved and measured is not among it."""
    parts = [getattr(start, name, None) for name in ("unet", "image_embedder", "text_embedder")]
    last = fingerprint(
        [
            VERSION,
            fact["latents"],
            [window.id for window in windows],
            encode.windows.frames if not encode.windows.buckets else encode.windows.buckets,
            settings.network.model_dump(mode="json")
            if start is None
            else [digest(part) for part in parts if part is not None],
            seed,
        ]
    )
    prints = {}
    for name in chosen:
        stage: recipe.Stage = getattr(settings, name)
        only = converted(stage, start) if name == "image" else ""
        words = [only] if only else []
        last = fingerprint([last, name, stage.model_dump(mode="json", exclude=_INDIFFERENT), *words])
        prints[name] = last
    return prints
