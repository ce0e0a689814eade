"""Only this room touches PyAV, so that reading once can be checked in one place."""

import ast
from pathlib import Path

import marey

SOURCE = Path(marey.__file__).parent


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_pyav_is_imported_by_media_alone() -> None:
    users = {path.relative_to(SOURCE).parts[0] for path in SOURCE.rglob("*.py") if "av" in imported(path)}
    assert users == {"media"}


def test_media_imports_no_other_room() -> None:
    for path in (SOURCE / "media").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("marey"):
                assert node.module.split(".")[1] in {"media", "errors"}, f"{path.name} imports {node.module}"
