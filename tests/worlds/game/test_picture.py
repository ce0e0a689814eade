"""Pictures: labels as an independent renderer has them, boxes, and flow that is exact."""

import itertools

import numpy as np
import pytest

from marey.worlds.game.clip import Clip, clip
from marey.worlds.game.engine import State
from marey.worlds.game.level import HEIGHT, WIDTH, Level
from marey.worlds.game.picture import ABOVE, VIEW, Painter, Picture
from marey.worlds.game.tiles import COIN, EMPTY, FIRST_MONSTER, GEM, HERO, LABELS, MONSTERS, SHIELD

SIZES = (32, 64, 96, 256)


@pytest.fixture(scope="module")
def lively() -> Clip:
    return clip(7, 21, 60)


def labelled(level: Level, state: State, picture: Picture, size: int) -> np.ndarray:
    """The semantic map, pixel by pixel: from the state and the outline of each figure, by another road."""
    tile = size // VIEW
    left, top = round(state.camera[0] * tile), round((state.camera[1] + ABOVE) * tile)
    out = np.zeros((size, size), np.uint8)
    for y in range(size):
        for x in range(size):
            column, row = (x + left) // tile, (y + top) // tile - ABOVE
            inside = 0 <= row < HEIGHT and 0 <= column < WIDTH
            out[y, x] = level.grid[row, column] if inside else EMPTY
            for one in picture.placed:  # from back to front
                u, v = x - one.x, y - one.y
                side = one.sprite.shape[0]
                if 0 <= u < side and 0 <= v < side and one.sprite[v, u, 3] >= 128:
                    out[y, x] = one.label
    return out


@pytest.mark.parametrize("size", SIZES[:3])
def test_every_pixel_has_the_label_of_an_independent_renderer(lively: Clip, size: int) -> None:
    for n, picture in enumerate(lively.pictures(size)):
        if n % 15 == 0:
            assert np.array_equal(picture.labels, labelled(lively.level, lively.states[n], picture, size))


def test_labels_are_the_same_at_all_sizes() -> None:
    def seen(size: int) -> list[set[int]]:
        found = []
        for picture in clip(7, 3, 40).pictures(size):
            values, counts = np.unique(picture.labels, return_counts=True)
            found.append({int(v) for v, n in zip(values, counts, strict=True) if n > 0.004 * size * size})
        return found

    small, large = seen(64), seen(256)
    assert sum(a == b for a, b in zip(small, large, strict=True)) > 0.8 * len(small)
    assert all(value < len(LABELS) for frame in large for value in frame)


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
