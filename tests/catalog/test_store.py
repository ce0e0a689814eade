"""The library: rows, transactions, the ledger, facts, tensors; who may write; and every place that is no library."""

import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_library import add_clip, add_footage, new

from marey.catalog import Library, database, path_text, schema, shards
from marey.engine import Result, run, stage_key
from marey.errors import MareyError

SRC = str(Path(__file__).parents[2] / "src")


# rows


def test_put_inserts_then_changes_only_what_is_given(tmp_path):
    with new(tmp_path) as library:
        add_footage(library, "f", width=640)
        assert library.put("footage", [{"id": "f", "height": 480, "fps": np.float32(25)}]) == 1
        row = library.one("select * from footage where id = ?", "f")
        assert (row["width"], row["height"], row["fps"], row["kind"]) == (640, 480, 25.0, "video")
        assert library.one("select * from footage where id = 'g'") is None


def test_values_are_stored_as_what_they_mean(tmp_path):
    strange = os.fsdecode(b"/f/\xff\xe9.mp4")
    with new(tmp_path) as library:
        add_footage(
            library,
            "f",
            time_base=Fraction(1, 12800),
            origin=["a", "ü"],
            path=Path(strange),
            width=np.int64(7),
            fps=float("nan"),
        )
        row = library.one("select time_base, origin, path, width, fps from footage")
        assert row == {
            "time_base": "1/12800",
            "origin": '["a", "ü"]',
            "path": path_text(strange),
            "width": 7,
            "fps": None,
        }
        library.put("footage", [{"id": "f", "reason": f"cannot read {strange}", "origin": [strange]}])
        assert json.loads(library.one("select origin from footage")["origin"]) == [strange]
        library.put("footage", [{"id": "f", "origin": {"a": np.arange(2), "b": Path(strange), "c": Fraction(1, 3)}}])
        origin = json.loads(library.one("select origin from footage")["origin"])
        assert origin == {"a": [0, 1], "b": path_text(strange), "c": "1/3"}
        with pytest.raises(TypeError, match="no place in JSON"):
            library.put("footage", [{"id": "f", "origin": [{1, 2}]}])


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("clips; drop table clips", {"id": "x"}),
        ("clips", {"id": "x", "frames = 1; --": 1}),
        ("clips", {"frames": 1}),
        ("clips", {"id": "new", "frames": 1}),
    ],
    ids=["no table", "no column", "no key", "a new row lacks columns"],
)
def test_put_refuses_what_the_table_does_not_have(tmp_path, table, row):
    with new(tmp_path) as library:
        with pytest.raises(ValueError, match=r"table|columns|needs"):
            library.put(table, [row])
        assert library.rows("select * from clips") == []


def test_put_is_all_or_nothing(tmp_path):
    with new(tmp_path) as library:
        good = {"path": "a", "status": "ok", "stage": "s"}
        with pytest.raises(ValueError, match="columns"):
            library.put("inputs", [good, {"path": "b", "nonsense": 1}])
        assert library.rows("select * from inputs") == []


def test_transactions_nest_and_roll_back_as_one(tmp_path):
    def write_then_fail(library):
        with library.transaction():
            library.put("inputs", [{"path": "a", "status": "ok", "stage": "s"}])
            with library.transaction():
                library.facts["x"] = 1
            raise RuntimeError

    with new(tmp_path) as library:
        with pytest.raises(RuntimeError):
            write_then_fail(library)
        assert library.rows("select * from inputs") == []
        assert "x" not in library.facts


def test_votes_are_numbered_by_themselves(tmp_path):
    vote = {
        "study": "s",
        "left_video": "a",
        "right_video": "b",
        "question": "q",
        "choice": "left",
        "voter": "v",
        "made": "now",
    }
    with new(tmp_path) as library:
        library.put("votes", [vote, vote])
        assert [row["id"] for row in library.rows("select id from votes order by id")] == [1, 2]


def test_delete_takes_values_and_lists_and_never_everything(tmp_path):
    with new(tmp_path) as library:
        for n in range(5):
            add_clip(library, f"c{n}", "f" if n < 4 else "g", reason="x" if n else "")
        assert library.delete("clips", id=["c0", "c1", "c4"], footage="f") == 2
        assert library.delete("clips", footage="f", reason="x") == 2
        assert library.delete("clips", id=[]) == 0
        assert [row["id"] for row in library.rows("select id from clips")] == ["c4"]
        with pytest.raises(ValueError, match="conditions"):
            library.delete("clips")
        with pytest.raises(ValueError, match="conditions"):
            library.delete("clips", colour="red")


