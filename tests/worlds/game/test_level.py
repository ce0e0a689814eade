"""Levels: made from a seed, whole, and such that one gets on."""

import numpy as np

from marey.worlds.game.engine import Game
from marey.worlds.game.level import HEIGHT, THEMES, WIDTH, make_level
from marey.worlds.game.paths import Paths
from marey.worlds.game.tiles import CLIFF_LEFT, CLIFF_RIGHT, CRATE, EMPTY, LADDER, LAVA_TOP, SOLID, SURFACE, WALL


def test_the_same_seed_gives_the_same_level_and_another_one_another() -> None:
    one, again, other = make_level(5), make_level(5), make_level(6)
    assert one.grid.tobytes() == again.grid.tobytes()
    assert (one.items, one.monsters, one.theme) == (again.items, again.monsters, again.theme)
    assert one.grid.tobytes() != other.grid.tobytes()


def test_levels_have_all_there_is() -> None:
    levels = [make_level(seed) for seed in range(60)]
    tiles = set(np.unique(np.concatenate([level.grid for level in levels])).tolist())
    assert {EMPTY, LAVA_TOP, WALL, SURFACE, CLIFF_LEFT, CLIFF_RIGHT, LADDER, CRATE} <= tiles
    assert {level.theme for level in levels} == set(THEMES)
    assert {monster.kind for level in levels for monster in level.monsters} >= {"bee", "gear", "frog", "barnacle"}
    assert {item.kind for level in levels for item in level.items} == {"coin", "gem"}


def test_nothing_is_inside_a_wall_and_there_is_a_way_to_the_end() -> None:
    for seed in range(40):
        level = make_level(seed)
        assert level.grid.shape == (HEIGHT, WIDTH)
        for item in level.items:
            assert level.grid[int(item.y), int(item.x)] not in SOLID
        for monster in level.monsters:
            ground = level.grid[int(monster.ground), int(monster.left) : int(monster.right) + 1]
            assert all(tile in SOLID for tile in ground), seed
        paths = Paths(Game(level).ground)
        far = paths.distances([cell for cell in paths.cells if cell[0] == WIDTH - 2])
        start = paths.under(*level.start)
        assert start in far, seed


def test_surfaces_lie_under_the_open_and_cliffs_where_one_side_drops_off() -> None:
    grid = make_level(11).grid
    for row, column in zip(*np.nonzero((grid >= SURFACE) & (grid <= CLIFF_RIGHT)), strict=True):
        assert row == 0 or grid[row - 1, column] not in (WALL, SURFACE, CLIFF_LEFT, CLIFF_RIGHT)
        left = column == 0 or grid[row, column - 1] in SOLID
        right = column == WIDTH - 1 or grid[row, column + 1] in SOLID
        wanted = SURFACE if left == right else CLIFF_RIGHT if left else CLIFF_LEFT
        assert grid[row, column] == wanted
