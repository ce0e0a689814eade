"""Things seen from all sides: the pictures are what the cameras say, and the thing is the one that was asked for."""

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh

from marey.errors import MareyError
from marey.media import probe
from marey.worlds.orbits import HIGHEST, LOWEST, VIEWS, Camera, Orbit, orbit
from marey.worlds.palette import NAMES
from marey.worlds.things import THINGS, Part, Thing, ball, from_file, make
from marey.worlds.turntable import turn

RED = next(colour for colour in NAMES if NAMES[colour] == "red")


def spun(kind: str, seed: int = 0, size: int = 96, views: int = 6) -> Orbit:
    rng = np.random.default_rng(seed)
    return orbit(make(kind, rng), rng, views=views, size=size)


@pytest.mark.parametrize("kind", THINGS)
def test_what_is_seen_lies_where_the_cameras_project_it(kind: str) -> None:
    one = spun(kind)
    points = np.concatenate([part.vertices for part in one.thing.parts])
    assert np.linalg.norm(points, axis=1).max() == pytest.approx(1, abs=0.01)
    for camera, mask in zip(one.cameras, one.masks, strict=True):
        rows, columns = np.nonzero(mask)
        seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        there = camera.project(points, one.size)
        assert np.abs(seen - np.concatenate([there.min(0), there.max(0)])).max() < 1.5


def test_a_mark_goes_around_as_the_cameras_do() -> None:
    grey, mark = (120, 120, 120), ball((0.8, 0, 0), 0.18, RED)
    thing = Thing("ball", "a ball", (ball((0, 0, 0), 0.6, grey), mark))
    one = orbit(thing, np.random.default_rng(1), views=8, size=128)
    for camera, picture in zip(one.cameras, one.frames, strict=True):
        red = (picture[..., 0].astype(int) - picture[..., 1] > 40) & (
            picture[..., 0].astype(int) - picture[..., 2] > 30
        )
        x, y = camera.project(np.array([[0.8, 0, 0]]), 128)[0]
        behind = camera.matrix[2, :3] @ np.array([0.8, 0, 0]) > 0.3
        if red.sum() > 60:
            rows, columns = np.nonzero(red)
            assert abs(columns.mean() - x) < 6
            assert abs(rows.mean() - y) < 6
        else:
            assert behind  # hidden by the ball


def test_cameras_go_once_around_at_one_height() -> None:
    one = spun("vase", 3, views=VIEWS)
    steps = np.diff([camera.azimuth for camera in one.cameras]) % 360
    assert np.allclose(steps, 360 / VIEWS)
    assert len({camera.elevation for camera in one.cameras}) == 1
    assert LOWEST <= one.cameras[0].elevation <= HIGHEST
    assert len({spun("vase", seed).cameras[0].elevation for seed in range(5)}) == 5


def test_a_camera_looks_at_the_middle_with_the_horizon_level() -> None:
    for azimuth, elevation in ((0, 0), (90, 20), (213, -5), (300, 30)):
        camera = Camera(azimuth, elevation)
        assert np.allclose(camera.project(np.zeros((1, 3)), 100), [[50, 50]])
        above = camera.project(np.array([[0, 0, 0.5]]), 100)[0]
        assert above[0] == pytest.approx(50)
        assert above[1] < 50
        turn = camera.matrix[:3, :3]
        assert np.allclose(turn @ turn.T, np.eye(3))
        assert np.linalg.det(turn) == pytest.approx(1)


def test_the_same_seed_gives_the_same_pictures_and_another_another() -> None:
    assert spun("knot", 4).frames.tobytes() == spun("knot", 4).frames.tobytes()
    assert spun("knot", 4).frames.tobytes() != spun("knot", 5).frames.tobytes()
    assert spun("tower", 1).thing.name != spun("tower", 2).thing.name


def test_a_mesh_from_a_file_is_read_and_one_that_is_none_is_told(tmp_path: Path) -> None:
    corners = [(0, 0, 0), (4, 0, 0), (0, 4, 0), (0, 0, 8)]
    faces = [(1, 3, 2), (1, 2, 4), (1, 4, 3), (2, 3, 4)]
    lines = [f"v {x} {y} {z}" for x, y, z in corners] + [f"f {a} {b} {c}" for a, b, c in faces]
    (tmp_path / "odd_thing.obj").write_text("\n".join(lines))
    thing = from_file(tmp_path / "odd_thing.obj")
    assert thing.name == "an odd thing"
    assert sum(len(part.faces) for part in thing.parts) == 4
    assert np.linalg.norm(np.concatenate([part.vertices for part in thing.parts]), axis=1).max() == pytest.approx(1)
    (tmp_path / "bad.obj").write_text("this is no mesh")
    with pytest.raises(MareyError, match=r"bad\.obj"):
        from_file(tmp_path / "bad.obj")
    with pytest.raises(MareyError, match=r"gone\.stl"):
        from_file(tmp_path / "gone.stl")


