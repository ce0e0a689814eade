"""Finetuning of a model that is there, any Stable Video Diffusion or one of our own: as a LoRA, or all of its UNet.

Its autoencoder and image embedder stay as they are, so that latents, tokens and conditioning frames are made once and
kept in the library by what made them; a step runs the UNet and nothing else. A model that takes texts is told those of
the clips, too (`told`). Its condition may become another one (`network.condition`): two ends, or a camera.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import marey
from marey import recipe
from marey.catalog import Library
from marey.errors import MareyError
from marey.generate.device import fast_bfloat16, pick
from marey.generate.tiny import place_of
from marey.network.folder import ModelInfo, Parts, save_model
from marey.network.lora import add_adapter
from marey.network.lora_formats import save_adapter
from marey.network.sources import parts_of
from marey.network.widen import conditioned
from marey.progress import Progress, silent
from marey.train.batches import seed_of
from marey.train.cameras import Cameras
from marey.train.card import footage_table
from marey.train.conditions import digest, keep_conditions, keep_tokens
from marey.train.encoded import Encoded
from marey.train.givers import BothEnds, Giver
from marey.train.joint import TEXT_ONLY
from marey.train.latents import encode_windows
from marey.train.loop import fit
from marey.train.metrics import Metrics
from marey.train.needs import Needs, demand_fit, needs_of
from marey.train.networks import VideoNetwork
from marey.train.pace import Pace
from marey.train.pixels import Drawn, read_pixels
from marey.train.processes import largest_piece, main_process, processes
from marey.train.stages import VideoTask
from marey.train.texts import keep_texts
from marey.train.told import ToldTask
from marey.train.windows import Window, encoded, fingerprint, plan

STAGE = "finetune"
VERSION = 1
"""Changes whenever the same data and settings would give another result."""
_INDIFFERENT = {"preset", "checkpoint_every", "evaluate_every", "samples_every", "accumulate", "checkpointing"}
"""Settings of a stage that change nothing in the weights."""

_TOLD = {
    "ends": "It fills in the frames between two (`Model.interpolate`).",
    "elevation": "It goes around what a still shows, at a height that is asked for (`Model.orbit`).",
    "poses": "It shows what a still shows from cameras that are asked for (`Model.orbit`).",
}
"""What a card says of conditions that diffusers' pipeline does not know."""
_ONLY_MAREY = " diffusers' pipeline knows no such condition and does not run it; each component opens by its class."


@dataclass(frozen=True)
class Finetuned:
    """What came of it."""

    folder: str
    """A LoRA in peft's layout, or a whole model."""
    trained: int
    """Parameters."""
    windows: int
    heldout: int
    loss: tuple[float, float] | None
    """Held-out loss at the first and at the last measurement."""
    memory: int
    """Bytes that a step was expected to need."""

    def __str__(self) -> str:
        loss = "" if self.loss is None else f"; held-out loss {self.loss[0]:.3f}, then {self.loss[1]:.3f}"
        return f"{self.trained / 1e6:.3g} M parameters trained on {self.windows} windows{loss}. It is in {self.folder}"


