"""Long sources in reels: what they give is what one reading gives, row for row, whatever happens on the way."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from counting import counted
from filming import film
from panning import shot

from marey.catalog import Library
from marey.curate import curate
from marey.curate.measures import MEASURES
from marey.curate.read import ReadStage
from marey.curate.reading import Reader
from marey.media import write_video
from marey.recipe import Curate
from marey.worlds.edits import Join, compose

SECONDS = 2.0
LEAN = Curate(without=tuple(kind.name for kind in MEASURES if kind.name != "phash"))
TABLES = ("inputs", "footage", "transitions", "clips", "signals", "captions")


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """Nine seconds of three shots with B-frames in open groups, and a short one."""
    place = tmp_path / "footage"
    place.mkdir()
    video, _ = compose([shot(seed, 80) for seed in (1, 2, 3)], [Join("cut"), Join("dissolve", 12)])
    groups = {"bf": "3", "x264-params": "keyint=12:min-keyint=12:open-gop=1:scenecut=0"}
    write_groups(place / "long.mp4", video, groups)
    write_video(place / "short.mp4", shot(9, 30), 25)
    return place


def write_groups(path: Path, video: np.ndarray, options: dict[str, str]) -> None:
    import av

    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = video.shape[1], video.shape[2], "yuv420p"
        for image in video:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode(None))


@pytest.fixture
def reels(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let curation read in reels of two seconds, in this process too."""
    import sys

    def change(*, divide: bool | None, run: Callable[..., Any] | None = None) -> None:
        def reader(library: Library, own: Any, **settings: Any) -> Reader:
            settings["divide"] = settings["divide"] if divide is None else divide
            return Reader(library, run(own) if run else own, **settings, reel_seconds=SECONDS)

        monkeypatch.setattr(sys.modules["marey.curate.curate"], "Reader", reader)

    return change


def work(footage: Path, name: str, workers: int = 0) -> dict[str, Any]:
    """Curate, and all that is known then but costs: seconds, names of shards, and how much was decoded."""
    curate(footage, footage.parent / name, settings=LEAN, workers=workers)
    with Library.open(footage.parent / name, write=True) as library:  # which sweeps
        known: dict[str, Any] = {table: library.rows(f"select * from {table} order by 1, 2, 3") for table in TABLES}
        for row in known["footage"]:
            assert 0.99 <= row.pop("decoded") / row["frames"] <= 1.2
        known["ledger"] = library.rows("select item, stage, status, reason from ledger order by 1, 2")
        known["tensors"] = library.rows("select kind, item from tensors order by 1, 2")
        for kind in ("trace", "stills"):
            known[kind] = {}
            for item in library.places(kind):
                found = library.tensor(kind, item)
                arrays = found if isinstance(found, dict) else {"": found}
                known[kind][item] = {key: (array.shape, array.tobytes()) for key, array in arrays.items()}
        shards = {row["shard"] for row in library.rows("select shard from tensors")}
        there = {path.relative_to(library.path).as_posix() for path in library.path.rglob("*.safetensors")}
        assert there == shards
    return known


def test_reels_give_what_the_whole_gives(footage: Path, reels: Callable[..., None]) -> None:
    reels(divide=False)
    with counted() as count:
        whole = work(footage, "whole")
    assert count.pictures == 240 - 12 + 30  # the dissolve lays one shot over the other
    assert count.seeks == 0
    reels(divide=True)
    with counted() as count:
        divided = work(footage, "divided")
    assert count.seeks > 0
    assert divided == whole
    assert {row["kind"] for row in whole["transitions"]} == {"cut", "dissolve"}


def test_guarded_workers_share_a_long_source(footage: Path, reels: Callable[..., None]) -> None:
    reels(divide=False)
    whole = work(footage, "whole")
    reels(divide=None)
    assert work(footage, "divided", workers=2) == whole


class Stopped(Exception):
    """As a kill would."""


