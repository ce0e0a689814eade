"""The footage as files: complete, licensed, true, and made only once."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from marey.errors import MareyError
from marey.media import probe, read, write_video
from marey.worlds import footage
from marey.worlds.footage import Work, make, plan, works
from marey.worlds.scenes import scene

FEW = 0.02


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of samples: two photographs and a film, one of each to be credited, and one without a licence."""
    folder = tmp_path_factory.mktemp("samples")
    rng = np.random.default_rng(0)
    for name in ("flower.png", "stolen.png"):
        picture = Image.fromarray(rng.integers(0, 255, (30, 40, 3), np.uint8)).resize((400, 300))
        picture.save(folder / name)
    write_video(folder / "bunny.mp4", scene("fish", 9, seconds=3, height=120, width=160).render(), 25)
    entries = {
        "flower.png": {"license": "CC-BY-2.0", "source": "here", "credit": "A. Gardener", "origin": ["flower"]},
        "bunny.mp4": {"license": "CC-BY-3.0", "source": "there", "credit": "A. Studio", "origin": ["bunny"]},
        "stolen.png": {"license": "", "source": "", "credit": "", "origin": []},
        "gone.png": {"license": "CC0-1.0", "source": "nowhere", "credit": "", "origin": ["gone"]},
    }
    (folder / "LICENCES.json").write_text(json.dumps(entries))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Path:
    folder = tmp_path_factory.mktemp("made")
    make(folder, samples, seed=3, share=FEW)
    return folder


def licences(folder: Path) -> dict[str, dict]:
    return json.loads((folder / "LICENCES.json").read_text(encoding="utf-8"))


def test_every_sort_is_there_with_its_sidecars(made: Path) -> None:
    names = {path.name for path in made.iterdir()}
    videos = {name for name in names if name.endswith(".mp4")}
    assert {name.split("-")[0] for name in videos} == {
        "scene", "montage", "camera", "edit", "still", "blurred", "text", "again",
    }  # fmt: skip
    assert set(licences(made)) == videos
    for name in videos:
        facts = probe(made / name)
        assert 2.5 < facts.seconds < 12
        assert not facts.vfr
        assert facts.reason == ""
    captions = {name.removesuffix(".txt"): (made / name).read_text().strip() for name in names if name.endswith(".txt")}
    assert "car" in captions["scene-car-1"]
    assert "over a photograph of a flower" in captions["camera-flower"]
    assert {"montage-1", "edit-1"}.isdisjoint(captions)  # one sentence does not fit several shots
    assert not [name for name in names if name.endswith(".tmp")]


def test_the_truth_is_of_the_file_as_it_is(made: Path) -> None:
    for name in ("montage-1", "edit-1"):
        truth = json.loads((made / f"{name}.truth.json").read_text())
        facts = probe(made / f"{name}.mp4")
        assert truth["frames"] == facts.frames
        assert truth["fps"] == facts.fps
        frames = [frame.gray((27, 36)).astype(int) for frame in read(made / f"{name}.mp4", facts)]
        steps = np.array([np.abs(b - a).mean() for a, b in pairwise(frames)])
        assert len(truth["transitions"]) >= 2
        for one in truth["transitions"]:
            assert 0 < one["a_end"] < one["b_start"] < truth["frames"]
            over = np.abs(frames[one["b_start"]] - frames[one["a_end"]]).mean()
            assert over > 2 * np.median(steps)
            if one["kind"] == "cut":
                assert steps[one["a_end"]] > 3 * np.median(steps)
    for one in truth["confounders"]:
        assert 0 <= one["first"] <= one["last"] < truth["frames"]


def test_what_a_curation_must_find(made: Path) -> None:
    def mean_step(name: str) -> float:
        frames = [frame.gray(64).astype(int) for frame in read(made / name, probe(made / name))]
        return float(np.mean([np.abs(b - a).mean() for a, b in pairwise(frames)]))

    def detail(name: str) -> float:
        frame = next(iter(read(made / name, probe(made / name))))
        return float(np.abs(np.diff(frame.gray(128).astype(int), axis=0)).mean())

    assert mean_step("still-1.mp4") < 0.1 * mean_step("scene-car-1.mp4")
    assert detail("blurred-1.mp4") < 0.5 * detail("scene-car-1.mp4")
    assert detail("text-1.mp4") > 1.5 * detail("scene-car-1.mp4")
    one, again = (made / name for name in ("scene-car-1.mp4", "again-car-1.mp4"))
    assert one.read_bytes() != again.read_bytes()
    a, b = (next(iter(read(path, probe(path)))).gray(64).astype(int) for path in (one, again))
    assert np.abs(a - b).mean() < 3
    assert licences(made)[one.name]["origin"] == licences(made)[again.name]["origin"]


