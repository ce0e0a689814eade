"""How good videos are."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from marey.cli.app import Json, Overrides, RecipeName, RunName, app, progress_shown, run_folder, say, settings_of


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
    what: Annotated[Path, typer.Argument(help="A library, or a folder of generated videos.")],
    overrides: Overrides = None,
    against: Annotated[Path | None, typer.Option(help="A folder of true videos, paired by name.")] = None,
    recipe: RecipeName = "tiny",
    run: RunName = "tiny",
    selection: Annotated[str, typer.Option(help="A selection's name; the recipe's own otherwise.")] = "",
    as_json: Json = False,
) -> None:
    """Generated videos against the true continuation, with intervals and baselines."""
    settings = settings_of(recipe, overrides)
    with progress_shown() as progress:
        if against is not None:
            from marey.evaluate import evaluate_folders

            result = evaluate_folders(what, against, settings.evaluate, seed=settings.seed, progress=progress)
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
