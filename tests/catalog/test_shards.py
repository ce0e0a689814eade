"""Shards: written whole or not at all, under names and keys that cannot be anything else."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.catalog import flatten, new_shard, path_text, shard_name, text_path, write_shard
from marey.catalog.paths import storable
from marey.catalog.shards import Shard, shard_folder
from marey.errors import MareyError


def test_a_worker_writes_its_own_shard_and_hands_over_the_pointer(tmp_path):
    path = new_shard(tmp_path, "trace")
    write_shard(path, flatten({"f1": {"luma": np.ones((2, 3), np.uint8)}, "f2": np.zeros(4)}))
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert shard_name(tmp_path, path) == f"traces/{path.name}"
    shard = Shard(path)
    assert shard.keys == {"f1/luma", "f2"}
    assert shard.read("f1")["luma"].sum() == 6
    assert shard.read("f2").shape == (4,)
    with pytest.raises(KeyError):
        shard.read("f")  # no prefix of a key is a key


@pytest.mark.parametrize("kind", ["models", "../trace", "trace@../x", "trace@", "Trace", "", "latents/x"])
def test_kinds_are_known_ones(tmp_path, kind):
    with pytest.raises(ValueError, match="no kind of tensor"):
        shard_folder(tmp_path, kind)


@pytest.mark.parametrize(
    "items", [{"a/b": np.ones(1)}, {"": np.ones(1)}, {"a b": np.ones(1)}, {"a": {"b/c": np.ones(1)}}]
)
def test_keys_are_plain(items):
    with pytest.raises(ValueError, match="would do"):
        flatten(items)


def test_an_item_of_no_arrays_is_refused():
    with pytest.raises(ValueError, match="holds no array"):
        flatten({"a": {}})


def test_only_numbers_are_stored(tmp_path):
    for array in (np.array(["text"]), np.array([None]), np.array([1j])):
        with pytest.raises(TypeError, match="of type"):
            write_shard(tmp_path / "x.safetensors", {"a": array})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_write_that_is_cut_short_leaves_nothing_and_keeps_what_was_there(tmp_path, monkeypatch, moment):
    path = tmp_path / "x.safetensors"
    write_shard(path, {"a": np.zeros(3)})

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(*((os, "fsync") if moment == "fsync" else (Path, "replace")), interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_shard(path, {"a": np.ones(3)})
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert Shard(path).read("a").tolist() == [0, 0, 0]


def test_a_place_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(MareyError, match="cannot be written"):
        write_shard(tmp_path / "none" / "x.safetensors", {"a": np.zeros(3)})


# paths


@given(
    st.text(alphabet=st.characters(exclude_characters="\0/\\")) | st.text(alphabet="\ufffd0afdc8\udcff\udc80\ud83dx")
)
def test_any_path_becomes_valid_text_and_comes_back(name):
    path = f"/footage/x{name}"
    text = path_text(path)
    text.encode("utf-8")
    assert text_path(text) == Path(path)
    assert storable(text) == text


@given(st.text(alphabet="a\ufffd\udcff\udc800fd"), st.text(alphabet="a\ufffd\udcff\udc800fd"))
def test_no_two_paths_share_a_text(a, b):
    assert (path_text(a) == path_text(b)) == (a == b)


def test_ordinary_paths_stay_as_they_are():
    for name in ("/a b/ü.mp4", "/片/🎞.mp4", r"C:\films\a.mp4"):
        assert path_text(name) == name
    assert path_text(os.fsdecode(b"/a\xff.mp4")) == (
        "/a\ufffddcff.mp4" if sys.platform != "win32" else path_text("/a\udcff.mp4")
    )
    assert storable("a \ufffd of a terminal") == "a \ufffd of a terminal"
