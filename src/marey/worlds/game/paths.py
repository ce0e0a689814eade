"""How far it is from anywhere in a level to a goal: walking, jumping, falling and climbing, by Dijkstra's algorithm."""

import heapq
from collections.abc import Iterable

from marey.worlds.game.hero import Ground

Cell = tuple[int, int]
"""Column and row of a place where the hero can be: its feet stand on the row's lower edge, or it hangs on a ladder."""

_UP, _ACROSS = 2, 3  # tiles that a jump takes
FAR = 1000.0


class Paths:
    """The places of a level and what leads from one to the other."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.cells = {
            (x, row) for row in range(1, ground.height - 1) for x in range(ground.width) if self._stands(x, row)
        }
        self._into: dict[Cell, list[tuple[Cell, float]]] = {cell: [] for cell in self.cells}
        for cell in self.cells:
            for other, cost in self._from(cell):
                self._into[other].append((cell, cost))

    def distances(self, goals: Iterable[Cell]) -> dict[Cell, float]:
        """From every place to the nearest of `goals`, in tiles walked or so; places that lead to none are left out."""
        far: dict[Cell, float] = {}
        heap = [(0.0, cell) for cell in sorted(set(goals)) if cell in self.cells]
        while heap:
            way, cell = heapq.heappop(heap)
            if cell in far:
                continue
            far[cell] = way
            for other, cost in self._into[cell]:
                if other not in far:
                    heapq.heappush(heap, (way + cost, other))
        return far

    def under(self, x: float, y: float) -> Cell | None:
        """The place that a body at this point is in or falls to; None over lava."""
        column, row = int(x), max(int(y - 0.02), 0)
        if not 0 <= column < self.ground.width:
            return None
        while row < self.ground.height - 1:
            if (column, row) in self.cells:
                return column, row
            row += 1
        return None

    def _free(self, x: int, row: int) -> bool:
        if not 0 <= x < self.ground.width or row >= self.ground.height:
            return False
        return row < 0 or not self.ground.solid[row][x + 1]

    def _ladder(self, x: int, row: int) -> bool:
        return 0 <= row < self.ground.height and self.ground.ladder[row][x + 1]

    def _stands(self, x: int, row: int) -> bool:
        if not self._free(x, row) or self.ground.deadly[row][x + 1]:
            return False
        below = row + 1
        return self._ladder(x, row) or not self._free(x, below) or self._ladder(x, below)

    def _from(self, cell: Cell) -> Iterable[tuple[Cell, float]]:
        x, row = cell
        for up in (-1, 1):
            if (self._ladder(x, row) or self._ladder(x, row + up)) and (x, row + up) in self.cells:
                yield (x, row + up), 1.3
        for side in (-1, 1):
            if (x + side, row) in self.cells:
                yield (x + side, row), 1.0
            elif self._free(x + side, row):
                landing = next((r for r in range(row, self.ground.height) if (x + side, r) in self.cells), None)
                if landing is not None and all(self._free(x + side, r) for r in range(row, landing)):
                    yield (x + side, landing), 1.0 + 0.3 * (landing - row)
            yield from self._jumps(x, row, side)

    def _jumps(self, x: int, row: int, side: int) -> Iterable[tuple[Cell, float]]:
        for up in range(-2, _UP + 1):
            top = row - max(up, 0)
            if not all(self._free(x, r) for r in range(top - 1, row + 1)):
                continue
            for across in range(1, _ACROSS + 2):
                there = (x + side * across, row - up)
                if there not in self.cells or (across == 1 and up <= 0):
                    continue
                over = range(x + side, there[0] + side, side)
                if all(self._free(c, r) for c in over for r in (top, top - 1)) and all(
                    self._free(there[0], r) for r in range(top, there[1] + 1)
                ):
                    yield there, across + 0.7 * abs(up) + 1.0
