"""Plots as inline SVG, without a library: they scale with the page and take its colours, in light and in dark.

Each function returns markup in which every text is escaped. Colours are classes of the page's style (`tone-kept`,
`tone-out`, `tone-model` ...); meaning never hangs on colour alone: series are named beside it, and each plot says in
words what it shows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_HISTOGRAM = (340, 180)
_CURVES = (460, 240)
_TEXT = 11  # size of the small letters, in the plot's own units
_WIDTH_OF_LETTER = 5.8


@dataclass(frozen=True)
class Series:
    """Values of one group of things, for a histogram."""

    name: str
    tone: str
    values: Sequence[float]


@dataclass(frozen=True)
class Line:
    """A curve: points by rising x. `faint` for what stands behind, `dots` for what was measured at few places."""

    name: str
    tone: str
    x: Sequence[float]
    y: Sequence[float]
    faint: bool = False
    dots: bool = False


@dataclass(frozen=True)
class Mark:
    """A vertical line with a word, such as a threshold."""

    at: float
    text: str


@dataclass(frozen=True)
class Whisker:
    """A value with its interval, in a row of its own."""

    name: str
    tone: str
    value: float
    low: float | None
    high: float | None


def histogram(
    series: Sequence[Series], *, label: str, unit: str = "", marks: Sequence[Mark] = (), bins: int = 24
) -> Markup:
    """Stacked counts. Where the values spread over more than a decade the axis is logarithmic above their median.

    Args:
        label: what is counted, for those who cannot see it.
        unit: of the values.
    """
    values = [value for one in series for value in one.values]
    if not values:
        return Markup("")
    width, height = _HISTOGRAM
    left, right, top, bottom = 30, 8, 16 + 13 * max(0, len(marks) - 1), 34
    axis = Axis.of([*values, *(mark.at for mark in marks)], left, width - right)
    edges = [axis.start + (axis.end - axis.start) * n / bins for n in range(bins + 1)]
    counts = [_counts(one.values, axis, bins) for one in series]
    tallest = max(sum(column) for column in zip(*counts, strict=True))
    scale = (height - top - bottom) / tallest
    parts = [
        grid_line(left, width - right, height - bottom - value * scale, f"{value:g}") for value in _whole_ticks(tallest)
    ]
    step = edges[1] - edges[0]
    for n in range(bins):
        y = float(height - bottom)
        for one, column in zip(series, counts, strict=True):
            if column[n]:
                tall = column[n] * scale
                y -= tall
                parts.append(
                    Markup('<rect class="fill {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                        one.tone, edges[n] + 0.5, y, max(step - 1, 0.8), tall
                    )
                )
    parts += _bottom_axis(axis, height - bottom, unit)
    for row, mark in enumerate(sorted(marks, key=lambda mark: mark.at)):
        parts.append(_mark(axis(mark.at), 12 + 13 * row, height - bottom, mark.text, width))
    return drawing(width, height, label, parts)


def curves(lines: Sequence[Line], *, label: str, x_name: str, y_name: str) -> Markup:
    """Lines over a common x. The y axis shows the lines that are not faint; what of a faint one lies beyond is cut
    off."""
    drawn = [line for line in lines if len(line.x)]
    if not drawn:
        return Markup("")
    width, height = _CURVES
    left, right, top, bottom = 44, 10, 12, 36
    strong = [y for line in drawn if not line.faint for y in line.y] or [y for line in drawn for y in line.y]
    low, high = min(strong), max(strong)
    pad = (high - low) * 0.12 or abs(high) * 0.1 or 1.0
    low, high = (max(0.0, low - pad) if low >= 0 else low - pad), high + pad
    first, last = min(line.x[0] for line in drawn), max(line.x[-1] for line in drawn)

    def place(x: float, y: float) -> tuple[float, float]:
        across = left + (width - left - right) * ((x - first) / (last - first) if last > first else 0.5)
        return across, height - bottom - (height - top - bottom) * (min(max(y, low), high) - low) / (high - low)

    parts = [grid_line(left, width - right, place(first, tick)[1], numbered(tick)) for tick in ticks(low, high, 4)]
    for tick in ticks(first, last, 5):
        parts.append(written(place(tick, low)[0], height - bottom + 15, numbered(tick), "middle"))
    parts.append(written(width - right, height - 4, x_name, "end"))
    parts.append(written(left, top - 2, y_name, "start"))
    for line in sorted(drawn, key=lambda line: not line.faint):
        points = [place(x, y) for x, y in zip(line.x, line.y, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        kind = "faint" if line.faint else "strong"
        parts.append(Markup('<polyline class="line {} {}" points="{}"/>').format(kind, line.tone, path))
        if line.dots:
            parts += [
                Markup('<circle class="fill {}" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(line.tone, x, y)
                for x, y in points
            ]
    return drawing(width, height, label, parts)


def whiskers(rows: Sequence[Whisker], *, label: str, unit: str = "") -> Markup:
    """One row a value: a dot and its interval, on a common axis, with the value in figures at the right."""
    if not rows:
        return Markup("")
    width, row_height, top, bottom = 460, 24, 6, 34
    left, right = 158, 58
    height = top + row_height * len(rows) + bottom
    ends = [end for row in rows for end in (row.value, row.low, row.high) if end is not None]
    low, high = min(ends), max(ends)
    pad = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    axis = Axis(low - pad, high + pad, left, width - right)
    base = height - bottom
    parts = []
    for tick in ticks(axis.low, axis.high, 5):
        x = axis(tick)
        parts.append(Markup('<line class="grid" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>').format(x, top, base))
        parts.append(written(x, base + 14, numbered(tick), "middle"))
    parts.append(written(width - right, height - 5, unit, "end"))
    for n, row in enumerate(rows):
        y = top + row_height * (n + 0.5)
        parts.append(written(left - 10, y + 4, row.name, "end", "name"))
        if row.low is not None and row.high is not None:
            parts.append(
                Markup('<line class="whisker {}" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
                    row.tone, axis(row.low), axis(row.high), y, y
                )
            )
        parts.append(
            Markup('<circle class="fill {}" cx="{:.1f}" cy="{:.1f}" r="4.5"/>').format(row.tone, axis(row.value), y)
        )
        parts.append(written(width - 2, y + 4, short(row.value), "end", "name"))
    return drawing(width, height, label, parts)


@dataclass(frozen=True)
class Axis:
    """Values to places between `start` and `end`: linear, or logarithmic above `bend` and linear below it."""

    low: float
    high: float
    start: float
    end: float
    bend: float | None = None

    @classmethod
    def of(cls, values: Sequence[float], start: float, end: float) -> "Axis":
        """An axis that holds the values: logarithmic if they are not negative and the largest is ten times the median
        or more."""
        ordered = sorted(values)
        low, high, middle = ordered[0], ordered[-1], ordered[len(ordered) // 2]
        if low >= 0 and middle > 0 and high >= 10 * middle:
            return cls(0.0, high, start, end, middle)
        if low >= 0 and low < 0.5 * high:
            low = 0.0
        if high <= low:
            low, high = low - (abs(low) or 1) * 0.5, high + (abs(high) or 1) * 0.5
        return cls(low, high, start, end)

    def share(self, value: float) -> float:
        """0 at the low end, 1 at the high one."""
        if self.bend is None:
            return (value - self.low) / (self.high - self.low)
        return math.log1p(value / self.bend) / math.log1p(self.high / self.bend)

    def __call__(self, value: float) -> float:
        return self.start + (self.end - self.start) * min(max(self.share(value), 0.0), 1.0)

    def ticks(self) -> list[float]:
        """Round values to write on it, far enough apart to be read."""
        if self.bend is None:
            return ticks(self.low, self.high, 5)
        decades = range(math.floor(math.log10(self.bend)) - 1, math.ceil(math.log10(self.high)) + 1)
        candidates = [0.0] + [digit * 10.0**power for power in decades for digit in (1, 2, 5)]
        chosen: list[float] = []
        for value in candidates:
            if value <= self.high and (not chosen or self(value) - self(chosen[-1]) > 38):
                chosen.append(value)
        return chosen


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round values between two ends, about so many: steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """A number for a reader: three figures, or two places, and a true minus."""
    if value == 0 or not math.isfinite(value):
        text = f"{value:g}"
    elif abs(value) >= 100 or value == round(value):
        text = f"{value:.0f}"
    elif abs(value) >= 10:
        text = f"{value:.1f}"
    elif abs(value) >= 0.1:
        text = f"{value:.2f}"
    else:
        text = f"{value:.2g}"
    return text.replace("-", "\N{MINUS SIGN}", 1) if text.startswith("-") else text


def numbered(value: float) -> str:
    """A tick's figures."""
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    return f"{round(value, 10):g}".replace("-", "\N{MINUS SIGN}", 1)


