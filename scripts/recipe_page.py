"""Write docs/recipe.md from src/marey/recipe/: every key, its default and what its docstring says.

    python scripts/recipe_page.py > docs/recipe.md

A test holds the page and the source together.
"""

import ast
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src" / "marey" / "recipe"
HEAD = """# recipe: every key

A recipe is a TOML file with a section a verb. What it does not say has the default below. An unknown key is an error
that names the nearest known one. On the command line, `section.key=value` overrides (`train.video.steps=100`). The
recipes that ship are in [recipes/](../recipes); the resolved one is saved beside every run.

This page is written by `scripts/recipe_page.py` from the source.
"""


def main() -> str:
    """The page."""
    sources = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCE.glob("*.py"))]
    classes = {node.name: node for source in sources for node in source.body if isinstance(node, ast.ClassDef)}
    return HEAD + "".join(section(classes, "Recipe", ""))


def section(classes: dict[str, ast.ClassDef], name: str, path: str) -> list[str]:
    """The table of one class and, after it, those of the sections in it."""
    rows, inner = [], []
    body = classes[name].body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            continue
        key, kind = node.target.id, ast.unparse(node.annotation)
        if kind in classes:
            inner += (
                section(classes, kind, f"{path}.{key}" if path else key)
                if not isinstance(node.value, ast.Constant)
                else []
            )
            continue
        said = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
        optional = kind.removesuffix(" | None")
        if optional in classes:  # a section that is there only where it is named
            inner += section(classes, optional, f"{path}.{key}" if path else key)
        rows.append(
            f"| `{key}` | {kind.replace('|', 'or')} | `{default(node.value)}` | {' '.join(str(said).split())} |\n"
        )
    title = f"\n## [{path}]\n\n" if path else "\n## At the top\n\n"
    doc = " ".join((ast.get_docstring(classes[name]) or "").split())
    return [title, f"{doc}\n\n", *(["| key | type | default | |\n|---|---|---|---|\n", *rows] if rows else []), *inner]


def default(node: ast.expr | None) -> str:
    """A field's default, as written."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "Field":
        node = node.args[0] if node.args else None
    return "(none)" if node is None else ast.unparse(node)


if __name__ == "__main__":
    print(main(), end="")
