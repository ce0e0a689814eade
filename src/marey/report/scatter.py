"""Two measures against each other, each with its interval: a plot for those that mean little alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from marey.report.plots import Axis, drawing, grid_line, numbered, ticks, written

_WIDTH, _HEIGHT = 460, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 16, 14, 38
_LINE = 14


@dataclass(frozen=True)
class Dot:
    """One thing by two measures, with the ends of their intervals."""

    name: str
    tone: str
    x: float
    y: float
    x_ends: tuple[float | None, float | None] = (None, None)
    y_ends: tuple[float | None, float | None] = (None, None)


def scatter(dots: Sequence[Dot], *, label: str, x_name: str, y_name: str) -> Markup:
    """A cross with a name each.

    Args:
        label: what it shows in words, for those who cannot see it.
    """
    if not dots:
        return Markup("")
    across = _axis([(dot.x, *dot.x_ends) for dot in dots], _LEFT, _WIDTH - _RIGHT)
    up = _axis([(dot.y, *dot.y_ends) for dot in dots], _HEIGHT - _BOTTOM, _TOP)
    parts = []
    for tick in ticks(up.low, up.high, 5):
        parts.append(grid_line(_LEFT, _WIDTH - _RIGHT, up(tick), numbered(tick)))
    for tick in ticks(across.low, across.high, 5):
        parts.append(
            Markup('<line class="grid" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>').format(
                across(tick), _TOP, _HEIGHT - _BOTTOM
            )
        )
        parts.append(written(across(tick), _HEIGHT - _BOTTOM + 15, numbered(tick), "middle"))
    parts.append(written(_WIDTH - _RIGHT, _HEIGHT - 5, x_name, "end"))
    if y_name:
        parts.append(written(_LEFT, _TOP - 4, y_name, "start"))
    for dot in dots:
        x, y = across(dot.x), up(dot.y)
        for ends, axis, line in (
            (dot.x_ends, across, '<line class="whisker {0}" x1="{1:.1f}" x2="{2:.1f}" y1="{3:.1f}" y2="{3:.1f}"/>'),
            (dot.y_ends, up, '<line class="whisker {0}" y1="{1:.1f}" y2="{2:.1f}" x1="{3:.1f}" x2="{3:.1f}"/>'),
        ):
            if ends[0] is not None and ends[1] is not None:
                parts.append(Markup(line).format(dot.tone, axis(ends[0]), axis(ends[1]), y if axis is across else x))
    placed: list[tuple[float, float]] = []
    for dot in sorted(dots, key=lambda one: -one.y):
        x, y = across(dot.x), up(dot.y)
        parts.append(Markup('<circle class="fill {}" cx="{:.1f}" cy="{:.1f}" r="5"/>').format(dot.tone, x, y))
        left = x > 0.62 * _WIDTH
        at = y - 8
        while any(abs(at - other) < _LINE and abs(x - beside) < 0.45 * _WIDTH for beside, other in placed):
            at += _LINE
        at = min(at, _HEIGHT - _BOTTOM - 4)
        placed.append((x, at))
        parts.append(written(x - 9 if left else x + 9, at, dot.name, "end" if left else "start", "name"))
    return drawing(_WIDTH, _HEIGHT, label, parts, "scatter")


def _axis(values: Sequence[tuple[float | None, ...]], start: float, end: float) -> Axis:
    there = [value for row in values for value in row if value is not None]
    low, high = min(there), max(there)
    pad = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
    return Axis(low - pad, high + pad, start, end)
