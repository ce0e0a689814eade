"""Footage with known truth."""

from pathlib import Path
from typing import Annotated

import typer

from marey.cli.app import Json, app, progress_shown, say

worlds = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Footage with known truth.")
app.add_typer(worlds, name="worlds")


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

    with progress_shown() as progress:
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
    say([str(path) for path in made], as_json, f"{len(made)} clips of {size}x{size} pixels are in {out}")


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

    with progress_shown() as progress:
        made = work(out, clips, size=size, views=views, seed=seed, meshes=meshes, progress=progress)
    say(made, as_json, f"{len(made.videos)} orbits of {views} views are in {out}{made}")


@worlds.command()
def shapes(
    out: Annotated[Path, typer.Option(help="The folder.")] = Path("footage"),
    clips: Annotated[int, typer.Option(help="How many.")] = 100,
    seconds: Annotated[float, typer.Option(help="How long each is.")] = 3.2,
    size: Annotated[int, typer.Option(help="Height and width.")] = 64,
    fps: int = 25,
    seed: int = 7,
    motion: Annotated[str, typer.Option(help="slide, bounce, behind, turn or grow; otherwise they take turns.")] = "",
    flow: Annotated[bool, typer.Option("--flow", help="Write the exact optical flow too.")] = False,
    workers: Annotated[int, typer.Option(help="Processes; 0: this one.")] = 2,
    as_json: Json = False,
) -> None:
    """Plain figures, each in one plain motion that is known in closed form."""
    from marey.worlds.films import film_shapes as work

    with progress_shown() as progress:
        made = work(
            out,
            clips,
            seconds=seconds,
            size=size,
            fps=fps,
            seed=seed,
            motion=motion or None,
            flow=flow,
            workers=workers,
            progress=progress,
        )
    say(made, as_json, f"{len(made.videos)} clips of {size}x{size} pixels are in {out}{made}")


@worlds.command()
def camera(
    photos: Annotated[Path, typer.Argument(help="A folder of photographs.")],
    out: Annotated[Path, typer.Option(help="The folder.")] = Path("footage"),
    moves: Annotated[str, typer.Option(help="Some of the moves, such as 'pan right,zoom in,static'; or all.")] = "",
    clips: Annotated[int | None, typer.Option(help="At most so many; otherwise every move over every one.")] = None,
    seconds: Annotated[float, typer.Option(help="How long each is.")] = 3.2,
    size: Annotated[int, typer.Option(help="Height; the pictures are 4:3.")] = 256,
    fps: int = 25,
    seed: int = 7,
    flow: Annotated[bool, typer.Option("--flow", help="Write the exact optical flow too.")] = False,
    workers: Annotated[int, typer.Option(help="Processes; 0: this one.")] = 2,
    as_json: Json = False,
) -> None:
    """Camera moves over still photographs, each with its move as the label."""
    from marey.worlds.films import film_photos as work

    said = {"moves": [move.strip() for move in moves.split(",") if move.strip()]} if moves else {}
    with progress_shown() as progress:
        made = work(
            photos,
            out,
            clips=clips,
            seconds=seconds,
            size=size,
            fps=fps,
            seed=seed,
            flow=flow,
            workers=workers,
            progress=progress,
            **said,
        )
    say(made, as_json, f"{len(made.videos)} camera moves are in {out}{made}")


@worlds.command()
def edits(
    footage: Annotated[Path | None, typer.Argument(help="A folder of shots; otherwise scenes made by code.")] = None,
    out: Annotated[Path, typer.Option(help="The folder.")] = Path("footage"),
    clips: Annotated[int, typer.Option(help="How many.")] = 24,
    shots: Annotated[int, typer.Option(help="Of each edit.")] = 4,
    size: Annotated[int, typer.Option(help="Height; the pictures are 4:3.")] = 240,
    fps: int = 25,
    seed: int = 7,
    disturbed: Annotated[float, typer.Option(help="Share of shots with a flash, a shake or the like.")] = 0.25,
    workers: Annotated[int, typer.Option(help="Processes; 0: this one.")] = 2,
    as_json: Json = False,
) -> None:
    """Edits with the exact place and kind of every transition."""
    from marey.worlds.films import film_edits as work

    with progress_shown() as progress:
        made = work(
            footage,
            out,
            clips,
            shots=shots,
            size=size,
            fps=fps,
            seed=seed,
            disturbed=disturbed,
            workers=workers,
            progress=progress,
        )
    say(made, as_json, f"{len(made.videos)} edits of {shots} shots are in {out}{made}")
