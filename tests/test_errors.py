"""The one sentence for what is not installed."""

from pathlib import Path

import pytest

from marey.errors import MareyError, MissingExtra, require


def test_a_module_that_is_there() -> None:
    assert require("json", "train").dumps([1]) == "[1]"


def test_a_module_that_is_not_there_names_the_command() -> None:
    with pytest.raises(MissingExtra, match=r'pip install "marey\[train\]"') as error:
        require("no_such_module.inner", "train")
    assert isinstance(error.value, MareyError)
    assert isinstance(error.value, ImportError)


def test_a_fault_inside_an_installed_module_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_inside.py").write_text("import no_such_dependency")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency") as error:
        require("broken_inside", "train")
    assert not isinstance(error.value, MissingExtra)
