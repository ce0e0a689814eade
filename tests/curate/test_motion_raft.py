"""The motion that a given RAFT tells, in a library: between which frames, from which decode, and how often."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from counting import counted
from panning import NETWORKS, shot
from safetensors.torch import save_file

from marey.catalog import Library
from marey.curate import Summary, curate, pairs, reading
from marey.curate.measures import MEASURES
from marey.curate.measures.motion_raft import PAIRS
from marey.curate.pairs import PairPictures
from marey.errors import MareyError
from marey.media import probe, read, write_video
from marey.network.raft import SMALL, Raft
from marey.recipe import Curate, Models
from marey.signals import raft
from marey.signals.given import Given, resolve
from marey.signals.motion import described
from marey.signals.raft import SHORT_SIDE, RaftFlow, size

ONLY = tuple(kind.name for kind in MEASURES if kind.name not in {"motion", "motion_raft"})
FRAMES = 40 + 8


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small RAFT that nothing was taught."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("raft") / "raft.safetensors"
    save_file(dict(Raft(SMALL).state_dict()), path)
    return path


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """A shot of 1.6 seconds, and one of a third of a second."""
    place = tmp_path / "footage"
    write_video(place / "a.mp4", np.concatenate([shot(1, 40), shot(2, 8)]), 25)
    return place


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One round of the network instead of twelve, on smaller pictures."""
    monkeypatch.setattr(Raft.forward, "__defaults__", (1,))
    monkeypatch.setattr(raft, "SHORT_SIDE", 128)


def work(footage: Path, weights: Path | None, workers: int = 0, **settings: Any) -> Summary:
    models = Models(raft=str(weights) if weights else None)
    chosen = Curate(without=ONLY, shortest_seconds=0.1, models=models, **settings)
    return curate(footage, footage.parent / "library", settings=chosen, workers=workers)


def signals(footage: Path, name: str = "motion_raft") -> list[dict[str, Any]]:
    with Library.open(footage.parent / "library") as library:
        return library.rows(
            "select signals.*, start_frame, end_frame from signals join clips on clips.id = clip where name = ? "
            "order by clips.n",
            name,
        )


def test_it_is_the_networks_flow_between_the_frames_of_motion_from_the_same_decode(
    footage: Path, weights: Path
) -> None:
    with counted() as count:
        assert work(footage, weights).measured == {"motion": 2, "motion_raft": 2}
    assert (count.pictures, count.seeks) == (FRAMES, 0)
    frames = [frame.rgb(256) for frame in read(footage / "a.mp4", probe(footage / "a.mp4"))]
    flow = RaftFlow(resolve(Models(raft=str(weights))))
    long, short = signals(footage)
    for row, expected in (
        (long, [(0, 13, 13), (13, 26, 13), (26, 39, 13)]),
        (short, [(long["end_frame"] + 1, FRAMES - 1, 7)]),
    ):
        assert (row["status"], row["unit"], row["bad"]) == ("ok", "px", "low")
        data = json.loads(row["data"])
        if row is short:
            expected = [(row["start_frame"], row["end_frame"], row["end_frame"] - row["start_frame"])]
        inside = [one for one in expected if row["start_frame"] <= one[0] and one[1] <= row["end_frame"]]
        assert data["pairs"] == len(inside) > 0
        moved = [described(flow(frames[a], frames[b]), 108, 192).scaled(0.5 / (n / 25)) for a, b, n in inside]
        assert row["value"] == pytest.approx(np.mean([one.magnitude for one in moved]), rel=0.05)  # JPEG
        assert data["camera"] == pytest.approx(np.mean([one.camera for one in moved]), rel=0.1, abs=0.02)
        assert set(data) == {"right", "down", "zoom", "rotation", "camera", "object", "pairs", "short"}
        assert data["short"] == (row is short)


def test_footage_that_was_read_before_is_decoded_once_more_and_gives_the_same(footage: Path, weights: Path) -> None:
    work(footage, weights)
    at_once = [(row["value"], row["data"]) for row in signals(footage)]
    other = footage.parent / "later" / "footage"
    other.mkdir(parents=True)
    (other / "a.mp4").write_bytes((footage / "a.mp4").read_bytes())
    assert work(other, None).measured == {"motion": 2}
    assert signals(other) == []
    with counted() as count:
        assert work(other, weights).measured == {"motion_raft": 2}
    assert 0 < count.pictures <= FRAMES
    assert [(row["value"], row["data"]) for row in signals(other)] == at_once
    with counted() as count:
        assert work(other, weights).measured == {}
    assert count.pictures == 0