def test_delete_takes_more_values_than_a_statement_has_places(tmp_path):
    with new(tmp_path) as library:
        library.put("inputs", ({"path": str(n), "status": "ok", "stage": "s"} for n in range(10)))
        assert library.delete("inputs", path=[str(n) for n in range(40_000)]) == 10


def test_signals_by_clip(tmp_path):
    with new(tmp_path) as library:
        add_clip(library, "a", "f", {"motion": 3.0, "sharpness": 9.0})
        add_clip(library, "b", "f", {"motion": 4.0})
        assert library.signals()["a"]["motion"]["value"] == 3.0
        assert list(library.signals()["a"]) == ["motion", "sharpness"]
        assert library.signals(["b", "none"]).keys() == {"b", "none"}
        assert library.signals(["b"] + [str(n) for n in range(600)])["b"]["motion"]["value"] == 4.0
        assert library.signals([]) == {}


# facts and the ledger


def test_facts_hold_any_json(tmp_path):
    with new(tmp_path) as library:
        library.facts["encode/x"] = {"pixels": "pixels@1", "n": np.int64(3), "list": (1, 2)}
        library.facts["text"] = json.dumps({"a": 1})
        assert library.facts["encode/x"] == {"pixels": "pixels@1", "n": 3, "list": [1, 2]}
        assert json.loads(library.facts["text"]) == {"a": 1}
        assert sorted(library.facts) == ["encode/x", "text"]
        assert library.facts.get("none") is None
        del library.facts["text"]
        with pytest.raises(KeyError):
            library.facts["text"]
        with pytest.raises(KeyError):
            del library.facts["text"]


class Third:
    """Fails at every item whose number has a factor 3, as long as `broken`."""

    name, version, cpus, gpus = "third", "1", 1.0, 0.0

    def __init__(self, broken):
        self.broken = broken
        self.seen = []

    def setup(self):
        pass

    def process(self, item):
        self.seen.append(item["id"])
        if item["n"] % 3 == 0 and self.broken:
            raise ValueError("three")
        return {"n": item["n"]}


def test_a_second_run_does_only_what_the_ledger_lacks(tmp_path):
    items = [{"id": f"i{n}", "n": n} for n in range(20)]
    with new(tmp_path) as library:
        for broken, expected in ((True, 20), (False, 7), (False, 0)):
            stage = Third(broken)
            done = library.done(stage_key(stage))
            for result in run(stage, [item for item in items if item["id"] not in done]):
                library.record(result, stage_key(stage))
            assert len(stage.seen) == expected
        assert len(library.done("third@1")) == 20
        assert library.done("third@2") == set()
        library.record(Result("bad", error="no video", status="rejected", seconds=1.5), "third@1")
        assert "bad" in library.done("third@1")
        row = library.one("select * from ledger where item = 'bad'")
        assert (row["reason"], row["seconds"], row["out"]) == ("no video", 1.5, "{}")
        assert json.loads(library.one("select out from ledger where item = 'i4'")["out"]) == {"n": 4}


# tensors


def test_tensors_come_back_as_they_were(tmp_path):
    arrays = {
        "clip:0": np.arange(24, dtype=np.float16).reshape(2, 3, 4)[:, ::-1],
        "clip:1": np.array([], dtype=np.uint8),
        "many": {"luma": np.eye(3, dtype=np.uint8), "count": np.array(7), "yes": np.array([True, False])},
    }
    with new(tmp_path) as library:
        shard = library.put_tensors("latents@3f2a", arrays, {"clip:0": {"fps": 8.0}})
        assert shard.startswith("latents/3f2a/")
        np.testing.assert_array_equal(library.tensor("latents@3f2a", "clip:0"), arrays["clip:0"])
        assert library.tensor("latents@3f2a", "clip:0").dtype == np.float16
        assert library.tensor("latents@3f2a", "clip:1").shape == (0,)
        many = library.tensor("latents@3f2a", "many")
        assert sorted(many) == ["count", "luma", "yes"]
        assert many["count"].shape == ()
        np.testing.assert_array_equal(many["luma"], np.eye(3))
        assert many["yes"].dtype == bool
        assert library.place("latents@3f2a", "clip:0") == (shard, "clip:0", {"fps": 8.0})
        assert list(library.places("latents@3f2a")) == ["clip:0", "clip:1", "many"]
        assert library.put_tensors("latents@3f2a", {}) is None
        with pytest.raises(KeyError):
            library.tensor("latents@3f2a", "none")


