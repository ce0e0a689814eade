"""Damage to what was kept: it is noticed, told, and made again, and nothing else is."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import voices
from counting import counted
from panning import NETWORKS, shot
from states import rows
from test_listen import with_sound

from marey.catalog import Library
from marey.curate import Summary, curate
from marey.media import write_video
from marey.recipe import Curate
from marey.worlds.edits import Join, compose

LEAN = Curate(without=tuple(set(NETWORKS) - {"embedding"}))
FILMS, FRAMES = 3, 40


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with footage of two shots each, one of them with sound, and a library of it. Copied before use."""
    place = tmp_path_factory.mktemp("heal")
    for n in range(FILMS):
        video, _ = compose([shot(2 * n, 20), shot(2 * n + 1, 20)], [Join("cut")])
        (place / "footage").mkdir(exist_ok=True)
        if n:
            write_video(place / "footage" / f"{n}.mp4", video, 25)
        else:
            with_sound(place / "footage" / "0.mkv", video, voices.babble(1.6))
    work(place)
    work(place)  # the shards that were written just before the end of the first run are looked at once more
    return place


@pytest.fixture
def place(calm: Path, tmp_path: Path) -> Path:
    """The footage stays where it is: the catalog has its paths."""
    shutil.copytree(calm / "library", tmp_path / "library")
    os.symlink(calm / "footage", tmp_path / "footage")
    return tmp_path


def work(place: Path, **options: Any) -> Summary:
    return curate((place / "footage").resolve(), place / "library", settings=LEAN, workers=0, **options)


def everything(library: Path) -> tuple[Any, ...]:
    """All rows, and all arrays of all kinds."""
    with Library.open(library) as store:
        found = store.rows("select kind, item from tensors order by 1, 2")
        arrays = [store.tensor(row["kind"], row["item"]) for row in found]
    plain = [sorted(one.items()) if isinstance(one, dict) else [("", one)] for one in arrays]
    return rows(library), [[(name, array.tobytes()) for name, array in one] for one in plain]


def shards(library: Path) -> dict[str, set[tuple[str, str]]]:
    """The kinds and items of each shard."""
    found: dict[str, set[tuple[str, str]]] = {}
    with Library.open(library) as store:
        for row in store.rows("select kind, item, shard from tensors"):
            found.setdefault(row["shard"], set()).add((row["kind"], row["item"]))
    return found


def flip(path: Path, rng: np.random.Generator) -> None:
    data = bytearray(path.read_bytes())
    for at in rng.integers(0, len(data), int(rng.integers(1, 5))):
        data[at] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)


def truncate(path: Path, rng: np.random.Generator) -> None:
    os.truncate(path, int(rng.integers(0, path.stat().st_size)))


def overwrite(path: Path, rng: np.random.Generator) -> None:
    data = bytearray(path.read_bytes())
    at = int(rng.integers(len(data)))
    data[at : at + 64] = rng.integers(0, 256, len(data[at : at + 64])).astype(np.uint8).tobytes()
    path.write_bytes(data)


def swap(path: Path, rng: np.random.Generator) -> None:
    """Another shard under this one's name."""
    others = sorted(other for other in path.parent.rglob("*.safetensors") if other != path)
    path.write_bytes(others[int(rng.integers(len(others)))].read_bytes() if others else b"")


DAMAGE: tuple[Callable[[Path, np.random.Generator], object], ...] = (
    flip,
    truncate,
    overwrite,
    swap,
    lambda path, rng: path.unlink(),
    lambda path, rng: path.write_bytes(b""),
)


@pytest.mark.parametrize("seed", [*range(10), *(pytest.param(n, marks=pytest.mark.slow) for n in range(10, 100))])
def test_random_damage_of_random_shards_leaves_no_trace(seed: int, place: Path, calm: Path) -> None:
    rng = np.random.default_rng(seed)
    library = place / "library"
    there = shards(library)
    before = everything(library)
    chosen = rng.choice(sorted(there), size=int(rng.integers(1, 5)), replace=False).tolist()
    for name in chosen:
        kept = (library / name).read_bytes()
        while (library / name).exists() and (library / name).read_bytes() == kept:
            DAMAGE[int(rng.integers(len(DAMAGE)))](library / name, rng)
    items = set().union(*(there[name] for name in chosen))
    sources = {item.partition(":")[0] for kind, item in items if kind in ("trace", "stills")}
    with counted() as count:
        summary = work(place)
    assert count.pictures == FRAMES * len(sources)
    assert summary.did["read"] == len(sources)
    notes = [note for note in summary.notes if "damaged or missing" in note]
    assert len(notes) == 1
    assert sorted(chosen)[0] in notes[0]
    assert everything(library) == before == everything(calm / "library")
    with counted() as count:
        again = work(place)
    assert count.pictures == 0
    assert not any("damaged" in note for note in again.notes)
    assert set(again.did.values()) == {0}
    assert not [name for name in chosen if (library / name).exists()], "what was damaged is gone"


