"""Verbs from footage to a selection and its files."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from marey.cli.app import Json, LibraryPath, Overrides, RecipeName, app, overrides_of, progress_shown, say, settings_of
from marey.errors import MareyError


@app.command()
def samples(
    out: Annotated[Path, typer.Argument(help="Where the footage goes.")] = Path("footage"),
    seed: int = 0,
    meshes: Annotated[bool, typer.Option("--meshes", help="Five meshes for worlds orbits instead.")] = False,
    as_json: Json = False,
) -> None:
    """Fetch the sample footage (pinned, checked, licensed) and make some more."""
    if meshes:
        from marey.samples import MESHES
        from marey.samples import fetch as fetch_meshes

        with progress_shown() as progress:
            fetched = fetch_meshes(out, progress=progress, samples=MESHES)
        say(fetched, as_json, f"{len(fetched)} meshes, of unknown licence, fetched into {out}")
        return
    from marey.run import samples as fetch

    with progress_shown() as progress:
        result = fetch(out, seed=seed, progress=progress)
    say(result, as_json, f"{len(result['fetched'])} files fetched and {len(result['made'])} made in {out}")


@app.command()
def curate(
    footage: Annotated[
        Path, typer.Argument(help="A folder of videos and photographs; or 'world': the recipe's [footage.world].")
    ],
    out: Annotated[Path, typer.Option(help="The library's folder.")] = Path("library"),
    recipe: RecipeName = "",
    workers: Annotated[int | None, typer.Option(help="Guarded processes that read; 0: this one.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what failed, changed or not.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Look for damage in every kept file, touched or not.")] = False,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Footage to clips with signals and captions, from one decode a source."""
    from marey.curate import curate as work
    from marey.run import world_of

    settings = settings_of(recipe, overrides)
    world = world_of(settings) if str(footage) == "world" else None
    with progress_shown(out / "log.txt") as progress:
        summary = work(
            footage if world is None else world,
            out,
            footage_settings=settings.footage,
            settings=settings.curate,
            workers=settings.workers if workers is None else workers,
            retry=retry,
            check=check,
            progress=progress,
        )
    say(summary, as_json, str(summary))


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
    settings = settings_of(recipe, [*(overrides or []), *overrides_of("curate.transitions", said)])
    with progress_shown() as progress:
        found = work(file, settings=settings.curate.transitions, strip=strip, progress=progress)
    say(found.transitions, as_json, str(found))


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
    with progress_shown() as progress, Library.open(library, write=True) as store:
        if grid:
            axes = [axis.strip() for axis in grid.split(",") if axis.strip()]
            subsets = subset_grid(store, axes, seed=seed, settings=settings, progress=progress)
            say(subsets, as_json, grid_table(subsets))
            return
        chosen = work(store, settings, progress=progress)
        drawn = draw_sheets(store, chosen, sheets, progress=progress) if sheets is not None else []
    pictures = "".join(f"\n{path}" for path in drawn)
    say({**asdict(chosen), "sheets": [str(path) for path in drawn]}, as_json, survivor_table(chosen) + pictures)


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
    settings = settings_of(recipe, [*(overrides or []), *options])
    with progress_shown() as progress, Library.open(library) as store:
        result = work(
            store,
            out,
            settings.export,
            selection=selection or settings.select.name,
            workers=settings.workers if workers is None else workers,
            progress=progress,
        )
    say(result, as_json, str(result))


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
