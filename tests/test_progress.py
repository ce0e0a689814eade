"""Progress: lines where there is no terminal, a log of what began and ended."""

from pathlib import Path

import pytest

from marey.progress import Display, follow, silent


def test_lines_and_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "deep" / "log.txt"
    with Display(log) as display:
        assert list(follow([1, 2, 3], display, "counting", 3)) == [1, 2, 3]
        display("watching", 5, None, "no end known")
    said = capsys.readouterr()
    assert said.out == "", "progress belongs to standard error"
    assert "counting: 3 of 3 (100%)" in said.err
    assert "watching: 5 no end known" in said.err
    text = log.read_text()
    assert "start  counting" in text
    assert "end    counting" in text
    assert "end    watching" not in text


def test_the_same_work_can_be_done_twice(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as display:
        for _ in range(2):
            display("step", 0, 1)
            display("step", 1, 1)
    assert capsys.readouterr().err.count("step: 1 of 1") == 2


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    silent("work", 1, 2)
    assert capsys.readouterr() == ("", "")