def finetune(
    library: Library,
    model: str,
    settings: recipe.Finetune,
    selection: str,
    *,
    seed: int = 0,
    run_folder: Path | None = None,
    device: str = "auto",
    anyway: bool = False,
    progress: Progress = silent,
    drawn: Drawn | None = None,
) -> Finetuned:
    """Train a LoRA on a model's UNet, or all of it, on the windows of a selection, into `models/<settings.name>`.

    Goes on from its last checkpoint.

    Args:
        library: open for writing.
        model: a folder, a single file, or a hub id, as of `marey.Model.open`.
        run_folder: gets metrics.jsonl and checkpoints/. None: runs/<settings.name>.
        anyway: begin also where a step is expected not to fit into the memory that is there.
        drawn: the frames of footage that lies in no file, as `marey.worlds.source.drawn` gives them.

    Raises:
        MareyError: no such model or selection, too little footage, too little memory, or training diverged.
    """
    where, stage = pick(device), settings.stage
    half = stage.precision == "bf16" or (stage.precision == "auto" and fast_bfloat16(where))
    # Frozen weights may be as short as they are multiplied; those that are trained are float32.
    parts = parts_of(place_of(model), dtype=torch.bfloat16 if half and not settings.full else torch.float32)
    parts = _conditioned(parts, settings)
    condition = parts.condition
    texts = parts.text_embedder.requires_grad_(False) if parts.info.text and parts.text_embedder is not None else None
    with _one_by_one(where):  # what the first process encoded the others find
        windows, data, conditions = _encoded(library, parts, settings, selection, seed, where, progress, drawn)
        said = keep_texts(library, [*data.training, *data.judged], texts, progress) if texts else None
    _demand_windows(data, selection)

    tokens = len(condition.places(2)) + (0 if texts is None else texts.tokens)
    network = VideoNetwork(parts.unet, None, tokens, condition.requires_grad_(settings.full))
    if not settings.full:
        add_adapter(
            parts.unet,
            settings.name,
            rank=settings.rank,
            alpha=settings.alpha,
            targets=settings.targets,
            seed=seed_of(seed, "adapter"),
        )
        idle = parts.unet.idle(tokens=tokens, only_stills=False)
        for name, value in parts.unet.named_parameters():
            value.requires_grad_(value.requires_grad and name not in idle)
    if conditions is None:
        network.image_embedder = parts.image_embedder.requires_grad_(False)
    given = STAGE, data, stage, network, parts.autoencoder, seed
    numbers = Cameras.of(library, condition, [*data.training, *data.judged]) if condition.numbers else None
    kept: dict[str, Any] = {"conditions": conditions, "embedder": parts.image_embedder, "numbers": numbers}
    alone = TEXT_ONLY if condition.name == "still" else 0.0  # without their ends nobody asks for what lies between
    task = VideoTask(*given, **kept) if texts is None else ToldTask(*given, texts, alone, said, **kept)

    run = Path(run_folder) if run_folder else library.path / "runs" / settings.name
    pace = replace(Pace.of(stage), trackers=settings.trackers)
    needs = needs_of(
        network, task.rows(0, largest_piece(task, pace.accumulate)), pace, where, checkpointing=stage.checkpointing
    )
    progress(f"finetuning needs {needs}", 0, pace.steps)
    if not anyway:
        demand_fit(needs, "Finetuning")
    made = fingerprint(
        [
            VERSION,
            marey.__version__,
            data.latents,
            digest(parts.unet)
            if settings.full
            else [digest(parts.unet), settings.rank, settings.alpha, settings.targets],
            [window.id for window in data.training],
            stage.model_dump(mode="json", exclude=_INDIFFERENT),
            settings.draws,
            seed,
            *([] if texts is None else [digest(texts), [window.captions for window in data.training]]),
            *([] if condition.name == "still" else [condition.name, digest(condition)]),
            *([] if numbers is None else [{name: told.tolist() for name, told in numbers.told.items()}]),
        ]
    )
    average = fit(task, pace, run, made, device=where, progress=progress)
    network.cpu().load_state_dict(average, strict=False)
    folder = library.path / "models" / settings.name
    result = _result(folder, network, windows, data, Metrics(run / "metrics.jsonl"), needs)
    if main_process():
        _save(folder, parts, settings, model, library, windows, result, seed)
    return result


def windows_for(info: ModelInfo, settings: recipe.Finetune) -> recipe.Windows:
    """The windows that a model was trained on, but for what the settings say."""
    return recipe.Windows(
        frames=settings.frames or info.frames,
        fps=settings.fps or info.fps,
        size=settings.height or info.height,
        width=settings.width or info.width,
        heldout_share=settings.heldout_share,
        heldout_least=settings.heldout_least,
        most=settings.most,
    )


def _conditioned(parts: Parts, settings: recipe.Finetune) -> Parts:
    """The model with the condition that is asked for.

    Raises:
        MareyError: it cannot learn that one, or not as a LoRA.
    """
    ready = conditioned(parts, settings.condition or parts.condition.name)
    if ready is not parts and not settings.full:
        raise MareyError(
            f"The model's condition is {parts.condition.name!r}; for {settings.condition!r} its first layers have to "
            "learn, which a LoRA leaves as they are: --full would do."
        )
    return ready


