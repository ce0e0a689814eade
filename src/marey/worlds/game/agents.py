"""Seven ways to play. All look ahead with the hero's own body, and differ in what they want and what they fear.

Every few frames an agent tries some two dozen short plans (run left, jump right and hold, climb ...) on a copy of the
body, with the monsters where they will be, and goes on with the one that comes out best by its own lights: nearer to
what it wants, past coins, away from what hurts.
"""

from dataclasses import dataclass

import numpy as np

from marey.worlds.game.engine import Game
from marey.worlds.game.hero import FPS, TALL, Action, Body, move
from marey.worlds.game.monsters import STOMPABLE, Monster
from marey.worlds.game.paths import FAR, Cell, Paths


@dataclass(frozen=True)
class Policy:
    """What an agent wants, and how it goes about it."""

    name: str
    wants: str
    """goal, items, monsters, anywhere or rest."""
    items: float = 1.0
    """Worth of a coin that lies on the way, in tiles of way."""
    stomps: float = 0.0
    """Worth of a monster that it falls on."""
    fear: float = 30.0
    """Cost of being struck."""
    berth: float = 0.0
    """Cost of each frame within two tiles of a monster."""
    hurry: float = 0.5
    """How often it runs where it could walk, 0..1."""
    slips: float = 0.0
    """How often it does something at random, 0..1 a decision."""


POLICIES = {
    policy.name: policy
    for policy in (
        Policy("runner", "goal", items=0.3, hurry=1.0),
        Policy("collector", "items", items=4.0, hurry=0.4),
        Policy("hunter", "monsters", items=0.2, stomps=12.0, fear=12.0, hurry=0.5),
        Policy("cautious", "goal", items=0.5, fear=60.0, berth=0.35, hurry=0.0),
        Policy("explorer", "anywhere", items=0.5, hurry=0.5),
        Policy("loiterer", "rest", items=0.0, berth=0.2, hurry=0.0),
        Policy("clumsy", "goal", items=0.3, fear=0.0, hurry=0.7, slips=0.35),
    )
}
DECIDE = 6
"""Frames between two decisions."""
AHEAD = 34
"""Frames that a plan is looked ahead."""


@dataclass(frozen=True)
class Plan:
    """What is done over the next frames."""

    side: int = 0
    """-1 to the left, 1 to the right."""
    hold: int = 0
    """So many frames the jump key is held; 0: no jump."""
    after: int = 0
    """The jump begins after so many frames."""
    until: int = AHEAD
    """It goes to its side for so many frames, then stands."""
    run: bool = False
    climb: int = 0
    duck: bool = False

    def action(self, n: int) -> Action:
        """In its n-th frame."""
        jump = self.after <= n < self.after + self.hold
        return Action(self.side if n < self.until else 0, jump, self.run, self.climb, self.duck)


_JUMPS = (
    (0, 0, AHEAD), (0, 0, DECIDE), (5, 0, AHEAD), (18, 0, AHEAD), (18, 0, 15), (18, 6, AHEAD), (18, 12, AHEAD),
)  # fmt: skip
_PLANS = (
    [Plan()]
    + [
        Plan(side, hold, after, until, run)
        for run in (False, True)
        for side in (1, -1)
        for hold, after, until in _JUMPS
    ]
    + [Plan(0, 18), Plan(climb=-1), Plan(climb=1), Plan(1, climb=-1), Plan(-1, climb=-1)]
)


