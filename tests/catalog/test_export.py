"""Exports: only selected clips, once, resumable; what cannot be written is told; what is old goes away."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import get_args

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from listing import finished, listed
from made_footage import add_span, numbers, psnr, small, tree

from marey.catalog import LAYOUTS, Library, export, extract, read_selection, select
from marey.engine import run as engine
from marey.engine.stage import Result
from marey.errors import MareyError
from marey.media import probe, walk
from marey.recipe import Export, Select


@pytest.fixture
def library(tmp_path):
    with small(tmp_path) as library:
        yield library


def go(library, out, run=None, **settings):
    return export(library, out, Export(**settings), selection="hq", run=run)


def test_only_selected_clips_are_written_exactly(library, tmp_path):
    done = go(library, tmp_path / "out", mode="exact")
    assert (done.clips, done.made, done.selection) == (4, 4, "hq")
    clips = tmp_path / "out" / "clips"
    assert sorted(path.name for path in clips.glob("*.mp4")) == ["aa.mp4", "bb.mp4", "dd.mp4", "ee.mp4"]
    assert numbers(clips / "aa.mp4") == list(range(3, 30))
    assert numbers(clips / "bb.mp4") == list(range(30, 50))
    assert done.frames == 27 + 20 + 32 + 6
    assert done.copied_frames == 20 + 20 + 20
    assert done.left_out == ({"clip": "ff", "status": "rejected", "reason": "a photograph is no clip of video"},)
    assert list(done.notes.values()) == [1]  # ee has no whole group of pictures: it was encoded, and that is said
    assert "encoded whole: no whole group" in next(iter(done.notes))
    source = library.one("select path from footage where credit like 'Bo%'")["path"]
    row = library.one("select * from clips where id = 'ee'")
    for mine, theirs in zip(
        walk(clips / "ee.mp4", 0, 10**9), walk(source, row["start_pts"], row["end_pts"]), strict=True
    ):
        assert psnr(mine.rgb(), theirs.rgb()) > 35
    assert (probe(clips / "dd.mp4").width, probe(clips / "dd.mp4").height) == (96, 160)  # upright


def test_a_copy_tells_of_the_clips_that_it_cannot_write(library, tmp_path):
    done = go(library, tmp_path / "out", mode="copy")
    assert done.clips == 3
    assert done.copied_frames == done.frames == 20 + 20 + 20
    assert numbers(tmp_path / "out" / "clips" / "aa.mp4") == list(range(10, 30))
    (left,) = [row for row in done.left_out if row["clip"] == "ee"]
    assert left["status"] == "rejected"
    assert "no whole group of pictures" in left["reason"]
    assert "exact or encode would do" in left["reason"]
    assert "left out: 1 x no whole group" in str(done)
    told = json.loads((tmp_path / "out" / "export.json").read_text())["left_out"]
    assert left in told
    assert left["reason"] in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_a_copy_with_a_fallback_says_what_it_did(library, tmp_path):
    done = go(library, tmp_path / "out", mode="copy", fallback="encode")
    assert done.clips == 4
    assert list(done.notes) == [
        "not copied: no whole group of pictures lies inside it (a keyframe, and all up to the next one)"
    ]
    told = json.loads((tmp_path / "out" / "export.json").read_text())["clips"]
    assert (told["ee"]["mode"], told["bb"]["mode"]) == ("encode", "copy")


def test_an_encoded_clip_is_cropped_sized_and_at_its_rate(library, tmp_path):
    go(library, tmp_path / "out", mode="encode", fps=10, crf=10)
    found = probe(tmp_path / "out" / "clips" / "aa.mp4")
    assert (found.width, found.height, found.fps) == (112, 80, pytest.approx(10))
    found = probe(tmp_path / "out" / "clips" / "dd.mp4")
    assert (found.width, found.height, found.rotation) == (96, 160, 0)
    done = go(library, tmp_path / "out", mode="encode", crop=False, size=(48, 64))
    assert done.made == 4
    assert {(probe(path).width, probe(path).height) for path in (tmp_path / "out" / "clips").glob("*.mp4")} == {
        (64, 48)
    }


def test_sound_comes_where_it_is_asked_for(library, tmp_path):
    go(library, tmp_path / "out", audio=True)
    assert probe(tmp_path / "out" / "clips" / "aa.mp4").has_audio
    go(library, tmp_path / "out")
    assert not probe(tmp_path / "out" / "clips" / "aa.mp4").has_audio


def test_names_are_made_of_ids_alone(library, tmp_path):
    for layout in LAYOUTS:
        go(library, tmp_path / layout, layout=layout)
        for name in tree(tmp_path / layout):
            assert "ünder" not in name
            assert " " not in name


def test_a_source_is_opened_once_for_all_of_its_clips(library, tmp_path, monkeypatch):
    opened = []
    real = extract.Packets
    monkeypatch.setattr(extract, "Packets", lambda path: opened.append(Path(path).name) or real(path))
    go(library, tmp_path / "out")
    assert sorted(opened) == ["a  b: ünder.mp4", "two.mp4"]


def test_again_does_nothing_and_a_new_clip_costs_only_itself(library, tmp_path, monkeypatch):
    out = tmp_path / "out"
    go(library, out)
    before = tree(out)
    written = []
    real = extract.written
    monkeypatch.setattr(
        extract, "written", lambda source, row, *rest: written.append(row["clip"]) or real(source, row, *rest)
    )
    assert go(library, out).made == 0
    assert (written, tree(out)) == ([], before)
    (out / "clips" / "bb.mp4").write_bytes(b"half")
    assert go(library, out).made == 1
    assert (written, tree(out)) == (["bb"], before)
    select(library, Select(name="hq", duplicates="keep", allow_missing=True))
    assert go(library, out).made == 1
    assert written == ["bb", "cc"]
    library.put("captions", [{"clip": "aa", "captioner": "image", "version": "2", "text": "other words"}])
    library.put(
        "captions", [{"clip": "aa", "captioner": name, "version": "2", "text": ""} for name in ("video", "merged")]
    )
    go(library, out)
    assert written == ["bb", "cc"]
    assert (out / "clips" / "aa.txt").read_text() == "other words\n"


def test_what_a_kill_after_the_manifest_leaves_is_cleared_away(library, tmp_path):
    out = tmp_path / "out"
    go(library, out, layout="webdataset")
    before = tree(out)
    (out / ".marey" / "parts" / "aa.mp4").write_bytes(b"spent")
    assert go(library, out, layout="webdataset").made == 0
    assert tree(out) == before


def test_what_a_selection_no_longer_holds_goes_away(library, tmp_path):
    out = tmp_path / "out"
    for layout in LAYOUTS:
        select(library, Select(name="hq", duplicates="keep", allow_missing=True))
        go(library, out, layout=layout)
        assert any("cc" in name or name.endswith(".tar") for name in tree(out))
        select(library, Select(name="hq", min={"motion": 0.5}, duplicates="keep"))
        go(library, out, layout=layout)
        alone = tmp_path / "alone"
        go(library, alone, layout=layout)
        visible = {name for name in tree(out) if not name.startswith(".marey/")}
        assert visible == {name for name in tree(alone) if not name.startswith(".marey/")}
        shutil.rmtree(alone)


def test_a_folder_with_something_else_in_it_is_refused(library, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "holiday.mp4").write_bytes(b"precious")
    with pytest.raises(MareyError, match="holds something that is no export"):
        go(library, tmp_path / "mine")
    with pytest.raises(MareyError, match="is a file"):
        go(library, tmp_path / "mine" / "holiday.mp4")
    with pytest.raises(MareyError, match="no selection 'nope'"):
        export(library, tmp_path / "out", selection="nope")
    assert (tmp_path / "mine" / "holiday.mp4").read_bytes() == b"precious"


def test_a_source_that_changed_or_went_is_told_and_the_rest_is_written(library, tmp_path):
    films = tmp_path / "films"
    (films / "two.mp4").write_bytes(b"something else")
    done = go(library, tmp_path / "out")
    assert done.clips == 2
    assert {row["reason"] for row in done.left_out if row["status"] == "failed"} == {
        "its source has changed: curate again"
    }
    (films / "two.mp4").unlink()
    (films / "a  b: ünder.mp4").unlink()
    with pytest.raises(MareyError, match=r"None of the 5 clips .*4 x its source is gone: curate again"):
        go(library, tmp_path / "other")


def test_a_touched_source_is_known_by_its_content(library, tmp_path):
    os.utime(tmp_path / "films" / "two.mp4", (1, 1))
    assert go(library, tmp_path / "out").clips == 4


def test_in_guarded_workers_it_is_the_same(library, tmp_path):
    go(library, tmp_path / "out")
    here = tree(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    go(library, tmp_path / "out", run=partial(engine, workers=2))
    assert tree(tmp_path / "out") == here


def test_a_clip_that_kills_its_process_costs_itself_alone(library, tmp_path):
    calls = []

    def run(stage, items, **how):
        for item in items:
            calls.append([row["clip"] for row in item["clips"]])
            if "dd" in calls[-1]:
                yield Result(item["id"], error="Its process was killed by SIGSEGV.", status="failed")
            else:
                yield Result(item["id"], stage.process(item))

    done = go(library, tmp_path / "out", run=run)
    assert ["dd"] in calls
    assert ["ee"] in calls
    assert done.clips == 3
    assert [row["reason"] for row in done.left_out if row["clip"] == "dd"] == ["Its process was killed by SIGSEGV."]
    assert go(library, tmp_path / "out").clips == 4  # what failed is tried again


def test_a_clip_that_cannot_be_written_costs_itself_and_names_no_path(library, tmp_path, monkeypatch):
    real = extract.written

    def broken(source, row, path, settings):
        if row["clip"] == "aa":
            raise OSError(22, "Invalid argument", str(path))
        if row["clip"] == "bb":
            raise MareyError(f"{source.path}: nothing is left of it.")
        if row["clip"] == "dd":
            raise IndexError("list index out of range")
        return real(source, row, path, settings)

    monkeypatch.setattr(extract, "written", broken)
    done = go(library, tmp_path / "out")
    assert done.clips == 1
    assert {row["clip"]: row["reason"] for row in done.left_out if row["status"] == "failed"} == {
        "aa": "it cannot be written: invalid argument",
        "bb": "a  b: ünder.mp4: nothing is left of it.",
        "dd": "IndexError: list index out of range",
    }
    assert str(tmp_path) not in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


KILLED = """
import sys
from marey.catalog import Library, export
from marey.recipe import Export
with Library.open(sys.argv[1]) as library:
    print(export(library, sys.argv[2], Export(layout=sys.argv[3], mode=sys.argv[4]), selection="hq").made)
