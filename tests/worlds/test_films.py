"""The small worlds as footage: files with their truth, made once, the same each time, and read by the road."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from marey.catalog import Library
from marey.curate import curate
from marey.errors import MareyError
from marey.media import probe, read, write_video
from marey.worlds.camera import MOVES
from marey.worlds.figures import figure, parse
from marey.worlds.films import film_edits, film_photos, film_shapes, told


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photographs, one of them with a text and a licence, one that is broken and one that is too small."""
    place = tmp_path / "photos"
    place.mkdir()
    for n, name in enumerate(("lake.png", "wood.jpg")):
        noise = np.random.default_rng(n).integers(0, 255, (12, 16, 3), np.uint8)
        cv2.imwrite(str(place / name), cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC))
    cv2.imwrite(str(place / "tiny.png"), np.zeros((20, 20, 3), np.uint8))
    (place / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (place / "lake.txt").write_text("a lake at noon.\n")
    entry = {"license": "CC-BY-4.0", "credit": "A. Nonymous", "source": "a drawer", "origin": ["drawer/lake"]}
    (place / "LICENCES.json").write_text(json.dumps({"lake.png": entry}))
    return place


def truth(video: Path) -> dict[str, object]:
    return json.loads(video.with_suffix(".truth.json").read_text())  # type: ignore[no-any-return]


def content(videos: list[Path]) -> list[bytes]:
    return [path.read_bytes() for video in videos for path in sorted(video.parent.glob(f"{video.stem}.*"))]


def test_shapes_are_footage_with_their_truth_beside_them(tmp_path: Path) -> None:
    made = film_shapes(tmp_path / "a", 6, seconds=0.8, flow=True, workers=0)
    assert not made.left_out
    for number, video in enumerate(made.videos):
        one, known, facts = figure(7, number, frames=20), truth(video), probe(video)
        assert (facts.frames, facts.height, facts.width, facts.fps) == (20, 64, 64, 25)
        assert known == one.truth()
        assert video.with_suffix(".txt").read_text() == known["text"]
        assert parse(str(known["text"])) == one.told
        shown = np.stack([frame.rgb() for frame in read(video, facts)]).astype(int)
        assert np.abs(shown - np.stack(list(one.scene.render()))).mean() < 6  # as far as the codec is from it
        flow = np.load(video.with_suffix(".flow.npz"))["flow"]
        assert np.array_equal(flow, [one.scene.flow(n) for n in range(19)])
    assert json.loads((tmp_path / "a" / "LICENCES.json").read_text())[made.videos[0].name]["license"] == "CC0-1.0"
    other = film_shapes(tmp_path / "b", 6, seconds=0.8, flow=True, workers=2)
    assert content(other.videos) == content(made.videos)


def test_a_second_run_makes_only_what_is_missing(tmp_path: Path) -> None:
    made = film_shapes(tmp_path, 3, seconds=0.4, flow=True, workers=0).videos
    before, times = content(made), [video.stat().st_mtime_ns for video in made]
    made[1].unlink()
    made[2].with_suffix(".flow.npz").unlink()
    assert film_shapes(tmp_path, 3, seconds=0.4, flow=True, workers=0).videos == made
    assert content(made) == before
    assert made[0].stat().st_mtime_ns == times[0]
    with pytest.raises(MareyError, match="holds clips with seed = 7, not 8: another --out would do"):
        film_shapes(tmp_path, 3, seconds=0.4, seed=8, workers=0)


def test_a_camera_goes_over_every_photograph_in_every_way(photos: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    made = film_photos(
        photos, tmp_path / "out", seconds=0.4, size=48, workers=0, progress=lambda what, n, of, *_: seen.append((n, of))
    )
    assert len(made.videos) == 2 * len(MOVES)
    assert seen[-1] == (4 * len(MOVES), 4 * len(MOVES))
    assert set(made.left_out.values()) == {
        "broken.jpg: the picture's header is broken.",
        "tiny.png: a photograph of 20x20 pixels is too small to move over.",
    }
    assert "left out: broken.jpg" in str(made)
    for video in made.videos:
        known, facts = truth(video), probe(video)
        assert (facts.frames, facts.height, facts.width) == (10, 48, 64)
        steps = np.diff(np.array(known["windows"]), axis=0)
        label = str(known["label"])
        wanted = {"pan": 0, "tilt": 1, "zoom": 2}.get(label.split()[0])
        assert [bool(np.abs(steps[:, axis]).max() > 1e-3) for axis in range(3)] == [wanted == n for n in range(3)]
        assert video.with_suffix(".txt").read_text() == told(label, "a lake at noon" if "lake" in video.name else "")
    licences = json.loads((tmp_path / "out" / "LICENCES.json").read_text())
    assert set(licences) == {video.name for video in made.videos}
    lake = licences["camera-lake-zoom-in.mp4"]
    assert (lake["license"], lake["credit"], lake["origin"]) == ("CC-BY-4.0", "A. Nonymous", ["drawer/lake"])
    assert licences["camera-wood-static.mp4"]["license"] == "unknown"


def test_only_some_moves_and_only_so_many(photos: Path, tmp_path: Path) -> None:
    for name in ("broken.jpg", "tiny.png"):
        (photos / name).unlink()
    made = film_photos(
        photos, tmp_path / "out", moves=["zoom in", "static"], clips=3, seconds=0.2, size=48, flow=True, workers=0
    )
    assert sorted(video.stem for video in made.videos) == [
        "camera-lake-static",
        "camera-lake-zoom-in",
        "camera-wood-static",
    ]
    assert np.load(tmp_path / "out" / "camera-lake-static.flow.npz")["flow"].any() == np.False_
    # Another photograph changes nothing of the others.
    before = content(made.videos)
    cv2.imwrite(str(photos / "bay.png"), np.full((90, 120, 3), 99, np.uint8))
    more = film_photos(photos, tmp_path / "more", moves=["zoom in", "static"], seconds=0.2, size=48, flow=True)
    assert [one for one in more.videos if "bay" not in one.name]
    assert content([tmp_path / "more" / video.name for video in made.videos]) == before


def test_photographs_of_one_name_in_several_folders_are_several(photos: Path, tmp_path: Path) -> None:
    for folder in ("a/sea", "b/sea"):
        (photos / folder).mkdir(parents=True)
        (photos / folder / "lake.png").write_bytes((photos / "lake.png").read_bytes())
    (photos / "b" / "sea" / "LICENCES.json").write_text(json.dumps({"lake.png": {"license": "CC0-1.0"}}))
    made = film_photos(photos, tmp_path / "out", moves=["static"], seconds=0.2, size=48, workers=0)
    licences = json.loads((tmp_path / "out" / "LICENCES.json").read_text())
    assert {name: entry["license"] for name, entry in licences.items() if "lake" in name} == {
        "camera-lake.png-static.mp4": "CC-BY-4.0",
        "camera-a-sea-lake.png-static.mp4": "unknown",
        "camera-b-sea-lake.png-static.mp4": "CC0-1.0",
    }
    assert len(made.videos) == 4


def test_the_truth_of_an_edit_is_what_the_pictures_do(tmp_path: Path) -> None:
    made = film_edits(None, tmp_path / "a", 3, size=48, disturbed=0.0, workers=0)
    kinds = set()
    for video in made.videos:
        known = truth(video)
        facts = probe(video)
        assert facts.frames == known["frames"]
        luma = np.stack([frame.gray() for frame in read(video, facts)]).astype(float)
        steps = np.abs(np.diff(luma, axis=0)).mean((1, 2))
        inside = np.zeros(len(steps), bool)
        for join in known["transitions"]:  # type: ignore[attr-defined]
            kinds.add(join["kind"])
            inside[join["a_end"] : join["b_start"]] = True
            if join["kind"] == "cut":
                assert steps[join["a_end"]] > 3 * np.median(steps)
        assert len(known["transitions"]) == 3  # type: ignore[arg-type]
        assert steps[inside].mean() > 2 * steps[~inside].mean()
    assert len(kinds) > 1
    assert content(film_edits(None, tmp_path / "b", 3, size=48, disturbed=0.0, workers=0).videos) == content(
        made.videos
    )


def test_shots_come_from_a_folder_and_what_is_none_is_left_out(photos: Path, tmp_path: Path) -> None:
    film_shapes(photos, 2, seconds=2.6, workers=0)
    long = np.zeros((100, 48, 64, 3), np.uint8)
    long[30:] = 200
    write_video(photos / "two shots.mp4", long, 25)
    (photos / "two shots.truth.json").write_text(json.dumps({"transitions": [{"a_end": 29, "b_start": 30}]}))
    write_video(photos / "short.mp4", long[:20], 25)
    made = film_edits(photos, tmp_path / "out", 6, shots=3, size=48, disturbed=1.0, workers=0)
    assert len(made.videos) == 6
    assert set(made.left_out) == {"broken.jpg", "tiny.png", "short.mp4"}
    assert made.left_out["short.mp4"] == "short.mp4: its shot has 20 frames, an edit may take 62."
    sources: set[str] = set()
    for video in made.videos:
        known = truth(video)
        sources |= {shot["source"] for shot in known["shots"]}  # type: ignore[attr-defined]
        for shot in known["shots"]:  # type: ignore[attr-defined]
            assert shot["source"] != "two shots.mp4" or shot["from_frame"] >= 30
        assert len(known["confounders"]) == 3  # type: ignore[arg-type]
        for one in known["confounders"]:  # type: ignore[attr-defined]
            for join in known["transitions"]:  # type: ignore[attr-defined]
                assert one["last"] <= join["a_end"] or one["first"] >= join["b_start"]
    assert sources == {"lake.png", "wood.jpg", "shapes-7-000000.mp4", "shapes-7-000001.mp4", "two shots.mp4"}
    licences = json.loads((tmp_path / "out" / "LICENCES.json").read_text())
    assert all("made by Marey (worlds) from" in entry["source"] for entry in licences.values())


def test_they_enter_the_road_with_text_and_licence(photos: Path, tmp_path: Path) -> None:
    place = tmp_path / "footage"
    film_shapes(place / "shapes", 2, seconds=1.2, flow=True, workers=0)
    film_photos(photos, place / "camera", moves=["pan right"], seconds=1.2, size=48, workers=0)
    curate(place, tmp_path / "library", workers=0)
    with Library.open(tmp_path / "library") as library:
        told = {Path(row["path"]).stem: row for row in library.rows("select * from footage")}
        said = {row["text"] for row in library.rows("select text from captions where captioner = 'file'")}
        assert {row["status"] for row in library.rows("select status from inputs")} == {"ok"}
    assert set(told) == {"shapes-7-000000", "shapes-7-000001", "camera-lake-pan-right", "camera-wood-pan-right"}
    assert said == {row["caption"] for row in told.values()}
    assert told["camera-lake-pan-right"]["caption"] == "the camera pans right over a photograph of a lake at noon"
    assert told["camera-lake-pan-right"]["license"] == "CC-BY-4.0"
    assert json.loads(told["camera-lake-pan-right"]["origin"]) == ["drawer/lake"]
    assert told["shapes-7-000000"]["license"] == "CC0-1.0"


def test_what_cannot_be_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(MareyError, match="--size is 65: an even number"):
        film_shapes(tmp_path / "a", 1, size=65)
    with pytest.raises(MareyError, match="--motion is 'fly'"):
        film_shapes(tmp_path / "a", 1, motion="fly")
    with pytest.raises(MareyError, match="--seconds is 0"):
        film_shapes(tmp_path / "a", 1, seconds=0)
    with pytest.raises(MareyError, match="--moves has 'dolly'"):
        film_photos(photos, tmp_path / "a", moves=["dolly"])
    with pytest.raises(MareyError, match="is no folder"):
        film_photos(tmp_path / "nowhere", tmp_path / "a")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MareyError, match="holds no photographs"):
        film_photos(tmp_path / "empty", tmp_path / "a")
    with pytest.raises(MareyError, match="--shots is 1"):
        film_edits(None, tmp_path / "a", 1, shots=1)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "one.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(MareyError, match=r"None of 7 clips could be made: one\.jpg: "):
        film_photos(tmp_path / "bad", tmp_path / "b", workers=0)
    with pytest.raises(MareyError, match=r"Nothing in .* can be used: one\.jpg: "):
        film_edits(tmp_path / "bad", tmp_path / "c", 1)
    assert not (tmp_path / "a").exists()
