"""The game: one hero in one level, a frame at a time, and what happens in it.

Deterministic: the same level and the same actions give the same states. Everything that is drawn, heard or told is made
from these states alone.
"""

from dataclasses import dataclass

from marey.worlds.game.hero import HALF, LOW, STAY, TALL, Action, Body, Ground, move
from marey.worlds.game.level import Level
from marey.worlds.game.monsters import STOMPABLE
from marey.worlds.game.tiles import DEADLY, LADDER, SOLID

SHIELD_FRAMES = 180
"""A gem's shield lasts so long, or until something hits it."""
DYING_FRAMES = 24
"""From the blow to the next start."""
_SAFE_FRAMES = 30  # after a start or a blow nothing hurts
_BOUNCE = -0.24


@dataclass(frozen=True)
class Event:
    """Something that happened in a frame."""

    kind: str
    """jump, land, bump, climb, coin, gem, shield_off, stomp, hit, killed, goal."""
    what: str = ""
    """The kind of monster, or `lava`."""


@dataclass(frozen=True)
class State:
    """All that a frame shows."""

    t: int
    x: float
    y: float
    vx: float
    vy: float
    pose: str
    """stand, walk, jump, climb, duck or hit."""
    side: int
    step: int
    """Which of the pose's two pictures, 0 or 1: it changes every five frames of movement."""
    shield: bool
    camera: tuple[float, float]
    """Upper left corner of the view, in tiles."""
    items: frozenset[int]
    """Those that are still there, by number."""
    stomped: frozenset[int]
    """Monsters that are no longer there."""
    dead: tuple[tuple[int, int], ...]
    """Those among them that still lie there: number, and frames since."""
    events: tuple[Event, ...]


