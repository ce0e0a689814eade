"""Forgetting: nothing of a footage is left but the fact that it was forgotten, and all else is as it was."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

sys.path.insert(0, str(Path(__file__).parent))

from made_library import add_clip, add_footage, group, new

import marey.errors
from marey.catalog import Library, flatten, forget, new_shard, publish, read_selection, remember, select, shard_name
from marey.catalog import write_shard as write
from marey.catalog.shards import Shard, all_shards
from marey.engine import Result
from marey.errors import MareyError
from marey.recipe import Select

GONE, STAYS, EDIT = "0123456789abcdef", "fedcba9876543210", "1111222233334444"
CLIPS = {GONE: ["aaaaaaaaaaaaaaa1", "aaaaaaaaaaaaaaa2"], STAYS: ["bbbbbbbbbbbbbbb1"], EDIT: ["ccccccccccccccc1"]}
SECRET = "a person's name in a caption"


@pytest.fixture
def library(tmp_path):
    """Three footages, one to be forgotten, with something of it in every place that a library has."""
    with new(tmp_path) as library:
        for footage, origin in ((GONE, ["bunny"]), (STAYS, []), (EDIT, ["bunny", "city"])):
            add_footage(library, footage, origin=origin, caption=SECRET if footage == GONE else "")
            library.put("transitions", [transition(footage)])
            library.put_tensors("trace", {footage: {"luma": np.ones(3), "n": np.zeros(2)}})
            for n, clip in enumerate(CLIPS[footage]):
                twins = group(CLIPS[GONE][0]) if clip in (CLIPS[GONE][0], CLIPS[STAYS][0]) else group(clip)
                add_clip(library, clip, footage, {"motion": 1.0 + n, "duplicate_group": twins, "sharpness": 1.0})
                library.put(
                    "captions",
                    [{"clip": clip, "captioner": "file", "version": "1", "text": SECRET * (footage == GONE)}],
                )
                library.record(Result(clip, {"footage": footage}), "text@1")
            library.record(Result(f"/footage/{footage}.mp4"), "read@1")
        library.put("inputs", [{"path": "/footage/copy of it.mp4", "footage": GONE, "status": "ok", "stage": "read@1"}])
        clips = [clip for names in CLIPS.values() for clip in names]
        windows = {f"{clip}:{n}": np.full((2, 2), n, np.float16) for clip in clips for n in range(2)}
        infos = {item: {"clip": item[:16], "footage": footage_of(item[:16])} for item in windows}
        library.put_tensors("latents@3f", windows, infos)
        # A shard that a worker wrote under keys of its own, and an array to which no row points any more.
        own = new_shard(library.path, "stills")
        write(own, flatten({"k1": {"first": np.ones(2)}, "k2": np.zeros(1), CLIPS[GONE][1]: np.ones(5)}))
        name = shard_name(library.path, own)
        library.put("tensors", [{"kind": "stills", "item": GONE, "shard": name, "key": "k1"}])
        library.put("tensors", [{"kind": "stills", "item": STAYS, "shard": name, "key": "k2"}])
        library.facts["longest"] = {"clip": CLIPS[GONE][0]}
        library.facts["count"] = 4
        library.facts["encode/good"] = {"latents": "latents@3f", "autoencoder": "models/autoencoder-3f"}
        library.put("votes", [vote(CLIPS[GONE][0]), vote(CLIPS[STAYS][0])])
        select(library, Select(name="good", duplicates="keep"))
        select(library, Select(name="others", min={"motion": 1.5}, duplicates="keep"))
        files(library.path)
        yield library


def transition(footage):
    frames = {"a_end": 3, "b_start": 4, "a_end_pts": 3, "b_start_pts": 4}
    return {"footage": footage, "n": 0, "kind": "cut", "confidence": 1.0, **frames}


def vote(clip):
    return {
        "study": "s",
        "left_video": clip,
        "right_video": "x",
        "question": "q",
        "choice": "left",
        "voter": "v",
        "made": "now",
    }


def footage_of(clip):
    return next(footage for footage, clips in CLIPS.items() if clip in clips)


def files(folder):
    contents = {
        f"clips/aa/{CLIPS[GONE][0]}.mp4": "pixels",
        f"clips/aa/{CLIPS[GONE][0]}.txt": SECRET,
        f"clips/bb/{CLIPS[STAYS][0]}.mp4": "pixels",
        "runs/tiny/recipe.toml": '[select]\nname = "good"\n[train]\nname = "tiny"\n',
        "runs/tiny/samples/windows.json": json.dumps([{"clip": CLIPS[GONE][0]}]),
        "runs/tiny/samples/videos.safetensors": "pixels",
        "runs/tiny/report/index.html": GONE,
        "runs/tiny/metrics.jsonl": f'{{"step": 1}}\n{{"step": 2, "worst": "{CLIPS[GONE][0]}"}}\n',
        "runs/tiny/checkpoints/video/state.json": "{}",
        "runs/quiet/recipe.toml": '[select]\nname = "unrelated"\n[train]\nname = "quiet"\n',
        "runs/quiet/samples/windows.json": json.dumps([{"clip": CLIPS[STAYS][0]}]),
        "models/tiny/README.md": "a card",
        "models/autoencoder-3f/README.md": "a card",
        "models/quiet/README.md": "a card",
        "log.txt": f"start  reading\nfailed /footage/{GONE}.mp4: odd\nend  reading\n",
    }
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def everything(folder):
    """All bytes of a library, by file."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.mark.parametrize("what", [GONE, f"/footage/{GONE}.mp4", "/footage/copy of it.mp4"], ids=["id", "path", "copy"])
