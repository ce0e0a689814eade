"""One small study, made once; each test that votes gets a copy of its library."""

import shutil
from pathlib import Path

import pytest

from .made_study import make_study


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with library/ (the study "looks") and videos/. Tests change nothing in it."""
    place = tmp_path_factory.mktemp("study")
    make_study(place)
    return place


@pytest.fixture
def library(made: Path, tmp_path: Path) -> Path:
    """A copy of that library."""
    return Path(shutil.copytree(made / "library", tmp_path / "library"))
