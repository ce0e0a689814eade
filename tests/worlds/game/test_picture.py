"""Pictures: labels as an independent renderer has them, boxes, and flow that is exact."""

import itertools

import numpy as np
import pytest

from marey.worlds.game import art
from marey.worlds.game.clip import Clip, clip
from marey.worlds.game.engine import State
from marey.worlds.game.level import HEIGHT, WIDTH, Level
from marey.worlds.game.picture import ABOVE, VIEW, Painter, Picture
from marey.worlds.game.tiles import COIN, EMPTY, FIRST_MONSTER, GEM, HERO, LABELS, MONSTERS, SHIELD

SIZES = (32, 64, 96, 256)


@pytest.fixture(scope="module")
def lively() -> Clip:
    return clip(7, 21, 60)


def things(level: Level, state: State, tile: int) -> list[tuple[int, int, int, np.ndarray]]:
    """By another road, from the state alone: label, left, top in pixels of the level, and outline, from back to front.

    The middle of a thing's lower edge stands where the state says.
    """
    found = []

    def stand(label: int, x: float, foot: float, sprite: np.ndarray, side: int = 1) -> None:
        outline = sprite[:, ::side, 3] > 127
        found.append((label, round(x * tile - len(outline) / 2), round((foot + ABOVE) * tile) - len(outline), outline))

    for n, one in enumerate(level.items):
        if n in state.items:
            turn = (state.t // 4 + n) % (4 if one.kind == "coin" else 2)
            stand(LABELS.index(one.kind), one.x, one.y + 0.5, art.item(tile, one.kind, turn))
    dead = dict(state.dead)
    for n, monster in enumerate(level.monsters):
        if n not in state.stomped or n in dead:
            x, y, side = monster.at(state.t - 1 - dead.get(n, 0))
            if monster.kind in ("slime", "jelly", "frog"):
                step = int(monster.ground - y > 0.02)
            else:
                step = state.t // (3 if monster.kind in ("bee", "mouse") else 6) % 2
            stand(LABELS.index(monster.kind), x, y, art.monster(tile, monster.kind, step, n in dead), side)
    stand(HERO, state.x, state.y, art.jules(tile, state.pose, state.step), state.side)
    if state.shield:
        wide = 2 * round(0.75 * tile)
        middle = state.y - 0.5
        stand(SHIELD, state.x, middle + wide / 2 / tile, art.item(wide, "shield", state.t // 3 % 2))
    return found


def labelled(level: Level, state: State, size: int) -> np.ndarray:
    """The semantic map, asked of each pixel: what of the level lies there, and which outlines hold it."""
    tile = size // VIEW
    left, top = round(state.camera[0] * tile), round((state.camera[1] + ABOVE) * tile)
    y, x = np.mgrid[top : top + size, left : left + size]
    column, row = x // tile, y // tile - ABOVE
    inside = (row >= 0) & (row < HEIGHT) & (column >= 0) & (column < WIDTH)
    out = np.where(inside, level.grid[row.clip(0, HEIGHT - 1), column.clip(0, WIDTH - 1)], EMPTY)
    for label, at_x, at_y, outline in things(level, state, tile):
        u, v = x - at_x, y - at_y
        side = len(outline)
        near = (u >= 0) & (u < side) & (v >= 0) & (v < side)
        out[near & outline[v.clip(0, side - 1), u.clip(0, side - 1)]] = label
    return out


@pytest.mark.parametrize("size", [32, 64, 96, 256, 512])
def test_every_pixel_has_the_label_of_an_independent_renderer(size: int) -> None:
    seen: set[int] = set()
    for number in (2, 9, 21, 33):
        one = clip(7, number, 60)
        for n, picture in enumerate(one.pictures(size)):
            if n % 6 == 0:
                wanted = labelled(one.level, one.states[n], size)
                assert np.array_equal(picture.labels, wanted)
                seen |= set(np.unique(wanted).tolist())
    assert len(seen) > 9


def test_labels_are_the_same_at_all_sizes() -> None:
    for number in (3, 21):
        pictures = {size: list(clip(7, number, 40).pictures(size)) for size in (32, 64, 128, 256, 512)}
        for size, made in pictures.items():
            same = []
            for one, large in zip(made, pictures[512], strict=True):
                at, far = (((np.arange(64) + 0.5) * side / 64).astype(int) for side in (size, 512))
                same.append((one.labels[at][:, at] == large.labels[far][:, far]).mean())
                assert set(np.unique(one.labels)) <= set(range(len(LABELS)))
            # Edges lie on whole pixels, which at 32 are an eighth of a tile.
            assert np.mean(same) > (0.95 if size == 32 else 0.97)
            shuffled = [(a.labels == b.labels).mean() for a, b in zip(made, reversed(made), strict=True)]
            assert np.mean(shuffled) < np.mean(same)


def test_what_is_placed_is_what_the_state_says(lively: Clip) -> None:
    for state, picture in zip(lively.states, lively.pictures(64), strict=True):
        keys = [one.key for one in picture.placed]
        assert keys.count(("hero", 0)) == 1
        assert (("shield", 0) in keys) == state.shield
        for one in picture.placed:
            kind, n = one.key
            if kind == "item":
                assert n in state.items
                assert one.label == (COIN if lively.level.items[n].kind == "coin" else GEM)
            elif kind == "monster":
                assert one.label == FIRST_MONSTER + MONSTERS.index(lively.level.monsters[n].kind)
            else:
                assert one.label == {"hero": HERO, "shield": SHIELD}[kind]


def test_boxes_hold_their_things_tightly(lively: Clip) -> None:
    picture = next(iter(lively.pictures(128)))
    boxes = picture.boxes()
    assert HERO in [label for label, *_ in boxes]
    for label, left, top, right, bottom in boxes:
        part = picture.labels[top:bottom, left:right] == label
        assert part[0].any()
        assert part[-1].any()
        assert part[:, 0].any()
        assert part[:, -1].any()


@pytest.mark.parametrize("size", SIZES[1:])
def test_flow_leads_each_pixel_to_the_same_thing(size: int) -> None:
    for number in (0, 2, 9):
        pictures = list(clip(3, number, 12).pictures(size))
        for before, after in itertools.pairwise(pictures):
            flow = before.flow(after)
            assert np.array_equal(flow, flow.round())
            y, x = np.mgrid[:size, :size]
            to_x, to_y = (x + flow[..., 0]).astype(int), (y + flow[..., 1]).astype(int)
            inside = (to_x >= 0) & (to_x < size) & (to_y >= 0) & (to_y < size)
            # The level is rigid: where neither end is covered by something else, the colours are the very same.
            ground = inside & (before.instances == 2)
            ground[inside] &= after.instances[to_y[inside], to_x[inside]] == 2
            lava = np.isin(before.labels, (1, 2))  # it simmers
            ground &= ~lava
            assert ground.sum() > 0.05 * size * size
            edges = _near_things(after)
            same = ground & ~_near_things(before)
            same[inside] &= ~edges[to_y[inside], to_x[inside]]
            assert np.array_equal(before.rgb[same], after.rgb[to_y[same], to_x[same]])


def _near_things(picture: Picture) -> np.ndarray:
    """Pixels that a thing's soft edge may have touched."""
    touched = np.zeros(picture.labels.shape, bool)
    size = touched.shape[0]
    for one in picture.placed:
        side = one.sprite.shape[0]
        touched[max(one.y, 0) : min(one.y + side, size), max(one.x, 0) : min(one.x + side, size)] = True
    return touched


def test_a_size_that_has_no_whole_tiles_is_refused() -> None:
    level = clip(0, 0, 1).level
    for size in (30, 100, 24, 1024):
        with pytest.raises(ValueError, match="a multiple of 8 from 32 to 512"):
            Painter(level, size)


def test_pictures_are_the_same_bytes_each_time(lively: Clip) -> None:
    assert lively.frames(64).tobytes() == clip(7, 21, 60).frames(64).tobytes()