class Agent:
    """Plays a game by a policy; the same seed plays the same way."""

    def __init__(self, policy: str, seed: int) -> None:
        self.policy = POLICIES[policy]
        self._rng = np.random.default_rng([seed, sorted(POLICIES).index(policy), 0xA6E7])
        self._plan, self._since = Plan(), DECIDE
        self._paths: Paths | None = None
        self._way: dict[Cell, float] = {}
        self._goals: frozenset[Cell] = frozenset()
        self._target: Cell | None = None
        self._until = 0
        self._count = -1
        self._given_up: set[int] = set()
        self._idle = Plan()

    def act(self, game: Game) -> Action:
        """What to do in the next frame."""
        if self._paths is None:
            self._paths = Paths(game.ground)
        # A jump that is put off is made: else it would be put off for ever.
        if self._since >= DECIDE and not (self._plan.hold and self._since < self._plan.after + self._plan.hold):
            self._plan, self._since = self._decide(game), 0
        action = self._plan.action(self._since)
        self._since += 1
        return action

    def _decide(self, game: Game) -> Plan:
        if self.policy.slips and self._rng.random() < self.policy.slips:
            return _PLANS[int(self._rng.integers(len(_PLANS)))]
        if self.policy.wants == "rest":
            return self._rest(game)
        self._aim(game)
        return self._best(game)

    def _best(self, game: Game) -> Plan:
        hurried = self._rng.random() < self.policy.hurry
        # A hair's breadth of chance between plans that come to the same.
        chance = self._rng.random(len(_PLANS)) * 0.3
        plans = [(n, plan) for n, plan in enumerate(_PLANS) if hurried or not plan.run]
        body = game.body
        ladder = body.climbing or any(game.ground.has_ladder(body.x, body.y + dy) for dy in (-0.4, -0.02, 0.1))
        if not ladder:
            plans = [(n, plan) for n, plan in plans if not plan.climb]
        monsters = [
            (n, monster)
            for n, monster in enumerate(game.level.monsters)
            if n not in game.dead and monster.left - 8 < body.x < monster.right + 8
        ]
        near = [(item.x, item.y) for item in (game.level.items[n] for n in game.items) if abs(item.x - body.x) < 7]
        worths = [(self._worth(game, plan, monsters, near) + chance[n], -n, plan) for n, plan in plans]
        return max(worths, key=lambda worth: worth[:2])[2]

    def _worth(
        self, game: Game, plan: Plan, monsters: list[tuple[int, Monster]], items: list[tuple[float, float]]
    ) -> float:
        policy, ground = self.policy, game.ground
        body = game.body.copy()
        worth = 0.0
        taken, ended = [False] * len(items), set[int]()
        safe = game.safe
        for n in range(AHEAD):
            # After its jump a plan walks on; the last frames are without the key.
            move(body, plan.action(n), ground)
            later = 1 - 0.01 * n
            x, y = body.x, body.y
            for k, (item_x, item_y) in enumerate(items):
                if not taken[k] and -0.6 < item_x - x < 0.6 and -0.75 < item_y - y + 0.45 < 0.75:
                    taken[k] = True
                    worth += policy.items * later
            if n % 2 == 0 or n < 12:
                for k, monster in monsters:
                    if k in ended:
                        continue
                    mx, my, _ = monster.at(game.t + n)
                    if policy.berth and -2 < mx - x < 2 and -2 < my - y < 2:
                        worth -= policy.berth
                    if -0.65 < mx - x < 0.65 and my - 0.8 <= y and y - TALL <= my:
                        if monster.kind in STOMPABLE and body.vy > 0.02 and y < my - 0.25:
                            worth += policy.stomps * later
                            ended.add(k)
                            body.vy, body.grounded = -0.24, False
                        elif n >= safe and policy.fear:
                            return worth - policy.fear * later - self._left(body)
            if policy.fear and (ground.is_deadly(x, y - 0.1) or ground.is_deadly(x, y + 0.02)):
                return worth - 2 * policy.fear * later - self._left(body)
        return worth - self._left(body) - (0.4 if not body.grounded and not body.climbing else 0.0)

    def _left(self, body: Body) -> float:
        """How much way is left from where a plan ends."""
        assert self._paths is not None
        cell = self._paths.under(body.x, body.y)
        if cell is None:
            return 60.0
        way = self._way.get(cell, 80.0)
        best = min((self._way.get((cell[0] + side, cell[1]), FAR) for side in (-1, 1)), default=FAR)
        if best < way:  # part of the way to the next place
            ahead = 1 if self._way.get((cell[0] + 1, cell[1]), FAR) == best else -1
            way -= max(0.0, min(1.0, (body.x - cell[0] - 0.5) * ahead)) * 0.9
        if self._way.get((cell[0], cell[1] - 1), FAR) < way:  # up a ladder
            way -= max(0.0, min(0.9, cell[1] + 1 - body.y)) * 0.9
        return way

    def _aim(self, game: Game) -> None:
        """Find the way to what it wants, where that has changed."""
        assert self._paths is not None
        goals = frozenset(self._goals_of(game))
        if goals != self._goals or not self._way:
            self._goals, self._way = goals, self._paths.distances(goals)

    def _goals_of(self, game: Game) -> list[Cell]:
        assert self._paths is not None
        end = [cell for cell in self._paths.cells if cell[0] == game.ground.width - 2]
        here = self._paths.under(game.body.x, game.body.y)
        if self.policy.wants == "items":
            found = {n: (game.level.items[n].x, game.level.items[n].y) for n in sorted(game.items)}
            return self._hunted(game, found) or end
        if self.policy.wants == "monsters":
            alive = {n: (x, y) for n, x, y, _ in game.monsters(game.t) if game.level.monsters[n].kind in STOMPABLE}
            return self._hunted(game, alive) or end
        if self.policy.wants == "anywhere":
            if self._target is None or here == self._target or game.t > self._until:
                cells = sorted(self._paths.cells)
                self._target = cells[int(self._rng.integers(len(cells)))]
                self._until = game.t + 6 * FPS
            return [self._target]
        return end

    def _hunted(self, game: Game, there: dict[int, tuple[float, float]]) -> list[Cell]:
        """Where those are that are there and not given up: what stays out of reach for a while is."""
        assert self._paths is not None
        if len(there) != self._count or game.t > self._until:
            if len(there) == self._count and there:
                near = min(there, key=lambda n: abs(there[n][0] - game.body.x) + abs(there[n][1] - game.body.y))
                self._given_up.add(near)
            self._count, self._until = len(there), game.t + 5 * FPS
        cells = [self._paths.under(*place) for n, place in there.items() if n not in self._given_up]
        return [cell for cell in cells if cell is not None]

    def _rest(self, game: Game) -> Plan:
        """Stand, look about, hop, duck, stroll a little, and out of the way of what comes."""
        if game.t >= self._until:
            self._until = game.t + int(self._rng.integers(10, 60))
            kinds = (Plan(), Plan(duck=True), Plan(0, 18), Plan(1), Plan(-1), Plan(1, 5), Plan(-1, 5))
            self._idle = kinds[int(self._rng.integers(len(kinds)))]
        self._way = {}
        near = [
            monster
            for n, monster in enumerate(game.level.monsters)
            if n not in game.dead and abs(monster.at(game.t)[0] - game.body.x) < 3.5
        ]
        if near:
            self._aim(game)
            return self._best(game)
        ahead = game.body.x + 1.2 * self._idle.side
        if self._idle.side and self._paths is not None and self._paths.under(ahead, game.body.y) is None:
            return Plan(-self._idle.side)
        return self._idle