def test_licences_and_credits_travel(made: Path, samples: Path) -> None:
    said = licences(made)
    assert all(entry["source"].startswith("made by Marey (worlds)") for entry in said.values())
    assert said["scene-car-1.mp4"]["license"] == "CC0-1.0"
    flower = said["camera-flower.mp4"]
    assert (flower["license"], flower["credit"], flower["origin"]) == ("CC-BY-2.0", "A. Gardener", ["flower"])
    assert flower["source"] == "made by Marey (worlds) from flower.png"
    with_bunny = next(piece for piece in plan(samples, 3) if piece.plan["sort"] == "edit" and piece.works)
    entry = with_bunny.entry()
    assert (entry["license"], entry["credit"]) == ("CC-BY-3.0", "A. Studio")
    assert "bunny" in entry["origin"]
    assert len(entry["origin"]) == 2


def test_what_has_no_licence_or_is_not_there_is_not_used(samples: Path) -> None:
    photos, videos = works(samples)
    assert [work.path.name for work in photos] == ["flower.png"]
    assert [work.path.name for work in videos] == ["bunny.mp4"]
    assert works(None) == ([], [])


def test_real_shots_lie_in_the_edits(samples: Path) -> None:
    piece = next(piece for piece in plan(samples, 3) if piece.plan["sort"] == "edit" and piece.works)
    rng = np.random.default_rng(0)
    frames = footage._real(piece, rng, 20)
    assert frames.shape == (20, *piece.plan["size"], 3)
    assert frames.std() > 10


def test_no_two_real_works_meet_in_a_file(samples: Path) -> None:
    """Footage that shares a work is one group: were they to meet, all real footage would be one."""
    assert all(len(piece.works) <= 1 for piece in plan(samples, 0))


def test_the_plan_is_large_enough_without_samples() -> None:
    pieces = plan(None, 0)
    assert len(pieces) >= 60
    assert len({piece.name for piece in pieces}) == len(pieces)
    assert len({piece.key for piece in pieces}) == len(pieces)
    assert {piece.key for piece in pieces}.isdisjoint({piece.key for piece in plan(None, 1)})


def test_what_is_made_is_not_made_again(made: Path, samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_, **__):
        raise AssertionError("made again")

    monkeypatch.setattr(footage, "_write", never)
    before = {path.name: path.stat().st_mtime_ns for path in made.iterdir()}
    paths = make(made, samples, seed=3, share=FEW)
    assert {path.name for path in paths} == {name for name in before if name.endswith(".mp4")}
    assert {path.name: path.stat().st_mtime_ns for path in made.iterdir()} == before


def test_only_what_is_missing_or_changed_is_made(
    made: Path, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(footage, "_write", lambda out, piece: done.append(piece.name) or (out / piece.name).touch())
    pieces = plan(samples, 3, FEW)
    for piece in pieces:
        (tmp_path / piece.name).touch()
    said = {piece.name: piece.entry() for piece in pieces}
    said["mine.mp4"] = {"license": "mine"}
    said["scene-car-1.mp4"]["made"] = "otherwise"
    (tmp_path / "LICENCES.json").write_text(json.dumps(said))
    (tmp_path / "still-1.mp4").unlink()
    (tmp_path / ".still-1-abc123.tmp").touch()
    (tmp_path / ".other.tmp").touch()
    make(tmp_path, samples, seed=3, share=FEW)
    assert sorted(done) == ["scene-car-1.mp4", "still-1.mp4"]
    assert licences(tmp_path)["mine.mp4"] == {"license": "mine"}
    assert licences(tmp_path)["scene-car-1.mp4"]["made"] == pieces[0].key
    assert [path.name for path in tmp_path.glob(".*")] == [".other.tmp"]


def test_a_kill_leaves_no_file_without_its_licence_taken_for_made(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(out: Path, piece: footage.Piece) -> None:
        (out / piece.name).write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(footage, "_write", killed)
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path, None, share=FEW)
    done: list[str] = []
    monkeypatch.setattr(footage, "_write", lambda out, piece: done.append(piece.name))
    make(tmp_path, None, share=FEW)
    assert len(done) == len(plan(None, 0, FEW))


def test_the_same_seed_gives_the_same_bytes(made: Path, samples: Path, tmp_path: Path) -> None:
    pieces = {piece.name: piece for piece in plan(samples, 3, FEW)}
    for name in ("camera-flower.mp4", "text-1.mp4", "edit-1.mp4"):
        footage._write(tmp_path, pieces[name])
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes()


def test_progress_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footage, "_write", lambda out, piece: None)
    said = []
    make(tmp_path, None, progress=lambda *call: said.append(call), share=FEW)
    assert said[0][1:3] == (0, 7)
    assert said[-1][1:3] == (7, 7)


def test_a_licences_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "LICENCES.json").write_text('["mine"]')
    with pytest.raises(MareyError, match="not the table of licences"):
        make(tmp_path, None, share=FEW)
    with pytest.raises(MareyError, match="share of 0"):
        make(tmp_path, None, share=0)


def test_a_work_is_its_file(samples: Path) -> None:
    """Another photograph under the same name is another piece."""
    work = works(samples)[0][0]
    piece = footage.Piece("camera-x.mp4", {"sort": "camera"}, (work,))
    other = footage.Piece("camera-x.mp4", {"sort": "camera"}, (Work(samples / "bunny.mp4", "CC0-1.0", "", ()),))
    assert piece.key != other.key