def test_orbits_are_footage_with_their_cameras_beside_them(tmp_path: Path) -> None:
    videos = turn(tmp_path / "a", 2, size=64, views=5).videos
    for video in videos:
        facts = probe(video)
        assert (facts.frames, facts.height, facts.width) == (5, 64, 64)
        known = json.loads(video.with_suffix(".truth.json").read_text())
        assert len(known["cameras"]) == 5
        assert known["text"] == video.with_suffix(".txt").read_text()
        assert np.array(known["cameras"][0]["matrix"]).shape == (4, 4)
    assert [path.read_bytes() for path in turn(tmp_path / "b", 2, size=64, views=5).videos] == [
        p.read_bytes() for p in videos
    ]
    before = [path.stat().st_mtime_ns for path in videos]
    assert turn(tmp_path / "a", 2, size=64, views=5).videos == videos
    assert [path.stat().st_mtime_ns for path in videos] == before


@pytest.mark.parametrize("suffix", ["obj", "stl", "glb", "ply", "gltf"])
def test_meshes_of_another_program_turn(suffix: str, tmp_path: Path) -> None:
    place, red = tmp_path / "meshes", [220, 30, 40, 255]
    place.mkdir()
    # A long red bar that stands: y is up in files, but for those of printers; here z is.
    bar = trimesh.creation.box(extents=(1, 1, 4) if suffix == "stl" else (1, 4, 1))
    bar.visual = trimesh.visual.ColorVisuals(bar, vertex_colors=np.tile(red, (len(bar.vertices), 1)))
    if suffix == "gltf":
        for name, data in trimesh.exchange.gltf.export_gltf(trimesh.Scene(bar)).items():
            (place / name.replace("model", "red-bar")).write_bytes(data)
    else:
        bar.export(place / f"red-bar.{suffix}")
    thing = from_file(place / f"red-bar.{suffix}")
    spans = np.ptp(np.concatenate([part.vertices for part in thing.parts]), axis=0)
    assert spans[2] / spans[:2] == pytest.approx(4)
    if suffix in ("glb", "gltf", "ply"):  # the others say nothing of colour
        assert np.abs(np.array(thing.parts[0].colour) - red[:3]).max() < 3
    one = orbit(thing, np.random.default_rng(0), views=4, size=64)
    for camera, mask in zip(one.cameras, one.masks, strict=True):
        rows, columns = np.nonzero(mask)
        there = camera.project(np.concatenate([part.vertices for part in thing.parts]), 64)
        assert np.abs([columns.min(), rows.min()] - there.min(0)).max() < 1.5
        assert np.ptp(rows) > 1.8 * np.ptp(columns)


def test_the_colour_of_faces_is_that_of_the_mesh(tmp_path: Path) -> None:
    corners = "0 0 0\n1 0 0\n0 1 0\n0 0 1\n"
    faces = "3 0 2 1 20 160 60\n3 0 1 3 20 160 60\n3 0 3 2 20 160 60\n3 1 2 3 20 160 60\n"
    head = "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
    head += "element face 4\nproperty list uchar int vertex_indices\n"
    head += "property uchar red\nproperty uchar green\nproperty uchar blue\n"
    (tmp_path / "green.ply").write_text(f"{head}end_header\n{corners}{faces}")
    assert from_file(tmp_path / "green.ply").parts[0].colour == (20, 160, 60)


def test_a_damaged_mesh_costs_itself_and_licences_go_along(tmp_path: Path) -> None:
    place = tmp_path / "meshes"
    place.mkdir()
    trimesh.creation.icosphere(1).export(place / "b ball.glb")
    whole = (place / "b ball.glb").read_bytes()
    (place / "a cut.glb").write_bytes(whole[: len(whole) // 2])
    (place / "c empty.stl").write_bytes(b"")
    (place / "d points.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")
    (place / "e gone.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n")
    (place / "f nan.obj").write_text("v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3\n")
    entry = {"license": "CC-BY-4.0", "credit": "A. Maker", "origin": ["maker/ball"]}
    (place / "LICENCES.json").write_text(json.dumps({"b ball.glb": entry}))
    made = turn(tmp_path / "out", 6, size=64, views=3, meshes=place)
    assert len(made.videos) == 1
    assert len(made.left_out) == 5
    for name in ("a cut", "c empty", "d points", "e gone", "f nan"):
        assert sum(name in reason for reason in made.left_out.values()) == 1
        assert name in str(made)
    said = json.loads((tmp_path / "out" / "LICENCES.json").read_text())
    told = said[made.videos[0].name]
    assert (told["license"], told["credit"], told["origin"]) == ("CC-BY-4.0", "A. Maker", ["maker/ball"])
    assert set(said) == {made.videos[0].name}
    (place / "b ball.glb").unlink()
    with pytest.raises(MareyError, match=r"None of 5 orbits could be made: .*a cut\.glb"):
        turn(tmp_path / "none", 5, size=64, views=3, meshes=place)


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no thing 'car': one of vase"):
        make("car", np.random.default_rng(0))
    with pytest.raises(MareyError, match="holds no meshes"):
        turn(tmp_path, 1, meshes=tmp_path)
    with pytest.raises(MareyError, match="--size is 63"):
        turn(tmp_path, 1, size=63)
    with pytest.raises(ValueError, match="1 views"):
        orbit(Thing("dot", "a dot", (Part(np.eye(3), np.array([[0, 1, 2]]), RED),)), np.random.default_rng(0), views=1)
