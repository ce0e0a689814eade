"""Plain figures: the pictures follow the closed form, and the sentence says it."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.worlds.figures import FIGURES, MOTIONS, Figure, Told, figure, mask, outline, parse, tell

FRAMES = 30


def made(number: int, size: int = 96, **more: object) -> Figure:
    return figure(7, number, frames=FRAMES, height=size, width=size, **more)  # type: ignore[arg-type]


def inside(one: Figure, n: int) -> tuple[np.ndarray, np.ndarray]:
    """By another road: each pixel put back into the figure's own frame, and asked by its outline. Where it is, and
    where that is in no doubt."""
    known = one.truth()
    frame = known["frames"][n]
    height, width = known["size"]
    y, x = np.mgrid[:height, :width].astype(float)
    dx, dy = x - frame["x"], y - frame["y"]
    cos, sin = np.cos(-frame["angle"]), np.sin(-frame["angle"])
    radius = known["radius"] * frame["scale"]
    u, v = (cos * dx - sin * dy) / radius, (sin * dx + cos * dy) / radius
    if one.told.figure in ("disc", "ring"):
        away = np.hypot(u, v)
        edges = [np.abs(away - 1)]
        whole = away < 1
        if one.told.figure == "ring":
            whole &= away > 0.5
            edges.append(np.abs(away - 0.5))
        return whole, np.min(edges, axis=0) * radius > 1.2
    corners = outline(one.told.figure) / 0.9
    odd = np.zeros(u.shape, bool)
    near = np.full(u.shape, np.inf)
    for (x0, y0), (x1, y1) in itertools.pairwise([*corners, corners[0]]):
        crosses = (y0 > v) != (y1 > v)
        at = x0 + (v - y0) / (y1 - y0 if y1 != y0 else 1.0) * (x1 - x0)
        odd ^= crosses & (u < at)
        along = np.clip(((u - x0) * (x1 - x0) + (v - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2), 0, 1)
        near = np.minimum(near, np.hypot(u - x0 - along * (x1 - x0), v - y0 - along * (y1 - y0)))
    return odd, near * radius > 1.2


@pytest.mark.parametrize("number", range(25))
def test_the_mask_is_that_of_an_independent_renderer(number: int) -> None:
    one = made(number)
    for n in (0, 11, FRAMES - 1):
        whole, sure = inside(one, n)
        if one.scene.front is not None:
            whole &= one.scene.front[..., 3] == 0
        assert np.array_equal(mask(one, n)[sure], whole[sure])
        assert sure.mean() > 0.85


@settings(max_examples=40, deadline=None)
@given(number=st.integers(0, 10_000), seed=st.integers(0, 2**31))
def test_where_it_is_follows_from_the_law(number: int, seed: int) -> None:
    one = figure(seed, number, frames=FRAMES)
    law, steps = one.law, np.arange(FRAMES)
    positions, angles, scales = one.mover.positions, one.mover.angles, one.mover.scales
    if one.told.motion in ("slide", "behind"):
        assert np.allclose(positions, np.array(law["start"]) + steps[:, None] * np.array(law["step"]), atol=1e-3)
        assert (
            np.sign(np.round(law["step"], 4)).tolist()
            == {
                "to the right": [1, 0],
                "to the left": [-1, 0],
                "upwards": [0, -1],
                "downwards": [0, 1],
            }[one.told.way]
        )
    if one.told.motion == "bounce":
        x, y = np.array(law["start"])
        (dx, dy), (left, top, right, bottom) = law["step"], law["box"]
        for n in range(FRAMES):  # a ball that is followed from wall to wall
            assert positions[n] == pytest.approx((x, y), abs=0.01)
            x, y = x + dx, y + dy
            if not left <= x <= right:
                x, dx = (2 * left - x if x < left else 2 * right - x), -dx
            if not top <= y <= bottom:
                y, dy = (2 * top - y if y < top else 2 * bottom - y), -dy
    turns, grows = one.told.motion == "turn", one.told.motion == "grow"
    assert np.allclose(angles, law["turn"] * steps if turns else 0)
    assert np.allclose(scales, law["first"] * law["ratio"] ** steps if grows else 1)
    assert not turns or (law["turn"] > 0) == (one.told.way == "clockwise")
    assert not grows or (law["ratio"] > 1) == (one.told.way == "larger")


def test_the_flow_is_the_motion_of_what_is_seen() -> None:
    for number in range(10):
        one = made(number)
        flow, seen = one.scene.flow(8), mask(one, 8)
        assert np.array_equal(np.abs(flow).max(axis=-1) > 0, seen & (np.abs(flow).max(axis=-1) > 0))
        if one.told.motion == "slide":
            assert np.allclose(flow[seen], one.law["step"], atol=1e-3)
        if one.told.motion == "turn":
            # About its middle: at right angles to the way there, as fast as it is far.
            y, x = np.nonzero(seen)
            arm = np.stack([x, y], -1) - one.mover.positions[8]
            assert np.abs((flow[seen] * arm).sum(-1)).max() < 0.05 * np.abs(arm).max() ** 2
            wanted = np.hypot(*arm.T) * 2 * np.sin(abs(one.law["turn"]) / 2)
            assert np.allclose(np.hypot(*flow[seen].T), wanted, atol=1e-3)
        if one.told.motion == "grow":
            y, x = np.nonzero(seen)
            arm = np.stack([x, y], -1) - one.mover.positions[8]
            assert np.allclose(flow[seen], arm * (one.law["ratio"] - 1), atol=1e-3)


def test_what_passes_behind_a_bar_is_hidden_for_a_time_and_seen_at_both_ends() -> None:
    for number in (2, 7, 12, 17):
        one = made(number)
        shares = np.array([mask(one, n).sum() for n in range(FRAMES)]) / mask(one, 0).sum()
        assert shares[0] == 1
        assert shares[-1] > 0.9
        assert shares.min() == 0
    assert all(mask(made(0), n).any() for n in range(FRAMES))


def test_every_sentence_is_read_back_and_no_other() -> None:
    told = [made(number).told for number in range(60)]
    assert {one.motion for one in told} == set(MOTIONS)
    assert {one.figure for one in told} == set(FIGURES)
    assert len({tell(one) for one in told}) > 40
    for one in told:
        assert parse(tell(one)) == one
    for text in ("a red disc flies away", "a red car slides to the left", "a red disc turns", "a red disc", ""):
        with pytest.raises(ValueError, match="no sentence about a figure"):
            parse(text)
    assert tell(Told("orange", "star", "turn", "clockwise")) == "an orange star turns clockwise"


def test_the_same_seed_gives_the_same_bytes_and_another_another() -> None:
    def drawn(seed: int) -> bytes:
        return b"".join(frame.tobytes() for frame in figure(seed, 4, frames=6).scene.render())

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="no motion 'fly': one of slide"):
        figure(0, 0, frames=5, motion="fly")
    with pytest.raises(ValueError, match="1 frames"):
        figure(0, 0, frames=1)