@pytest.mark.parametrize(("kind", "measured"), [("embedding@%", {"embedding": 2}), ("sound", None), ("trace", None)])
def test_only_what_lay_in_it_is_made_again(kind: str, measured: dict[str, int] | None, place: Path) -> None:
    with Library.open(place / "library") as store:
        (row, *_) = store.rows("select shard from tensors where kind like ? order by item", kind)
        clips = len(store.rows("select 1 from clips"))
    flip(place / "library" / row["shard"], np.random.default_rng(0))
    summary = work(place)
    if measured:
        assert (summary.measured, summary.did["read"]) == (measured, 0)
        assert any("embedding of 2 items made again" in note for note in summary.notes)
    elif kind == "sound":
        assert set(summary.measured) == {"loudness", "silence_share", "speech_like"}
        assert summary.did["read"] == 0
    else:
        assert set(summary.measured.values()) == {2}
        assert clips == 2 * FILMS
        assert any("1 source read again" in note for note in summary.notes)


def test_damage_that_shows_neither_in_size_nor_in_time_is_found_where_everything_is_looked_at(place: Path) -> None:
    library = place / "library"
    before = everything(library)
    path = library / next(name for name in sorted(shards(library)) if name.startswith("stills/"))
    told = path.stat()
    flip(path, np.random.default_rng(1))
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert work(place).did["read"] == 0
    assert work(place, check=True).did["read"] == 1
    assert everything(library) == before


def test_what_was_made_from_clips_is_made_again_by_who_made_it(place: Path) -> None:
    """Pixels and latents of windows are no concern of a curation, but their rows must not point to damage."""
    library = place / "library"
    with Library.open(library, write=True) as store:
        for kind in ("pixels@x", "latents@y"):
            for item in ("one", "two"):
                store.put_tensors(kind, {item: np.arange(9)})
        path = library / store.place("pixels@x", "one").shard
    flip(path, np.random.default_rng(2))
    summary = work(place)
    assert set(summary.did.values()) == {0}
    with Library.open(library) as store:
        assert (set(store.places("pixels@x")), set(store.places("latents@y"))) == ({"two"}, {"one", "two"})
    assert any("pixels of 1 item to be made again" in note for note in summary.notes)


def test_a_source_that_is_gone_is_told_and_read_when_it_is_back(calm: Path, tmp_path: Path) -> None:
    shutil.copytree(calm / "footage", tmp_path / "footage")
    work(tmp_path)
    library = tmp_path / "library"
    before = everything(library)
    with Library.open(library) as store:
        (row,) = store.rows("select id from footage where path like '%1.mp4'")
        shard = store.places("trace")[row["id"]].shard
    os.truncate(library / shard, 100)
    (tmp_path / "footage" / "1.mp4").rename(tmp_path / "away.mp4")
    for _ in range(2):
        summary = work(tmp_path)
        assert summary.did["read"] == 0
        assert any("1 source not there to be read again" in note for note in summary.notes)
    (tmp_path / "away.mp4").rename(tmp_path / "footage" / "1.mp4")
    assert work(tmp_path).did["read"] == 1
    assert everything(library) == before


def test_a_kill_between_the_look_and_the_mending_loses_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["marey.curate.curate"]

    library = place / "library"
    before = everything(library)
    for name in shards(library):
        flip(library / name, np.random.default_rng(3))

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    for step in ("scan", "settle", "measure_clips", "group_duplicates"):
        with monkeypatch.context() as patch:
            patch.setattr(module, step, killed)
            with pytest.raises(KeyboardInterrupt):
                work(place)
    work(place)
    assert everything(library) == before
