"""Signals: a column for each measure, of which only what is missing is computed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from counting import counted
from panning import NETWORKS, shot

from marey.catalog import Library
from marey.curate import Summary, curate, measuring
from marey.curate.measure import Measure, Measured, View
from marey.curate.measures import MEASURES
from marey.errors import MareyError
from marey.media import write_video
from marey.recipe import Curate
from marey.worlds.edits import compose


class Frames(Measure):
    """How many frames a clip has."""

    name, version, unit, photos = "frames_seen", "1", "frames", False

    def measure(self, view: View) -> Measured:
        return Measured(float(len(view.luma)), {"stills": len(view.stills), "pairs": view.pairs.max()})


class Newer(Frames):
    """Counts twice."""

    version = "2"

    def measure(self, view: View) -> Measured:
        return Measured(2.0 * len(view.luma))


class Broken(Measure):
    """Fails of clips after the first."""

    name, version = "broken", "1"

    def measure(self, view: View) -> Measured:
        if view.clip["n"]:
            raise ValueError("the second one")
        return Measured(1.0)


class Deadly(Broken):
    """Takes its process with it."""

    def measure(self, view: View) -> Measured:
        if view.clip["n"] == 1:
            os._exit(9)
        return Measured(1.0)


class Words(Measure):
    """How many captions a clip has."""

    name, version, of_captions = "words", "1", True

    def measure(self, view: View) -> Measured:
        return Measured(float(sum(len(text.split()) for text in view.captions.values())))


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    video, _ = compose([shot(seed, 30) for seed in (1, 2, 3)], ["cut", "cut"])
    write_video(tmp_path / "footage" / "a.mp4", video, 25)
    return tmp_path / "footage"


def work(footage: Path, workers: int = 0, without: tuple[str, ...] = NETWORKS) -> Summary:
    return curate(footage, footage.parent / "library", settings=Curate(without=without), workers=workers)


def values(footage: Path, name: str) -> list[dict[str, Any]]:
    with Library.open(footage.parent / "library") as library:
        return library.rows(
            "select signals.* from signals join clips on clips.id = signals.clip where name = ? order by clips.n", name
        )


def test_a_new_measure_and_a_new_version_compute_their_own_column_and_decode_nothing(
    footage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert work(footage).measured["motion"] == 3
    with counted() as count:
        monkeypatch.setattr(measuring, "MEASURES", (*MEASURES, Frames))
        assert work(footage).measured == {"frames_seen": 3}
        (row, *_) = values(footage, "frames_seen")
        assert (row["value"], row["unit"], row["version"]) == (30.0, "frames", "1")
        assert row["data"] == '{"stills": 3, "pairs": 26}'
        monkeypatch.setattr(measuring, "MEASURES", (*MEASURES, Newer))
        assert work(footage).measured == {"frames_seen": 3}
        assert [row["value"] for row in values(footage, "frames_seen")] == [60.0] * 3
        assert work(footage).measured == {}
    assert count.pictures == 0


def test_a_measure_that_fails_costs_its_own_value(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "MEASURES", (Broken, *MEASURES))
    work(footage)
    assert [row["status"] for row in values(footage, "broken")] == ["ok", "failed", "failed"]
    assert values(footage, "broken")[1]["reason"] == "ValueError: the second one"
    assert all(row["value"] is not None for row in values(footage, "motion"))


def test_what_is_no_number_has_failed(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd(Measure):
        """Infinite, then none."""

        name, version = "odd", "1"

        def measure(self, view: View) -> Measured:
            return Measured([float("inf"), float("nan"), 1.0][view.clip["n"]])

    monkeypatch.setattr(measuring, "MEASURES", (Odd,))
    work(footage, without=())
    assert [(row["status"], row["value"]) for row in values(footage, "odd")] == [
        ("failed", None), ("failed", None), ("ok", 1.0)
    ]  # fmt: skip
    assert "no number" in values(footage, "odd")[0]["reason"]


def test_a_measure_that_kills_its_process_costs_one_value(footage: Path, tmp_path: Path) -> None:
    script = tmp_path / "deadly.py"
    script.write_text(
        f"import sys; sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[1] / 'media')!r}]\n"
        "from test_measuring import Deadly, work\n"
        "from marey.curate import measuring\n"
        "from pathlib import Path\n"
        "measuring.MEASURES = (*measuring.MEASURES, Deadly)\n"
        "if __name__ == '__main__':\n"
        "    work(Path(sys.argv[1]), workers=1)\n"
    )
    subprocess.run([sys.executable, str(script), str(footage)], check=True, timeout=120)
    assert [row["status"] for row in values(footage, "broken")] == ["ok", "failed", "ok"]
    assert "ended with exit status 9" in values(footage, "broken")[1]["reason"]
    assert [row["status"] for row in values(footage, "motion")] == ["ok", "ok", "ok"]


def test_a_measure_of_captions_is_computed_anew_when_they_change(
    footage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "MEASURES", (*MEASURES, Words))
    work(footage)
    before = [row["value"] for row in values(footage, "words")]
    assert all(value for value in before)
    (footage / "a.txt").write_text("Four words more here.")
    assert work(footage).measured == {"words": 3}
    assert [row["value"] for row in values(footage, "words")] == [value + 4 for value in before]


def test_a_signal_that_there_is_not_cannot_be_left_out(footage: Path) -> None:
    with pytest.raises(MareyError, match=r"curate\.without names 'text'.*text_area"):
        work(footage, without=("text",))
