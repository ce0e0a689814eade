"""Where models are found, and what of them a version knows."""

import os
from pathlib import Path

import pytest

from marey.curate.captioners.model_folder import find_model, fingerprint
from marey.errors import MareyError


def folder(place: Path, weights: bytes = b"w" * 100) -> Path:
    place.mkdir()
    (place / "config.json").write_text('{"model_type": "blip"}')
    (place / "model.safetensors").write_bytes(weights)
    return place


def test_a_folder_is_known_by_its_content(tmp_path: Path) -> None:
    one, same, other = (folder(tmp_path / name, weights) for name, weights in (("a", b"x"), ("b", b"x"), ("c", b"y")))
    assert find_model(str(one)).hash == find_model(str(same)).hash != find_model(str(other)).hash
    assert find_model(str(one)).config == {"model_type": "blip"}
    (same / "config.json").write_text('{"model_type": "git"}')
    assert find_model(str(one)).hash != find_model(str(same)).hash
    (one / "README.md").write_text("words")  # is not read
    before = find_model(str(one)).hash
    (one / "README.md").write_text("others")
    assert find_model(str(one)).hash == before


def test_a_large_file_is_known_by_pieces_and_its_size(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(os.urandom(3 << 20))
    before = fingerprint([path])
    assert fingerprint([path]) == before
    with path.open("r+b") as file:
        file.seek(-10, os.SEEK_END)
        file.write(b"0123456789")
    assert fingerprint([path]) != before
    with path.open("ab") as file:
        file.write(b"more")
    assert len({before, fingerprint([path])}) == 2


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    place = tmp_path / "model"
    place.mkdir()
    (place / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(MareyError, match=r"holds no \.safetensors file"):
        find_model(str(place))


@pytest.mark.parametrize("name", ["nowhere", "/no/such/folder", "./name/model", "a b/c"])
def test_what_is_no_model_is_told(name: str) -> None:
    with pytest.raises(MareyError, match="There is no model"):
        find_model(name)


def test_a_hub_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked = []

    def none(**wanted: object) -> str:
        asked.append((wanted["repo_id"], wanted["revision"], wanted.get("local_files_only", False)))
        raise OSError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", none)
    with pytest.raises(MareyError, match=r"'some/model@v2' is no folder here.*OSError: offline"):
        find_model("some/model@v2")
    assert asked == [("some/model", "v2", True), ("some/model", "v2", False)]
