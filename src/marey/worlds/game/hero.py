"""The hero's body: how it moves through a level, frame by frame. Jules is the name.

Units are tiles and frames (30 a second). x is the middle of the body, y its feet, and y grows downwards. The step is
plain arithmetic on a handful of numbers: agents run it thousands of times a second to look ahead.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

NAME = "Jules"
FPS = 30
HALF = 0.3
"""Half the body's width."""
TALL, LOW = 0.9, 0.5
"""Its height, standing and ducking."""
WALK, RUN = 0.11, 0.18
"""Greatest speed along the ground."""
CLIMB = 0.08
JUMP = 0.34
"""Upwards at the start of a jump: 2.4 tiles high."""
_PUSH, _BRAKE, _GRAVITY, _TERMINAL = 0.018, 0.03, 0.024, 0.42


class Action(NamedTuple):
    """What the hero is told to do in one frame."""

    side: int = 0
    """-1 left, 0 nowhere, 1 right."""
    jump: bool = False
    run: bool = False
    climb: int = 0
    """-1 up, 1 down, on a ladder."""
    duck: bool = False


STAY = Action()


@dataclass(slots=True)
class Body:
    """Where the hero is and how it moves."""

    x: float
    y: float
    vx: float = 0.0
    vy: float = 0.0
    grounded: bool = True
    climbing: bool = False
    ducking: bool = False
    side: int = 1
    """Where it looks: 1 right, -1 left."""
    bumped: bool = False
    """It has hit its head in this frame."""
    held: bool = False
    """The jump key was down in the last frame: it must be let go before the next jump."""

    def copy(self) -> "Body":
        """Another one just like it."""
        return replace(self)


class Ground:
    """A level's tiles as the body feels them."""

    def __init__(
        self, grid: Sequence[Sequence[int]], solid: frozenset[int], ladder: int, deadly: frozenset[int]
    ) -> None:
        self.height, self.width = len(grid), len(grid[0])
        # One column beyond each side is a wall, the rows above are free, those below are not.
        self.solid = [[True] + [tile in solid for tile in row] + [True] for row in grid]
        self.ladder = [[False] + [tile == ladder for tile in row] + [False] for row in grid]
        self.deadly = [[False] + [tile in deadly for tile in row] + [False] for row in grid]

    def is_solid(self, x: float, y: float) -> bool:
        """Whether there is a wall at a point."""
        if y < 0:
            return x < 0 or x >= self.width
        row = int(y)
        if row >= self.height:
            return True
        column = int(x + 1)
        return self.solid[row][0 if column < 0 else column if column <= self.width else self.width + 1]

    def has_ladder(self, x: float, y: float) -> bool:
        """Whether there is a ladder at a point."""
        return 0 <= y < self.height and 0 <= x < self.width and self.ladder[int(y)][int(x + 1)]

    def is_deadly(self, x: float, y: float) -> bool:
        """Whether there is lava at a point."""
        return 0 <= y < self.height and 0 <= x < self.width and self.deadly[int(y)][int(x + 1)]


def move(body: Body, action: Action, ground: Ground) -> None:
    """One frame, in place."""
    body.bumped = False
    on_ladder = ground.has_ladder(body.x, body.y - 0.4) or ground.has_ladder(body.x, body.y - 0.02)
    if action.side:
        body.side = action.side
    if (
        body.climbing
        or (on_ladder and action.climb < 0)
        or (action.climb > 0 and ground.has_ladder(body.x, body.y + 0.1))
    ):
        _climb(body, action, ground, on_ladder)
        if body.climbing:
            body.held = action.jump
            return
    body.ducking = action.duck and body.grounded
    most = RUN if action.run else WALK
    if action.side and not body.ducking:
        wanted = most * action.side
        step = _PUSH if body.vx * action.side >= 0 else _BRAKE
        body.vx = min(body.vx + step, wanted) if wanted > body.vx else max(body.vx - step, wanted)
    elif body.vx > 0:
        body.vx = max(0.0, body.vx - _BRAKE)
    else:
        body.vx = min(0.0, body.vx + _BRAKE)
    if action.jump and body.grounded and not body.held and not body.ducking:
        body.vy, body.grounded = -JUMP, False
    elif not action.jump and body.vy < -0.12 and not body.grounded:
        body.vy = -0.12  # a jump that is let go early is a low one
    body.held = action.jump
    body.vy = min(body.vy + _GRAVITY, _TERMINAL)
    _sideways(body, ground)
    _upright(body, ground)


def _climb(body: Body, action: Action, ground: Ground, on_ladder: bool) -> None:
    if action.jump and not body.held:
        body.climbing, body.vy, body.grounded = False, -0.6 * JUMP, False
        return
    y = body.y + CLIMB * action.climb
    if action.climb > 0 and ground.is_solid(body.x, y):
        body.y, body.climbing, body.grounded, body.vy = float(int(y)), False, True, 0.0
        return
    if action.climb < 0 and not ground.has_ladder(body.x, y - 0.02) and not ground.has_ladder(body.x, y - 0.4):
        # Over the top: the feet come to stand on the last rung's upper end.
        body.y, body.climbing, body.grounded, body.vy = float(int(body.y)), False, True, 0.0
        return
    if action.side and not action.climb and not ground.is_solid(body.x + action.side * 0.8, body.y - 0.3):
        body.climbing, body.grounded = False, False
        return
    body.climbing = on_ladder or action.climb > 0
    if body.climbing:
        body.x += max(-0.05, min(0.05, int(body.x) + 0.5 - body.x))
        body.y, body.vx, body.vy, body.grounded, body.ducking = y, 0.0, 0.0, False, False


def _sideways(body: Body, ground: Ground) -> None:
    if not body.vx:
        return
    x = body.x + body.vx
    edge = x + (HALF if body.vx > 0 else -HALF)
    y = body.y
    if ground.is_solid(edge, y - 0.02) or ground.is_solid(edge, y - 0.45) or ground.is_solid(edge, y - TALL + 0.02):
        column = int(edge + 1) - 1
        body.x = column - HALF - 1e-6 if body.vx > 0 else column + 1 + HALF + 1e-6
        body.vx = 0.0
    else:
        body.x = x


def _upright(body: Body, ground: Ground) -> None:
    y = body.y + body.vy
    left, right = body.x - HALF + 0.02, body.x + HALF - 0.02
    if body.vy >= 0:
        top_of_ladder = (
            int(y) > int(body.y - 1e-9) and ground.has_ladder(body.x, y) and not ground.has_ladder(body.x, int(y) - 0.5)
        )
        if ground.is_solid(left, y) or ground.is_solid(right, y) or top_of_ladder:
            body.y, body.vy, body.grounded = float(int(y)), 0.0, True
            return
        body.y, body.grounded = y, False
        return
    if ground.is_solid(left, y - TALL) or ground.is_solid(right, y - TALL):
        body.y, body.vy, body.bumped = int(y - TALL + 1) + TALL + 1e-6, 0.0, True
        return
    body.y, body.grounded = y, False