def test_a_kill_costs_the_reels_in_hand(footage: Path, reels: Callable[..., None]) -> None:
    read: list[str] = []

    def watched(after: int) -> Callable[..., Any]:
        def run(own: Any) -> Any:
            def inner(stage: Any, items: Any, what: str) -> Iterator[Any]:
                for result in own(stage, items, what):
                    if isinstance(stage, ReadStage):
                        if len(read) == after:
                            raise Stopped
                        read.append(result.id)
                    yield result

            return inner

        return run

    reels(divide=True, run=watched(2))
    with pytest.raises(Stopped):
        work(footage, "killed")
    with Library.open(footage.parent / "killed") as library:
        (long,) = library.rows("select * from footage where path like '%long.mp4'")
        assert long["stage"] == "probe"
        kinds = {row["kind"] for row in library.rows("select kind from tensors")}
        assert kinds == {"trace@reels", "stills@reels"}
    assert read == [f"{long['id']}:0", f"{long['id']}:1"]
    read.clear()
    reels(divide=True, run=watched(99))
    again = work(footage, "killed")
    assert f"{long['id']}:0" not in read
    assert f"{long['id']}:2" in read
    reels(divide=False)
    assert again == work(footage, "whole")


def test_after_a_kill_the_whole_may_be_read_instead(footage: Path, reels: Callable[..., None]) -> None:
    reels(divide=True, run=failing("nothing", stop_after=2))
    with pytest.raises(Stopped):
        work(footage, "killed")
    reels(divide=False)
    assert work(footage, "killed") == work(footage, "whole")


def failing(which: str, stop_after: int | None = None, change: dict[str, Any] | None = None) -> Callable[..., Any]:
    """A runner under which the reel whose id ends in `which` fails, or comes out changed."""

    def run(own: Any) -> Any:
        def inner(stage: Any, items: Any, what: str) -> Iterator[Any]:
            from dataclasses import replace

            for n, result in enumerate(own(stage, items, what)):
                if isinstance(stage, ReadStage) and n == stop_after:
                    raise Stopped
                if result.id.endswith(which):
                    result = (
                        replace(result, out={**result.out, **change})
                        if change
                        else replace(result, out={}, status="failed", error="Its process was killed by SIGSEGV.")
                    )
                yield result

        return inner

    return run


@pytest.mark.parametrize("change", [None, {"closing": 12345}])
def test_a_reel_that_fails_or_does_not_fit_leads_to_the_whole(
    footage: Path, reels: Callable[..., None], change: dict[str, Any] | None
) -> None:
    reels(divide=False)
    whole = work(footage, "whole")
    reels(divide=True, run=failing(":1", change=change))
    assert work(footage, "divided") == whole


def test_the_outcome_of_the_whole_is_what_counts(footage: Path, reels: Callable[..., None]) -> None:
    (footage / "long.mp4").unlink()
    path = film(footage / "bad.avi", 240, codec="mjpeg", pixel_format="yuvj420p")
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\xd8", len(data) // 2)
    data[at : at + 200] = bytes(200)
    path.write_bytes(data)
    reels(divide=True)
    known = work(footage, "divided")
    (row,) = [row for row in known["footage"] if row["path"].endswith("bad.avi")]
    assert (row["status"], row["reason"]) == ("ok", "1 damaged packet was skipped")
    reels(divide=False)
    assert work(footage, "whole") == known


def test_a_part_of_a_source_is_not_divided(footage: Path, reels: Callable[..., None]) -> None:
    from marey.recipe import Footage

    reels(divide=True)
    curate(footage, footage.parent / "part", footage_settings=Footage(file_seconds=6), settings=LEAN, workers=0)
    with Library.open(footage.parent / "part") as library:
        (row,) = library.rows("select * from footage where path like '%long.mp4'")
        (told,) = library.rows("select out from ledger where item = ? and stage like 'read@%'", row["id"])
    assert row["frames"] == 150
    assert json.loads(told["out"])["limit"] == 6


def test_a_source_without_an_index_is_flushed_on_the_way(tmp_path: Path) -> None:
    """Its memory must not grow either: the shards are joined in the end, and hold every frame once."""
    path = film(tmp_path / "rare.mkv", 240, options={"g": "500"})
    stage = ReadStage(1, SECONDS)
    stage.setup()
    now = path.stat()
    item = {"id": "f", "footage": "f", "path": str(path), "library": str(tmp_path / "library"), "kind": "video"}
    out = stage.process({**item, "size": now.st_size, "mtime_ns": now.st_mtime_ns, "limit": None})
    assert [part["frames"] for part in out["parts"]] == [100, 100, 40]
    numbers = [n for part in out["parts"] for n in part["still_frames"]]
    assert numbers == sorted(set(numbers))
    assert {0, 99, 100, 239} <= set(numbers)