def _encoded(
    library: Library,
    parts: Parts,
    settings: recipe.Finetune,
    selection: str,
    seed: int,
    device: torch.device,
    progress: Progress,
    drawn: Drawn | None,
) -> tuple[list[Window], Encoded, Giver | None]:
    """The windows of a selection as the model's own autoencoder and embedder see them, made where they are missing."""
    asked = windows_for(parts.info, settings)
    _, height, width = asked.shapes[0]
    factor = parts.autoencoder.factor
    if height % factor or width % factor:
        raise MareyError(f"finetune.height and width are {height} and {width}: multiples of {factor} would do.")
    pixels = read_pixels(library, plan(library, asked, selection, seed), asked, progress, drawn).kind
    windows = encoded(library, pixels)
    autoencoder = parts.autoencoder.to(device).requires_grad_(False)
    kind = f"latents@{fingerprint([VERSION, pixels, digest(autoencoder.vae)])}"
    encode_windows(library, autoencoder, pixels, kind, windows, progress)
    data = Encoded.of(library, pixels, kind, autoencoder.scaling_factor, windows)
    if not settings.draws and parts.condition.name != "ends":
        return windows, data, None
    seen = library, pixels, [*data.training, *data.judged]
    embedder = parts.image_embedder.to(device)
    conditions: Giver
    if parts.condition.name == "ends":  # the noise is added to latents, which are there
        conditions = BothEnds(data, keep_tokens(*seen, embedder, (0, -1), progress))
    else:
        conditions = keep_conditions(
            *seen,
            autoencoder,
            embedder,
            draws=settings.draws,
            mean=settings.stage.noise_aug_mean,
            std=settings.stage.noise_aug_std,
            seed=seed,
            progress=progress,
        )
    for part in (parts.autoencoder, parts.image_embedder):  # no step needs them any more
        part.cpu()
    return windows, data, conditions


def _demand_windows(data: Encoded, selection: str) -> None:
    if not any(not window.photo for window in data.training):
        raise MareyError(f"The selection {selection!r} has no window to train on: more footage would do.")


def _one_by_one(device: torch.device) -> AbstractContextManager[Any]:
    """A context that the first of several processes goes through before the others."""
    if processes() == 1:
        return nullcontext()
    from accelerate import PartialState

    first: AbstractContextManager[Any] = PartialState(cpu=device.type == "cpu").main_process_first()
    return first


def _result(
    folder: Path, network: VideoNetwork, windows: list[Window], data: Encoded, metrics: Metrics, needs: Needs
) -> Finetuned:
    curve = [line["heldout"] for line in metrics.lines(STAGE) if "heldout" in line]
    return Finetuned(
        folder=str(folder),
        trained=sum(value.numel() for value in network.parameters() if value.requires_grad),
        windows=sum(not window.photo for window in data.training),
        heldout=sum(window.heldout for window in windows),
        loss=(curve[0], curve[-1]) if curve else None,
        memory=needs.memory,
    )


def _save(
    folder: Path,
    parts: Parts,
    settings: recipe.Finetune,
    model: str,
    library: Library,
    windows: list[Window],
    result: Finetuned,
    seed: int,
) -> None:
    asked, info = windows_for(parts.info, settings), parts.info
    text = _card(settings, model, library, windows, result, seed, info.condition)
    if not settings.full:
        save_adapter(parts.unet, settings.name, folder, base=model)
        (folder / "README.md").write_text(text, encoding="utf-8")
        return
    save_model(
        folder,
        parts.unet,
        parts.autoencoder,
        parts.image_embedder,
        card=text,
        frames=asked.frames,
        size=asked.shapes[0][1:],
        fps=asked.fps,
        motion=info.motion,
        steps=info.steps,
        guidance=info.guidance,
        sigma_min=info.sigma_min,
        sigma_max=info.sigma_max,
        noise_aug=info.noise_aug,
        solver=info.solver,
        text=info.text,
        text_embedder=parts.text_embedder,
        unet_image=parts.unet_image,
        condition=parts.condition,
        holds=info.holds,
    )


def _card(
    settings: recipe.Finetune,
    model: str,
    library: Library,
    windows: list[Window],
    result: Finetuned,
    seed: int,
    condition: str,
) -> str:
    what = "All weights of the UNet" if settings.full else f"A LoRA of rank {settings.rank} on {settings.targets}"
    stage: dict[str, Any] = settings.stage.model_dump(mode="json")
    loss = "not measured" if result.loss is None else f"{result.loss[0]:.3f}, then {result.loss[1]:.3f}"
    training = [window for window in windows if not window.heldout]
    return "\n".join(
        [
            "---",
            "license: other",
            "license_name: see-the-base-model-and-the-footage-below",
            "library_name: diffusers" if settings.full else "library_name: peft",
            f"base_model: {Path(model).name if Path(model).exists() else model}",
            "pipeline_tag: image-to-video",
            "---",
            f"# {settings.name}",
            "",
            f"{what}, {result.trained / 1e6:.3g} M parameters, trained with Marey {marey.__version__} on "
            f"{result.windows} windows; {result.heldout} windows were held out, with a loss of {loss}. Seed {seed}.",
            "",
            *([_TOLD[condition] + _ONLY_MAREY, ""] if condition in _TOLD else []),
            "It is bound by the licence of the model that it was made from, and by those of the footage.",
            "",
            *footage_table(library, training),
            "",
            "| key | value |",
            "|---|---|",
            *(f"| {key} | {value} |" for key, value in stage.items() if value is not None),
            "",
        ]
    )
