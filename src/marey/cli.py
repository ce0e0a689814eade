"""The verbs of the command line. Each parses its words, calls one typed function of its room, and prints the result.

The result goes to standard output (as JSON with --json), progress to standard error. Rooms are imported inside the
verbs, so that `marey --help` loads none of them.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import marey
from marey.errors import MareyError

app = typer.Typer(
    name="marey",
    help="From raw footage to your own video model. The main job: marey run tiny --out LIBRARY",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

worlds = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Footage with known truth.")
app.add_typer(worlds, name="worlds")


class VideosFirst(TyperGroup):
    """A verb with verbs under it, of which `videos` is meant where none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            args = ["videos", *(args or ["--help"])]
        others = ", ".join(sorted(self.commands.keys() - {"videos"}))
        self.commands["videos"].epilog = f"Verbs under this one, each with its own --help: {others}." if others else ""
        return list(super().parse_args(ctx, args))


evaluations = typer.Typer(cls=VideosFirst, rich_markup_mode=None, help="How good videos are, with intervals.")
app.add_typer(evaluations, name="evaluate")

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
RecipeName = Annotated[str, typer.Option("--recipe", help="A shipped recipe's name, or a .toml file.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="Overrides, such as train.video.steps=100.")]
LibraryPath = Annotated[Path, typer.Argument(help="The library's folder.")]
RunName = Annotated[str, typer.Option("--run", help="The run's name under runs/.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"marey {marey.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def samples(
    out: Annotated[Path, typer.Argument(help="Where the footage goes.")] = Path("footage"),
    seed: int = 0,
    as_json: Json = False,
) -> None:
    """Fetch the sample footage (pinned, checked, licensed) and make some more."""
    from marey.run import samples as fetch

    with _progress() as progress:
        result = fetch(out, seed=seed, progress=progress)
    _say(result, as_json, f"{len(result['fetched'])} files fetched and {len(result['made'])} made in {out}")


@app.command()
def curate(
    footage: Annotated[Path, typer.Argument(help="A folder of videos and photographs.")],
    out: Annotated[Path, typer.Option(help="The library's folder.")] = Path("library"),
    recipe: RecipeName = "",
    workers: Annotated[int | None, typer.Option(help="Guarded processes that read; 0: this one.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what failed, changed or not.")] = False,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Footage to clips with signals and captions, from one decode a source."""
    from marey.curate import curate as work

    settings = _recipe(recipe, overrides)
    with _progress(out / "log.txt") as progress:
        summary = work(
            footage,
            out,
            footage_settings=settings.footage,
            settings=settings.curate,
            workers=settings.workers if workers is None else workers,
            retry=retry,
            progress=progress,
        )
    _say(summary, as_json, str(summary))


@app.command()
def cuts(
    file: Annotated[Path, typer.Argument(help="A video.")],
    overrides: Overrides = None,
    cut: Annotated[float | None, typer.Option(help="Least confidence of a hard cut, 0 to 1.")] = None,
    gradual: Annotated[float | None, typer.Option(help="Least confidence of a dissolve, fade or wipe, 0 to 1.")] = None,
    second: Annotated[str | None, typer.Option(help="A second opinion: none or transnetv2.")] = None,
    how: Annotated[str | None, typer.Option(help="Of the second opinion: alone or fused.")] = None,
    strip: Annotated[Path | None, typer.Option(help="A PNG to draw them in, as strips of film.")] = None,
    recipe: RecipeName = "",
    as_json: Json = False,
) -> None:
    """The transitions of one file, from one decode. No library is written."""
    from marey.curate import find_cuts as work

    said = {"cut": cut, "gradual": gradual, "second": second, "how": how}
    settings = _recipe(recipe, [*(overrides or []), *_said("curate.transitions", said)])
    with _progress() as progress:
        found = work(file, settings=settings.curate.transitions, strip=strip, progress=progress)
    _say(found.transitions, as_json, str(found))


@app.command()
def select(
    library: LibraryPath,
    drop: Annotated[list[str] | None, typer.Option(help="SIGNAL:PERCENT from its bad end, such as motion:25%.")] = None,
    least: Annotated[list[str] | None, typer.Option("--min", help="SIGNAL:VALUE, such as sharpness:40.")] = None,
    most: Annotated[list[str] | None, typer.Option("--max", help="SIGNAL:VALUE, such as text_area.max:0.07.")] = None,
    name: Annotated[str, typer.Option(help="The selection's name.")] = "selected",
    allow_missing: Annotated[bool, typer.Option(help="Let clips pass that lack a signal.")] = False,
    keep_duplicates: Annotated[bool, typer.Option(help="Keep all of each group of near-duplicates.")] = False,
    captions: Annotated[list[str] | None, typer.Option(help="CAPTIONER:WEIGHT, such as image:0.5.")] = None,
    sheets: Annotated[Path | None, typer.Option(help="A folder for contact sheets around each threshold.")] = None,
    grid: Annotated[str, typer.Option(help="Signals, such as motion,text_area: the paper's subsets of each.")] = "",
    seed: Annotated[int | None, typer.Option(help="With --grid: random subsets of the same sizes too.")] = None,
    as_json: Json = False,
) -> None:
    """A named query over signals. Nothing is decoded, nothing thrown away."""
    from marey.catalog import Library, draw_sheets, grid_table, subset_grid, survivor_table
    from marey.catalog import select as work
    from marey.recipe import Recipe

    rules = {"drop": _pairs(drop, "--drop"), "min": _pairs(least, "--min"), "max": _pairs(most, "--max")}
    weights = {"captions": _pairs(captions, "--captions")} if captions else {}
    duplicates = "keep" if keep_duplicates else "drop"
    table = {"name": name, **rules, **weights, "allow_missing": allow_missing, "duplicates": duplicates}
    settings = Recipe.of({"select": table}, where="the options").select
    if grid and (any(rules.values()) or sheets is not None):
        raise MareyError("--grid makes selections of its own: --drop, --min, --max and --sheets go without it.")
    with _progress() as progress, Library.open(library, write=True) as store:
        if grid:
            axes = [axis.strip() for axis in grid.split(",") if axis.strip()]
            subsets = subset_grid(store, axes, seed=seed, settings=settings, progress=progress)
            _say(subsets, as_json, grid_table(subsets))
            return
        chosen = work(store, settings, progress=progress)
        drawn = draw_sheets(store, chosen, sheets, progress=progress) if sheets is not None else []
    pictures = "".join(f"\n{path}" for path in drawn)
    _say({**asdict(chosen), "sheets": [str(path) for path in drawn]}, as_json, survivor_table(chosen) + pictures)


@app.command()
def export(
    library: LibraryPath,
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option(help="The export's folder: new, empty, or of an export before.")] = Path(
        "export"
    ),
    selection: Annotated[str, typer.Option(help="A selection's name; the recipe's own otherwise.")] = "",
    layout: Annotated[
        str,
        typer.Option(
            "--as", help="folder, webdataset, finetrainers, diffusion-pipe, musubi-tuner, open-sora, videox-fun."
        ),
    ] = "",
    mode: Annotated[str, typer.Option(help="copy, exact or encode.")] = "",
    audio: Annotated[bool | None, typer.Option("--audio/--no-audio", help="Write the sound too.")] = None,
    recipe: RecipeName = "",
    workers: Annotated[int | None, typer.Option(help="Guarded processes that write; 0: this one.")] = None,
    as_json: Json = False,
) -> None:
    """Selected clips as files, laid out as a trainer reads them. Goes on where it was stopped."""
    from marey.catalog import Library
    from marey.run import export as work

    said = {"layout": layout, "mode": mode, "audio": audio}
    options = [f"export.{key}={json.dumps(value)}" for key, value in said.items() if value not in ("", None)]
    settings = _recipe(recipe, [*(overrides or []), *options])
    with _progress() as progress, Library.open(library) as store:
        result = work(
            store,
            out,
            settings.export,
            selection=selection or settings.select.name,
            workers=settings.workers if workers is None else workers,
            progress=progress,
        )
    _say(result, as_json, str(result))


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

    settings = _recipe(recipe, [*(overrides or []), *_precision(dtype, "encode.autoencoder")])
    folder = _run_folder(library, run)
    with _progress(library / "log.txt") as progress, Library.open(library, write=True) as store:
        summary = work(
            store,
            settings.encode,
            selection or settings.select.name,
            seed=settings.seed,
            run_folder=folder,
            device=device,
            progress=progress,
        )
    _say(summary, as_json, str(summary))


@app.command()
def train(
    library: LibraryPath,
    overrides: Overrides = None,
    recipe: RecipeName = "tiny",
    selection: Annotated[str, typer.Option(help="A selection's name; the recipe's own otherwise.")] = "",
    run: RunName = "tiny",
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: Json = False,
) -> None:
    """The three stages: image, video, finetune. Goes on where it was stopped."""
    from marey.catalog import Library
    from marey.train import train as work

    stages = _precision(dtype, "train.image", "train.video", "train.finetune")
    settings = _recipe(recipe, [*(overrides or []), *stages])
    folder = _run_folder(library, run)
    with _progress(library / "log.txt") as progress, Library.open(library, write=True) as store:
        model = work(
            store,
            folder,
            settings.train,
            settings.encode,
            selection or settings.select.name,
            seed=settings.seed,
            device=device,
            progress=progress,
        )
    _say({"model": str(model)}, as_json, f"The model is in {model}")


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

    settings = _recipe(recipe, overrides)
    folder = _run_folder(library, run)
    with _progress(library / "log.txt") as progress, Library.open(library, write=True) as store:
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
    _say(result, as_json, f"The videos are in {folder / 'samples'}")


@app.command()
def animate(
    picture: Annotated[Path, typer.Argument(help="The still.")],
    model: Annotated[Path, typer.Option(help="A model's folder.")] = Path("library/models/tiny"),
    out: Annotated[Path | None, typer.Option(help="The video; beside the picture otherwise.")] = None,
    frames: Annotated[int | None, typer.Option(help="How many; as trained otherwise.")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames a second; as trained otherwise.")] = None,
    motion: Annotated[int, typer.Option(help="Motion bucket, 0 to 255: how much moves.")] = 127,
    seed: int = 0,
    steps: Annotated[int | None, typer.Option(help="Denoising steps; the model's own otherwise.")] = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: Json = False,
) -> None:
    """A still picture to a video."""
    from marey.generate import Model

    out = out or picture.with_suffix(".mp4")
    opened = Model.open(model, device=device, dtype=dtype)
    with _progress() as progress:
        video = opened.animate(
            picture, frames=frames, fps=fps, motion=motion, seed=seed, steps=steps, progress=progress
        )
    video.save(out)
    count, height, width, _ = video.frames.shape
    _say(
        {"video": str(out), "frames": count, "fps": float(video.fps), "width": width, "height": height},
        as_json,
        f"{out}: {count} frames of {width}x{height} at {float(video.fps):g} a second",
    )


@evaluations.command("videos")
def evaluate(
    what: Annotated[Path, typer.Argument(help="A library, or a folder of generated videos.")],
    overrides: Overrides = None,
    against: Annotated[Path | None, typer.Option(help="A folder of true videos, paired by name.")] = None,
    recipe: RecipeName = "tiny",
    run: RunName = "tiny",
    selection: Annotated[str, typer.Option(help="A selection's name; the recipe's own otherwise.")] = "",
    as_json: Json = False,
) -> None:
    """Generated videos against the true continuation, with intervals and baselines."""
    settings = _recipe(recipe, overrides)
    with _progress() as progress:
        if against is not None:
            from marey.evaluate import evaluate_folders

            result = evaluate_folders(what, against, settings.evaluate, seed=settings.seed, progress=progress)
        else:
            from marey.catalog import Library
            from marey.evaluate import evaluate as work

            folder = _run_folder(what, run)
            with Library.open(what) as store:
                result = work(
                    store,
                    folder,
                    settings.evaluate,
                    selection=selection or settings.select.name,
                    seed=settings.seed,
                    progress=progress,
                )
    _say(result, as_json, str(result))


@app.command()
def report(
    library: LibraryPath,
    overrides: Overrides = None,
    recipe: RecipeName = "tiny",
    run: RunName = "tiny",
    selection: Annotated[str, typer.Option(help="A selection's name; the recipe's own otherwise.")] = "",
    as_json: Json = False,
) -> None:
    """One self-contained page about a run."""
    from marey.catalog import Library
    from marey.report import report as work

    settings = _recipe(recipe, overrides)
    folder = _run_folder(library, run)
    with _progress() as progress, Library.open(library) as store:
        page = work(
            store,
            folder,
            settings.report,
            selection=selection or settings.select.name,
            progress=progress,
        )
    _say({"report": str(page)}, as_json, f"The report is at {page}")


@app.command()
def run(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or a .toml file.")] = "tiny",
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option(help="The library's folder.")] = Path("library"),
    footage: Annotated[Path | None, typer.Option(help="Your own folder; the samples otherwise.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = None,
    dtype: Annotated[str | None, typer.Option(help="auto, float32, bfloat16 or float16.")] = None,
    as_json: Json = False,
) -> None:
    """The whole road of a recipe: footage in, model and report out. Goes on where it was stopped."""
    from marey.recipe import find
    from marey.run import run as work

    said = [*(overrides or [])]
    if footage is not None:
        said.append(f"footage.folder={json.dumps(str(footage.expanduser().resolve()), ensure_ascii=False)}")
    if device is not None:
        said.append(f'device="{device}"')
    if dtype is not None:
        said += [f'dtype="{dtype}"', *_precision(dtype, "train.image", "train.video", "train.finetune")]
    name = find(recipe).stem
    settings = _recipe(recipe, said)
    with _progress(out / "runs" / name / "log.txt") as progress:
        road = work(settings, out, name=name, progress=progress)
    lines = [
        f"  {row['step']:<10} {row['status']:<6} {row['seconds']:>8.1f} s  {row['peak_mb'] or 0:>6} MB"
        for row in road.steps
    ]
    _say(road, as_json, "\n".join([*lines, "", f"The report: {Path(road.report).as_uri()}"]))


@worlds.command()
def play(
    out: Annotated[Path, typer.Option(help="The folder.")] = Path("footage"),
    clips: Annotated[int, typer.Option(help="How many.")] = 100,
    seconds: Annotated[float, typer.Option(help="How long each is, at 30 frames a second.")] = 3.2,
    size: Annotated[int, typer.Option(help="Height and width: a multiple of 8 from 32 to 512.")] = 64,
    seed: int = 7,
    policy: Annotated[str, typer.Option(help="Of the agent; otherwise they take turns.")] = "",
    flow: Annotated[bool, typer.Option("--flow", help="Write the exact optical flow too.")] = False,
    workers: Annotated[int, typer.Option(help="Processes; 0: this one.")] = 2,
    as_json: Json = False,
) -> None:
    """Clips of the platform game: video, sound, caption, and all that is known of them."""
    from marey.worlds.game import play as work

    with _progress() as progress:
        made = work(
            out,
            clips,
            seconds=seconds,
            size=size,
            seed=seed,
            policy=policy or None,
            flow=flow,
            workers=workers,
            progress=progress,
        )
    _say([str(path) for path in made], as_json, f"{len(made)} clips of {size}x{size} pixels are in {out}")


@worlds.command()
def orbits(
    out: Annotated[Path, typer.Option(help="The folder.")] = Path("footage"),
    clips: Annotated[int, typer.Option(help="How many.")] = 24,
    size: Annotated[int, typer.Option(help="Height and width.")] = 256,
    views: Annotated[int, typer.Option(help="Pictures a turn.")] = 21,
    seed: int = 7,
    meshes: Annotated[Path | None, typer.Option(help="A folder of meshes; otherwise things made by code.")] = None,
    as_json: Json = False,
) -> None:
    """Things seen from all sides, with the camera of every picture."""
    from marey.worlds.turntable import turn as work

    with _progress() as progress:
        made = work(out, clips, size=size, views=views, seed=seed, meshes=meshes, progress=progress)
    _say([str(path) for path in made], as_json, f"{len(made)} orbits of {views} views are in {out}")


@app.command()
def doctor(
    library: Annotated[Path | None, typer.Argument(help="A library to look through.")] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Is everything there? One line a thing, with what would put it right."""
    from marey.doctor import doctor as work

    checks = work(library, device)
    _say(checks, as_json, "\n".join(f"{check.status:<8} {check.name:<14} {check.detail}" for check in checks))
    if any(check.status == "failed" for check in checks):
        raise typer.Exit(1)


@app.command()
def forget(
    library: LibraryPath,
    what: Annotated[str, typer.Argument(help="A path of footage, or a footage id.")],
    as_json: Json = False,
) -> None:
    """Remove one footage and all that was made of it from a library."""
    from marey.catalog import Library
    from marey.catalog import forget as work

    with Library.open(library, write=True) as store:
        gone = work(store, what)
    _say(gone, as_json, str(gone))


@contextmanager
def _progress(log: Path | None = None) -> Iterator[Any]:
    from marey.progress import Display

    try:
        with Display(log) as display:
            yield display
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from here.", file=sys.stderr)
        raise typer.Exit(130) from None


def _recipe(name: str, overrides: list[str] | None) -> Any:
    from marey.recipe import Recipe

    return Recipe.open(name, overrides or []) if name else Recipe.of({}, overrides or [])


def _said(section: str, values: dict[str, Any]) -> list[str]:
    """Overrides of the options that were given."""
    return [f"{section}.{key}={json.dumps(value)}" for key, value in values.items() if value is not None]


def _precision(dtype: str, *stages: str) -> list[str]:
    """Overrides that train in this dtype; none where the recipe is to decide."""
    names = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}
    if dtype != "auto" and dtype not in names:
        raise MareyError(f"--dtype is {dtype!r}: auto, {', '.join(names)} would do.")
    return [f'{stage}.precision="{names[dtype]}"' for stage in stages] if dtype in names else []


def _run_folder(library: Path, name: str) -> Path:
    if Path(name).name != name or name in ("", ".", ".."):
        raise MareyError(f"--run is {name!r}: a plain name such as 'tiny' would do.")
    return Path(library).expanduser().resolve() / "runs" / name


def _pairs(words: list[str] | None, option: str) -> dict[str, float]:
    pairs = {}
    for word in words or []:
        signal, colon, value = word.partition(":")
        try:
            pairs[signal] = float(value.removesuffix("%"))
        except ValueError:
            colon = ""
        if not colon or not signal:
            raise MareyError(f"{option} is {word!r}: SIGNAL:NUMBER would do, such as motion:25.")
    return pairs


def _say(result: Any, as_json: bool, text: str) -> None:
    if not as_json:
        print(text)
        return
    if isinstance(result, list):
        result = [asdict(one) if is_dataclass(one) and not isinstance(one, type) else one for one in result]
    elif is_dataclass(result) and not isinstance(result, type):
        result = asdict(result)
    print(json.dumps(result, ensure_ascii=False, default=str, indent=1))


def main() -> None:
    """The program: a MareyError ends it with its sentence and status 1, Ctrl-C with status 130."""
    try:
        app()
    except MareyError as error:
        print(f"marey: {error}", file=sys.stderr)
        sys.exit(1)
