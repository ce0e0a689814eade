"""The leaderboard: what may stand together, who is first, and a page that loads nothing and shows the clips."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from marey.errors import MareyError
from marey.evaluate import Evaluation, evaluate_folders
from marey.evaluate.leaderboard import leaderboard, read_records
from marey.media import write_video
from marey.recipe import Evaluate
from marey.report import board

SETTINGS = Evaluate(resamples=200)
NAMES = [f"clip {n}" for n in range(8)]


def filmed(folder: Path, noise: float = 0.0, frozen: bool = False, names: list[str] = NAMES) -> Path:
    folder.mkdir()
    wide = np.kron(np.random.default_rng(1).integers(0, 256, (40, 60, 3)), np.ones((6, 6, 1))).astype(np.uint8)
    rng = np.random.default_rng(2)
    for n, name in enumerate(names):
        video = np.stack([wide[6 * n :, 40 + (0 if frozen else 3 * t) :][:64, :64] for t in range(6)])
        video = np.clip(video + noise * rng.normal(size=video.shape), 0, 255).astype(np.uint8)
        write_video(folder / f"{name}.mp4", video, 8, crf=8)
    return folder


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of three models against one truth: good, noisy and <still>."""
    place = tmp_path_factory.mktemp("board")
    real = filmed(place / "real")
    for name, video in (
        ("good", filmed(place / "a", noise=4)),
        ("noisy", filmed(place / "b", noise=30)),
        ("still", filmed(place / "c", frozen=True)),
    ):
        evaluate_folders(video, real, SETTINGS, out=place / name)
    return place


def loaded(records: Path, *names: str) -> dict[str, Evaluation]:
    return read_records([records / name for name in names])


def test_the_best_is_first_and_baselines_stand_below(records: Path) -> None:
    found = leaderboard(loaded(records, "noisy", "still", "good"))
    assert [entry.name for entry in found.entries][:3] == ["good", "noisy", "still"]
    assert [entry.method for entry in found.entries][3:] == ["frozen", "loop", "truth"]
    good, noisy = found.entries[0].scores["ssim"], found.entries[1].scores["ssim"]
    assert good.place == "first"
    assert good.against_best is None
    assert noisy.place == "after"
    assert noisy.against_best is not None
    assert noisy.against_best.high < 0
    assert "psnr" not in found.entries[4].scores, "a loop of true frames is not praised for them"
    assert found.entries[3].scores["motion"].found.value == 0
    assert found.entries[0].scores["motion"].place == "", "nothing is best by how much it moves"


def test_who_cannot_be_told_apart_shares_the_first_place(records: Path) -> None:
    one = loaded(records, "good")["good"]
    found = leaderboard({"one": one, "twin": one})
    assert [entry.scores["psnr"].place for entry in found.entries[:2]] == ["first", "first"]


def test_a_still_is_told_beside_its_consistency(records: Path) -> None:
    found = leaderboard(loaded(records, "good", "still"))
    assert [entry.scores["flicker"].place for entry in found.entries[:2]] == ["after", "first"]
    assert any(note.startswith("still moves by") and "says little" in note for note in found.notes)
    assert not any(note.startswith("good moves") for note in found.notes)


def test_what_is_of_another_kind_refuses(records: Path, tmp_path: Path) -> None:
    good = loaded(records, "good")["good"]
    other = evaluate_folders(records / "b", records / "real", SETTINGS, given=0)
    with pytest.raises(MareyError, match="given"):
        leaderboard({"good": good, "other": other})
    alone = evaluate_folders(records / "b", None, SETTINGS, given=1)
    with pytest.raises(MareyError, match="marey/videos-1"):
        leaderboard({"good": good, "alone": alone})
    elsewhere = evaluate_folders(records / "b", filmed(tmp_path / "real", noise=1), SETTINGS)
    with pytest.raises(MareyError, match="true video"):
        leaderboard({"good": good, "elsewhere": elsewhere})
    named = evaluate_folders(
        filmed(tmp_path / "x", names=["x"]), filmed(tmp_path / "y", noise=1, names=["x"]), SETTINGS
    )
    with pytest.raises(MareyError, match="no video in common"):
        leaderboard({"good": good, "named": named})


def test_another_backbone_is_another_column(records: Path) -> None:
    good = loaded(records, "good")["good"]
    found = leaderboard({
        "one": replace(good, backbones={"psnr": "a" * 64}), "two": replace(good, backbones={"psnr": "b" * 64})
    })  # fmt: skip
    assert [column.key for column in found.columns][:2] == ["psnr aaaaaaaa", "psnr bbbbbbbb"]
    assert [set(entry.scores) & {"psnr aaaaaaaa", "psnr bbbbbbbb"} for entry in found.entries[:2]] in (
        [{"psnr aaaaaaaa"}, {"psnr bbbbbbbb"}],
        [{"psnr bbbbbbbb"}, {"psnr aaaaaaaa"}],
    )


