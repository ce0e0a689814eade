"""Shards that are not as they were written are noticed: whatever became of them."""

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from marey.catalog import Library, broken_shards, flatten, join_shards, trust_new_shards, write_shard
from marey.catalog.seals import is_whole

RNG = np.random.default_rng(0)
ARRAYS = {
    "a": {"x": RNG.integers(0, 255, (7, 5)).astype(np.uint8), "y": RNG.random(3)},
    "b": {"none": np.zeros((0, 4))},
}


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("seals") / "a.safetensors"
    write_shard(path, flatten(ARRAYS))
    assert is_whole(path)
    return path.read_bytes()


def equal(path: Path) -> bool:
    """Whether a file still holds the arrays."""
    found = load_file(path)
    wanted = flatten(ARRAYS)
    return found.keys() == wanted.keys() and all(
        found[key].dtype == array.dtype and np.array_equal(found[key], array) for key, array in wanted.items()
    )


def test_a_sealed_shard_is_a_usual_safetensors_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    assert equal(tmp_path / "a.safetensors")


def test_a_flipped_bit_of_any_byte_is_noticed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        assert not is_whole(path), at


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 10_000), more=st.binary(max_size=40), at=st.integers(0, 10_000), other=st.binary(max_size=60))
def test_what_is_cut_longer_or_overwritten_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, cut: int, more: bytes, at: int, other: bytes
) -> None:
    path = tmp_path_factory.mktemp("seals") / "a.safetensors"
    at %= len(content)
    for damaged in (content[: cut % len(content)], content + more, content[:at] + other + content[at + len(other) :]):
        path.write_bytes(damaged)
        assert is_whole(path) == (damaged == content)


def test_another_whole_shard_in_its_place_is_noticed(tmp_path: Path) -> None:
    for name in "ab":
        write_shard(tmp_path / f"{name}.safetensors", flatten(ARRAYS))
    (tmp_path / "a.safetensors").replace(tmp_path / "b.safetensors")
    assert not is_whole(tmp_path / "b.safetensors")


def test_arrays_that_changed_places_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_shard(path, {"p": np.arange(4), "q": np.arange(4) + 9})
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header["p"], header["q"] = header["q"], header["p"]
    text = json.dumps(header, separators=(",", ":")).encode().ljust(size)
    path.write_bytes(struct.pack("<Q", size) + text + data[8 + size :])
    assert load_file(path)["p"][0] == 9, "it is a file like any other"
    assert not is_whole(path)


def test_shards_that_were_joined_are_sealed(tmp_path: Path) -> None:
    parts = [tmp_path / "1.safetensors", tmp_path / "2.safetensors"]
    for n, part in enumerate(parts):
        write_shard(part, {"a": np.arange(5) + n, "b": np.ones((n, 2), np.float32)})
    whole = tmp_path / "whole.safetensors"
    join_shards(whole, parts)
    assert is_whole(whole)
    np.testing.assert_array_equal(load_file(whole)["a"], [0, 1, 2, 3, 4, 1, 2, 3, 4, 5])
    data = bytearray(whole.read_bytes())
    data[-1] ^= 1
    whole.write_bytes(data)
    assert not is_whole(whole)


def test_a_shard_of_before_there_were_seals_is_told_by_its_length(tmp_path: Path) -> None:
    path = tmp_path / "old.safetensors"
    save_file({"a": np.arange(9)}, path)
    assert is_whole(path)
    os.truncate(path, path.stat().st_size - 1)
    assert not is_whole(path)
    assert not is_whole(tmp_path / "none.safetensors")


def test_a_library_looks_at_what_was_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def counting(path: Path) -> bool:
        looked.append(path.name)
        return is_whole(path)

    monkeypatch.setattr("marey.catalog.health.is_whole", counting)
    with Library.open(tmp_path / "library", create=True) as library:
        names = [library.put_tensors("trace", {item: np.arange(50)}) for item in ("a", "b", "c")]
        paths = [library.path / str(name) for name in names]
        for path in paths:
            os.utime(path, (1e9, 1e9))
        assert broken_shards(library) == []
        assert len(looked) == 3
        assert broken_shards(library) == []
        assert len(looked) == 3
        data = bytearray(paths[1].read_bytes())
        data[-1] ^= 1
        paths[1].write_bytes(data)
        paths[2].unlink()
        assert broken_shards(library) == sorted([str(names[1]), str(names[2])])
        assert broken_shards(library) == sorted([str(names[1]), str(names[2])]), "until it is mended"
        trust_new_shards(library, [str(name) for name in names[1:]])
        assert len(broken_shards(library)) == 2
        # Damage that left no trace in size and time is found where everything is looked at.
        data = bytearray(paths[0].read_bytes())
        data[-1] ^= 1
        paths[0].write_bytes(data)
        os.utime(paths[0], (1e9, 1e9))
        assert str(names[0]) not in broken_shards(library)
        assert str(names[0]) in broken_shards(library, everything=True)


def test_a_shard_that_was_written_just_now_is_looked_at_once_more(tmp_path: Path) -> None:
    """Within a step of the clock a change leaves its time as it was."""
    with Library.open(tmp_path / "library", create=True) as library:
        name = str(library.put_tensors("trace", {"a": np.arange(50)}))
        path = library.path / name
        now = path.stat().st_mtime_ns
        trust_new_shards(library, [])
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        os.utime(path, ns=(now, now))
        assert broken_shards(library) == [name]