class Game:
    """Plays a level.

    Args:
        view: tiles that the camera sees across and down.
    """

    def __init__(self, level: Level, view: float = 8.0) -> None:
        self.level = level
        self.ground = Ground(level.grid.tolist(), SOLID, LADDER, DEADLY)
        self.body = Body(*level.start)
        self.t = 0
        self.items = set(range(len(level.items)))
        self.dead: dict[int, int] = {}  # monster to the frame in which it was stomped
        self.shield = 0
        self.dying = 0
        self.safe = _SAFE_FRAMES
        self.over = False
        self._view = view
        self._checkpoint = level.start
        self._walked = 0.0
        self._camera = self._aim()

    def step(self, action: Action = STAY) -> State:
        """One frame on."""
        events: list[Event] = []
        before = (self.body.grounded, self.body.climbing, self.body.x)
        if self.dying:
            self._fall_down()
        else:
            move(self.body, action, self.ground)
            self._tell_of_movement(before, events)
            self._collect(events)
            self._meet(events)
            self._remember()
        self.t += 1
        self.safe = max(0, self.safe - 1)
        self._follow()
        return self._state(tuple(events))

    def monsters(self, t: int) -> list[tuple[int, float, float, int]]:
        """(number, x, y of the feet, side) of each that lives."""
        return [(n, *monster.at(t)) for n, monster in enumerate(self.level.monsters) if n not in self.dead]

    def _tell_of_movement(self, before: tuple[bool, bool, float], events: list[Event]) -> None:
        grounded, climbing, x = before
        body = self.body
        self._walked += abs(body.x - x)
        if grounded and not body.grounded and body.vy < 0:
            events.append(Event("jump"))
        if not grounded and not climbing and body.grounded:
            events.append(Event("land"))
        if body.bumped:
            events.append(Event("bump"))
        if body.climbing and not climbing:
            events.append(Event("climb"))

    def _collect(self, events: list[Event]) -> None:
        x, y = self.body.x, self.body.y - 0.45
        for n in sorted(self.items):
            item = self.level.items[n]
            if abs(item.x - x) < 0.6 and abs(item.y - y) < 0.75:
                self.items.discard(n)
                events.append(Event(item.kind))
                if item.kind == "gem":
                    self.shield = SHIELD_FRAMES
        if self.shield:
            self.shield -= 1
            if not self.shield:
                events.append(Event("shield_off"))

    def _meet(self, events: list[Event]) -> None:
        body = self.body
        tall = LOW if body.ducking else TALL
        for n, x, y, _ in self.monsters(self.t):
            if abs(x - body.x) > HALF + 0.3 or y - 0.75 > body.y or body.y - tall > y:
                continue
            kind = self.level.monsters[n].kind
            if kind in STOMPABLE and body.vy > 0.02 and body.y < y - 0.3:
                self.dead[n] = self.t
                body.vy, body.grounded = _BOUNCE, False
                events.append(Event("stomp", kind))
            elif not self.safe:
                self._struck(kind, events)
                return
        if self.ground.is_deadly(body.x, body.y - 0.1) or self.ground.is_deadly(body.x, body.y + 0.02):
            self._struck("lava", events)
        if body.x > self.ground.width - 2:
            self.over = True
            events.append(Event("goal"))

    def _struck(self, what: str, events: list[Event]) -> None:
        if self.shield and what != "lava":
            self.shield, self.safe = 0, _SAFE_FRAMES
            events += [Event("hit", what), Event("shield_off")]
            return
        self.shield = 0
        self.dying = DYING_FRAMES
        self.body.vx, self.body.vy, self.body.climbing = 0.0, -0.2, False
        events.append(Event("killed", what))

    def _fall_down(self) -> None:
        self.dying -= 1
        self.body.vy = min(self.body.vy + 0.02, 0.3)
        self.body.y += self.body.vy
        if not self.dying:
            side = self.body.side
            self.body = Body(*self._checkpoint, side=side)
            self.safe = _SAFE_FRAMES

    def _remember(self) -> None:
        """A place to start again: where the hero stood on firm ground with nothing near."""
        body = self.body
        if self.dying or not body.grounded or body.climbing or not self.ground.is_solid(body.x, body.y + 0.1):
            return
        if not all(self.ground.is_solid(body.x + dx, body.y + 0.1) for dx in (-0.8, 0.8)):
            return
        if all(abs(monster.left - body.x) > 2.5 or monster.ground != body.y for monster in self.level.monsters) and all(
            not monster.left - 2 < body.x < monster.right + 2 for monster in self.level.monsters
        ):
            self._checkpoint = (body.x, body.y)

    def _aim(self) -> tuple[float, float]:
        """Where the camera should look: a little ahead, and a little above."""
        view = self._view
        x = min(max(self.body.x + 0.6 * self.body.side - view / 2, 0.0), self.ground.width - view)
        y = min(max(self.body.y - 0.62 * view, -2.0), self.ground.height - view)
        return x, y

    def _follow(self) -> None:
        x, y = self._camera
        wanted_x, wanted_y = self._aim()
        self._camera = (x + 0.1 * (wanted_x - x), y + 0.08 * (wanted_y - y))

    def _state(self, events: tuple[Event, ...]) -> State:
        body = self.body
        if self.dying:
            pose = "hit"
        elif body.climbing:
            pose = "climb"
        elif not body.grounded:
            pose = "jump"
        elif body.ducking:
            pose = "duck"
        else:
            pose = "walk" if abs(body.vx) > 0.01 else "stand"
        turns = body.y * 2.2 if body.climbing else self._walked * 2.2
        return State(
            t=self.t,
            x=body.x,
            y=body.y,
            vx=body.vx,
            vy=body.vy,
            pose=pose,
            side=body.side,
            step=int(turns) % 2,
            shield=self.shield > 0,
            camera=self._camera,
            items=frozenset(self.items),
            stomped=frozenset(self.dead),
            dead=tuple((n, self.t - 1 - since) for n, since in sorted(self.dead.items()) if self.t - since < 15),
            events=events,
        )
