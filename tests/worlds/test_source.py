"""The worlds as a source without files: what training gets is what it would get from lossless files of the clips."""

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from marey.catalog import Library, select
from marey.curate import curate
from marey.errors import MareyError
from marey.recipe import Recipe, Select
from marey.run import world_of
from marey.train.pixels import read_pixels, stacked
from marey.train.windows import Window, encoded, plan
from marey.worlds.figures import figure
from marey.worlds.game import clip
from marey.worlds.source import Source, drawn, named

WORLD = Source("jules", 7, seconds=2.2, size=64)
SETTINGS = Recipe.of({"encode": {"windows": {"heldout_least": 2, "size": 48}}}).encode.windows


def lossless(path: Path, images: np.ndarray, fps: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=fps)
        stream.height, stream.width, stream.pix_fmt = *images.shape[1:3], "rgb24"
        for n, image in enumerate(images):
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            picture.pts, picture.time_base = n, Fraction(1, fps)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def rows(library: Library, frames: Any = None) -> dict[tuple[str, int], tuple[Window, np.ndarray]]:
    """Every window of a library by its text and its first frame, with its pixels."""
    select(library, Select(name="all"))
    planned = plan(library, SETTINGS, "all", 0)
    decoded = read_pixels(library, planned, SETTINGS, drawn=frames)
    assert not decoded.failed
    windows = encoded(library, decoded.kind)
    origins = {row["id"]: row["origin"] for row in library.rows("select id, origin from footage")}
    return {(origins[one.footage], one.first_frame): (one, stacked(library, decoded.kind, [one])[0]) for one in windows}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Library, Library]]:
    """The library of a world, and that of lossless files of the same clips."""
    place = tmp_path_factory.mktemp("both")
    said = {}
    (place / "files").mkdir()
    for name in WORLD.names():
        shot = WORLD.shot(name)
        path = place / "files" / f"{shot.number}.mov"
        lossless(path, np.stack(list(shot.frames())), shot.fps)
        told = shot.told
        path.with_suffix(".txt").write_text(told.pop("caption"))
        said[path.name] = told
    (place / "files" / "LICENCES.json").write_text(json.dumps(said))
    curate(WORLD, place / "drawn", workers=0)
    curate(place / "files", place / "read", workers=0)
    with Library.open(place / "drawn", write=True) as one, Library.open(place / "read", write=True) as other:
        yield one, other


def test_training_rows_are_those_of_lossless_files(both: tuple[Library, Library]) -> None:
    ours, theirs = rows(both[0], drawn), rows(both[1])
    assert ours.keys() == theirs.keys()
    assert len(ours) == 14
    for key, (one, pixels) in ours.items():
        other, theirs_pixels = theirs[key]
        assert np.array_equal(pixels, theirs_pixels)
        assert (one.first_frame, one.stride, one.fps) == (other.first_frame, other.stride, other.fps)
        assert (one.motion, one.motion_bucket) == (other.motion, other.motion_bucket)
        assert (one.caption, one.captions) == (other.caption, other.captions)
        assert one.caption
        assert (one.photo, one.size) == (other.photo, other.size)
    assert {one.split for one, _ in ours.values()} == {"train", "heldout"}
    assert all(np.ptp(pixels, axis=0).any() for _, pixels in ours.values())
    assert len({one.motion_bucket for one, _ in ours.values()}) > 2


def test_all_signals_and_captions_are_those_of_lossless_files(both: tuple[Library, Library]) -> None:
    def known(library: Library, table: str, columns: str) -> list[tuple[Any, ...]]:
        sql = f"select footage.origin, clips.n, {columns} from {table} t join clips on clips.id = t.clip "
        found = library.rows(sql + "join footage on footage.id = clips.footage order by 1, 2, 3")
        return [tuple(row.values()) for row in found if not str(row.get("name")).startswith("duplicate")]

    assert known(both[0], "captions", "captioner, text, t.status") == known(
        both[1], "captions", "captioner, text, t.status"
    )
    ours, theirs = (known(library, "signals", "name, value, data, unit, t.status") for library in both)
    assert len(ours) > 100
    for one, other in zip(ours, theirs, strict=True):
        assert one == other


def test_nothing_of_it_is_a_file_and_a_second_run_draws_nothing(both: tuple[Library, Library]) -> None:
    library = both[0]
    footage = library.rows("select * from footage order by id")
    assert len(footage) == WORLD.clips
    assert {row["path"].partition("&keys")[0] for row in footage} == set(WORLD.names())
    for row in footage[:2]:  # played again by its keys, it is the same clip
        again = named(row["path"])
        assert again.keys
        assert again.name == row["path"]
        plain = named(row["path"].partition("&keys")[0])
        assert np.array_equal(np.stack(list(again.frames())), np.stack(list(plain.frames())))
    assert not any(Path(row["path"]).exists() for row in footage)
    assert {row["decoded"] for row in footage} == {0}
    assert {row["license"] for row in footage} == {"CC0-1.0"}
    assert not [path for path in library.path.rglob("*") if path.suffix in (".mp4", ".mov")]


def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    curate(Source("shapes", 3, seconds=1.2), tmp_path, workers=0)
    summary = curate(Source("shapes", 5, seconds=1.2), tmp_path, workers=0)
    assert summary.did["read"] == 2
    assert curate(Source("shapes", 5, seconds=1.2), tmp_path, workers=0).did == dict.fromkeys(summary.did, 0)
    # Files of another folder come beside it, and take nothing away.
    place = tmp_path / "other"
    place.mkdir()
    lossless(place / "a.mov", np.stack(list(figure(1, 1, frames=40).scene.render())), 25)
    curate(place, tmp_path, workers=0)
    with Library.open(tmp_path) as library:
        assert library.one("select count(*) n from footage where status = 'ok'") == {"n": 6}


def test_a_name_is_drawn_again_the_same() -> None:
    for source in (WORLD, Source("shapes", 2, size=48, only="turn")):
        for name in source.names()[:2]:
            one = named(name)
            again = drawn(name)
            assert again is not None
            assert again[1] == one.fps
            assert np.array_equal(np.stack(list(one.frames())), np.stack(list(again[0])))
    assert np.array_equal(np.stack(list(named(WORLD.names()[3]).frames())), clip(7, 3, 66).frames(64))
    assert named(Source("jules", 1, only="hunter").names()[0]).told["caption"] == clip(7, 0, 96, "hunter").text
    assert drawn("/a/folder/jules.mp4") is None
    with pytest.raises(MareyError, match="version 99 of jules"):
        named("jules:7/3?frames=96&size=64&v=99")
    with pytest.raises(MareyError, match="names no clip"):
        named("mario:7/3")


def test_a_recipe_names_its_world() -> None:
    said = ["footage.world.name=shapes", "footage.world.clips=3", "footage.world.only=bounce"]
    assert world_of(Recipe.of({}, said)) == Source("shapes", 3, only="bounce")
    assert world_of(Recipe.of({})) is None
    with pytest.raises(MareyError, match=r"both footage\.folder and footage.world"):
        world_of(Recipe.of({}, [*said, "footage.folder=here"]))
    with pytest.raises(MareyError, match="jules has no 'bounce': one of runner"):
        world_of(Recipe.of({}, ["footage.world.only=bounce"]))
