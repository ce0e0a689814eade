"""One self-contained page about a run, at runs/NAME/report/index.html: what came in, what was kept, what was trained,
how good.

Whatever is not there yet is said to be missing, with the command that makes it. All that came from outside (names,
captions, reasons) is escaped; the page loads nothing.
"""

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

import marey
from marey.catalog.select import Selection, read_selection
from marey.errors import MareyError
from marey.evaluate import Evaluation
from marey.evaluate.record import SUBSETS
from marey.media import Tally
from marey.progress import Progress, silent
from marey.recipe import Report as Settings
from marey.report import clips, footage, head, model, reproduce, words

if TYPE_CHECKING:
    from marey.catalog import Library

_SECTIONS = [
    ("what", "What it shows"),
    ("funnel", "Funnel"),
    ("inputs", "Inputs"),
    ("signals", "Signals"),
    ("transitions", "Transitions"),
    ("clips", "Clips"),
    ("training", "Training"),
    ("videos", "Videos"),
    ("metrics", "Metrics"),
    ("cost", "Cost"),
    ("again", "Make it again"),
    ("credits", "Licences"),
]
_HERO = 3


def report(
    library: "Library",
    run_folder: Path,
    settings: Settings | None = None,
    selection: str = "selected",
    progress: Progress = silent,
) -> Path:
    """Write the page and return its path. A library that is open for reading is enough.

    Args:
        run_folder: runs/NAME of the library; what is not in it yet is said to be missing.
        selection: whose thresholds, kept and left-out clips are shown.
    """
    settings = settings or Settings()
    run_folder = Path(run_folder)
    page = run_folder / "report" / "index.html"
    text = _render(_context(library, run_folder, settings, selection, progress))
    page.parent.mkdir(parents=True, exist_ok=True)
    part = page.with_name(page.name + ".tmp")
    part.write_text(text, encoding="utf-8")
    os.replace(part, page)
    progress("writing the report", 1, 1, f"{len(text) / 1e6:.1f} MB")
    return page


def _context(library: "Library", run_folder: Path, settings: Settings, name: str, progress: Progress) -> dict[str, Any]:
    try:
        selection: Selection | None = read_selection(library, name)
    except MareyError:
        selection = None
    evaluation = _evaluation(run_folder)
    recipe = reproduce.read_recipe(run_folder)
    names = footage.names_of(library)
    titles = footage.footage_names(library, names)
    fact = library.facts.get(f"encode/{name}") or {}
    windows = [place.info for place in library.places(fact["pixels"]).values()] if fact else []
    progress("writing the report", 0, 1, "clips")
    inputs = footage.inputs(library, names)
    tally = Tally()
    strips = clips.filmstrips(library, titles, settings.transitions, tally)
    kept = clips.cards(library, selection, titles, settings.examples, kept=True)
    dropped = clips.cards(library, selection, titles, settings.examples, kept=False)
    progress("writing the report", 0.4, 1, "videos")
    samples = model.samples(run_folder, evaluation, titles, settings.examples)
    curves = model.training(run_folder)
    tables = model.tables(evaluation) if evaluation else []
    steps = reproduce.read_steps(run_folder)
    took = reproduce.took(steps)
    over = reproduce.over_budget(steps)
    funnel = footage.funnel(library, selection, windows, int(fact.get("short") or 0))
    licences = footage.credits(library, names)
    status = Counter(row["status"] for row in library.rows("select status from clips"))
    transitions = Counter(row["kind"] for row in library.rows("select kind from transitions order by kind"))
    left_out = footage.left_out(library, over, windows, samples.n if samples else None)
    return {
        "title": settings.title,
        "run": run_folder.name,
        "library": library.path.name,
        "version": marey.__version__,
        "verdict": head.verdict(library, selection, windows, curves, evaluation),
        "tiles": head.tiles(library, funnel, selection, windows, curves, took, evaluation),
        "hero": samples.examples[:_HERO] if samples else [],
        "sections": _SECTIONS,
        "shows": head.shows(funnel, evaluation),
        "shows_not": head.shows_not(windows, took, evaluation, samples),
        "funnel": funnel,
        "all_inputs": inputs,
        "bad": [one for one in inputs if one.status != "ok"],
        "remarked": [one for one in inputs if one.status == "ok" and (one.reason or one.note)],
        "histograms": clips.histograms(library, selection),
        "other_signals": clips.others(library, selection),
        "rules": clips.rules(library, selection) if selection else [],
        "selection": name,
        "strips": strips,
        "transitions": sum(transitions.values()),
        "kinds": words.listed([words.count(n, kind, _plural(kind)) for kind, n in transitions.items()]),
        "known": footage.known_truth(library, names),
        "kept": kept,
        "kept_total": len(selection.clips) if selection else status["ok"],
        "dropped": dropped,
        "dropped_total": sum(status.values()) - (len(selection.clips) if selection else status["ok"]),
        "curves": curves,
        "samples": samples,
        "evaluation": evaluation,
        "tables": tables,
        "absent": _absent(evaluation),
        "footnotes": sorted({row.note for row in evaluation.rows if row.note}) if evaluation else [],
        "took": took,
        "peak": max((one.peak_mb for one in took if one.peak_mb is not None), default=None),
        "decodes": footage.decodes(library),
        "shown": tally.decoded,
        "left_out": left_out,
        "command_all": reproduce.command_for_all(run_folder, recipe, over, unread=footage.is_unread(library, over)),
        "commands": reproduce.commands(run_folder, recipe),
        "versions": reproduce.versions(),
        "credits": licences,
        "unknown_licence": sum(one.license == "unknown" for one in licences),
    }


def _render(context: dict[str, Any]) -> str:
    here = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(here),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=words.count, duration=words.duration, memory=words.memory, percent=words.percent)
    style = Markup((here / "style.css").read_text(encoding="utf-8"))
    script = Markup((here / "page.js").read_text(encoding="utf-8"))
    return environment.get_template("page.html.j2").render(**context, style=style, script=script)


def _evaluation(run_folder: Path) -> Evaluation | None:
    path = run_folder / "metrics.json"
    if not path.is_file():
        return None
    try:
        return Evaluation.load(path)
    except MareyError:
        return None  # of another version: the page says that there is none, and which command makes one


def _absent(evaluation: Evaluation | None) -> list[dict[str, str]]:
    if evaluation is None:
        return []
    titles = {"frechet": "Fréchet distance", "all": "scores"}
    everywhere = {gap["metric"] for gap in evaluation.absent if gap["subset"] == "all"}
    return [
        {
            "metric": titles.get(gap["metric"], gap["metric"]),
            "subset": SUBSETS.get(gap["subset"], gap["subset"]),
            "reason": gap["reason"],
        }
        for gap in evaluation.absent
        if gap["subset"] == "all" or gap["metric"] not in everywhere  # what all lack, each part lacks
    ]


def _plural(kind: str) -> str:
    return f"{kind}s"
