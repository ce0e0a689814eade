"""The tasks of a world of which all is known."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from marey.cli.app import Json, progress_shown, say
from marey.cli.evaluation import evaluations

Footage = Annotated[Path, typer.Argument(help="Clips that `marey worlds play` wrote.")]
Judge = Annotated[Path | None, typer.Option(help="A judge's folder; the one that comes with Marey otherwise.")]
Out = Annotated[Path | None, typer.Option(help="A .json to keep the record in.")]


@evaluations.command()
def events(
    clips: Annotated[Path, typer.Argument(help="Videos, each with a .txt that says what happens in it.")],
    judge: Judge = None,
    least: Annotated[int, typer.Option(help="Clips with an event, and without, for it to be told of.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the shuffled texts.")] = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Does what the texts say happen in the clips? By a judge that only sees them; with negative controls."""
    from marey.evaluate.judges import SHIPPED, Events
    from marey.evaluate.known import read_known
    from marey.evaluate.tasks import judge_events

    with progress_shown() as progress:
        known = read_known(clips, _deeds, progress=progress)
        result = judge_events(Events.open(judge or SHIPPED), known, least=least, seed=seed, progress=progress)
    _told(result, out, as_json)


@evaluations.command()
def retrieval(
    footage: Footage,
    judge: Judge = None,
    steps: Annotated[int, typer.Option(help="Of training.")] = 600,
    heldout: Annotated[float, typer.Option(help="The share of levels that is held out.")] = 0.2,
    seed: int = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Train small encoders of video, text and sound, and let them find each other among held-out clips."""
    from marey.evaluate.judges import SHIPPED, Events
    from marey.evaluate.known import read_known
    from marey.evaluate.tasks import judge_retrieval

    with progress_shown() as progress:
        known = read_known(footage, _deeds, sound=True, progress=progress)
        eyes = Events.open(judge or SHIPPED)
        result = judge_retrieval(known, eyes, steps=steps, heldout=heldout, seed=seed, progress=progress)
    _told(result, out, as_json)


@evaluations.command()
def labels(
    footage: Footage,
    autoencoder: Annotated[
        Path | None, typer.Option(help="An autoencoder's folder, whose pictures are read too.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Of training, 48 pictures each.")] = 400,
    each: Annotated[int, typer.Option(help="Pictures of a clip.")] = 4,
    heldout: Annotated[float, typer.Option(help="The share of clips that is held out.")] = 0.2,
    seed: int = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Train a reader of semantic maps, and read pictures as drawn, blurred, and as an autoencoder returns them."""
    from marey.evaluate.tasks import judge_labels, reconstructed
    from marey.worlds.game.again import drawn_again
    from marey.worlds.game.tiles import LABELS

    with progress_shown() as progress:
        ways = {}
        if autoencoder is not None:
            import torch

            from marey.train.autoencoder import load_autoencoder

            ways["autoencoder"] = reconstructed(load_autoencoder(autoencoder, torch.device("cpu")))
        pictures, maps, clips = drawn_again(footage, each, progress=progress)
        result = judge_labels(
            pictures, maps, LABELS, clips, steps=steps, ways=ways, heldout=heldout, seed=seed, progress=progress
        )
    _told(result, out, as_json)


def _deeds(text: str) -> list[Mapping[str, Any]]:
    from marey.worlds.game.story import parse

    return [asdict(deed) for deed in parse(text)]


def _told(result: Any, out: Path | None, as_json: bool) -> None:
    if out is not None:
        result.save(out)
    say(result, as_json, str(result))
