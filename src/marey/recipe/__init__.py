"""The typed description of a whole run: TOML or Python, one section a verb.

    recipe = Recipe.open("tiny", ["train.video.steps=100"])     # a shipped name, or the path of a .toml file

An unknown key is an error that names the nearest known one; a value out of range is an error that names the field, the
value and what would do. The resolved recipe is saved beside whatever it made; the same recipe, seed and library give
the same result.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from marey.errors import MareyError
from marey.recipe.ablations import Ablations
from marey.recipe.choice import Export, Select
from marey.recipe.footage import Captioner, Captions, Curate, Footage, Models, Server, Transitions, World
from marey.recipe.judging import Evaluate, Judges, Report, Script, Study
from marey.recipe.section import Section
from marey.recipe.text import explained, overridden, to_toml
from marey.recipe.training import Autoencoder, Encode, Finetune, Generate, Network, Stage, Train, Windows

__all__ = [
    "Ablations",
    "Autoencoder",
    "Captioner",
    "Captions",
    "Curate",
    "Encode",
    "Evaluate",
    "Export",
    "Finetune",
    "Footage",
    "Generate",
    "Judges",
    "Models",
    "Network",
    "Recipe",
    "Report",
    "Script",
    "Section",
    "Select",
    "Server",
    "Stage",
    "Study",
    "Train",
    "Transitions",
    "Windows",
    "World",
    "find",
    "shipped",
]


class Recipe(Section):
    """The whole road, a section a verb."""

    seed: int = Field(0, ge=0)
    workers: int = Field(2, ge=0)
    """Guarded processes that read footage; 0: this process reads it (unguarded)."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    dtype: str = "auto"
    """Of the weights when videos are generated: auto, float32, bfloat16 or float16. Training has `precision` instead.
    """
    footage: Footage = Footage()
    curate: Curate = Curate()
    select: Select = Select()
    export: Export = Export()
    encode: Encode = Encode()
    train: Train = Train()
    finetune: Finetune = Finetune()
    generate: Generate = Generate()
    evaluate: Evaluate = Evaluate()
    report: Report = Report()
    study: Study = Study()

    @classmethod
    def open(cls, name: str | Path, overrides: Sequence[str] = ()) -> "Recipe":
        """Read a recipe by path or by shipped name, and apply overrides such as `train.video.steps=100`.

        Raises:
            MareyError: no such recipe, no TOML, an unknown key, or a value that will not do.
        """
        path = find(name)
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise MareyError(f"{path} is not valid TOML: {error}.") from error
        return cls.of(table, overrides, str(path))

    @classmethod
    def of(cls, table: dict[str, Any], overrides: Sequence[str] = (), where: str = "the recipe") -> "Recipe":
        """A recipe from a table as TOML gives it, after overrides."""
        for override in overrides:
            table = overridden(table, override)
        try:
            return cls.model_validate(table)
        except ValidationError as error:
            raise MareyError(explained(cls, error, where)) from error

    def save(self, path: Path) -> None:
        """Write every value, defaults too, as TOML."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(to_toml(self.model_dump(mode="json")), encoding="utf-8")


def shipped() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    here = Path(__file__).parents[1]
    for folder in (here / "recipes", here.parents[1] / "recipes"):  # installed, and in a checkout
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.toml"))}
    return {}


def find(name: str | Path) -> Path:
    """The file of a recipe given by path or by shipped name."""
    path = Path(name)
    if path.is_file():
        return path
    recipes = shipped()
    if str(name) in recipes:
        return recipes[str(name)]
    raise MareyError(f"There is no recipe {str(name)!r}: a .toml file, or one of {', '.join(recipes)}, would do.")
