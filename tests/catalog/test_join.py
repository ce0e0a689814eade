"""Shards joined on the disk: what they held end to end, and nothing half-done."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from marey.catalog import Shard, flatten, join_shards, write_shard
from marey.errors import MareyError


def part(path: Path, seed: int, rows: int, few: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    arrays = {
        "pts": rng.integers(0, 9, rows),
        "luma": rng.integers(0, 255, (rows, 3, 5)).astype(np.uint8),
        "motion": rng.random((few, 7), np.float32),
    }
    write_shard(path, flatten({"f": arrays}))
    return arrays


def test_arrays_stand_end_to_end(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.safetensors" for n in range(3)]
    arrays = [
        part(path, n, rows, few) for n, (path, rows, few) in enumerate(zip(paths, (4, 1, 7), (0, 3, 2), strict=True))
    ]
    join_shards(tmp_path / "whole.safetensors", paths)
    found = Shard(tmp_path / "whole.safetensors").read("f")
    assert isinstance(found, dict)
    for name in ("pts", "luma", "motion"):
        np.testing.assert_array_equal(found[name], np.concatenate([one[name] for one in arrays]))
        assert found[name].dtype == arrays[0][name].dtype
    assert set(load_file(tmp_path / "whole.safetensors")) == {"f/pts", "f/luma", "f/motion"}


def test_one_part_and_no_rows(tmp_path: Path) -> None:
    part(tmp_path / "a.safetensors", 0, 0, 0)
    join_shards(tmp_path / "b.safetensors", [tmp_path / "a.safetensors"])
    found = Shard(tmp_path / "b.safetensors").read("f")
    assert isinstance(found, dict)
    assert found["luma"].shape == (0, 3, 5)


def test_parts_that_do_not_fit_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    part(tmp_path / "a.safetensors", 0, 2, 1)
    write_shard(tmp_path / "b.safetensors", {"f/pts": np.zeros(2, np.int64)})
    write_shard(
        tmp_path / "c.safetensors",
        flatten(
            {
                "f": {
                    "pts": np.zeros(2, np.int32),
                    "luma": np.zeros((1, 3, 5), np.uint8),
                    "motion": np.zeros((1, 7), np.float32),
                }
            }
        ),
    )
    (tmp_path / "d.safetensors").write_bytes(b"\xff" * 40)
    for other in ("b", "c", "d", "gone"):
        with pytest.raises(MareyError):
            join_shards(tmp_path / "whole.safetensors", [tmp_path / "a.safetensors", tmp_path / f"{other}.safetensors"])
    assert sorted(path.name[0] for path in tmp_path.iterdir()) == ["a", "b", "c", "d"]


def test_a_part_that_is_cut_short(tmp_path: Path) -> None:
    part(tmp_path / "a.safetensors", 0, 200, 1)
    path = tmp_path / "a.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(MareyError, match="cut short"):
        join_shards(tmp_path / "whole.safetensors", [path])
    assert [one.name for one in tmp_path.iterdir()] == ["a.safetensors"]


def test_memory_does_not_grow_with_the_parts(tmp_path: Path) -> None:
    for n in range(4):
        write_shard(tmp_path / f"{n}.safetensors", {"f": np.full((5000, 1000), n, np.uint8)})
    tracemalloc.start()
    join_shards(tmp_path / "whole.safetensors", [tmp_path / f"{n}.safetensors" for n in range(4)])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000
    assert (tmp_path / "whole.safetensors").stat().st_size > 20_000_000