def _counts(values: Sequence[float], axis: Axis, bins: int) -> list[int]:
    counts = [0] * bins
    for value in values:
        counts[min(max(int(axis.share(value) * bins), 0), bins - 1)] += 1
    return counts


def _whole_ticks(tallest: int) -> list[float]:
    return [tick for tick in ticks(0, tallest, 3) if tick == int(tick)]


def _bottom_axis(axis: Axis, y: float, unit: str) -> list[Markup]:
    parts = [Markup('<line class="axis" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(axis.start, axis.end, y, y)]
    parts += [written(axis(tick), y + 15, numbered(tick), "middle") for tick in axis.ticks()]
    if unit:
        parts.append(written(axis.end, y + 29, unit, "end"))
    return parts


def _mark(x: float, y: float, bottom: float, text: str, width: float) -> Markup:
    room = len(text) * _WIDTH_OF_LETTER + 6
    anchor, at = ("start", x + 5) if x + room < width else ("end", x - 5)
    return Markup('<line class="mark" x1="{0:.1f}" x2="{0:.1f}" y1="{1:.1f}" y2="{2:.1f}"/>').format(
        x, y - 9, bottom
    ) + written(at, y, text, anchor, "marked")


def grid_line(left: float, right: float, y: float, text: str) -> Markup:
    """A line across with its figures at the left."""
    line = Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(left, right, y, y)
    return line + written(left - 5, y + 4, text, "end")


def written(x: float, y: float, text: str, anchor: str, kind: str = "") -> Markup:
    """A word at a place; `anchor` is start, middle or end."""
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(kind, x, y, anchor, text)


def drawing(width: float, height: float, label: str, parts: Sequence[Markup], kind: str = "plot") -> Markup:
    """The parts as one picture, with its label for those who cannot see it."""
    head = Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}" font-size="{}">').format(
        kind, width, height, label, _TEXT
    )
    return head + Markup("<title>{}</title>").format(label) + Markup("").join(parts) + Markup("</svg>")


def legend(series: Sequence[Series | Line]) -> Markup:
    """The names of the series beside their colours."""
    return Markup('<p class="legend">{}</p>').format(
        Markup(" ").join(
            Markup('<span><i class="{}"></i>{}</span>').format(one.tone, escape(one.name)) for one in series
        )
    )
