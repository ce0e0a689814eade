"""A second run: files that are gone, renamed, changed or told of anew, and the budget over what was read before."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from counting import counted
from panning import NETWORKS, shot

from marey.catalog import Library
from marey.curate import Summary, curate
from marey.errors import MareyError
from marey.media import write_video
from marey.recipe import Curate, Footage


def film(path: Path, seed: int, frames: int = 40) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, shot(seed, frames), 25)
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    film(tmp_path / "footage" / "one.mp4", 1)
    film(tmp_path / "footage" / "two.mp4", 2)
    return tmp_path / "footage"


def work(place: Path, budget: Footage | None = None) -> Summary:
    return curate(
        place,
        place.parent / "library",
        settings=Curate(without=NETWORKS),
        footage_settings=budget or Footage(),
        workers=0,
    )


def told(place: Path, sql: str) -> list[dict[str, Any]]:
    with Library.open(place.parent / "library") as library:
        return library.rows(sql)


def paths(place: Path, where: str) -> list[str]:
    return [Path(row["path"]).name for row in told(place, f"select path from {where} order by path")]


def test_a_file_that_is_gone_takes_its_clips_out_of_use_and_back_when_it_returns(place: Path) -> None:
    work(place)
    before = told(place, "select * from clips order by id")
    away = shutil.move(place / "two.mp4", place.parent / "away.mp4")
    gone = work(place)
    assert gone.inputs == {"failed": 1, "ok": 1}
    assert gone.unusable[0]["reason"] == "it is no longer there"
    assert gone.footage == {"video": 1}
    assert gone.clips == {"failed": 1, "ok": 1}
    assert work(place).inputs == {"failed": 1, "ok": 1}
    shutil.move(away, place / "two.mp4")
    with counted() as count:
        back = work(place)
    assert count.pictures == 0  # its trace was kept
    assert back.inputs == {"ok": 2}
    assert told(place, "select * from clips order by id") == before


def test_a_file_that_has_other_content_now_leaves_no_usable_clip_of_the_old_one(place: Path) -> None:
    work(place)
    (old,) = told(place, "select id from footage where path like '%one.mp4'")
    film(place / "one.mp4", 3)
    assert work(place).clips == {"failed": 1, "ok": 2}
    (clip,) = told(place, f"select * from clips where footage = '{old['id']}'")
    assert clip["status"] == "failed"
    assert "no file that is there" in clip["reason"]


def test_a_file_that_was_renamed_is_the_same_footage_under_its_new_name(place: Path) -> None:
    work(place)
    (place / "two.mp4").rename(place / "three.mp4")
    with counted() as count:
        summary = work(place)
    assert count.pictures == 0
    assert summary.inputs == {"ok": 2}
    assert paths(place, "footage") == paths(place, "inputs") == ["one.mp4", "three.mp4"]


def test_a_copy_takes_over_when_the_first_name_is_gone(place: Path) -> None:
    (place / "zebra").mkdir()
    shutil.copy(place / "one.mp4", place / "zebra" / "copy.mp4")
    work(place)
    assert paths(place, "footage") == ["one.mp4", "two.mp4"]
    (place / "one.mp4").unlink()
    assert work(place).clips == {"ok": 2}
    assert paths(place, "footage") == ["two.mp4", "copy.mp4"]


def test_licences_and_captions_are_read_anew_and_a_copy_without_them_takes_none_away(place: Path) -> None:
    (place / "zebra").mkdir()
    shutil.copy(place / "one.mp4", place / "zebra" / "copy.mp4")
    work(place)
    (place / "LICENCES.json").write_text(json.dumps({"one.mp4": {"license": "CC0-1.0", "origin": ["work"]}}))
    (place / "one.txt").write_text("A person's own words.")
    with counted() as count:
        work(place)
    assert count.pictures == 0
    (row,) = told(place, "select * from footage where path like '%one.mp4'")
    assert (row["license"], row["origin"], row["caption"]) == ("CC0-1.0", '["work"]', "A person's own words.")
    (caption,) = told(place, "select * from captions where captioner = 'file'")
    assert caption["text"] == "A person's own words."
    (place / "one.txt").unlink()
    work(place)
    assert told(place, "select * from captions where captioner = 'file'") == []


def test_another_folder_leaves_the_first_one_as_it_is(place: Path) -> None:
    work(place)
    other = film(place.parent / "other" / "three.mp4", 3).parent
    summary = curate(other, place.parent / "library", settings=Curate(without=NETWORKS), workers=0)
    assert summary.inputs == {"ok": 3}
    assert summary.clips == {"ok": 3}


def test_what_is_unfit_or_broken_is_looked_at_once(place: Path) -> None:
    film(place / "still.mp4", 4, frames=1)
    (place / "empty.mp4").write_bytes(b"")
    (place / "notes.pdf").write_text("%PDF")
    first, second = work(place), work(place)
    assert first.inputs == second.inputs
    assert second.did["probed"] == 0
    assert second.did["read"] == 0


def test_a_part_that_was_read_stays_a_part(place: Path) -> None:
    film(place / "long.mp4", 5, frames=100)
    part = work(place, Footage(file_seconds=2))
    assert part.left_out["seconds"] == pytest.approx(2)
    again = work(place, Footage(file_seconds=2))
    assert again.did["read"] == 0
    assert again.left_out == part.left_out
    assert work(place).did["read"] == 1  # the rest of it, and nothing else
    assert work(place, Footage(file_seconds=2)).did["read"] == 0


def test_only_what_is_read_needs_room(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film(place / "long.mp4", 5, frames=250)
    free = shutil.disk_usage(place)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free._replace(free=1_200_000))
    with pytest.raises(MareyError, match=r"need about 2\.\d MB"):
        work(place)
    assert work(place, Footage(file_seconds=1)).footage == {"video": 3}


def test_each_piece_of_a_long_shot_has_stills(tmp_path: Path) -> None:
    film(tmp_path / "footage" / "long.mp4", 6, frames=700)
    curate(
        tmp_path / "footage",
        tmp_path / "library",
        settings=Curate(without=NETWORKS, longest_seconds=3.6),
        workers=0,
    )
    with Library.open(tmp_path / "library") as library:
        clips = library.rows("select * from clips order by n")
    assert len(clips) == 8
    for clip in clips:
        stills = json.loads(clip["stills"])
        assert len(stills) == 3
        assert clip["start_frame"] <= stills[0] < stills[1] < stills[2] <= clip["end_frame"]
        assert abs(stills[1] - (clip["start_frame"] + clip["end_frame"]) / 2) <= 16
