"""The program that all verbs belong to, and what they share: options, progress, the printing of results."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

import marey
from marey.errors import MareyError

app = typer.Typer(
    name="marey",
    help="From raw footage to your own video model. The main job: marey run tiny --out LIBRARY",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
RecipeName = Annotated[str, typer.Option("--recipe", help="A shipped recipe's name, or a .toml file.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="Overrides, such as train.video.steps=100.")]
LibraryPath = Annotated[Path, typer.Argument(help="The library's folder.")]
RunName = Annotated[str, typer.Option("--run", help="The run's name under runs/.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"marey {marey.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@contextmanager
def progress_shown(log: Path | None = None) -> Iterator[Any]:
    from marey.progress import Display

    try:
        with Display(log) as display:
            yield display
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from here.", file=sys.stderr)
        raise typer.Exit(130) from None


def settings_of(name: str, overrides: list[str] | None) -> Any:
    from marey.recipe import Recipe

    return Recipe.open(name, overrides or []) if name else Recipe.of({}, overrides or [])


def overrides_of(section: str, values: dict[str, Any]) -> list[str]:
    """Overrides of the options that were given."""
    return [f"{section}.{key}={json.dumps(value)}" for key, value in values.items() if value is not None]


def precision_of(dtype: str, *stages: str) -> list[str]:
    """Overrides that train in this dtype; none where the recipe is to decide."""
    names = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}
    if dtype != "auto" and dtype not in names:
        raise MareyError(f"--dtype is {dtype!r}: auto, {', '.join(names)} would do.")
    return [f'{stage}.precision="{names[dtype]}"' for stage in stages] if dtype in names else []


def run_folder(library: Path, name: str) -> Path:
    if Path(name).name != name or name in ("", ".", ".."):
        raise MareyError(f"--run is {name!r}: a plain name such as 'tiny' would do.")
    return Path(library).expanduser().resolve() / "runs" / name


def say(result: Any, as_json: bool, text: str) -> None:
    if not as_json:
        print(text)
        return
    if isinstance(result, list):
        result = [asdict(one) if is_dataclass(one) and not isinstance(one, type) else one for one in result]
    elif is_dataclass(result) and not isinstance(result, type):
        result = asdict(result)
    print(json.dumps(result, ensure_ascii=False, default=str, indent=1))