def test_more_shards_than_are_held_open(tmp_path):
    with new(tmp_path) as library:
        for n in range(40):
            library.put_tensors("trace", {f"i{n}": np.full(3, n)})
        for n in (*range(40), 0):
            assert library.tensor("trace", f"i{n}")[0] == n


def test_an_item_put_again_is_the_new_one(tmp_path):
    with new(tmp_path) as library:
        library.put_tensors("trace", {"a": np.zeros(2)})
        library.tensor("trace", "a")
        library.put_tensors("trace", {"a": np.ones(2)})
        assert library.tensor("trace", "a").tolist() == [1, 1]


def test_a_shard_that_is_gone_or_damaged_is_one_sentence(tmp_path):
    with new(tmp_path) as library:
        place = library.path / library.put_tensors("trace", {"a": np.zeros(2)})
        place.write_bytes(b"\0" * 30)
        with pytest.raises(MareyError, match="cannot be read"):
            library.tensor("trace", "a")
        place.unlink()
        with pytest.raises(MareyError, match="cannot be read"):
            library.tensor("trace", "a")


# who may open it, and what is no library


def test_a_second_writer_is_told_who_holds_the_lock(tmp_path):
    with new(tmp_path) as library:
        with pytest.raises(
            MareyError, match=rf"is being written by process {os.getpid()} on .+ since \d{{4}}-.+ \(.+\)"
        ):
            Library.open(library.path, write=True)
        with Library.open(library.path) as reader:
            library.facts["x"] = 1
            assert reader.facts["x"] == 1  # what is committed is seen at once
            with pytest.raises(MareyError, match="open for reading only"):
                reader.facts["x"] = 2
            with pytest.raises(MareyError, match="open for reading only"):
                reader.put_tensors("trace", {"a": np.zeros(1)})
            with pytest.raises(sqlite3.OperationalError):
                reader.rows("delete from facts")
    Library.open(tmp_path / "library", write=True).close()


