"""Scanning: every path once, no loop followed, nothing opened."""

import os
from pathlib import Path

import pytest

from marey.curate.scan import Sidecars, scan
from marey.errors import MareyError


def touch(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def names(folder: Path, leave: Path | None = None) -> dict[str, str]:
    return {found.path.relative_to(folder).as_posix(): found.status for found in scan(folder, leave)}


def test_sidecars_and_hidden_files_are_no_inputs_and_the_rest_is(tmp_path: Path) -> None:
    for name in (
        "a.mp4",
        "a.txt",
        "a.truth.json",
        "a.flow.npz",
        "a.labels.npz",
        "LICENCES.json",
        ".DS_Store",
        "b.jpg",
        "lonely.txt",
        "notes.pdf",
        "raw",
    ):
        touch(tmp_path / name)
    touch(tmp_path / "deep" / "er" / "имя с пробелом 名.MOV")
    assert names(tmp_path) == {
        "a.mp4": "ok",
        "b.jpg": "ok",
        "deep/er/имя с пробелом 名.MOV": "ok",
        "lonely.txt": "rejected",
        "notes.pdf": "rejected",
        "raw": "ok",
    }


def test_links_are_followed_once_and_loops_are_told(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "a.mp4")
    touch(tmp_path / "outside" / "b.mp4")
    (tmp_path / "in" / "other").symlink_to(tmp_path / "outside")
    (tmp_path / "in" / "same.mp4").symlink_to(tmp_path / "in" / "a.mp4")
    (tmp_path / "in" / "up").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (tmp_path / "in" / "self.mp4").symlink_to(tmp_path / "in" / "self.mp4")
    found = {one.path.relative_to(tmp_path / "in").as_posix(): one for one in scan(tmp_path / "in")}
    assert {name: one.status for name, one in found.items()} == {
        "a.mp4": "ok",
        "same.mp4": "ok",
        "other/b.mp4": "ok",
        "up": "failed",
        "gone.mp4": "failed",
        "self.mp4": "failed",
    }
    assert "leads back" in found["up"].reason
    assert "leads nowhere" in found["gone.mp4"].reason
    assert "back to itself" in found["self.mp4"].reason


def test_a_folder_with_a_films_name_is_told_and_searched(tmp_path: Path) -> None:
    touch(tmp_path / "album.mp4" / "a.mp4")
    assert names(tmp_path) == {"album.mp4": "rejected", "album.mp4/a.mp4": "ok"}


@pytest.mark.skipif(os.name != "posix", reason="names of stray bytes are a matter of POSIX")
def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.mp4")
    with open(path, "wb") as file:
        file.write(b"x")
    (found,) = scan(tmp_path)
    assert os.fsencode(found.path) == path


def test_the_library_itself_is_passed_over(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4")
    touch(tmp_path / "library" / "clips" / "b.mp4")
    assert names(tmp_path, tmp_path / "library") == {"a.mp4": "ok"}


def test_one_file_is_a_place_too_and_nothing_is_an_error(tmp_path: Path) -> None:
    assert [found.path for found in scan(touch(tmp_path / "a.mp4"))] == [tmp_path / "a.mp4"]
    with pytest.raises(MareyError, match="nowhere"):
        scan(tmp_path / "nowhere")


def test_licences_and_captions(tmp_path: Path) -> None:
    film = touch(tmp_path / "a.mp4")
    touch(
        tmp_path / "LICENCES.json", '{"a.mp4": {"license": "CC0-1.0", "credit": "A", "origin": ["y", "x"], "more": 3}}'
    )
    touch(tmp_path / "a.txt", "A boat\n  sails. \0 ")
    sidecars = Sidecars()
    assert sidecars.licence(film) == {"license": "CC0-1.0", "credit": "A", "origin": ["x", "y"]}
    assert sidecars.caption(film) == "A boat sails."
    assert sidecars.caption(tmp_path / "b.mp4") == ""
    touch(tmp_path / "worse" / "LICENCES.json", "{")
    assert sidecars.licence(tmp_path / "worse" / "a.mp4") == {"origin": []}
    assert "cannot be read" in sidecars.notes[0]
