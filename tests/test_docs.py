"""Every command and every piece of Python on a page of docs/ is run here, in a folder where a road has been gone in
small.

The pages say `tiny`; in that folder a file named `tiny` is a recipe of a few steps, which stands before the shipped
one.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])
FENCE = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The two commands of the README set up environments of their own: .ci/run and tests/test_road.py are their tests.
ELSEWHERE = ("make ", "pip install", "uv ", "git clone", "cd ", "python benchmarks/", "python docs/", "python scripts/")


def blocks(kind: str) -> list[tuple[str, str]]:
    """(page, text) of each fenced block of a kind."""
    return [
        (page.name, text)
        for page in PAGES
        for found, text in FENCE.findall(page.read_text(encoding="utf-8"))
        if found == kind
    ]


def commands() -> list[tuple[str, str]]:
    """(page, command) of each line that a test can run."""
    lines = [
        (page, line.split("   #")[0].strip())
        for page, text in blocks("sh")
        for line in text.replace("\\\n", " ").splitlines()
    ]
    return [(page, line) for page, line in lines if line and not line.startswith(("#", *ELSEWHERE))]


@pytest.fixture(scope="module")
def place(gone_road: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the road's folder: the pages' commands change it."""
    return Path(shutil.copytree(gone_road, tmp_path_factory.mktemp("docs") / "road"))


def test_there_is_something_to_run() -> None:
    verbs = {line.split()[1] for _, line in commands()}
    assert verbs >= {
        "samples", "worlds", "curate", "cuts", "select", "export", "encode", "train", "generate", "animate", "evaluate",
        "report", "run", "study", "doctor",
    }  # fmt: skip


@pytest.mark.parametrize(("page", "command"), commands(), ids=[f"{page}: {line}" for page, line in commands()])
def test_a_command_of_a_page_runs(page: str, command: str, place: Path) -> None:
    words = shlex.split(command)
    assert words[0] == "marey", f"{page} has a command that no test runs: {command}"
    ended = subprocess.run(
        [sys.executable, "-m", "marey", *words[1:]],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ended.returncode == 0, f"{page}: {command}\n{ended.stdout}\n{ended.stderr}"


@pytest.mark.parametrize(("page", "code"), blocks("python"), ids=[page for page, _ in blocks("python")])
def test_the_python_of_a_page_runs(page: str, code: str, place: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=place, capture_output=True, text=True, timeout=280, check=False
    )
    assert ended.returncode == 0, f"{page}:\n{code}\n{ended.stdout}\n{ended.stderr}"


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http", "mailto")):
                assert (page.parent / target).exists(), f"{page.name} points to {target}, which is not there"


def test_the_page_of_recipes_is_that_of_the_source() -> None:
    written = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "recipe_page.py")], capture_output=True, text=True, check=True
    ).stdout
    assert (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8") == written, "run scripts/recipe_page.py again"
