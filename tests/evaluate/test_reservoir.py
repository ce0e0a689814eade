import json

import numpy as np
import pytest

from marey.errors import MareyError
from marey.evaluate.moments import MomentState, frechet
from marey.evaluate.reservoir import FeatureSet


def cloud(seed: int, n: int, d: int = 5) -> tuple[np.ndarray, list[str]]:
    return np.random.default_rng(seed).normal(size=(n, d)), [f"video-{seed}-{k}" for k in range(n)]


def filled(rows: np.ndarray, ids: list[str], **kwargs: int) -> FeatureSet:
    return FeatureSet(rows.shape[1], **kwargs).update(rows, ids)


def test_it_has_the_moments_of_all_and_vectors_of_some() -> None:
    x, ids = cloud(0, 500)
    held = filled(x, ids, cap=50)
    assert held.n == 500
    assert not held.whole
    assert held.moments.covariance() == pytest.approx(np.cov(x.T))
    kept = held.reservoir
    assert kept.vectors.shape == (50, 5)
    for name, row in zip(kept.ids, kept.vectors, strict=True):
        assert (row == x[ids.index(name)]).all()


def test_shards_merge_to_the_same_whatever_the_order() -> None:
    x, ids = cloud(1, 700)
    whole = filled(x, ids, cap=64)
    order = np.random.default_rng(2).permutation(700)
    shards = [filled(x[part], [ids[n] for n in part], cap=64) for part in np.array_split(order, 7)]
    left = shards[0]
    for shard in shards[1:]:
        left = left.merge(shard)
    right = (
        shards[6].merge(shards[2]).merge(shards[5].merge(shards[0].merge(shards[1]))).merge(shards[4].merge(shards[3]))
    )
    for merged in (left, right):
        assert merged.reservoir.ids == whole.reservoir.ids
        assert (merged.reservoir.vectors == whole.reservoir.vectors).all()
        assert (merged.reservoir.blocks == whole.reservoir.blocks).all()
        assert [block.n for block in merged.blocks] == [block.n for block in whole.blocks]
        for ours, theirs in zip(merged.blocks, whole.blocks, strict=True):
            assert ours.scatter == pytest.approx(theirs.scatter, abs=1e-9)
    assert shards[0].n == 100, "merging changes neither"


def test_the_reservoir_is_a_fair_sample() -> None:
    """The ids say nothing of the values: the mean of what was kept is that of all, within its error."""
    n = 4000
    x = np.arange(n, dtype=np.float64)[:, None]
    kept = filled(x, [f"{k:05d}" for k in range(n)], cap=400).reservoir.vectors[:, 0]
    assert abs(kept.mean() - x.mean()) < 4 * x.std() / np.sqrt(400)
    halves = np.histogram(kept, bins=4, range=(0, n))[0]
    assert halves.min() > 60


def test_clips_of_one_video_fall_into_one_block() -> None:
    x, _ = cloud(3, 300)
    held = filled(x, [f"video-{k // 3}#{k % 3}" for k in range(300)])
    blocks = dict(zip(held.reservoir.ids, held.reservoir.blocks.tolist(), strict=True))
    assert all(blocks[f"video-{k}#0"] == blocks[f"video-{k}#1"] == blocks[f"video-{k}#2"] for k in range(100))
    assert len(set(blocks.values())) == 20
    assert min(block.n for block in held.blocks) > 0
    named = FeatureSet(5).update(x, [f"{k}" for k in range(300)], ["one"] * 300)
    assert sorted(block.n for block in named.blocks)[-2:] == [0, 300]


