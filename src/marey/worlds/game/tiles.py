"""What a level is made of, and the labels of a semantic map.

The labels follow the format of MUGEN's semantic maps (Hayes et al. 2022), so that what reads those reads ours: 0 is the
background, 1 to 8 are tiles, 9 to 18 monsters, 19 coins, 20 gems, 21 the hero, 22 the hero's shield.
"""

EMPTY, LAVA_TOP, LAVA, WALL, SURFACE, CLIFF_LEFT, CLIFF_RIGHT, LADDER, CRATE = range(9)

MONSTERS = ("worm", "ladybug", "snail", "mouse", "slime", "jelly", "bee", "gear", "barnacle", "frog")
"""By label, from 9 on."""
FIRST_MONSTER = 9
COIN, GEM, HERO, SHIELD = 19, 20, 21, 22

_TILES = ("background", "lava", "deep lava", "wall", "surface", "left cliff", "right cliff", "ladder", "crate")
LABELS = (*_TILES, *MONSTERS, "coin", "gem", "hero", "shield")
"""Names by label, 0 to 22."""

SOLID = frozenset((WALL, SURFACE, CLIFF_LEFT, CLIFF_RIGHT, CRATE))
DEADLY = frozenset((LAVA_TOP, LAVA))
