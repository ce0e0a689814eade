"""Verbs of models that have learned another condition than a still: two ends, or a camera."""

from pathlib import Path
from typing import Annotated, Any

import typer

from marey.cli.app import Device, Dtype, Json, app, progress_shown
from marey.cli.models import number, size_of, written

Fit = Annotated[str, typer.Option(help="crop, pad or squash: what is done with frames of another shape.")]


@app.command()
def interpolate(
    video: Annotated[Path, typer.Argument(help="A video of one shot.")],
    model: Annotated[str, typer.Option(help="A model's folder that `marey finetune` made with the condition ends.")],
    out: Annotated[Path | None, typer.Option(help="The new video; beside the old one otherwise.")] = None,
    motion: Annotated[int | None, typer.Option(help="Motion bucket, 0 to 255: how much moves.")] = None,
    seed: int = 0,
    steps: Annotated[int | None, typer.Option(help="Denoising steps; the model's own otherwise.")] = None,
    solver: Annotated[str | None, typer.Option(help="Such as euler, dpmpp_2m or unipc.")] = None,
    size: Annotated[str | None, typer.Option(help="HEIGHTxWIDTH in pixels; as trained otherwise.")] = None,
    fit: Fit = "crop",
    batch: Annotated[int, typer.Option(help="Pairs of frames at a time.")] = 8,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: Json = False,
) -> None:
    """A video to one of four times the frame rate; the frames that are there stay."""
    from marey.generate import Model

    how: dict[str, Any] = {"motion": motion, "seed": seed, "steps": steps, "solver": solver, "fit": fit, "batch": batch}
    how["size"] = size_of(size)
    opened = Model.open(model, device=device, dtype=dtype)
    with progress_shown() as progress:
        made = opened.interpolate(video, **how, progress=progress)
    written(made, out or video.with_name(f"{video.stem}-between.mp4"), as_json)


@app.command()
def orbit(
    picture: Annotated[Path, typer.Argument(help="A still of a thing.")],
    model: Annotated[
        str, typer.Option(help="A model's folder that `marey finetune` made with the condition elevation or poses.")
    ],
    out: Annotated[Path | None, typer.Option(help="The video; beside the picture otherwise.")] = None,
    elevation: Annotated[float, typer.Option(help="Of the camera above the horizon, in degrees.")] = 10.0,
    azimuths: Annotated[
        str | None, typer.Option(help="Of each frame, such as 0,20,40 (condition poses); once around otherwise.")
    ] = None,
    frames: Annotated[int | None, typer.Option(help="How many; as trained otherwise.")] = None,
    seed: int = 0,
    steps: Annotated[int | None, typer.Option(help="Denoising steps; the model's own otherwise.")] = None,
    solver: Annotated[str | None, typer.Option(help="Such as euler, dpmpp_2m or unipc.")] = None,
    guidance: Annotated[str | None, typer.Option(help="Such as 2, or triangle:1:2.5, which is usual here.")] = None,
    size: Annotated[str | None, typer.Option(help="HEIGHTxWIDTH in pixels; as trained otherwise.")] = None,
    fit: Fit = "crop",
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: Json = False,
) -> None:
    """A still of a thing to a video that goes around it."""
    from marey.generate import Model

    how: dict[str, Any] = {"frames": frames, "seed": seed, "steps": steps, "solver": solver, "fit": fit}
    how |= {"guidance": guidance, "size": size_of(size)}
    turns = None if azimuths is None else [number(word, "--azimuths") for word in azimuths.split(",")]
    opened = Model.open(model, device=device, dtype=dtype)
    with progress_shown() as progress:
        made = opened.orbit(picture, elevation, turns, **how, progress=progress)
    written(made, out or picture.with_suffix(".mp4"), as_json)