def test_nothing_is_left_but_the_fact(library, what):
    forgotten = forget(library, what)
    assert forgotten.footage == GONE
    assert forgotten.paths == (f"/footage/{GONE}.mp4", "/footage/copy of it.mp4")
    assert not forgotten.lingers
    assert library.forgotten().keys() == {GONE}
    left = everything(library.path)
    assert [name for name, content in left.items() if SECRET.encode() in content] == []
    for clip in CLIPS[GONE]:
        assert [name for name, content in left.items() if clip.encode() in content or clip in name] == []
    holding = {name: content.count(GONE.encode()) for name, content in left.items() if GONE.encode() in content}
    assert set(holding) == {"library.db"}
    dump = [line for line in dump_of(library) if GONE in line]
    assert len(dump) == 1
    assert "forgotten/" in dump[0]


def dump_of(library):
    for table in [row["name"] for row in library.rows("select name from sqlite_master where type = 'table'")]:
        for row in library.rows(f"select * from {table}"):
            yield f"{table} {row}"


def test_all_else_is_as_it_was(library):
    before = {item: library.tensor("latents@3f", item) for item in library.places("latents@3f")}
    forgotten = forget(library, GONE)
    assert sorted(row["id"] for row in library.rows("select id from footage")) == sorted([EDIT, STAYS])
    assert sorted(row["id"] for row in library.rows("select id from clips")) == sorted(CLIPS[EDIT] + CLIPS[STAYS])
    assert set(library.places("latents@3f")) == {item for item in before if item[:16] not in CLIPS[GONE]}
    for item in library.places("latents@3f"):
        np.testing.assert_array_equal(library.tensor("latents@3f", item), before[item])
    assert sorted(library.tensor("trace", STAYS)) == ["luma", "n"]
    assert library.tensor("stills", STAYS).tolist() == [0]
    assert library.place("latents@3f", CLIPS[STAYS][0] + ":0").info == {"clip": CLIPS[STAYS][0], "footage": STAYS}
    assert library.rows("select left_video from votes") == [{"left_video": CLIPS[STAYS][0]}]
    assert library.facts["count"] == 4
    assert "longest" not in library.facts
    assert library.done("read@1") == {f"/footage/{STAYS}.mp4", f"/footage/{EDIT}.mp4"}
    assert forgotten.removed["clips"] == 2
    assert forgotten.removed["tensors"] == 6  # a trace, its stills, four windows
    assert forgotten.removed["shards"] == 3
    assert forgotten.removed["clip files"] == 2


def test_shards_hold_only_what_rows_point_to_and_their_own_vanish(library):
    forget(library, GONE)
    keys = {key for path in all_shards(library.path) for key in Shard(path).keys}
    assert keys == {
        f"{STAYS}/luma", f"{STAYS}/n", f"{EDIT}/luma", f"{EDIT}/n", "k2",
        *(f"{clip}:{n}" for clip in CLIPS[STAYS] + CLIPS[EDIT] for n in range(2)),
    }  # fmt: skip
    assert library.sweep() == 0


def test_selections_are_as_if_it_had_never_been(library):
    forgotten = forget(library, GONE)
    assert forgotten.selections == ("good", "others")
    good, others = read_selection(library, "good"), read_selection(library, "others")
    assert good.clips == tuple(sorted(CLIPS[STAYS] + CLIPS[EDIT]))
    assert good.hash == select(library, Select(name="again", duplicates="keep")).hash
    assert others.clips == ()
    assert others.dropped.keys() == {*CLIPS[STAYS], *CLIPS[EDIT]}
    assert others.matrix["min.motion"]["min.motion"] == 2


def test_a_group_of_duplicates_takes_another_name(library):
    forget(library, GONE)
    signals = library.signals()
    assert signals[CLIPS[STAYS][0]]["duplicate_group"]["data"] == f'"{CLIPS[STAYS][0]}"'
    assert signals[CLIPS[EDIT][0]]["duplicate_group"]["data"] == f'"{CLIPS[EDIT][0]}"'


