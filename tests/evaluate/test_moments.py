import json

import numpy as np
import pytest

from marey.errors import MareyError
from marey.evaluate.moments import MomentState, _between, frechet


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
    few, many = MomentState(6).update(cloud(0, 1)), MomentState(6).update(cloud(0, 60))
    for pair in ((few, many), (many, few)):
        with pytest.raises(MareyError, match="two or more"):
            frechet(*pair)
    with pytest.raises(MareyError, match="two vectors or more a side; there are 1"):
        frechet(few, many, biased=True)
    with pytest.raises(MareyError, match=r"6 features.*5"):
        frechet(many, MomentState(5).update(cloud(0, 60, 5)))


def reference(x: np.ndarray, y: np.ndarray, ddof: int) -> float:
    """Symmetric roots by eigenvectors, from covariances that may be of any rank."""

    def root(c: np.ndarray) -> np.ndarray:
        values, vectors = np.linalg.eigh(c)
        return (vectors * np.sqrt(values.clip(0))) @ vectors.T

    first, second = np.cov(x.T, ddof=ddof), np.cov(y.T, ddof=ddof)
    inner = root(first)
    overlap = np.trace(root(inner @ second @ inner))
    apart = x.mean(axis=0) - y.mean(axis=0)
    return float(apart @ apart + np.trace(first) + np.trace(second) - 2 * overlap)


@pytest.mark.parametrize(("n", "m"), [(10, 12), (10, 70), (70, 10), (2, 2), (24, 24), (25, 24), (400, 12), (400, 300)])
@pytest.mark.parametrize("biased", [False, True])
def test_fewer_vectors_than_features_are_compared_exactly(n: int, m: int, biased: bool) -> None:
    x, y = cloud(4, n, 24), cloud(5, m, 24)
    expected = reference(x, y, ddof=0 if biased else 1)
    a, b = MomentState(24).update(x), MomentState(24).update(y)
    assert frechet(a, b, biased=biased) == pytest.approx(expected, rel=1e-6)
    assert frechet(b, a, biased=biased) == pytest.approx(expected, rel=1e-6)
    alone = [MomentState.of(s.mean, s.covariance(), s.n) for s in (a, b)]
    assert frechet(*alone, biased=biased) == pytest.approx(expected, rel=1e-5), "from the moments alone too"


@pytest.mark.parametrize("d", [1, 2, 63, 64, 130, 401])
def test_the_product_in_strips_is_the_product(d: int) -> None:
    rng = np.random.default_rng(d)
    lower, half = np.tril(rng.normal(size=(d, d))), rng.normal(size=(d, d))
    found = _between(lower, half + half.T)
    assert np.tril(found) == pytest.approx(np.tril(lower.T @ (half + half.T) @ lower), abs=1e-9)


def test_many_features_are_compared_as_the_slow_way_does() -> None:
    x, y = cloud(12, 700, 300), cloud(13, 650, 300)
    expected = reference(x, y, ddof=1)
    assert frechet(MomentState(300).update(x), MomentState(300).update(y)) == pytest.approx(expected, rel=1e-9)


def test_of_one_line_of_vectors() -> None:
    """Rank one: both clouds lie on a line, so that the distance is that of one dimension."""
    rng = np.random.default_rng(0)
    t, u = rng.normal(size=9), 3 * rng.normal(size=9) + 2
    axis = np.ones(30) / np.sqrt(30)
    a, b = MomentState(30).update(np.outer(t, axis)), MomentState(30).update(np.outer(u, axis))
    expected = (t.mean() - u.mean()) ** 2 + (t.std(ddof=1) - u.std(ddof=1)) ** 2
    assert frechet(a, b) == pytest.approx(expected)
    assert frechet(a, a) == pytest.approx(0, abs=1e-12)


def test_how_the_stream_was_cut_changes_no_bit(tmp_path) -> None:
    x = cloud(6, 1000)
    whole, parts = MomentState(6).update(x), MomentState(6)
    for rows in np.split(x, [1, 2, 255, 256, 257, 700]):
        parts.update(rows)
    assert (parts.scatter == whole.scatter).all()
    assert parts.fourth == whole.fourth
    kept = MomentState(6).update(x[:700])
    kept.save(tmp_path / "half.npz")
    resumed = MomentState.load(tmp_path / "half.npz").update(x[700:])
    assert (resumed.scatter == kept.update(x[700:]).scatter).all()
    assert resumed.scatter == pytest.approx(whole.scatter)


def test_the_vectors_are_held_while_they_are_few() -> None:
    x = cloud(7, 600)
    state = MomentState(6).update(x[:100])
    held = state.vectors
    assert held is not None
    assert (held == x[:100]).all()
    x[0] = 0
    assert (state.vectors[0] != 0).all(), "they are copies"
    assert state.merge(state).vectors is not None
    assert state.update(x[100:]).vectors is None


def test_without_gives_back_the_rest() -> None:
    x = cloud(8, 900)
    for cut in (1, 100, 450, 899):
        rest = MomentState(6).update(x).without(MomentState(6).update(x[cut:]))
        expected = MomentState(6).update(x[:cut])
        assert rest.n == cut
        assert rest.mean == pytest.approx(expected.mean, abs=1e-9)
        assert rest.scatter == pytest.approx(expected.scatter, abs=1e-8)
        assert rest.fourth == pytest.approx(expected.fourth)
    with pytest.raises(MareyError, match="cannot give up"):
        MomentState(6).update(x[:3]).without(MomentState(6).update(x))


def test_second_and_fourth_moments() -> None:
    x = cloud(9, 300)
    state = MomentState(6).update(x[:200]).merge(MomentState(6).update(x[200:]))
    assert state.second() == pytest.approx(x.T @ x / 300)
    assert state.fourth == pytest.approx(((x**2).sum(axis=1) ** 2).sum())
    with pytest.raises(MareyError, match="no vectors"):
        MomentState(2).second()


def test_single_precision_features_give_the_same_distance() -> None:
    x, y = cloud(10, 300) + 20, cloud(11, 300) + 20
    exact = frechet(MomentState(6).update(x), MomentState(6).update(y))
    single = frechet(MomentState(6).update(x.astype(np.float32)), MomentState(6).update(y.astype(np.float32)))
    assert single == pytest.approx(exact, rel=1e-6)