WRITER = """
import sys, numpy as np
from marey.catalog import Library
library = Library.open(sys.argv[1], create=True)
for n in range(10**9):
    with library.transaction():
        library.put_tensors("trace", {f"i{n}": np.full(1000, n)})
        library.put("inputs", [{"path": f"i{n}", "status": "ok", "stage": "s"}])
    print(n, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("items", [1, 2, 5])
def test_a_writer_killed_at_any_moment_leaves_whole_items_and_no_lock(tmp_path, items):
    folder = tmp_path / "library"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": SRC},
    )
    for n in range(items):
        assert writer.stdout.readline().strip() == str(n)
    with pytest.raises(MareyError, match=f"process {writer.pid} "):
        Library.open(folder, write=True)
    writer.send_signal(signal.SIGKILL)
    rest = writer.communicate()[0].split()
    (folder / "traces" / ".half.safetensors.1.tmp").write_bytes(b"half")
    (folder / "traces" / "orphan.safetensors").write_bytes(b"a whole shard that no row points to")
    with Library.open(folder, write=True) as library:
        done = [row["path"] for row in library.rows("select path from inputs order by rowid")]
        assert done == [f"i{n}" for n in range(len(done))]
        assert len(done) - (items + len(rest)) in (0, 1)  # all that were said to be done, and perhaps the one in hand
        for n, item in enumerate(done):
            assert (library.tensor("trace", item) == n).all()
        assert len(library.places("trace")) == len(done)
        assert len(list((folder / "traces").iterdir())) == len(done)  # what was half done is swept away


def test_sweeping_leaves_all_else_alone(tmp_path):
    others = ["models/m/weights.safetensors", "runs/r/samples/videos.safetensors", "clips/ab/x.mp4"]
    with new(tmp_path) as library:
        for name in others:
            (library.path / name).parent.mkdir(parents=True)
            (library.path / name).touch()
        library.put_tensors("stills", {"a": np.zeros(1)})
        library.delete("tensors", kind="stills")
        assert library.sweep() == 1
        assert all((library.path / name).exists() for name in others)
        assert library.sweep() == 0


def test_what_is_no_library_is_said_in_one_sentence_and_not_touched(tmp_path):
    with pytest.raises(MareyError, match=r"There is no library at .*marey curate"):
        Library.open(tmp_path / "nowhere")
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").touch()
    for write in (False, True):
        with pytest.raises(MareyError, match="is no library"):
            Library.open(folder, write=write)
    with pytest.raises(MareyError, match=r"not empty \('a.jpg' is in it\)"):
        Library.open(folder, create=True)
    assert [path.name for path in folder.iterdir()] == ["a.jpg"]
    (tmp_path / "file").touch()
    with pytest.raises(MareyError, match="No library can be made"):
        Library.open(tmp_path / "file" / "library", create=True)


def test_a_folder_where_a_run_has_begun_to_log_can_become_a_library(tmp_path):
    (tmp_path / "runs" / "tiny").mkdir(parents=True)
    (tmp_path / "log.txt").touch()
    Library.open(tmp_path, create=True).close()


@pytest.mark.parametrize("content", [b"", b"this is no database at all, but long enough to look", None])
def test_another_file_of_that_name_is_not_taken_for_a_catalog(tmp_path, content):
    file = tmp_path / database.FILE
    if content is None:
        other = sqlite3.connect(file)
        other.execute("create table clips(id)")
        other.close()
    else:
        file.write_bytes(content)
    before = file.read_bytes()
    for write in (False, True):
        with pytest.raises(MareyError, match=r"no library yet|another program|cannot be opened"):
            Library.open(tmp_path, write=write)
    assert file.read_bytes() == before


def test_a_newer_library_is_refused_and_an_older_one_is_brought_up_to_date(tmp_path, monkeypatch):
    with new(tmp_path) as library:
        library.facts["x"] = 1
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    monkeypatch.setattr(schema, "MIGRATIONS", {schema.VERSION - 1: "alter table clips add column mood text"})
    with pytest.raises(MareyError, match="older Marey"):
        Library.open(tmp_path / "library")
    with Library.open(tmp_path / "library", write=True) as library:
        add_clip(library, "a", "f", mood="calm")
        assert library.facts["x"] == 1
    with Library.open(tmp_path / "library") as library:
        assert library.one("select mood from clips") == {"mood": "calm"}
    monkeypatch.undo()
    for write in (False, True):
        with pytest.raises(MareyError, match="newer Marey; this one knows versions up to"):
            Library.open(tmp_path / "library", write=write)


def test_a_place_that_cannot_be_written(tmp_path, monkeypatch):
    """Injected, for the tests may run as root, whom no permission stops."""
    new(tmp_path).close()
    real = os.open

    def refuse(path, flags, *rest, **more):
        if str(path).endswith("library.lock"):
            raise OSError(errno.EROFS, "Read-only file system")
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(MareyError, match="cannot be written \\(Read-only file system\\)"):
        Library.open(tmp_path / "library", write=True)
    with pytest.raises(MareyError, match="cannot be written \\(Read-only file system\\)"):
        Library.open(tmp_path / "library", create=True)
    Library.open(tmp_path / "library").close()


def test_reading_from_a_place_where_no_side_files_can_be_made(tmp_path, monkeypatch):
    with new(tmp_path) as library:
        library.facts["x"] = 1
    real = database._connect

    def refuse(folder, mode):
        if mode == "ro":
            raise sqlite3.OperationalError("unable to open database file")
        return real(folder, mode)

    monkeypatch.setattr(database, "_connect", refuse)
    with Library.open(tmp_path / "library") as library:
        assert library.facts["x"] == 1
    (tmp_path / "library" / f"{database.FILE}-wal").write_bytes(b"not yet in the file")
    with pytest.raises(MareyError, match="unable to open"):
        Library.open(tmp_path / "library")


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_done(tmp_path, monkeypatch):
    with new(tmp_path) as library:
        library.rows(f"pragma max_page_count = {library.one('pragma page_count')['page_count'] + 2}")
        with pytest.raises(MareyError, match="is full"):
            library.put("inputs", ({"path": "x" * 5000 + str(n), "status": "ok", "stage": "s"} for n in range(50)))
        assert library.rows("select * from inputs") == []

        def refuse(_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(shards.os, "fsync", refuse)
        with pytest.raises(MareyError, match="the disk is full"):
            library.put_tensors("trace", {"a": np.zeros(3)})
        assert list((library.path / "traces").iterdir()) == []
        assert library.places("trace") == {}


def test_names_of_any_kind_hold_a_library(tmp_path):
    folder = tmp_path / "ünï 100%25 ? # & 片"
    if sys.platform == "linux":
        folder = folder / os.fsdecode(b"\xff")
    with Library.open(folder, create=True) as library:
        library.facts["x"] = 1
        library.put_tensors("trace", {"a": np.zeros(2)})
    with Library.open(folder) as library:
        assert library.facts["x"] == 1
        assert library.tensor("trace", "a").shape == (2,)
