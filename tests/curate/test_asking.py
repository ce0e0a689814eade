"""The second opinion in a curation: from the same decode, asked once, and never at the cost of anything else."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from counting import counted
from panning import shot

from marey.catalog import Library
from marey.curate import Summary, asking, curate, reading
from marey.curate.asking import KIND, AskStage, ShotTap
from marey.curate.measures import MEASURES
from marey.curate.second import agreed_transitions
from marey.errors import MissingExtra
from marey.media import probe, read, write_video
from marey.recipe import Curate, Transitions
from marey.signals import shotnet
from marey.signals.shotnet import SIZE, ShotNet
from marey.worlds.edits import Join, compose

PLAIN = Curate(without=tuple(kind.name for kind in MEASURES if kind.name != "brightness"))
FRAMES = 110


def asked(**settings: Any) -> Curate:
    return PLAIN.model_copy(update={"transitions": Transitions(second="transnetv2", **settings)})


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    video, _ = compose([shot(seed, 40) for seed in (1, 2, 3)], [Join("cut"), Join("dissolve", 10)])
    path = tmp_path_factory.mktemp("source") / "edit.mp4"
    write_video(path, video, 25, keyframe_seconds=1)
    return path


@pytest.fixture
def footage(source: Path, tmp_path: Path) -> Path:
    (tmp_path / "footage").mkdir()
    (tmp_path / "footage" / "edit.mp4").write_bytes(source.read_bytes())
    return tmp_path / "footage"


@pytest.fixture(scope="module")
def answers(source: Path) -> np.ndarray:
    """What the network says of the file, outside of any library."""
    return ShotNet()(np.stack([frame.rgb(SIZE) for frame in read(source, probe(source))]))


@pytest.fixture
def counting_asks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The footage of which it was asked."""
    done: list[str] = []
    real = AskStage.process

    def process(self: AskStage, item: dict[str, Any]) -> dict[str, Any]:
        done.append(item["id"])
        return real(self, item)

    monkeypatch.setattr(AskStage, "process", process)
    return done


def work(footage: Path, settings: Curate) -> Summary:
    return curate(footage, footage.parent / "library", settings=settings, workers=0)


def known(footage: Path) -> tuple[np.ndarray, dict[str, np.ndarray], list[tuple[str, int, int]]]:
    """The answers, the trace and the transitions of the one footage."""
    with Library.open(footage.parent / "library") as library:
        ((name, _),) = library.places("trace").items()
        rows = library.rows("select kind, a_end, b_start from transitions order by n")
        said, trace = library.tensor(KIND, name), library.tensor("trace", name)
        assert isinstance(said, np.ndarray)
        assert isinstance(trace, dict)
        return said, trace, [(row["kind"], row["a_end"], row["b_start"]) for row in rows]


@pytest.mark.parametrize("how", ["fused", "alone"])
def test_it_is_fed_from_the_one_decode(how: str, footage: Path, answers: np.ndarray) -> None:
    with counted() as count:
        summary = work(footage, asked(how=how))
    assert count.pictures == summary.decoded == FRAMES
    assert count.seeks == 0
    said, trace, found = known(footage)
    assert trace["small"].shape == (FRAMES, 27, 48, 3)
    np.testing.assert_allclose(said, answers, atol=1e-6)
    wanted = agreed_transitions(trace["luma"], trace["chroma"], answers, 25, asked(how=how).transitions)
    assert found == [(one.kind, one.a_end, one.b_start) for one in wanted]
    assert len(found) == 2


def test_it_is_asked_once_and_a_threshold_asks_nothing(footage: Path, counting_asks: list[str]) -> None:
    work(footage, asked(how="alone"))
    with counted() as count:
        again = work(footage, asked(how="alone"))
        strict = work(footage, asked(how="alone", second_sure=0.9999))
    assert (count.pictures, len(counting_asks)) == (0, 1)
    assert sum(again.transitions.values()) == 2
    assert sum(strict.transitions.values()) == 0


def test_footage_that_was_read_before_is_decoded_once_more_and_keeps_its_signals(
    footage: Path, answers: np.ndarray
) -> None:
    work(footage, PLAIN)
    with counted() as count:
        summary = work(footage, asked())
    assert (count.pictures, count.seeks) == (FRAMES, 0)
    assert summary.did["measured"] == 0, "the same clips have the same signals"
    said, trace, _ = known(footage)
    assert "small" not in trace
    np.testing.assert_allclose(said, answers, atol=1e-6)
    with counted() as count:
        work(footage, asked())
        work(footage, PLAIN)
    assert count.pictures == 0


def test_the_frames_of_reels_are_those_of_the_whole(source: Path, footage: Path) -> None:
    tap = ShotTap()
    for frame in read(source, probe(source)):
        tap.take(frame, tap.ask.of(frame))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading.Reader.__init__, "__kwdefaults__", {"reel_seconds": 1.0, "second": False, "pairs": False})
        curate(footage, footage.parent / "library", settings=asked(), workers=2)
    _, trace, _ = known(footage)
    assert np.array_equal(trace["small"], tap.arrays()["small"])
    with Library.open(footage.parent / "library") as library:
        assert (library.one("select decoded from footage") or {})["decoded"] > FRAMES, "it was read in reels"


def test_footage_without_an_answer_has_ours_and_the_summary_says_so(
    footage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: AskStage, item: dict[str, Any]) -> dict[str, Any]:
        raise ValueError("no answer today")

    with monkeypatch.context() as patch:
        patch.setattr(AskStage, "process", broken)
        summary = work(footage, asked(how="alone", second_sure=0.9999))
    assert summary.transitions == {"cut": 1, "dissolve": 1}
    assert any("no answer today" in note for note in summary.notes)
    again = work(footage, asked(how="alone", second_sure=0.9999))
    assert again.transitions == {}, "it is asked again, and its answer counts"


def test_without_its_extra_nothing_is_read(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shotnet, "_PACKAGE", "no_such_package_of_shots")
    with counted() as count, pytest.raises(MissingExtra, match=r"marey\[shots\]"):
        work(footage, asked())
    assert count.pictures == 0


def test_a_file_that_is_another_one_now_gets_no_answer(footage: Path, tmp_path: Path) -> None:
    work(footage, PLAIN)
    with Library.open(tmp_path / "library", write=True) as library:
        write_video(footage / "edit.mp4", shot(9, FRAMES), 12)
        why = asking.ask(library, lambda stage, items, what: _run(stage, items), {_only(library): None})
    assert list(why.values()) == ["its frames are not those of its trace any more"]


def _only(library: Library) -> str:
    return next(iter(library.places("trace")))


def _run(stage: Any, items: Any) -> list[Any]:
    from marey.engine import run

    return list(run(stage, items, workers=0))
