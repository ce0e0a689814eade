"""Verbs that train a model and use it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from marey.cli.app import (
    Device,
    Dtype,
    Json,
    LibraryPath,
    Overrides,
    RecipeName,
    RunName,
    app,
    overrides_of,
    precision_of,
    progress_shown,
    run_folder,
    say,
    settings_of,
)
from marey.errors import MareyError

if TYPE_CHECKING:
    from marey.generate import Model, Video

ModelName = Annotated[
    str, typer.Option(help="A model's folder, a single file, a hub id, or marey-tiny, which comes with Marey.")
]

Anyway = Annotated[bool, typer.Option("--anyway", help="Begin also where memory is expected to run out.")]


@app.command()
def encode(
    library: LibraryPath,
    overrides: Overrides = None,
    recipe: RecipeName = "tiny",
    selection: Annotated[str, typer.Option(help="A selection's name; the recipe's own otherwise.")] = "",
    run: RunName = "tiny",
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: Json = False,
) -> None:
    """The selected clips to windows and latents, once; trains the autoencoder if it is not there."""
    from marey.catalog import Library
    from marey.train import encode as work
    from marey.worlds.source import drawn

    settings = settings_of(recipe, [*(overrides or []), *precision_of(dtype, "encode.autoencoder")])
    folder = run_folder(library, run)
    with progress_shown(library / "log.txt") as progress, Library.open(library, write=True) as store:
        summary = work(
            store,
            settings.encode,
            selection or settings.select.name,
            seed=settings.seed,
            run_folder=folder,
            device=device,
            progress=progress,
            drawn=drawn,
        )
    say(summary, as_json, str(summary))


@app.command()
def train(
    library: LibraryPath,
    overrides: Overrides = None,
    recipe: RecipeName = "tiny",
    selection: Annotated[str, typer.Option(help="A selection's name; the recipe's own otherwise.")] = "",
    run: RunName = "tiny",
    anyway: Anyway = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: Json = False,
) -> None:
    """The three stages: image, video, finetune. Goes on where it was stopped."""
    from marey.catalog import Library
    from marey.train import train as work
    from marey.train.processes import main_process

    stages = precision_of(dtype, "train.image", "train.video", "train.finetune")
    settings = settings_of(recipe, [*(overrides or []), *stages])
    folder = run_folder(library, run)
    with progress_shown(library / "log.txt") as progress, Library.open(library, write=main_process()) as store:
        model = work(
            store,
            folder,
            settings.train,
            settings.encode,
            selection or settings.select.name,
            seed=settings.seed,
            device=device,
            anyway=anyway,
            progress=progress,
        )
    say({"model": str(model)}, as_json, f"The model is in {model}")


@app.command()
def finetune(
    model: Annotated[str, typer.Argument(help="A model's folder, a single file, or a hub id.")],
    on: Annotated[str, typer.Option("--on", help="LIBRARY:SELECTION.")],
    overrides: Overrides = None,
    name: Annotated[str, typer.Option(help="Of the result under models/; the recipe's own otherwise.")] = "",
    full: Annotated[bool, typer.Option("--full", help="All weights, instead of a LoRA.")] = False,
    rank: Annotated[int | None, typer.Option(help="Of the LoRA.")] = None,
    recipe: RecipeName = "",
    anyway: Anyway = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: Json = False,
) -> None:
    """A model that is there, on a selection: a LoRA on its temporal attention, or all of it. Goes on where it was
    stopped."""
    from marey.catalog import Library
    from marey.train.finetune import finetune as work
    from marey.train.processes import main_process
    from marey.worlds.source import drawn

    library, _, selection = on.rpartition(":")
    if not library or not selection:
        raise MareyError(f"--on is {on!r}: LIBRARY:SELECTION, such as library:tiny, would do.")
    words = overrides_of("finetune", {"name": name or None, "full": full or None, "rank": rank})
    settings = settings_of(recipe, [*(overrides or []), *words, *precision_of(dtype, "finetune.stage")])
    path = Path(library)
    with progress_shown(path / "log.txt") as progress, Library.open(path, write=main_process()) as store:
        result = work(
            store,
            model,
            settings.finetune,
            selection,
            seed=settings.seed,
            device=device,
            anyway=anyway,
            progress=progress,
            drawn=drawn,
        )
    say(result, as_json, str(result))


@app.command()
def presets(as_json: Json = False) -> None:
    """The presets of training stages: the paper's, and small ones of the same shape."""
    from marey.recipe.presets import PRESETS, table

    say({name: vars(one) for name, one in PRESETS.items()}, as_json, table().rstrip())


