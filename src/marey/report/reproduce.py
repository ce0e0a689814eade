"""What each step took, what the recipe left out, and the commands that make all of it again."""

import json
import platform
import shlex
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import marey
from marey.errors import MareyError
from marey.recipe import Recipe, shipped

_PACKAGES = ("numpy", "opencv-python-headless", "av", "torch", "diffusers", "transformers", "accelerate", "rapidocr")
_MOST_CHANGES = 12  # with more, the resolved recipe says it better
STEPS = {
    "samples": "Fetch sample footage",
    "curate": "Curate: read once, find shots and signals",
    "select": "Select",
    "encode": "Encode, and train the autoencoder",
    "train": "Train: image, video, finetune",
    "generate": "Generate from held-out stills",
    "evaluate": "Evaluate",
    "report": "This page",
}


@dataclass(frozen=True)
class Took:
    """What one step of the road took."""

    title: str
    status: str
    seconds: float
    peak_mb: float | None
    share: float
    """Of the longest step, 0..1, for a bar."""


@dataclass(frozen=True)
class Command:
    """A command, and what it is for."""

    says: str
    line: str


def read_steps(run_folder: Path) -> list[dict[str, Any]]:
    """The rows of steps.json; none where there is no such file, or none that can be read."""
    try:
        rows = json.loads((run_folder / "steps.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [row for row in rows if isinstance(row, dict) and "step" in row] if isinstance(rows, list) else []


def took(rows: list[dict[str, Any]]) -> list[Took]:
    """Seconds and peak memory of each step."""
    done = [row for row in rows if row["step"] != "report"]  # the report itself is being done
    longest = max((float(row.get("seconds") or 0) for row in done), default=0.0)
    return [
        Took(
            STEPS.get(row["step"], row["step"]),
            str(row.get("status", "")),
            float(row.get("seconds") or 0),
            row.get("peak_mb"),
            float(row.get("seconds") or 0) / longest if longest else 0.0,
        )
        for row in done
    ]


def read_recipe(run_folder: Path) -> Recipe | None:
    """The resolved recipe of the run; None where there is none."""
    path = run_folder / "recipe.toml"
    try:
        return Recipe.open(path) if path.is_file() else None
    except MareyError:
        return None  # of another version; the page can do without it


def commands(run_folder: Path, recipe: Recipe | None) -> list[Command]:
    """How to install this version, run this again, and look at what it made."""
    library = run_folder.parent.parent.name or "library"
    made = [Command("Install this version", f'pip install "marey[train,features,ocr,parquet]=={marey.__version__}"')]
    if recipe is not None:
        made.append(Command("Go this road again", _run(run_folder, recipe, [])))
        model = shlex.quote(f"{library}/models/{recipe.train.name}")
        made.append(Command("Animate a picture of your own", f"marey animate picture.jpg --model {model}"))
    made.append(
        Command("Make this page again", f"marey report {shlex.quote(library)} --run {shlex.quote(run_folder.name)}")
    )
    return made


def over_budget(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What curation said was over the budget (videos, photos, seconds, command); empty where nothing was, or nobody
    says."""
    results = [row.get("result") for row in rows if row["step"] == "curate"]
    said = results[0].get("left_out") if results and isinstance(results[0], dict) else None
    return said if isinstance(said, dict) else {}


def command_for_all(run_folder: Path, recipe: Recipe | None, over: dict[str, Any], *, unread: bool) -> Command | None:
    """The command that leaves nothing out; None where the recipe limits nothing that mattered.

    Args:
        over: as `over_budget` gives it: its command is the one where there is no recipe.
        unread: whether some footage, or the rest of some, was not read.
    """
    title = "All of it, however long it takes"
    if recipe is None:
        return Command(title, str(over["command"])) if over.get("command") else None
    limits = [
        f"footage.{name}=none"
        for name in ("budget_seconds", "file_seconds", "photos")
        if unread and getattr(recipe.footage, name) is not None
    ]
    limits += ["encode.windows.most=none"] if recipe.encode.windows.most is not None else []
    limits += ["generate.windows=none"] if recipe.generate.windows is not None else []
    if not limits:
        return None
    return Command(title, _run(run_folder, recipe, limits))


def versions() -> list[tuple[str, str]]:
    """Of Marey, Python and what the numbers depend on; what is not installed is not in it."""
    found = [("marey", marey.__version__), ("python", platform.python_version())]
    for package in _PACKAGES:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return found


def _run(run_folder: Path, recipe: Recipe, more: list[str]) -> str:
    """`marey run` of a shipped recipe with what differs from it as overrides, or of the resolved recipe.

    Folders are named without what is above them: a page that is passed on names no home directory.
    """
    library = run_folder.parent.parent.name or "library"
    name = run_folder.name
    footage = ["--footage", shlex.quote(Path(recipe.footage.folder).name)] if recipe.footage.folder else []
    if name in shipped():
        changed = _changes(Recipe.open(name).model_dump(mode="json"), recipe.model_dump(mode="json"))
        if len(changed) <= _MOST_CHANGES:
            keys = {line.split("=")[0] for line in [*more, "footage.folder="]}
            words = [word for word in changed if word.split("=")[0] not in keys] + more
            return " ".join(["marey run", name, "--out", shlex.quote(library), *footage, *map(shlex.quote, words)])
    path = shlex.quote(f"{library}/runs/{name}/recipe.toml")
    return " ".join(["marey run", path, "--out", shlex.quote(library), *footage, *map(shlex.quote, more)])


def _changes(shipped_one: dict[str, Any], resolved: dict[str, Any], prefix: str = "") -> list[str]:
    words = []
    for key, value in resolved.items():
        before = shipped_one.get(key)
        if value == before:
            continue
        if isinstance(value, dict) and isinstance(before, dict):
            words += _changes(before, value, f"{prefix}{key}.")
        elif isinstance(value, dict):
            words += [f"{prefix}{key}.{inner}={json.dumps(one, ensure_ascii=False)}" for inner, one in value.items()]
        else:
            said = "none" if value is None else json.dumps(value, ensure_ascii=False)
            words.append(f"{prefix}{key}={said}")
    return words