def test_what_cannot_forget_is_named(library):
    forgotten = forget(library, GONE)
    assert forgotten.models == ("models/autoencoder-3f", "models/tiny")
    assert forgotten.runs == ("tiny",)
    assert forgotten.related == (f"/footage/{EDIT}.mp4",)
    text = str(forgotten)
    for part in ("copy of it.mp4", "models/tiny", f"{EDIT}.mp4", "2 clips"):
        assert part in text


def test_runs_keep_their_recipe_and_checkpoints_and_lose_what_they_show(library):
    forget(library, GONE)
    run = library.path / "runs" / "tiny"
    assert not (run / "samples").exists()
    assert not (run / "report").exists()
    assert (run / "metrics.jsonl").read_text() == '{"step": 1}\n'
    assert (run / "recipe.toml").exists()
    assert (run / "checkpoints" / "video" / "state.json").exists()
    assert (library.path / "runs" / "quiet" / "samples" / "windows.json").exists()
    assert (library.path / "log.txt").read_text() == "start  reading\nend  reading\n"


def test_a_checkpoint_that_names_it_is_removed_whole(library):
    state = library.path / "runs" / "tiny" / "checkpoints" / "video" / "order.json"
    state.write_text(json.dumps([CLIPS[GONE][1] + ":0"]))
    (state.parent / "weights.safetensors").touch()
    assert forget(library, GONE).runs == ("tiny",)
    assert not (library.path / "runs" / "tiny" / "checkpoints").exists()


def test_a_model_whose_card_names_it_is_named(library):
    (library.path / "models" / "quiet" / "README.md").write_text(f"learned from {GONE}.")
    assert "models/quiet" in forget(library, GONE).models


def test_what_was_published_cannot_be_published_without_pyarrow_and_is_removed(library, monkeypatch):
    publish(library)

    def none(module):
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(marey.errors, "import_module", none)
    forget(library, GONE)
    assert not any(
        (library.path / name).exists() for name in ("metadata.parquet", "tables/catalog.parquet", "README.md")
    )


def test_what_was_published_is_published_without_it(library):
    publish(library)
    forget(library, GONE)
    rows = parquet.read_table(library.path / "tables" / "catalog.parquet").to_pylist()
    assert {row["footage"] for row in rows} == {STAYS, EDIT}
    assert GONE not in (library.path / "README.md").read_text(encoding="utf-8")


def test_it_can_be_killed_in_the_middle_and_given_again(library, monkeypatch):
    from marey.catalog import erase

    def killed(*_):
        raise KeyboardInterrupt

    for step in ("erase_clips", "erase_runs"):
        monkeypatch.setattr(erase, step, killed)
        with pytest.raises(KeyboardInterrupt):
            forget(library, GONE)
        monkeypatch.undo()
    forgotten = forget(library, GONE)
    assert forgotten.removed["clips"] == 2
    assert forgotten.models == ("models/autoencoder-3f", "models/tiny")
    assert not any(CLIPS[GONE][0].encode() in content for content in everything(library.path).values())
    assert forget(library, GONE).removed["clips"] == 0


def test_it_can_be_remembered(library):
    forget(library, GONE)
    remember(library, GONE)
    assert library.forgotten() == {}
    with pytest.raises(MareyError, match="has not forgotten"):
        remember(library, GONE)


def test_an_input_that_was_no_footage(library):
    library.put("inputs", [{"path": "/footage/notes.mp4", "status": "failed", "stage": "scan", "reason": "text"}])
    library.record(Result("/footage/notes.mp4", error="text", status="failed"), "read@1")
    forgotten = forget(library, "/footage/notes.mp4")
    assert (forgotten.footage, forgotten.removed) == ("", {"inputs": 1, "ledger": 1})
    assert not any(b"notes.mp4" in content for content in everything(library.path).values())
    assert len(library.rows("select * from footage")) == 3


def test_what_is_not_there_is_one_sentence(library):
    before = list(dump_of(library))
    with pytest.raises(MareyError, match=r"'/footage/none\.mp4' is no footage of"):
        forget(library, "/footage/none.mp4")
    with pytest.raises(MareyError, match="is no footage of"):
        forget(library, GONE[:8])
    assert list(dump_of(library)) == before


def test_a_reader_beside_it_is_said_to_hold_on_to_the_rest(library):
    with Library.open(library.path) as reader:
        rows = reader._db.execute("select * from footage")  # a query that is not yet at its end
        rows.fetchone()
        library.rows("pragma busy_timeout = 50")
        assert forget(library, GONE).lingers
        rows.close()
    library.rows("pragma busy_timeout = 5000")
    assert not forget(library, GONE).lingers
