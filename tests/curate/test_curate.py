"""Curation: one decode a source, a row for every input, and nothing done twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from counting import counted
from filming import film
from panning import NETWORKS, shot
from states import NO_TEXT, rows

from marey.catalog import Library, forget
from marey.curate import Summary, curate
from marey.curate.measures import MEASURES
from marey.errors import MareyError
from marey.media import write_video
from marey.recipe import Curate, Footage
from marey.signals.given import Given
from marey.worlds.edits import Join, compose

EACH = sum(kind.offered(Given()) and kind.name not in NO_TEXT.without for kind in MEASURES)
"""Signals that a clip of a video has."""


def edit(path: Path, seeds: tuple[int, ...], joins: list[Join] | None = None) -> Path:
    video, _ = compose([shot(seed, 30) for seed in seeds], joins or [Join("cut")] * (len(seeds) - 1))
    write_video(path, video, 25)
    return path


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    place = tmp_path / "footage"
    place.mkdir()
    edit(place / "one.mp4", (1, 2))
    edit(place / "two.mp4", (3, 4, 5))
    return place


def work(footage: Path, settings: Curate = NO_TEXT, budget: Footage | None = None, workers: int = 0) -> Summary:
    return curate(
        footage, footage.parent / "library", settings=settings, footage_settings=budget or Footage(), workers=workers
    )


def test_each_source_is_decoded_once(footage: Path) -> None:
    with counted() as count:
        summary = work(footage)
    assert count.pictures == 5 * 30 == summary.decoded == summary.source_frames
    assert count.seeks == 0
    assert summary.transitions == {"cut": 3}
    assert summary.clips == {"ok": 5}


def test_a_second_run_and_new_thresholds_decode_nothing(footage: Path) -> None:
    work(footage)
    before = rows(footage.parent / "library")
    with counted() as count:
        again = work(footage)
        assert again.did == {"probed": 0, "read": 0, "cut": 0, "measured": 0, "told": 0}
        assert rows(footage.parent / "library") == before
        other = work(footage, Curate(without=NETWORKS, longest_seconds=0.7))
    assert count.pictures == 0
    assert other.did == {"probed": 0, "read": 0, "cut": 2, "measured": 10 * EACH, "told": 40}
    assert other.clips["ok"] == 10
    work(footage)
    assert rows(footage.parent / "library") == before


def test_a_new_and_a_changed_file_are_all_that_is_read(footage: Path) -> None:
    work(footage)
    edit(footage / "three.mp4", (6, 7))
    with counted() as count:
        assert work(footage).did == {"probed": 1, "read": 1, "cut": 1, "measured": 2 * EACH, "told": 8}
    assert count.pictures == 60
    edit(footage / "one.mp4", (8, 9))
    assert work(footage).did["read"] == 1


def test_two_names_of_one_film_are_two_inputs_of_one_footage(footage: Path) -> None:
    shutil.copy(footage / "one.mp4", footage / "copy.mp4")
    os.link(footage / "one.mp4", footage / "hard.mp4")
    with counted() as count:
        summary = work(footage)
    assert summary.inputs == {"ok": 4}
    assert summary.footage == {"video": 2}
    assert count.pictures == 150


def test_what_is_known_of_a_clip(footage: Path) -> None:
    (footage / "one.txt").write_text("A person's own words.")
    (footage / "LICENCES.json").write_text(json.dumps({"one.mp4": {"license": "CC0-1.0", "origin": ["work"]}}))
    work(footage)
    with Library.open(footage.parent / "library") as library:
        one = library.one("select * from footage where path like '%one.mp4'")
        assert one is not None
        clips = library.rows("select * from clips where footage = ? order by n", one["id"])
        signals = library.signals([clips[0]["id"]])[clips[0]["id"]]
        told = library.rows("select captioner, text from captions where clip = ? order by 1", clips[0]["id"])
        stills = [library.tensor("stills", f"{one['id']}:{n}") for n in json.loads(clips[0]["stills"])]
    assert (one["license"], json.loads(one["origin"])) == ("CC0-1.0", ["work"])
    assert [(clip["start_frame"], clip["end_frame"]) for clip in clips] == [(0, 29), (30, 59)]
    assert clips[0]["seconds"] == pytest.approx(1.2)
    known = {kind.name for kind in MEASURES if kind.offered(Given())}
    assert set(signals) == known - set(NO_TEXT.without) | {"duplicate_group"}
    assert json.loads(signals["camera_motion"]["data"])["move"] == "pan right"
    assert signals["object_motion"]["value"] < 0.3 * signals["camera_motion"]["value"]
    assert (signals["crop"]["value"], json.loads(signals["crop"]["data"])) == (0, [0, 0, 0, 0])
    steady = {name: signals[name]["value"] for name in ("black_share", "freeze_share", "cadence", "interlaced")}
    assert steady == dict.fromkeys(steady, 0)
    assert signals["fps"]["value"] == pytest.approx(25)
    assert signals["motion"]["value"] == pytest.approx(0.4 * 12.5, rel=0.25)  # the pan of `shot`, over half a second
    assert json.loads(signals["motion"]["data"])["short"] is False
    assert [row["captioner"] for row in told] == ["facts", "file", "image", "merged", "video"]
    assert told[1]["text"] == "A person's own words."
    assert "the camera pans to the right" in told[0]["text"]
    assert len(stills) == 3


def test_motion_of_a_clip_that_is_too_short_for_a_pair_is_scaled_and_marked(tmp_path: Path) -> None:
    place = tmp_path / "footage"
    place.mkdir()
    video = np.concatenate([shot(1, 40), shot(2, 11), shot(3, 40)])
    write_video(place / "a.mp4", video, 25)
    work(place)
    with Library.open(tmp_path / "library") as library:
        (clip,) = library.rows("select id from clips where frames = 11")
        row = library.signals([clip["id"]])[clip["id"]]["motion"]
    assert json.loads(row["data"])["short"] is True
    assert row["value"] == pytest.approx(0.4 * 12.5, rel=0.3)


def test_photographs_are_footage(footage: Path) -> None:
    from PIL import Image

    Image.fromarray(shot(20, 1)[0]).save(footage / "photo.jpg")
    summary = work(footage)
    assert summary.footage == {"photo": 1, "video": 2}
    with Library.open(footage.parent / "library") as library:
        (clip,) = library.rows(
            "select clips.* from clips join footage on footage.id = clips.footage where footage.kind = 'photo'"
        )
        assert clip["frames"] == 1
        assert "motion" not in library.signals([clip["id"]])[clip["id"]]


def test_the_budget_is_stable_and_says_what_it_left(footage: Path) -> None:
    small = Footage(budget_seconds=3.8, file_seconds=3)
    first = work(footage, budget=small)
    assert first.footage == {"video": 1}
    assert first.left_out["videos"] == 1
    assert first.left_out["command"].startswith("marey curate ")
    assert work(footage, budget=small).did["read"] == 0
    everything = work(footage)
    assert everything.footage == {"video": 2}
    assert everything.left_out == {}


def test_near_duplicates_are_found_across_the_catalog(footage: Path) -> None:
    video, _ = compose([shot(1, 30), shot(2, 30)], [Join("cut")])
    write_video(footage / "again.mp4", video[:, ::2, ::2], 25, crf=30)
    work(footage)
    with Library.open(footage.parent / "library") as library:
        groups = [row["data"] for row in library.rows("select data from signals where name = 'duplicate_group'")]
    assert len(groups) == 7
    assert len(set(groups)) == 5


def test_what_was_forgotten_does_not_come_back(footage: Path) -> None:
    work(footage)
    with Library.open(footage.parent / "library", write=True) as library:
        forget(library, footage / "one.mp4")
    summary = work(footage)
    assert summary.inputs == {"ok": 1, "rejected": 1}
    assert "forgotten on" in summary.unusable[0]["reason"]


def test_every_bad_input_has_its_row_and_costs_itself_alone(footage: Path) -> None:
    good = film(footage / "good.mp4", 60)
    whole = good.read_bytes()
    (footage / "empty.mp4").write_bytes(b"")
    (footage / "text.mp4").write_text("this is not a film at all\n")
    (footage / "moov at the end, cut.mp4").write_bytes(whole[: len(whole) // 2])
    fast = film(footage / "fast.mp4", 60, container_options={"movflags": "faststart"}).read_bytes()
    (footage / "cut.mp4").write_bytes(fast[: int(len(fast) * 0.7)])
    (footage / "fast.mp4").unlink()
    middle = bytearray(whole)
    middle[len(whole) // 2 : len(whole) // 2 + 40] = os.urandom(40)
    (footage / "corrupt.mp4").write_bytes(middle)
    film(footage / "one frame.mp4", 1)
    film(footage / "odd.mkv", 30, height=95, width=127, pixel_format="yuv444p")
    film(footage / "deep.mkv", 30, pixel_format="yuv420p10le")
    pts = [0, 1, 2, 5, 6, 9, 10, 14, 15, 16, 20, 21, 25, 26, 30]
    film(footage / "vfr.mkv", pts=[40 * t for t in pts], time_base=Fraction(1, 1000))
    film(footage / "имя 名 with spaces.mp4", 31)
    (footage / "folder.mp4").mkdir()
    os.mkfifo(footage / "pipe.mp4")
    (footage / "gone.mp4").symlink_to(footage / "nowhere")
    (footage / "loop").symlink_to(footage)
    (footage / "report.pdf").write_text("%PDF")

    summary = work(footage, workers=2)

    said = {Path(row["path"]).name: (row["status"], row["reason"]) for row in summary.unusable}
    assert said["empty.mp4"] == ("failed", "the file is empty")
    assert said["text.mp4"] == ("failed", "it is text, not a video")
    assert said["moov at the end, cut.mp4"][0] == "failed"
    assert said["one frame.mp4"][0] == "rejected"
    assert said["folder.mp4"] == ("rejected", "it is a folder, not a file")
    assert said["pipe.mp4"] == ("rejected", "it is a named pipe, not a file")
    assert said["gone.mp4"][0] == said["loop"][0] == "failed"
    assert said["report.pdf"][0] == "rejected"
    for sound in (
        "one.mp4",
        "two.mp4",
        "good.mp4",
        "odd.mkv",
        "deep.mkv",
        "vfr.mkv",
        "имя 名 with spaces.mp4",
        "cut.mp4",
    ):
        assert sound not in said
    with Library.open(footage.parent / "library") as library:
        inputs = library.rows("select * from inputs")
        cut = library.one("select * from footage where path like '%/cut.mp4'")
        vfr = library.one("select vfr from footage where path like '%/vfr.mkv'")
    assert len(inputs) == sum(summary.inputs.values()) == 18
    assert all(row["status"] in ("ok", "failed", "rejected") for row in inputs)
    assert all(row["reason"] for row in inputs if row["status"] != "ok")
    assert cut is not None
    assert "cut short" in cut["reason"]
    assert vfr == {"vfr": 1}


def test_a_file_that_may_not_be_read(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import marey.curate.read as reading

    real = reading.probe

    def refused(path: Path) -> Any:
        if path.name == "one.mp4":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(reading, "probe", refused)
    summary = work(footage)
    assert summary.inputs == {"failed": 1, "ok": 1}
    assert "permission denied" in summary.unusable[0]["reason"]


def test_a_file_that_grows_while_it_is_read_is_told_and_taken_up_later(
    footage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import marey.curate.read as reading

    real = reading.content_id

    def growing(path: Path) -> str:
        if path.name == "one.mp4":
            with path.open("ab") as file:
                file.write(b"\0" * 16)
        return real(path)

    monkeypatch.setattr(reading, "content_id", growing)
    summary = work(footage)
    assert summary.unusable[0]["reason"] == "it changed while it was being read: run again"
    monkeypatch.undo()
    assert work(footage).inputs == {"ok": 2}


def test_nothing_usable_is_one_sentence(tmp_path: Path) -> None:
    place = tmp_path / "footage"
    place.mkdir()
    with pytest.raises(MareyError, match="is empty: there is no footage"):
        work(place)
    (place / "a.mp4").write_text("no film")
    with pytest.raises(MareyError, match=r"no usable footage .* it is text, not a video"):
        work(place)


def test_a_disk_without_room_is_told_before_the_run(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil as module

    free = module.disk_usage(footage)
    monkeypatch.setattr(module, "disk_usage", lambda _: free._replace(free=1000))
    with counted() as count, pytest.raises(MareyError, match="Traces and stills need about"):
        work(footage)
    assert count.pictures == 0


def test_text_is_missing_without_its_extra_and_computed_when_it_comes(
    footage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from marey.curate.measures.text_area import TextArea

    settings = Curate(without=tuple(set(NETWORKS) - {"text_area"}))
    monkeypatch.setattr(TextArea, "lacking", lambda self: 'text boxes need it: pip install "marey[ocr]"')
    work(footage, settings)
    with Library.open(footage.parent / "library") as library:
        (row, *_) = library.rows("select * from signals where name = 'text_area'")
    assert row["status"] == "missing"
    assert 'pip install "marey[ocr]"' in row["reason"]
    monkeypatch.undo()
    with counted() as count:
        summary = work(footage, settings)
    assert summary.did == {"probed": 0, "read": 0, "cut": 0, "measured": 5, "told": 10}
    assert summary.measured == {"text_area": 5}
    assert count.pictures == 0
    with Library.open(footage.parent / "library") as library:
        values = library.rows("select * from signals where name = 'text_area'")
    assert all(row["status"] == "ok" and len(json.loads(row["data"])) == 3 for row in values)


def test_killed_at_any_moment_and_run_again_it_is_as_if_it_never_was(footage: Path) -> None:
    for n in range(4):
        edit(footage / f"more{n}.mp4", (30 + 2 * n, 31 + 2 * n))
    calm = footage.parent / "calm"
    curate(footage, calm, settings=NO_TEXT, workers=0)
    stormy = footage.parent / "stormy"
    code = (
        "import sys; from marey.curate import curate; from marey.recipe import Curate;"
        f"curate(sys.argv[1], sys.argv[2], settings=Curate(without={NETWORKS!r}), workers=1)"
    )
    command = [sys.executable, "-c", f"if __name__ == '__main__':\n    {code}", str(footage), str(stormy)]
    rng = np.random.default_rng(0)
    killed = 0
    for _ in range(6):
        child = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        time.sleep(float(rng.uniform(0.3, 1.6)))
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            killed += 1
        child.wait()
    assert killed > 0
    curate(footage, stormy, settings=NO_TEXT, workers=0)
    assert rows(stormy) == rows(calm)
