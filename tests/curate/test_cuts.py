"""The verb `cuts`: one file's transitions, from one decode, and nothing written but what was asked for."""

import json
import sys
from fractions import Fraction
from pathlib import Path

import filming
import numpy as np
import pytest
from counting import counted
from panning import shot
from PIL import Image
from typer.testing import CliRunner

from marey.cli import app, main
from marey.curate import find_cuts
from marey.curate.cuts import clock
from marey.curate.transitions import find_transitions
from marey.media import read
from marey.media.probe import probe
from marey.recipe import Transitions
from marey.signals.signature import LUMA
from marey.worlds.edits import Join, Transition, compose

JOINS = [Join("cut"), Join("dissolve", 14), Join("fade", 12, "black"), Join("wipe", 16, "left"), Join("cut")]


@pytest.fixture(scope="module")
def edit() -> tuple[np.ndarray, list[Transition]]:
    return compose([shot(40 + n, 60) for n in range(6)], JOINS)


@pytest.fixture(scope="module")
def file(edit: tuple[np.ndarray, list[Transition]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filmed(tmp_path_factory.mktemp("edit") / "edit.mp4", edit[0])


def filmed(path: Path, video: np.ndarray, **options: object) -> Path:
    """These frames as a file, instead of numbered ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filming, "marked", lambda n, height, width: video[n])
        return filming.film(path, len(video), height=video.shape[1], width=video.shape[2], **options)


def spoken(*words: str) -> list[dict[str, object]]:
    ended = CliRunner().invoke(app, ["cuts", *words, "--json"])
    assert ended.exit_code == 0, ended.exception
    return json.loads(ended.stdout)


def test_each_kind_has_its_exact_ends(file: Path, edit: tuple[np.ndarray, list[Transition]]) -> None:
    found, truth = spoken(str(file)), edit[1]
    assert [one["kind"] for one in found] == [one.kind for one in truth]
    for one, true in zip(found, truth, strict=True):
        assert set(one) == {"kind", "a_end", "b_start", "a_end_pts", "b_start_pts", "confidence"}
        slack = 0 if true.kind == "cut" else 1  # the codec takes off a little of a first, faint frame
        assert abs(one["a_end"] - true.a_end) <= slack
        assert abs(one["b_start"] - true.b_start) <= slack
        assert 0.5 <= one["confidence"] <= 1


def test_it_says_what_curation_would_say(file: Path) -> None:
    frames = [frame.yuv(LUMA) for frame in read(file, probe(file))]
    luma, chroma = (np.stack(planes) for planes in zip(*frames, strict=True))
    wanted = find_transitions(luma, chroma, 25, Transitions())
    given = find_cuts(file).transitions
    assert [(one.kind, one.a_end, one.b_start, one.confidence) for one in given] == [
        (one.kind, one.a_end, one.b_start, one.confidence) for one in wanted
    ]


def test_times_are_those_of_the_file_where_its_rate_varies(
    edit: tuple[np.ndarray, list[Transition]], tmp_path: Path
) -> None:
    video = edit[0]
    steps = np.random.default_rng(1).integers(700, 1600, len(video))
    pts = (np.cumsum(steps) + 5000).tolist()
    path = filmed(tmp_path / "vfr.mkv", video, pts=pts, time_base=Fraction(1, 30000))
    shown = [frame.pts for frame in read(path, probe(path))]
    assert len(set(np.diff(shown))) > 10
    found = find_cuts(path)
    assert len(found.transitions) == len(JOINS)
    for one in found.transitions:
        assert (one.a_end_pts, one.b_start_pts) == (shown[one.a_end], shown[one.b_start])
    (first, *_) = found.transitions
    exact = (pts[first.b_start] - pts[0]) / 30000
    assert found.seconds(first.b_start_pts) == pytest.approx(exact, abs=0.002)  # Matroska counts milliseconds


def test_a_turned_file_is_taken_as_it_is_shown(edit: tuple[np.ndarray, list[Transition]], tmp_path: Path) -> None:
    video = np.ascontiguousarray(np.rot90(edit[0], axes=(1, 2)))
    path = filming.turn(filmed(tmp_path / "turned.mp4", video), 90)
    found = find_cuts(path)
    assert (found.width, found.height) == (192, 108)
    assert [(one.kind, one.a_end, one.b_start) for one in found.transitions if one.kind == "cut"] == [
        (one.kind, one.a_end, one.b_start) for one in edit[1] if one.kind == "cut"
    ]
    assert len(found.transitions) == len(JOINS)


def test_it_decodes_once_seeks_never_and_writes_the_picture_alone(file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "edit.mp4"
    copy.write_bytes(file.read_bytes())
    with counted() as count:
        found = find_cuts(copy, strip=tmp_path / "strip.png", threads=1)
    assert (count.pictures, count.seeks) == (found.frames, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edit.mp4", "strip.png"]
    assert found == find_cuts(copy), "the picture changes nothing of the answer"
    with Image.open(tmp_path / "strip.png") as picture:
        assert picture.width > 800
        assert picture.height > len(JOINS) * 100


def test_thresholds_by_option_and_by_override(file: Path) -> None:
    every = spoken(str(file))
    gradual = [one for one in every if one["kind"] != "cut"]
    assert spoken(str(file), "--cut", "0.9999") == spoken(str(file), "curate.transitions.cut=0.9999") == gradual
    assert 0 < len(gradual) < len(every)
    assert {one["kind"] for one in spoken(str(file), "--gradual", "0.9999")} <= {"cut", "fade"}


def test_a_table_for_people(file: Path) -> None:
    said = CliRunner().invoke(app, ["cuts", str(file)]).stdout.splitlines()
    assert said[0].endswith("318 frames of 192x108, 25 a second; 5 transitions")
    assert said[2].split()[:5] == ["cut", "59", "0:02.360", "60", "0:02.400"]
    assert len(said) == 2 + len(JOINS)


def test_nothing_found_is_an_empty_list(tmp_path: Path) -> None:
    still = filmed(tmp_path / "one.mp4", shot(3, 30))
    assert spoken(str(still), "--strip", str(tmp_path / "none.png")) == []
    assert (tmp_path / "none.png").is_file()
    assert str(find_cuts(still)).endswith("no transitions")


@pytest.mark.parametrize(
    ("name", "named"),
    [("photo.png", "photograph"), ("one.mp4", "one frame"), ("text.mp4", "text"), ("gone.mp4", "no such")],
)
def test_what_is_no_video_is_one_sentence_and_status_1(
    name: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(shot(1, 1)[0]).save(tmp_path / "photo.png")
    filming.film(tmp_path / "one.mp4", 1)
    (tmp_path / "text.mp4").write_text("To be written.\n")
    monkeypatch.setattr(sys, "argv", ["marey", "cuts", str(tmp_path / name), "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 1
    assert said.out == ""
    (sentence,) = said.err.strip().splitlines()
    assert named in sentence
    assert name in sentence


@pytest.mark.parametrize(
    ("strip", "named"), [("strip.jpg", ".png"), ("nowhere/strip.png", "nowhere"), ("folder.png", "folder")]
)
def test_a_picture_that_cannot_be_written_is_said_before_anything_is_decoded(
    strip: str, named: str, file: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder.png").mkdir()
    with counted() as count, pytest.raises(Exception, match=named):
        find_cuts(file, strip=tmp_path / strip)
    assert count.pictures == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00.000"), (2.36, "0:02.360"), (59.9996, "1:00.000"), (3599.9999, "1:00:00.000"), (3723.04, "1:02:03.040")],
)
def test_times_for_people(seconds: float, text: str) -> None:
    assert clock(seconds) == text