@pytest.mark.parametrize("n", [0, 3, 300, 9000])
def test_saved_and_loaded_it_goes_on_as_if_it_had_never_stopped(tmp_path, n: int) -> None:
    x, ids = cloud(4, n + 200)
    kept = FeatureSet(5, backbone="some", sha256="ab", protocol="p/1", cap=32).update(x[:n], ids[:n])
    kept.extra["done"] = str(n)
    kept.save(tmp_path / "half.npz")
    resumed = FeatureSet.load(tmp_path / "half.npz")
    assert resumed.extra == {"done": str(n)}
    kept.same_kind(resumed)
    for state in (kept, resumed):
        state.update(x[n:], ids[n:])
    assert resumed.n == kept.n == n + 200
    assert resumed.reservoir.ids == kept.reservoir.ids
    assert (resumed.reservoir.vectors == kept.reservoir.vectors).all()
    for ours, theirs in zip(resumed.blocks, kept.blocks, strict=True):
        assert (ours.mean == theirs.mean).all()
        assert (ours.scatter == theirs.scatter).all()
        assert ours.fourth == theirs.fourth
    assert [path.name for path in tmp_path.iterdir()] == ["half.npz"]


def test_leaving_out_a_block() -> None:
    for n in (30, 2000):
        x, ids = cloud(5, n)
        held = filled(x, ids, blocks=5)
        blocks = dict(zip(held.reservoir.ids, held.reservoir.blocks.tolist(), strict=True))
        for number, rest in enumerate(held.leaving()):
            expected = x[[blocks[name] != number for name in ids]]
            assert rest is not None
            assert rest.n == len(expected)
            assert rest.covariance() == pytest.approx(np.cov(expected.T), abs=1e-9)
            assert (rest.vectors is not None) == (n == 30)


def test_what_does_not_fit_is_refused(tmp_path) -> None:
    x, ids = cloud(6, 4)
    with pytest.raises(MareyError, match="'video-6-0' was added twice"):
        filled(x, ids).update(x[:1], ids[:1])
    with pytest.raises(MareyError, match="added twice"):
        filled(x, [*ids[:3], ids[0]])
    with pytest.raises(MareyError, match="4 vectors, 3 ids"):
        filled(x, ids[:3])
    with pytest.raises(MareyError, match="is in both states"):
        filled(x, ids).merge(filled(x, ids))
    with pytest.raises(MareyError, match="different backbone, 'a' and 'b'"):
        FeatureSet(5, backbone="a").merge(FeatureSet(5, backbone="b"))
    with pytest.raises(MareyError, match="20 and 4 blocks"):
        FeatureSet(5).merge(FeatureSet(5, blocks=4))
    with pytest.raises(ValueError, match="cap"):
        FeatureSet(5, cap=-1)
    (tmp_path / "text.npz").write_text("no")
    np.savez(tmp_path / "pickle.npz", header=np.array([{"a": 1}], dtype=object))
    header = json.dumps({"format": "other/2"}).encode()
    np.savez(tmp_path / "new.npz", header=np.frombuffer(header, np.uint8))
    for name in ("text", "pickle", "new", "missing"):
        with pytest.raises(MareyError, match=name):
            FeatureSet.load(tmp_path / f"{name}.npz")


def test_its_size_does_not_grow_with_the_videos(tmp_path) -> None:
    state = FeatureSet(4, cap=100, blocks=4)
    sizes = []
    for part in range(5):
        x = np.random.default_rng(part).normal(size=(5000, 4))
        state.update(x, [f"{part:02d}-{k:05d}" for k in range(5000)])
        state.save(tmp_path / "state.npz")
        sizes.append((tmp_path / "state.npz").stat().st_size)
    assert max(sizes) - min(sizes) < 64, "only digits of the count"


def test_the_distance_of_what_was_merged_is_the_distance_of_all() -> None:
    x, ids = cloud(7, 900)
    y, others = cloud(8, 800)
    merged = filled(x[:300], ids[:300]).merge(filled(x[300:], ids[300:]))
    whole = frechet(MomentState(5).update(x), MomentState(5).update(y))
    assert frechet(merged.moments, filled(y, others).moments) == pytest.approx(whole, rel=1e-10)
