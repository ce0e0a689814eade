"""Which filter thresholds people prefer."""

import json
import sys
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from marey.cli.app import (
    Device,
    Json,
    LibraryPath,
    Overrides,
    RecipeName,
    app,
    overrides_of,
    progress_shown,
    say,
    settings_of,
)
from marey.errors import MareyError

study = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Which filter thresholds people prefer.")
app.add_typer(study, name="study")

StudyName = Annotated[str, typer.Option("--name", help="The study's name; the recipe's own otherwise.")]
Rehearsal = Annotated[bool, typer.Option("--rehearsal", help="Go by the votes of simulated voters.")]


@study.command()
def plan(
    library: LibraryPath,
    overrides: Overrides = None,
    recipe: RecipeName = "tiny",
    name: StudyName = "",
    axes: Annotated[str, typer.Option(help="Signals to filter by, such as motion,text_area.")] = "",
    videos: Annotated[Path | None, typer.Option(help="Videos that are there: VIDEOS/ARM/PROMPT.mp4.")] = None,
    dry: Annotated[bool, typer.Option("--dry", help="Make the subsets and tell them; train nothing.")] = False,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """The subsets of each axis, an equal small training on each, and their videos of the same stills."""
    from marey.catalog import Library
    from marey.study.given import plan_given
    from marey.study.plan import carry_out
    from marey.study.plan import plan as work

    said = {"name": name or None, "axes": [axis.strip() for axis in axes.split(",") if axis.strip()] or None}
    settings = settings_of(recipe, [*(overrides or []), *overrides_of("study", said)])
    with progress_shown() as progress, Library.open(library, write=True, create=videos is not None) as store:
        if videos is not None:
            design = plan_given(store, videos, settings.study.name, seed=settings.seed, progress=progress)
            say(design, as_json, _planned(design))
            return
        planned = work(store, settings, device=device, progress=progress)
        if dry:
            say(planned, as_json, str(planned))
            return
        design = carry_out(store, settings, planned, device=device, progress=progress)
    say(design, as_json, f"{planned}\n{_planned(design)}")


@study.command()
def vote(
    library: LibraryPath,
    overrides: Overrides = None,
    recipe: RecipeName = "",
    name: StudyName = "",
    page: Annotated[Path | None, typer.Option(help="Write the voting page as one HTML file instead.")] = None,
    votes: Annotated[int | None, typer.Option(help="How many are asked of a person.")] = None,
    take: Annotated[list[Path] | None, typer.Option("--import", help="A file of votes that was sent back.")] = None,
    rehearse: Annotated[int, typer.Option(help="So many votes by simulated voters, kept apart.")] = 0,
    port: Annotated[int, typer.Option(help="Of the page on this machine; 0: a free one.")] = 8765,
    as_json: Json = False,
) -> None:
    """The voting page, on this machine until Ctrl-C or as one file, and the votes that come back."""
    from marey.catalog import Library
    from marey.study import import_votes, read

    settings = settings_of(recipe, [*(overrides or []), *overrides_of("study", {"name": name or None, "votes": votes})])
    if page is None and not take and not rehearse:
        _serve(library, settings.study, port, as_json)
        return
    done: dict[str, Any] = {}
    with progress_shown() as progress, Library.open(library, write=True) as store:
        design = read(store, settings.study.name)
        for path in take or []:
            done[str(path)] = import_votes(store, design, path)
        if rehearse:
            from marey.study.rehearse import rehearse as work

            done["rehearsal"] = work(store, design, rehearse, seed=settings.seed, progress=progress)
        if page is not None:
            from marey.study.page import offline_page

            done["page"] = offline_page(store, design, page, goal=settings.study.votes)
    plain = {
        what: asdict(one) if is_dataclass(one) and not isinstance(one, type) else one for what, one in done.items()
    }
    say(plain, as_json, "\n".join(f"{what}: {one}" for what, one in done.items()))


@study.command()
def rate(
    library: LibraryPath,
    overrides: Overrides = None,
    recipe: RecipeName = "",
    name: StudyName = "",
    rehearsal: Rehearsal = False,
    all_voters: Annotated[bool, typer.Option("--all-voters", help="Count careless voters too.")] = False,
    as_json: Json = False,
) -> None:
    """What people prefer: Elo as in the paper, Bradley-Terry with intervals, and the votes still needed."""
    from marey.study.words import page

    settings = settings_of(recipe, [*(overrides or []), *overrides_of("study", {"name": name or None})])
    design, votes, ratings = _ratings(library, settings, rehearsal, all_voters)
    say(ratings, as_json, page(design, votes, ratings))


@study.command()
def apply(
    library: LibraryPath,
    recipe: Annotated[str, typer.Option("--recipe", help="The .toml file to change, or a shipped one.")],
    overrides: Overrides = None,
    name: StudyName = "",
    question: Annotated[str, typer.Option(help="quality, prompt or both; both where both were asked.")] = "",
    write: Annotated[bool, typer.Option("--write", help="Change the file.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the changed recipe here instead.")] = None,
    rehearsal: Rehearsal = False,
    as_json: Json = False,
) -> None:
    """The preferred thresholds into the recipe, where the intervals tell them apart. Shows the difference."""
    from marey.recipe import find, shipped
    from marey.study import apply as work
    from marey.study import choose
    from marey.study.apply import write as put

    settings = settings_of(recipe, [*(overrides or []), *overrides_of("study", {"name": name or None})])
    design, _, ratings = _ratings(library, settings, rehearsal, False)
    asked = {rating.question: rating for rating in ratings}
    if question and question not in asked:
        raise MareyError(f"--question is {question!r}: {', '.join(asked)} would do.")
    path = find(recipe)
    applied = work(path, choose(design, asked[question] if question else ratings[-1]))
    if write and out is None and path in shipped().values():
        raise MareyError(f"{path} comes with Marey: --out FILE would write a changed one.")
    written = ""
    if out is not None or write:
        put(applied, out or path)
        written = f"\nWritten to {out or path}."
    say(applied, as_json, f"{applied}{written}")


@study.command()
def learn(
    library: LibraryPath,
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option(help="The head, for curate.models.preference_head.")] = Path(
        "preference.safetensors"
    ),
    recipe: RecipeName = "",
    name: StudyName = "",
    question: Annotated[str, typer.Option(help="quality or prompt.")] = "quality",
    rehearsal: Rehearsal = False,
    as_json: Json = False,
) -> None:
    """A head on embeddings that foretells the votes: one more signal for curation, `preference`."""
    from marey.catalog import Library
    from marey.study import read, told
    from marey.study.scorer import learn as work

    settings = settings_of(recipe, [*(overrides or []), *overrides_of("study", {"name": name or None})])
    with progress_shown() as progress, Library.open(library) as store:
        design = read(store, settings.study.name)
        votes = told(store, design, rehearsal=rehearsal)
        learned = work(
            store,
            design,
            votes,
            out,
            question=question,
            models=settings.curate.models,
            seed=settings.seed,
            progress=progress,
        )
    figures = {key: value for key, value in asdict(learned).items() if key not in ("weight", "mean")}
    say({"head": str(out), **figures}, as_json, f"{learned}\nThe head is in {out}.")