@app.command()
def generate(
    library: LibraryPath,
    overrides: Overrides = None,
    recipe: RecipeName = "tiny",
    run: RunName = "tiny",
    model: Annotated[Path | None, typer.Option(help="A model's folder; the recipe's own otherwise.")] = None,
    selection: Annotated[str, typer.Option(help="A selection's name; the recipe's own otherwise.")] = "",
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: Json = False,
) -> None:
    """Animate the held-out stills of a library."""
    from marey.catalog import Library
    from marey.run import generate as work

    settings = settings_of(recipe, overrides)
    folder = run_folder(library, run)
    with progress_shown(library / "log.txt") as progress, Library.open(library, write=True) as store:
        result = work(
            store,
            folder,
            model or store.path / "models" / settings.train.name,
            settings.generate,
            selection=selection or settings.select.name,
            seed=settings.seed,
            device=device,
            dtype=dtype,
            progress=progress,
        )
    say(result, as_json, f"The videos are in {folder / 'samples'}")


@app.command()
def animate(
    picture: Annotated[Path, typer.Argument(help="The still.")],
    model: ModelName = "marey-tiny",
    out: Annotated[Path | None, typer.Option(help="The video; beside the picture otherwise.")] = None,
    frames: Annotated[int | None, typer.Option(help="How many; as trained otherwise.")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames a second; as trained otherwise.")] = None,
    motion: Annotated[int, typer.Option(help="Motion bucket, 0 to 255: how much moves.")] = 127,
    seed: int = 0,
    steps: Annotated[int | None, typer.Option(help="Denoising steps; the model's own otherwise.")] = None,
    solver: Annotated[str | None, typer.Option(help="Such as euler, dpmpp_2m or unipc.")] = None,
    schedule: Annotated[str | None, typer.Option(help="Of the noise levels: karras or ays.")] = None,
    guidance: Annotated[
        str | None, typer.Option(help="Such as 2, 1:3 or triangle:1:2.5; the model's otherwise.")
    ] = None,
    guidance_interval: Annotated[
        str | None, typer.Option(help="LOW:HIGH, such as 0.3:6: noise levels between which there is guidance.")
    ] = None,
    cache: Annotated[
        float | None,
        typer.Option(help="The share that the network's input may change by until its inner part is made anew."),
    ] = None,
    preset: Annotated[str, typer.Option(help="exact, fast or draft; what is said besides overrides it.")] = "exact",
    measure: Annotated[
        bool, typer.Option("--measure", help="Run without savings too, and say what they cost.")
    ] = False,
    lora: Annotated[list[str] | None, typer.Option(help="A LoRA, or LORA=STRENGTH; several may be given.")] = None,
    fit: Annotated[str, typer.Option(help="crop, pad or squash: what is done with a still of another shape.")] = "crop",
    size: Annotated[str | None, typer.Option(help="HEIGHTxWIDTH in pixels; as trained otherwise.")] = None,
    preview: Annotated[Path | None, typer.Option(help="A .gif or .png that shows the clip while it forms.")] = None,
    taesdv: Annotated[Path | None, typer.Option(help="TAESDV's weights, for a better preview of SVD.")] = None,
    decode_chunk: Annotated[int | None, typer.Option(help="Frames decoded at a time, blended; all otherwise.")] = None,
    vram: Annotated[float | None, typer.Option(help="GiB of the card to fit, such as 8, 12, 16 or 24.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only tell what each stage would take with --vram.")] = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: Json = False,
) -> None:
    """A still picture to a video."""
    wanted, interval = size_of(size), _interval(guidance_interval)
    if plan:
        from marey.generate.memory import plan_of

        planned = plan_of(model, vram, frames=frames, size=wanted, dtype=dtype)
        say(planned.to_json(), as_json, str(planned))
        return
    from marey.generate import Model

    out = out or picture.with_suffix(".mp4")
    opened = Model.open(model, device=device, dtype=dtype, vram=vram)
    if taesdv is not None:
        opened.preview_by(taesdv)
    _adapt(opened, lora)
    with progress_shown() as progress:
        video = opened.animate(
            picture,
            frames=frames,
            fps=fps,
            motion=motion,
            seed=seed,
            steps=steps,
            solver=solver,
            schedule=schedule,
            size=wanted,
            fit=fit,
            decode_chunk=decode_chunk,
            preview=preview,
            guidance=guidance,
            guidance_interval=interval,
            cache=cache,
            preset=preset,
            measure=measure,
            progress=progress,
        )
    written(video, out, as_json)


@app.command()
def imagine(
    text: Annotated[str, typer.Argument(help="What happens, such as: Jules jumps over a snail and collects a coin")],
    picture: Annotated[Path | None, typer.Option(help="A still that it begins with.")] = None,
    model: ModelName = "marey-tiny",
    out: Annotated[Path, typer.Option(help="The video.")] = Path("imagined.mp4"),
    frames: Annotated[int | None, typer.Option(help="How many; as trained otherwise.")] = None,
    motion: Annotated[int | None, typer.Option(help="Motion bucket, 0 to 255: how much moves.")] = None,
    seed: int = 0,
    steps: Annotated[int | None, typer.Option(help="Denoising steps; the model's own otherwise.")] = None,
    guidance: Annotated[float | None, typer.Option(help="How strictly the text is followed.")] = None,
    lora: Annotated[list[str] | None, typer.Option(help="A LoRA, or LORA=STRENGTH; several may be given.")] = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: Json = False,
) -> None:
    """A text to a video, by a model that was trained with texts."""
    from marey.generate import Model

    opened = Model.open(model, device=device, dtype=dtype)
    _adapt(opened, lora)
    with progress_shown() as progress:
        video = opened.imagine(
            text,
            picture,
            frames=frames,
            motion=motion,
            seed=seed,
            steps=steps,
            guidance=guidance,
            progress=progress,
        )
    written(video, out, as_json)


@app.command()
def convert(
    model: Annotated[str, typer.Argument(help="A model's folder, a .safetensors file of sgm's layout, or a hub id.")],
    out: Annotated[Path, typer.Argument(help="NAME.safetensors for one file, any other name for a folder.")],
    as_json: Json = False,
) -> None:
    """A model from diffusers' folder to one file (as ComfyUI reads it), or back."""
    from marey.network.sources import convert as work

    written = work(model, out)
    say({"model": str(written)}, as_json, f"{written} is written")


def _adapt(model: "Model", loras: list[str] | None) -> None:
    """Fuse LoRAs, each a path or PATH=STRENGTH."""
    for word in loras or []:
        path, _, strength = word.partition("=")
        model.adapt(path, number(strength or "1", "--lora"))


def written(video: "Video", out: Path, as_json: bool) -> None:
    """Write a video, and say what was written."""
    video.save(out)
    count, height, width, _ = video.frames.shape
    say(
        {
            "video": str(out),
            "frames": count,
            "fps": float(video.fps),
            "width": width,
            "height": height,
            **({"cost": video.cost.to_json()} if video.cost else {}),
        },
        as_json,
        f"{out}: {count} frames of {width}x{height} at {float(video.fps):g} a second"
        + (f"\nThe savings cost: {video.cost}" if video.cost else ""),
    )


def size_of(word: str | None) -> tuple[int, int] | None:
    """Height and width of HEIGHTxWIDTH."""
    if word is None:
        return None
    height, _, width = word.lower().partition("x")
    if not (height.isdigit() and width.isdigit()):
        raise MareyError(f"--size is {word!r}: HEIGHTxWIDTH in pixels, such as 320x576, would do.")
    return int(height), int(width)


def _interval(word: str | None) -> tuple[float, float] | None:
    if word is None:
        return None
    low, _, high = word.partition(":")
    try:
        return float(low), float(high)
    except ValueError:
        raise MareyError(f"--guidance-interval is {word!r}: LOW:HIGH, such as 0.3:6, would do.") from None


def number(word: str, option: str) -> float:
    """A number that an option has in its word."""
    try:
        return float(word)
    except ValueError:
        raise MareyError(f"{option} has {word!r}: a number such as 0.8 would do.") from None
