import json
import subprocess
import sys
from pathlib import Path

import pytest

from marey.errors import MareyError
from marey.evaluate.shot_files import score_shots


def cut(at: int) -> dict[str, object]:
    return {"kind": "cut", "a_end": at - 1, "b_start": at, "confidence": 0.9}


def written(path: Path, table: object) -> Path:
    path.write_text(json.dumps(table))
    return path


def test_each_protocol_says_its_own(tmp_path: Path) -> None:
    """One cut on the frame, one two frames off, one missed, one that is not there."""
    true = written(tmp_path / "true.json", {"a": [cut(10), cut(50), cut(90)], "b": []})
    found = written(tmp_path / "found.json", {"a": [cut(10), cut(52)], "b": [cut(7)]})
    by = {one.protocol: one for one in score_shots(found, true)}
    assert list(by) == ["sbd/transnetv2-tol2", "sbd/pyscenedetect-tol0", "sbd/pyscenedetect-tol1"]
    lenient, strict = by["sbd/transnetv2-tol2"], by["sbd/pyscenedetect-tol0"]
    assert (lenient.right, lenient.wrong, lenient.missed) == (2, 1, 1)
    assert (strict.right, strict.wrong, strict.missed) == (1, 2, 2)
    assert lenient.f1 == pytest.approx(2 / 3)
    assert lenient.videos == 2
    assert lenient.recall_interval is not None
    assert lenient.recall_interval.low < 2 / 3 < lenient.recall_interval.high


def test_one_video_as_the_verb_prints_it(tmp_path: Path) -> None:
    true, found = written(tmp_path / "true.json", [cut(10)]), written(tmp_path / "found.json", [cut(10)])
    words = [sys.executable, "-m", "marey", "evaluate", "shots", str(found), str(true), "--json"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert [one["f1"] for one in json.loads(ended.stdout)] == [1.0, 1.0, 1.0]


def test_mistakes_are_told(tmp_path: Path) -> None:
    true = written(tmp_path / "true.json", {"a": [cut(10)]})
    with pytest.raises(MareyError, match="says nothing of 'b'"):
        score_shots(written(tmp_path / "found.json", {"b": []}), true)
    with pytest.raises(MareyError, match="marey cuts FILE --json"):
        score_shots(written(tmp_path / "other.json", {"a": [{"frame": 3}]}), true)
    with pytest.raises(MareyError, match="holds no transitions"):
        score_shots(tmp_path / "nowhere.json", true)