@study.command()
def ablations(
    overrides: Overrides = None,
    recipe: RecipeName = "tiny",
    out: Annotated[Path, typer.Option(help="The folder of the trainings; it goes on there.")] = Path("ablations"),
    seeds: Annotated[int | None, typer.Option(help="How many paired seeds.")] = None,
    table: Annotated[bool, typer.Option("--table", help="Only the table of what is done so far.")] = False,
    as_json: Json = False,
) -> None:
    """The paper's claims in miniature: small trainings that differ in one thing each, and a table with intervals."""
    from marey.study.ablations import read, run
    from marey.study.ablations import table as work
    from marey.study.ablations.files import write

    said = overrides_of("study.ablations", {"seeds": seeds})
    settings = settings_of(recipe, [*(overrides or []), *said])
    chosen = settings.study.ablations
    if not table:
        with progress_shown() as progress:
            run(chosen, out, seed=settings.seed, progress=progress)
    results = read(chosen, out, seed=settings.seed)
    found = work(chosen, results, seed=settings.seed)
    write(out, _drawn(found, results, settings, out))
    say(found, as_json, str(found))


def _drawn(found: Any, results: Any, settings: Any, folder: Path) -> dict[str, str]:
    """Files of the table and the curves, by name."""
    from marey.report import ablations as pages
    from marey.study.ablations.plan import CLAIMS
    from marey.study.ablations.words import CURVES, cells, columns, curated, curves, levels, plain

    rows = [pages.Told(**cells(row)) for row in found.rows]
    files = {"table.json": json.dumps(plain(found), indent=1) + "\n"}
    chosen = settings.study.ablations
    text = pages.markdown(rows, CLAIMS, columns(), [found.partial])
    each = pages.arms_table(*levels(chosen, results), "The trainings themselves")
    files["table.md"] = f"{text}\n{each}\n{curated(folder, chosen, settings.seed)}\n"
    files["gains.svg"] = pages.gains(rows)
    for name, (title, arms) in CURVES.items():
        files[f"curves-{name}.svg"] = pages.progress(curves(results, arms), title)
    return {name: text for name, text in files.items() if text}


def _planned(design: Any) -> str:
    from marey.study.trials import pairs_in_all

    tasks = pairs_in_all(design)
    return f"{design}\n{tasks} different comparisons; three votes on each, as in the paper, would be {3 * tasks}."


def _serve(library: Path, settings: Any, port: int, as_json: bool) -> None:
    from marey.study import read
    from marey.study.serve import serve

    def ready(address: str) -> None:
        print(f"The voting page is at {address} until Ctrl-C.", file=sys.stderr)

    address = serve(library, lambda store: read(store, settings.name), port=port, goal=settings.votes, ready=ready)
    say({"page": address}, as_json, "The votes are in the catalog.")


def _ratings(library: Path, recipe: Any, rehearsal: bool, all_voters: bool) -> Any:
    """The study, its votes, and the ratings by them."""
    from marey.catalog import Library
    from marey.study import rate, read, told

    settings = recipe.study
    with Library.open(library) as store:
        design = read(store, settings.name)
        votes = told(store, design, rehearsal=rehearsal, all_voters=all_voters)
    ratings = rate(
        votes.questions, families=design.families, ties=settings.ties, width=settings.width, seed=recipe.seed
    )
    return design, votes, ratings