def test_only_what_all_have_is_compared(records: Path, tmp_path: Path) -> None:
    fewer = evaluate_folders(filmed(tmp_path / "d", noise=9, names=NAMES[:6]), records / "real", SETTINGS)
    found = leaderboard({**loaded(records, "good"), "fewer": fewer})
    assert found.n == 6
    assert "Left out: 2 videos of good, which not every record has." in found.notes
    assert all(score.found.n == 6 for entry in found.entries for score in entry.scores.values())


def test_distances_of_sets_stand_beside_where_they_compare(records: Path) -> None:
    settings = Evaluate(resamples=200, frechet_least=4)
    found = {name: evaluate_folders(records / folder, records / "real", settings, metrics=["frechet", "psnr"])
             for name, folder in (("good", "a"), ("noisy", "b"))}  # fmt: skip
    board = leaderboard(found)
    assert [column.key for column in board.columns] == ["psnr", "frechet"]
    good, noisy, frozen, *_ = board.entries
    assert good.scores["frechet"].found.value < noisy.scores["frechet"].found.value
    assert good.scores["frechet"].place == "first"
    assert frozen.scores["frechet"].place == ""
    other = dict(found, noisy=replace(found["noisy"], backbones={"frechet": "0" * 64}))
    board = leaderboard(other)
    assert [column.key for column in board.columns] == ["psnr"]
    assert any("Frechet distance: not on the board" in note for note in board.notes)


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))


@pytest.fixture(scope="module")
def page(records: Path) -> str:
    names = ["good", "noisy", "bad <b>=" + str(records / "still")]
    return board([records / "good", records / "noisy", names[2]], records / "board.html", clips=2).read_text("utf-8")


def test_the_page_loads_nothing_and_shows_the_clips(page: str) -> None:
    found = Tags(page)
    for tag, attributes in found.tags:
        for name in ("src", "href", "poster"):
            value = attributes.get(name) or ""
            assert not value or value.startswith(("data:", "#")), (tag, value[:60])
    videos = [attributes for tag, attributes in found.tags if tag == "video"]
    assert len(videos) == 3 * 4, "two worst and two best of each of three models"
    assert all((one["src"] or "").startswith("data:video/mp4;base64,") for one in videos)
    assert "<b>" not in re.sub(r"<b>(●|generated)</b>", "", page), "names are escaped"
    assert "bad &lt;b&gt;" in page
    for said in ("Frozen still", "Loop of the first frames", "True continuation", "Consistency beside motion",
                 "psnr/rgb-frame-cap100", "marey evaluate board", "--against", "data-copy"):  # fmt: skip
        assert said in page


def test_the_same_records_give_the_same_page(records: Path, page: str) -> None:
    names = [records / "good", records / "noisy", "bad <b>=" + str(records / "still")]
    assert board(names, records / "board.html", clips=2).read_text("utf-8") == page


def test_clips_that_are_gone_are_told(records: Path, tmp_path: Path) -> None:
    table = json.loads((records / "good" / "record.json").read_text("utf-8"))
    for window in table["windows"]:
        window["shown"] = "/nowhere/clip.mp4"
    (tmp_path / "record.json").write_text(json.dumps(table))
    text = board([tmp_path], tmp_path / "page.html").read_text("utf-8")
    assert "not shown: the files are not where they were" in text


def test_mistakes_are_told(records: Path, tmp_path: Path) -> None:
    with pytest.raises(MareyError, match="'nothing'"):
        board([records / "good"], tmp_path / "x.html", by="nothing")
    with pytest.raises(MareyError, match=r"no record\.json"):
        board([tmp_path], tmp_path / "x.html")
    with pytest.raises(MareyError, match="called 'good'"):
        board([records / "good", records / "good"], tmp_path / "x.html")


def test_the_verb(records: Path, tmp_path: Path) -> None:
    words = ["evaluate", "board", str(records / "good"), str(records / "noisy"), "--out", str(tmp_path / "b.html"),
             "--by", "ssim", "--json"]  # fmt: skip
    ended = subprocess.run([sys.executable, "-m", "marey", *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert Path(json.loads(ended.stdout)["board"]).is_file()


def test_a_record_without_places_of_videos_stands_too(records: Path, tmp_path: Path) -> None:
    """A run's metrics.json knows windows, and no files."""
    table = json.loads((records / "good" / "record.json").read_text("utf-8"))
    for window in table["windows"]:
        for key in ("shown", "true", "true_id", "text", "note", "frames", "fps"):
            del window[key]
    for key in ("command", "failed", "backbones", "truth"):
        del table[key]
    (tmp_path / "metrics.json").write_text(json.dumps(table))
    text = board([f"mine={tmp_path / 'metrics.json'}"], tmp_path / "page.html").read_text("utf-8")
    assert "<video" not in text
    assert "mine: PSNR" in text


def test_videos_without_a_truth_have_a_board(records: Path, tmp_path: Path) -> None:
    for name, folder in (("good", "a"), ("still", "c")):
        evaluate_folders(records / folder, None, SETTINGS, out=tmp_path / name)
    text = board([tmp_path / "good", tmp_path / "still"], tmp_path / "page.html").read_text("utf-8")
    assert "True continuation" not in text
    assert '<div class="film alone">' in text
    assert "psnr" not in text.split("</style>")[1].split('id="protocol"')[0].lower()
