"""The built wheel, in an environment of its own: it installs, starts, carries its recipes and page template, and says
what is missing."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT)], check=True, capture_output=True
    )
    (built,) = out.glob("*.whl")
    return built


def test_what_is_in_it(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"marey/cli/app.py", "marey/py.typed", "marey/recipes/tiny.toml", "marey/report/page.html.j2"} <= names
    assert {f"marey/generate/marey-tiny/{part}" for part in ("marey.json", "README.md", "unet/config.json")} <= names
    assert not [name for name in names if name.startswith(("tests/", "docs/")) or name.endswith((".mp4", ".db"))]


def test_it_starts_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    venv.create(place, with_pip=True)
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], check=True, capture_output=True, text=True)

    def marey(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, "-m", "marey", *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    assert marey("--version").stdout.startswith("marey 0.")
    doctor = marey("doctor")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert 'pip install "marey[train]"' in doctor.stdout
    still = tmp_path / "still.jpg"
    subprocess.run(
        [
            python,
            "-c",
            "import sys; from PIL import Image; Image.new('RGB', (64, 64), 'teal').save(sys.argv[1])",
            still,
        ],
        check=True,
    )
    wanting = marey("animate", str(still))
    assert wanting.returncode == 1
    assert wanting.stderr.count("\n") == 1, "one sentence, no traceback"
    assert 'pip install "marey[train]"' in wanting.stderr

    # The torch-free half of the road works: a folder of footage becomes a library.
    footage = tmp_path / "footage"
    footage.mkdir()
    code = (
        "import sys, numpy as np; from marey.media import write_video; r = np.random.default_rng(0);"
        "b = r.integers(0, 255, (80, 240, 3)).astype('uint8').repeat(2, 0).repeat(2, 1);"
        "write_video(sys.argv[1], np.stack([b[:120, 4 * t : 4 * t + 160] for t in range(40)]), 20)"
    )
    subprocess.run([python, "-c", code, footage / "pan.mp4"], check=True)
    curated = marey(
        "curate", str(footage), "--out", str(tmp_path / "library"), 'curate.without=["text_area"]', "--json"
    )
    assert curated.returncode == 0, curated.stderr
    assert (tmp_path / "library" / "library.db").is_file()
