"""The table and the curves of ablations, as Markdown and as pictures that stand by themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from marey.report.plots import Line, Whisker, curves, whiskers

_TONES = ("#2f6f8f", "#c0562f", "#6b8e3d", "#8a5fa8")
_STYLE = """<style>text{font-family:ui-sans-serif,system-ui,sans-serif;fill:#41454f}.grid{stroke:#dcd8ce}
.line{fill:none;stroke-width:2}.whisker{stroke-width:3}.better{fill:#2e7d4f;stroke:#2e7d4f}
.worse{fill:#b23a3a;stroke:#b23a3a}.open{fill:#8a8f99;stroke:#8a8f99}%s</style>"""
_VERDICTS = {"better": "better", "worse": "worse"}


@dataclass(frozen=True)
class Told:
    """One comparison, as a reader sees it."""

    claim: str
    says: str
    seeds: int
    verdict: str
    cells: Sequence[str]
    """Of each measure, what is to stand in its column."""
    value: float | None
    """Percent less loss, and the ends of its interval."""
    low: float | None
    high: float | None


def markdown(rows: Sequence[Told], claims: Mapping[str, str], columns: Sequence[str], notes: Sequence[str]) -> str:
    """A table a claim, with what a reader must know above it."""
    parts = [f"**{note}**\n" for note in notes if note]
    for claim, title in claims.items():
        those = [row for row in rows if row.claim == claim]
        if not those:
            continue
        head = ["", "seeds", "by the loss", *columns]
        parts.append(f"### ({claim}) {title}\n")
        parts.append(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
        parts += [f"| {' | '.join([row.says, str(row.seeds), row.verdict, *row.cells])} |" for row in those]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def arms_table(head: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> str:
    """A table of the arms themselves."""
    lines = [f"### {title}\n", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def gains(rows: Sequence[Told]) -> str:
    """By how much less loss, with intervals, as an SVG file; empty where there is nothing to show."""
    drawn = [
        Whisker(f"({row.claim}) {row.says}", _VERDICTS.get(row.verdict, "open"), row.value, row.low, row.high)
        for row in rows
        if row.value is not None
    ]
    return _standing(whiskers(drawn, label="percent less held-out loss, 95 % intervals", unit="% less"), (), 400)


def progress(arms: Mapping[str, Sequence[tuple[float, float]]], title: str) -> str:
    """Held-out loss by step of some arms, as an SVG file: points (step, loss)."""
    lines = [
        Line(name, f"tone{n}", [x for x, _ in points], [y for _, y in points], dots=True)
        for n, (name, points) in enumerate(arms.items())
        if points
    ]
    return _standing(curves(lines, label=title, x_name="step", y_name="held-out loss"), [line.name for line in lines])


def _standing(drawing: Markup, names: Sequence[str], margin: int = 0) -> str:
    """A drawing of a page as a file of its own: with its colours, a ground, names of the lines, and room at the left
    for long names."""
    if not drawing:
        return ""
    tones = "".join(
        f".tone{n}{{stroke:{tone}}}circle.tone{n},text.tone{n}{{fill:{tone};stroke:none}}"
        for n, tone in enumerate(_TONES)
    )
    head, _, body = str(drawing).partition(">")
    box: Any = head.split('viewBox="0 0 ')[1].split('"')[0].split()
    width, height = float(box[0]), float(box[1])
    left, tall = max(0, margin - 158), height + 16 * len(names)
    head = head.replace(f"0 0 {box[0]} {box[1]}", f"{-left} 0 {width + left:g} {tall:g}")
    head = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    ground = f'<rect x="{-left}" width="{width + left:g}" height="{tall:g}" fill="#faf9f6"/>'
    legend = "".join(
        str(Markup('<text class="tone{}" x="44" y="{:g}">{}</text>').format(n, height + 16 * n + 8, name))
        for n, name in enumerate(names)
    )
    return f"{head}>{_STYLE % tones}{ground}{body.removesuffix('</svg>')}{legend}</svg>\n"
