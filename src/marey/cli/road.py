"""Verbs for the whole road, and for looking after a library."""

import json
from pathlib import Path
from typing import Annotated

import typer

from marey.cli.app import (
    Device,
    Json,
    LibraryPath,
    Overrides,
    RecipeName,
    RunName,
    app,
    precision_of,
    progress_shown,
    run_folder,
    say,
    settings_of,
)


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

    settings = settings_of(recipe, overrides)
    folder = run_folder(library, run)
    with progress_shown() as progress, Library.open(library) as store:
        page = work(
            store,
            folder,
            settings.report,
            selection=selection or settings.select.name,
            progress=progress,
        )
    say({"report": str(page)}, as_json, f"The report is at {page}")


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
        said += [f'dtype="{dtype}"', *precision_of(dtype, "train.image", "train.video", "train.finetune")]
    name = find(recipe).stem
    settings = settings_of(recipe, said)
    with progress_shown(out / "runs" / name / "log.txt") as progress:
        road = work(settings, out, name=name, progress=progress)
    lines = [
        f"  {row['step']:<10} {row['status']:<6} {row['seconds']:>8.1f} s  {row['peak_mb'] or 0:>6} MB"
        for row in road.steps
    ]
    say(road, as_json, "\n".join([*lines, "", f"The report: {Path(road.report).as_uri()}"]))


@app.command()
def doctor(
    library: Annotated[Path | None, typer.Argument(help="A library to look through.")] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Is everything there? One line a thing, with what would put it right."""
    from marey.doctor import doctor as work

    checks = work(library, device)
    say(checks, as_json, "\n".join(f"{check.status:<8} {check.name:<14} {check.detail}" for check in checks))
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
    say(gone, as_json, str(gone))
