import json

import numpy as np
import pytest

from marey.errors import MareyError
from marey.evaluate.moments import MomentState, frechet


def gaussian(mean: list[float], variance: list[float], n: int = 100) -> MomentState:
    return MomentState.of(mean, np.diag(variance), n)


def cloud(seed: int, n: int, d: int = 6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


def test_the_moments_are_numpys() -> None:
    x = cloud(0, 57)
    state = MomentState(6).update(x)
    assert state.n == 57
    assert state.mean == pytest.approx(x.mean(axis=0))
    assert state.covariance() == pytest.approx(np.cov(x.T))
    assert state.covariance(biased=True) == pytest.approx(np.cov(x.T, bias=True))


def test_any_cut_of_the_stream_gives_the_same_moments() -> None:
    x = cloud(1, 40)
    whole = MomentState(6).update(x)
    parts = MomentState(6)
    for rows in np.split(x, [1, 2, 9, 33]):
        parts.update(rows)
    for row in x[:0]:
        parts.update(row)
    shards = MomentState(6).merge(MomentState(6).update(x[25:])).merge(MomentState(6).update(x[:25]))
    for other in (parts, shards):
        assert other.n == whole.n
        assert other.mean == pytest.approx(whole.mean, abs=1e-12)
        assert other.scatter == pytest.approx(whole.scatter, abs=1e-9)


def test_merge_changes_neither() -> None:
    a, b = MomentState(6).update(cloud(0, 10)), MomentState(6).update(cloud(1, 10))
    before = a.mean.copy(), a.n, b.scatter.copy()
    merged = a.merge(b)
    assert merged.n == 20
    assert (a.mean == before[0]).all()
    assert a.n == before[1]
    assert (b.scatter == before[2]).all()


def test_a_large_mean_does_not_drown_the_spread() -> None:
    """The sum of squares in one pass would lose it; Chan's merge does not."""
    x = np.random.default_rng(0).normal(size=(200, 3))
    state = MomentState(3)
    for rows in np.split(x + 1e8, 20):
        state.update(rows)
    assert state.covariance() == pytest.approx(np.cov(x.T), abs=1e-6)


def test_saved_and_loaded(tmp_path) -> None:
    state = MomentState(6).update(cloud(0, 20))
    state.save(tmp_path / "real.npz")
    loaded = MomentState.load(tmp_path / "real.npz")
    assert loaded.n == state.n
    assert (loaded.mean == state.mean).all()
    assert (loaded.scatter == state.scatter).all()
    assert frechet(loaded, state) == pytest.approx(0, abs=1e-9)
    assert [path.name for path in tmp_path.iterdir()] == ["real.npz"]
    with np.load(tmp_path / "real.npz", allow_pickle=False) as file:
        assert json.loads(file["header"].tobytes())["format"] == "marey-moments/1"


def test_what_holds_no_moments_is_named(tmp_path) -> None:
    (tmp_path / "text.npz").write_text("no")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    np.savez(tmp_path / "pickle.npz", header=np.array([{"a": 1}], dtype=object))
    header = json.dumps({"format": "other/2", "d": 2, "n": 3}).encode()
    np.savez(tmp_path / "new.npz", header=np.frombuffer(header, np.uint8), mean=np.zeros(2), scatter=np.zeros((2, 2)))
    for name in ("text", "other", "pickle", "new", "missing"):
        with pytest.raises(MareyError, match=name):
            MomentState.load(tmp_path / f"{name}.npz")


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(MareyError, match=r"\(4, 5\)"):
        MomentState(6).update(np.zeros((4, 5)))
    with pytest.raises(MareyError, match="not finite"):
        MomentState(2).update([[0.0, float("nan")]])
    with pytest.raises(MareyError, match="6 and 5"):
        MomentState(6).merge(MomentState(5))
    with pytest.raises(MareyError, match="1 vectors"):
        MomentState(2).update([1.0, 2.0]).covariance()


def test_diagonal_gaussians_have_a_closed_form() -> None:
    a = gaussian([1, 2, 3], [4, 9, 1])
    b = gaussian([1, 0, 3.5], [1, 16, 1])
    expected = (2.0**2 + 0.5**2) + (2 - 1) ** 2 + (3 - 4) ** 2 + 0
    assert frechet(a, b) == pytest.approx(expected, abs=1e-9)


def test_one_dimension() -> None:
    assert frechet(gaussian([0], [9]), gaussian([4], [25])) == pytest.approx(16 + 4)


def test_invariances() -> None:
    x, y = cloud(0, 60), cloud(1, 80)
    a, b = MomentState(6).update(x), MomentState(6).update(y)
    distance = frechet(a, b)
    assert distance > 0.1
    assert frechet(b, a) == pytest.approx(distance)
    turn, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(6, 6)))
    turned = frechet(MomentState(6).update(x @ turn + 3), MomentState(6).update(y @ turn + 3))
    assert turned == pytest.approx(distance)
    scaled = frechet(MomentState(6).update(5 * x), MomentState(6).update(5 * y))
    assert scaled == pytest.approx(25 * distance)
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)


def test_the_slow_route_agrees() -> None:
    """The trace of the root from the eigenvalues of the plain product, which are real and positive up to rounding."""
    a, b = MomentState(6).update(cloud(2, 50)), MomentState(6).update(cloud(3, 50))
    first, second = a.covariance(), b.covariance()
    roots = np.sqrt(np.linalg.eigvals(first @ second).astype(complex)).real.sum()
    apart = a.mean - b.mean
    assert frechet(a, b) == pytest.approx(apart @ apart + np.trace(first) + np.trace(second) - 2 * roots)


def test_a_flat_direction_does_not_stop_it() -> None:
    """A singular covariance, on either side, has no Cholesky factor; the symmetric root does."""
    flat, round_ = gaussian([0, 0], [4, 0]), gaussian([0, 0], [1, 9])
    assert frechet(flat, round_) == pytest.approx((2 - 1) ** 2 + 9)
    assert frechet(round_, flat) == pytest.approx((2 - 1) ** 2 + 9)
    assert frechet(gaussian([1, 1], [0, 0]), gaussian([0, 0], [0, 0])) == pytest.approx(2)


def test_it_is_biased_upward_at_small_n_and_less_at_large() -> None:
    rng = np.random.default_rng(0)

    def same(n: int) -> float:
        return float(
            np.mean([frechet(*(MomentState(8).update(rng.normal(size=(n, 8))) for _ in "ab")) for _ in range(10)])
        )

    assert same(30) > same(120) > same(1000) > 0


def test_too_few_videos_are_refused_by_a_sentence() -> None:
    few, many = MomentState(6).update(cloud(0, 6)), MomentState(6).update(cloud(0, 60))
    for pair in ((few, many), (many, few)):
        with pytest.raises(MareyError, match="more than 6 videos a side; there are 6"):
            frechet(*pair)
    with pytest.raises(MareyError, match=r"6 features.*5"):
        frechet(many, MomentState(5).update(cloud(0, 60, 5)))