"""


@pytest.mark.parametrize(
    ("layout", "mode", "kills"),
    [
        ("folder", "exact", 2),
        ("webdataset", "encode", 2),
        pytest.param("webdataset", "exact", 20, marks=pytest.mark.slow),
        pytest.param("folder", "encode", 20, marks=pytest.mark.slow),
        pytest.param("finetrainers", "exact", 20, marks=pytest.mark.slow),
    ],
)
def test_killed_at_any_moment_and_run_again_the_files_are_the_same(library, tmp_path, layout, mode, kills):
    """What a list names is whole after each kill, and what was done is not written a second time."""
    source = Path(library.one("select path from footage where credit = 'Ann'")["path"])
    for n in range(12):
        add_span(library, f"more{n}", source, n, 40 + n, motion=1.0 + n)
    select(library, Select(name="hq", min={"motion": 0.5}, duplicates="keep"))
    out = tmp_path / "out"
    words = [sys.executable, "-c", KILLED, str(library.path), str(out), layout, mode]
    subprocess.run(words, check=True, timeout=100, stdout=subprocess.PIPE)
    wanted, clips = tree(out), listed(out)
    assert len(clips) == len(read_selection(library, "hq").clips) - 1  # a photograph is no clip of video
    shutil.rmtree(out)
    before: dict[str, tuple[int, int]] = {}
    choose = random.Random(f"{layout} {mode}")
    for _ in range(kills):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        while process.poll() is None and not (out / ".marey" / "clips").is_dir():
            time.sleep(0.01)
        time.sleep(choose.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        listed(out)
        now = finished(out)
        assert {clip: now[clip] for clip in before if clip in now} == {
            clip: stamp for clip, stamp in before.items() if clip in now
        }
        before = now
        if choose.random() < 0.3 and out.exists():
            shutil.rmtree(out)
            before = {}
    last = subprocess.run(words, check=True, timeout=100, stdout=subprocess.PIPE, text=True)
    assert int(last.stdout) <= len(clips) - len(before)
    after = finished(out)
    assert all(after[clip] == stamp for clip, stamp in before.items() if clip in after)
    assert listed(out) == clips
    assert tree(out) == wanted


def test_the_recipe_names_every_layout():
    assert set(get_args(Export.model_fields["layout"].annotation)) == set(LAYOUTS)


def test_what_travels_with_a_sample(library, tmp_path):
    go(library, tmp_path / "out", layout="videox-fun", caption="heaviest")
    rows = {row["clip"]: row for row in json.loads((tmp_path / "out" / "metadata.json").read_text(encoding="utf-8"))}
    chosen = read_selection(library, "hq")
    one = rows["aa"]
    assert one["captions"] == {
        "image": "an image",
        "video": "a video of something",
        "merged": "both, ü",
        "facts": "facts",
    }
    assert one["caption_weights"] == {"image": 0.5, "video": 0.25, "merged": 0.25}
    assert one["caption"] == one["text"] == "an image"
    assert (one["fps"], one["motion"], one["frames"]) == (25.0, 1.0, 27)
    assert {clip: row["motion_bucket"] for clip, row in rows.items()} == chosen.motion_bucket
    assert (one["license"], one["source"], one["credit"]) == ("CC0", "https://example.org/one", "Ann")
    assert str(tmp_path) not in json.dumps(list(rows.values()))
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "| CC0 | 2 |" in card
    assert "Bo &#124; &lt;b&gt;" in card


def test_drawn_captions_follow_the_selections_weights(library, tmp_path):
    select(library, Select(name="hq", min={"motion": 0.5}, duplicates="keep", captions={"merged": 1.0}))
    go(library, tmp_path / "out")
    assert (tmp_path / "out" / "clips" / "aa.txt").read_text(encoding="utf-8") == "both, ü\n"


def test_beside_a_writer(library, tmp_path):
    with Library.open(library.path) as reader:
        assert go(reader, tmp_path / "out").clips == 4
