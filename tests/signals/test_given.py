"""The user's own models are looked up before anything is computed, and only a hub id is downloaded."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from marey.errors import MareyError
from marey.recipe import Models, Recipe
from marey.signals.given import Given, absent, package_file, pinned, resolve


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "ViT-L 14"
    place.mkdir()
    (place / "model.safetensors").write_bytes(b"weights")
    (place / "config.json").write_text("{}")
    return place


def test_nothing_given_is_nothing_looked_up() -> None:
    assert resolve(Models()) == Given()


def test_the_name_of_a_clip_follows_its_weights_and_settings(folder: Path) -> None:
    first = resolve(Models(clip=str(folder)))
    assert first.clip == str(folder)
    assert first.clip_name.startswith("clip-ViT-L-14-")
    assert resolve(Models(clip=str(folder))) == first
    (folder / "config.json").write_text('{"x": 1}')
    assert resolve(Models(clip=str(folder))).clip_name != first.clip_name
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"others!")
    assert resolve(Models(clip=str(folder))).clip_name != first.clip_name


def test_a_pickled_head_needs_its_sha256_and_a_wrong_one_is_refused(folder: Path) -> None:
    head = folder / "head.pth"
    head.write_bytes(b"pickle")
    right = hashlib.sha256(b"pickle").hexdigest()
    with pytest.raises(MareyError, match="looks_head_sha256"):
        resolve(Models(clip=str(folder), looks_head=str(head)))
    with pytest.raises(MareyError, match=f"has the sha256 {right}, not 000"):
        resolve(Models(clip=str(folder), looks_head=str(head), looks_head_sha256="0" * 64))
    given = resolve(Models(clip=str(folder), looks_head=str(head), looks_head_sha256=right.upper()))
    assert (given.head, given.head_sha256) == (str(head), right)
    safe = head.rename(folder / "head.safetensors")
    assert resolve(Models(clip=str(folder), looks_head=str(safe))).head_sha256 == right
    with pytest.raises(MareyError, match="is not there"):
        resolve(Models(clip=str(folder), looks_head=str(head)))


def test_a_folder_is_never_looked_for_on_the_hub_and_a_hub_id_only_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    asked: list[str] = []

    def snapshot(name: str, **_: Any) -> str:
        asked.append(name)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    resolve(Models(clip=str(folder)))
    assert asked == []
    given = resolve(Models(clip="openai/clip-vit-large-patch14"))
    assert asked == ["openai/clip-vit-large-patch14"]
    assert given.clip_name.startswith("clip-clip-vit-large-patch14-")

    def offline(name: str, **_: Any) -> str:
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(MareyError, match="could not be fetched as a hub id"):
        resolve(Models(clip="openai/clip-vit-large-patch14"))
    with pytest.raises(MareyError, match="is no folder"):
        resolve(Models(clip="/nowhere/at/all"))
    (folder / "model.safetensors").unlink()
    with pytest.raises(MareyError, match="holds no safetensors"):
        resolve(Models(clip=str(folder)))


def test_a_head_without_a_clip_is_an_error_of_the_recipe() -> None:
    with pytest.raises(MareyError, match="clip must be given with it"):
        Recipe.of({"curate": {"models": {"looks_head": "head.pth"}}})


def test_packages_and_pins(tmp_path: Path) -> None:
    assert absent(("json",)) == ""
    assert 'pip install "marey[features]"' in absent(("json", "no_such_package"))
    assert package_file("json", "decoder.py").is_file()
    with pytest.raises(MareyError, match=r"no_such_package is not installed.*marey\[features\]"):
        package_file("no_such_package", "x")
    file = tmp_path / "x"
    file.write_bytes(b"x")
    assert pinned(file, hashlib.sha256(b"x").hexdigest()) == file
    with pytest.raises(MareyError, match="not the pinned 000"):
        pinned(file, "0" * 64)
    with pytest.raises(MareyError, match="is not there"):
        pinned(tmp_path / "y", "0" * 64)
