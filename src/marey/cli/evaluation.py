"""How good videos are."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from marey.cli.app import Json, Overrides, RecipeName, RunName, app, progress_shown, run_folder, say, settings_of
from marey.errors import MareyError


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


@evaluations.command("videos")
def evaluate(
    what: Annotated[Path, typer.Argument(help="A library; or generated videos: a folder, a list of paths, or one.")],
    overrides: Overrides = None,
    against: Annotated[Path | None, typer.Option(help="True videos, paired by name.")] = None,
    metrics: Annotated[
        list[str] | None, typer.Option(help="Names or families, with commas between; see `metrics`.")
    ] = None,
    texts: Annotated[Path | None, typer.Option(help="A .json or .csv of name and text.")] = None,
    given: Annotated[int | None, typer.Option(help="So many first frames are not scored.")] = None,
    baselines: Annotated[bool, typer.Option(help="Score a frozen still and a loop too.")] = True,
    protocol: Annotated[str, typer.Option(help="Of distances of sets, such as fvd/styleganv-2048x16.")] = "",
    weights: Annotated[Path | None, typer.Option(help="Of the network that the protocol needs.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Of these weights.")] = None,
    out: Annotated[Path | None, typer.Option(help="A folder to keep the record in, and to go on from.")] = None,
    shard: Annotated[str, typer.Option(help="Only a part of the videos, such as 0/4.")] = "",
    recipe: RecipeName = "tiny",
    run: RunName = "tiny",
    selection: Annotated[str, typer.Option(help="A selection's name; the recipe's own otherwise.")] = "",
    as_json: Json = False,
) -> None:
    """Generated videos against the true ones, with intervals and baselines."""
    settings = settings_of(recipe, overrides)
    with progress_shown() as progress:
        if against is not None or (what.exists() and not (what / "library.db").exists()):
            from marey.evaluate import evaluate_folders
            from marey.evaluate.sets import USUAL_PROTOCOL

            result = evaluate_folders(
                what,
                against,
                settings.evaluate,
                metrics=[word.strip() for group in metrics or [] for word in group.split(",") if word.strip()],
                texts=texts,
                given=given,
                baselines=baselines,
                protocol=protocol or USUAL_PROTOCOL,
                weights=weights,
                sha256=sha256,
                out=out,
                shard=_shard(shard),
                seed=settings.seed,
                progress=progress,
            )
        else:
            from marey.catalog import Library
            from marey.evaluate import evaluate as work

            folder = run_folder(what, run)
            with Library.open(what) as store:
                result = work(
                    store,
                    folder,
                    settings.evaluate,
                    selection=selection or settings.select.name,
                    seed=settings.seed,
                    progress=progress,
                )
    say(result, as_json, str(result))


@evaluations.command()
def board(
    records: Annotated[list[Path], typer.Argument(help="What --out left: folders, each PATH or NAME=PATH.")],
    out: Annotated[Path, typer.Option(help="The page.")] = Path("board.html"),
    by: Annotated[str, typer.Option(help="The metric by which clips are worst and best.")] = "",
    clips: Annotated[int, typer.Option(help="So many of the worst and of the best play.")] = 3,
    title: str = "Leaderboard",
    as_json: Json = False,
) -> None:
    """Records side by side, as one page: intervals, baselines, and clips that play."""
    from marey.report import board as work

    with progress_shown() as progress:
        page = work(records, out, by=by, clips=clips, title=title, progress=progress)
    say({"board": str(page)}, as_json, f"The board is at {page}")


@evaluations.command()
def shots(
    found: Annotated[Path, typer.Argument(help="Transitions as `marey cuts --json` prints them, or a table of such.")],
    true: Annotated[Path, typer.Argument(help="The true ones, in the same form.")],
    as_json: Json = False,
) -> None:
    """Precision, recall and F1 of transitions, under each published protocol."""
    from marey.evaluate.shot_files import score_shots

    scores = score_shots(found, true)
    say(scores, as_json, "\n".join(str(one) for one in scores))


@evaluations.command("metrics")
def metrics_list(overrides: Overrides = None, recipe: RecipeName = "tiny", as_json: Json = False) -> None:
    """All metrics of single videos: what each is, what it needs, and whether that is here."""
    from marey.evaluate.metrics import METRICS
    from marey.evaluate.models import Models

    models = Models(settings_of(recipe, overrides).evaluate.models)
    rows = []
    for metric in METRICS.values():
        lacking = next(filter(None, (models.lacking(name) for name in metric.models)), "")
        rows.append(
            {
                "name": metric.name,
                "id": metric.id,
                "family": metric.family,
                "better": metric.better,
                "needs": list(metric.needs),
                "lacking": lacking,
                "says": metric.says,
            }
        )
    lines = [f"{row['name']:<28} {row['id']:<40} {row['family']:<12} {row['lacking'] or 'here'}" for row in rows]
    say(rows, as_json, "\n".join(lines))


def _shard(word: str) -> tuple[int, int]:
    if not word:
        return 0, 1
    this, slash, count = word.partition("/")
    if not (slash and this.isdecimal() and count.isdecimal() and int(this) < int(count)):
        raise MareyError(f"--shard is {word!r}: THIS/COUNT would do, such as 0/4.")
    return int(this), int(count)


@evaluations.command("doctor")
def doctor(
    i3d: Annotated[Path | None, typer.Option(help="i3d_torchscript.pt, for a published number.")] = None,
    as_json: Json = False,
) -> None:
    """Does this installation measure what others measure? Golden fixtures, and closed forms."""
    from marey.evaluate import doctor as work

    report = work(i3d)
    say(report, as_json, str(report))
    if not report.ok:
        raise typer.Exit(1)
