"""The script that photographs a page, with a browser that is only a few lines of Python."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "screenshot.py"

FAKE = """#!{python}
import pathlib, sys
words = dict(word[2:].split("=", 1) for word in sys.argv[1:] if word.startswith("--") and "=" in word)
pathlib.Path(words["screenshot"] + ".words").write_text("\\n".join(sys.argv[1:]))
pathlib.Path(words["screenshot"]).write_bytes(b"a picture")
"""


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("screenshot", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def program(path: Path, text: str) -> Path:
    path.write_text(text.format(python=sys.executable))
    path.chmod(0o755)
    return path


@pytest.mark.skipif(os.name != "posix", reason="a script is no program there")
def test_it_asks_for_the_page_at_the_size(script, tmp_path: Path) -> None:
    page = tmp_path / "a page.html"
    page.write_text("<p>")
    fake, out = program(tmp_path / "fake", FAKE), tmp_path / "out" / "x.png"
    script.screenshot(page, out, width=640, height=480, chromium=str(fake))
    assert out.read_bytes() == b"a picture"
    words = Path(f"{out}.words").read_text().splitlines()
    assert "--window-size=640,480" in words
    assert words[-1] == page.as_uri()
    assert {"--headless", "--disable-background-networking", "--disable-sync", "--no-first-run"} <= set(words)
    profile = next(word for word in words if word.startswith("--user-data-dir=")).split("=", 1)[1]
    assert not Path(profile).exists(), "a fresh profile, gone afterwards"


@pytest.mark.skipif(os.name != "posix", reason="a script is no program there")
def test_no_picture_is_an_error(script, tmp_path: Path, monkeypatch, capsys) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p>")
    blind = program(tmp_path / "blind", "#!{python}\nimport sys\nsys.exit('I see nothing')\n")
    with pytest.raises(RuntimeError, match=r"made no picture \(status 1\): I see nothing"):
        script.screenshot(page, tmp_path / "x.png", chromium=str(blind))
    monkeypatch.setattr(sys, "argv", ["screenshot", str(page), str(tmp_path / "x.png"), "--browser", "no-such-program"])
    assert script.main() == 1
    assert "There is no Chromium" in capsys.readouterr().err


def test_one_element_alone(script, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<html><head></head><body><p id="a">x</p><p id="b">y</p></body></html>')
    copy = script._alone(page, "b", tmp_path / "copy.html").read_text()
    assert ":not(#b)" in copy.split("</head>")[0]
    assert copy.replace(copy.split("<head>")[1].split("</head>")[0], "") == page.read_text()
    with pytest.raises(RuntimeError, match="no element with the id 'c'"):
        script._alone(page, "c", tmp_path / "copy.html")


def test_it_needs_nothing_but_python(script) -> None:
    imported = {
        line.split()[1].split(".")[0] for line in SCRIPT.read_text().splitlines() if line.startswith(("import", "from"))
    }
    assert imported <= set(sys.stdlib_module_names)
