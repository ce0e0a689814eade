"""Only this room opens media with PyAV, so that reading once can be checked in one place."""

import ast
from pathlib import Path

import marey

SOURCE = Path(marey.__file__).parent


def uses_pyav(path: Path) -> bool:
    """Whether a module takes anything from PyAV but its version."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "av":
            return True
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "av":
            return True
    return False


def test_pyav_is_used_by_media_alone() -> None:
    users = {path.relative_to(SOURCE).parts[0] for path in SOURCE.rglob("*.py") if uses_pyav(path)}
    assert users - {"doctor.py"} == {"media"}  # the doctor says its version


DECODERS = {  # by file, what its one `packet.decode()` is for
    "decode.py": "pictures, to know a source and to use a clip",
    "mux.py": "the sound of clips that are written",
    "packets.py": "pictures of clips that are written",
    "sound.py": "sound, to know a source",
}


def test_few_lines_decode() -> None:
    """`packet.decode()`: the one call without arguments of that name in each of these files."""
    calls = [
        path.name
        for path in (SOURCE / "media").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "decode"
        if not node.args
    ]
    assert sorted(calls) == sorted(DECODERS)


def test_media_imports_no_other_room() -> None:
    for path in (SOURCE / "media").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("marey"):
                assert node.module.split(".")[1] in {"media", "errors"}, f"{path.name} imports {node.module}"