def test_other_weights_measure_anew_without_a_decode(footage: Path, weights: Path, tmp_path: Path) -> None:
    work(footage, weights)
    before = signals(footage)
    torch.manual_seed(1)
    save_file(dict(Raft(SMALL).state_dict()), tmp_path / "other.safetensors")
    with counted() as count:
        assert work(footage, tmp_path / "other.safetensors").measured == {"motion_raft": 2}
    assert count.pictures == 0
    after = signals(footage)
    assert all(a["version"] != b["version"] and a["value"] != b["value"] for a, b in zip(before, after, strict=True))


def test_the_frames_of_reels_are_those_of_the_whole(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "footage" / "a.mp4", shot(1, 110), 25, keyframe_seconds=1)
    real, kept = reading.Reader.__init__, []
    for divide in (False, True):

        def init(self: reading.Reader, *args: Any, divided: bool = divide, **options: Any) -> None:
            real(self, *args, **{**options, "divide": divided, "reel_seconds": 1.0})

        monkeypatch.setattr(reading.Reader, "__init__", init)
        settings = Curate(without=(*ONLY, "motion"), models=Models(raft=str(weights)))
        curate(tmp_path / "footage", tmp_path / f"library{divide}", settings=settings, workers=0)
        with Library.open(tmp_path / f"library{divide}") as library:
            assert divide == ((library.one("select decoded from footage") or {})["decoded"] > 110), "in reels"
            (trace,) = (library.tensor("trace", item) for item in library.places("trace"))
            (place,) = pairs.places(library, library.places("trace")).values()
            assert isinstance(trace, dict)
            pictures = PairPictures(library.path, *place)
            kept.append({int(n): pictures(int(n)) for n in trace["pair_frames"]})
            assert set(np.unique(trace["pairs"]).tolist()) <= set(kept[-1])
            with pytest.raises(MareyError, match="was not kept"):
                pictures(1)
    assert set(kept[0]) <= set(kept[1]), "each reel begins with one of its own"
    assert all(np.array_equal(kept[0][n], kept[1][n]) for n in kept[0])


def test_of_a_long_clip_a_few_pairs_are_looked_at(tmp_path: Path, weights: Path) -> None:
    write_video(tmp_path / "footage" / "a.mp4", shot(1, 300), 25)
    work(tmp_path / "footage", weights)
    (row,) = signals(tmp_path / "footage")
    assert json.loads(row["data"])["pairs"] == PAIRS
    (usual,) = signals(tmp_path / "footage", "motion")
    assert json.loads(usual["data"])["pairs"] > 2 * PAIRS


def test_a_file_that_is_another_one_now_fails_with_the_reason(footage: Path, weights: Path) -> None:
    work(footage, None)
    with Library.open(footage.parent / "library", write=True) as library:
        write_video(footage / "a.mp4", shot(9, 12), 12)
        (name,) = library.places("trace")
        from marey.engine import run

        lost = pairs.watch(library, lambda stage, items, what: run(stage, items, workers=0), [name])
    assert [result.error for result in lost.values()] == ["its frames are not those of its trace any more"]


def test_without_weights_there_is_no_such_signal_and_a_pickle_needs_its_sha256(tmp_path: Path) -> None:
    (kind,) = (kind for kind in MEASURES if kind.name == "motion_raft")
    assert not kind.offered(Given())
    assert "motion_raft" in NETWORKS
    (tmp_path / "raft.pth").write_bytes(b"pickle")
    with pytest.raises(MareyError, match=r"curate\.models\.raft_sha256"):
        resolve(Models(raft=str(tmp_path / "raft.pth")))
    with pytest.raises(MareyError, match=r"curate\.models\.raft is .*not there"):
        resolve(Models(raft=str(tmp_path / "none.pth")))


def test_the_sizes_at_which_it_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raft, "SHORT_SIDE", SHORT_SIDE)
    for height, width in ((720, 1280), (1280, 720), (108, 192), (64, 6400), (16, 16)):
        rows, columns = size(height, width)
        assert rows % 8 == columns % 8 == 0
        assert min(rows, columns) == 256
        assert max(rows, columns) <= 768
