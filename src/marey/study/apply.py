"""The thresholds that people prefer, written back into the recipe: only where the intervals tell them apart."""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marey.errors import MareyError
from marey.recipe import Recipe
from marey.study.design import Arm, Design
from marey.study.rating import Rating


@dataclass(frozen=True)
class Choice:
    """What the votes say of one axis."""

    axis: str
    share: float | None
    """Percent to drop; 0: nothing. None: the votes do not say."""
    why: str


@dataclass(frozen=True)
class Applied:
    """A recipe before and after."""

    recipe: str
    choices: tuple[Choice, ...]
    diff: str
    """As `diff -u` shows it; empty if nothing changes."""
    text: str
    """The recipe as it would be."""

    def __str__(self) -> str:
        lines = [f"{choice.axis}: {choice.why}" for choice in self.choices]
        return "\n".join([*lines, "", self.diff.rstrip() or "The recipe stays as it is."])


def choose(design: Design, rating: Rating) -> list[Choice]:
    """For each axis the mildest share that is better than leaving nothing out and no worse than the best.

    Raises:
        MareyError: the study has no arms that are subsets, or no baseline.
    """
    plain = [arm for arm in design.arms if not arm.name.endswith("-random")]
    axes = sorted({arm.axis for arm in plain if arm.axis})
    base = next((arm for arm in plain if not arm.axis), None)
    if not axes or base is None:
        raise MareyError(
            f"The study {design.name!r} compares no subsets with all clips: arms named unfiltered and AXIS-drop-SHARE "
            "would do."
        )
    verdicts = _verdicts(rating)
    strength = {one.arm: one.strength for one in rating.arms}
    return [_of_axis(axis, base, [arm for arm in plain if arm.axis == axis], verdicts, strength) for axis in axes]


def apply(recipe: Path, choices: Sequence[Choice]) -> Applied:
    """The recipe with the chosen shares under `select.drop`; its comments and all else stay. Nothing is written.

    Raises:
        MareyError: the recipe cannot be read, or its `drop` stands in a form that cannot be edited line by line.
    """
    before = recipe.read_text(encoding="utf-8")
    Recipe.open(recipe)  # it must be a good one before it is changed
    table = tomllib.loads(before)
    drop = dict(_flat(table.get("select", {}).get("drop", {})))
    wanted = dict(drop)
    for choice in choices:
        if choice.share:
            wanted[choice.axis] = choice.share
        elif choice.share == 0:
            wanted.pop(choice.axis, None)
    after = before if wanted == drop else _edited(before, wanted)
    if not _is(after, wanted, table):
        line = f"drop = {_inline(wanted)}"
        raise MareyError(f"{recipe} has its drop in a form that is not edited: under [select], {line} would do.")
    diff = difflib.unified_diff(before.splitlines(True), after.splitlines(True), str(recipe), str(recipe))
    return Applied(str(recipe), tuple(choices), "".join(diff), after)


def write(applied: Applied, out: Path) -> None:
    """Write the changed recipe, as a whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.tmp")
    part.write_text(applied.text, encoding="utf-8")
    os.replace(part, out)


def _of_axis(
    axis: str, base: Arm, arms: list[Arm], verdicts: Mapping[tuple[str, str], str], strength: Mapping[str, float]
) -> Choice:
    best = max([base, *arms], key=lambda arm: strength[arm.name])
    if best is base:
        if all(verdicts.get((base.name, arm.name)) == "better" for arm in arms):
            return Choice(axis, 0.0, "leaving nothing out is better than each share that was tried: the rule goes")
        return Choice(axis, None, "no share is better than leaving nothing out, nor surely worse: as it was")
    better = [arm for arm in arms if verdicts.get((arm.name, base.name)) == "better"]
    if not better:
        return Choice(
            axis, None, f"{best.share:g} % looks best, but is not distinguishable from leaving nothing out: as it was"
        )
    good = [arm for arm in better if arm is best or verdicts.get((arm.name, best.name)) != "worse"]
    mildest = min(good, key=lambda arm: arm.share)
    why = f"drop {mildest.share:g} %: better than leaving nothing out"
    if mildest is not best:
        why += f", and not distinguishable from {best.share:g} %, which looks best but leaves fewer clips"
    twin = f"{mildest.name}-random"
    if (mildest.name, twin) in verdicts and verdicts[mildest.name, twin] != "better":
        why += "; a random subset of the same size does as well, so it may be the number of clips alone"
    return Choice(axis, mildest.share, why)


def _verdicts(rating: Rating) -> dict[tuple[str, str], str]:
    turned = {"better": "worse", "worse": "better"}
    there = {(one.first, one.second): str(one.verdict) for one in rating.pairs}
    return there | {(b, a): turned.get(verdict, verdict) for (a, b), verdict in there.items()}


def _is(text: str, drop: Mapping[str, float], before: Mapping[str, Any]) -> bool:
    """Whether the text has this drop, and all else as before."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    found = dict(_flat(table.get("select", {}).get("drop", {})))
    return found == drop and _without_drop(table) == _without_drop(before)


def _edited(text: str, drop: Mapping[str, float]) -> str:
    """The recipe's text with another `drop`: an inline table in [select], or a line of [select.drop] for each."""
    lines = text.splitlines(keepends=True)
    inner = _section(lines, "select.drop")
    if inner is not None:
        return "".join(_as_lines(lines, *inner, drop))
    outer = _section(lines, "select")
    if outer is None:
        end = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{end}\n[select]\ndrop = {_inline(drop)}\n"
    start, stop = outer
    for n in range(start, stop):
        found = re.match(r"(\s*drop\s*=\s*)\{[^{}]*\}(.*)", lines[n], re.DOTALL)
        if found:
            lines[n] = f"{found[1]}{_inline(drop)}{found[2]}"
            return "".join(lines)
    while stop > start and not lines[stop - 1].strip():
        stop -= 1
    if not lines[stop - 1].endswith("\n"):
        lines[stop - 1] += "\n"
    return "".join([*lines[:stop], f"drop = {_inline(drop)}\n", *lines[stop:]])


def _as_lines(lines: list[str], start: int, end: int, drop: Mapping[str, float]) -> list[str]:
    kept, left = [], dict(drop)
    for line in lines[start:end]:
        found = re.match(r"\s*([A-Za-z0-9_.\"' -]+?)\s*=\s*[-+0-9.eE]+(.*)", line, re.DOTALL)
        name = re.sub(r"[\"' ]", "", found[1]) if found else ""
        if not found:
            kept.append(line)
        elif name in left:
            kept.append(f"{found[1].strip()} = {left.pop(name):g}{found[2]}")
    body = len(kept)
    while body and not kept[body - 1].strip():
        body -= 1
    more = [f"{_key(name)} = {share:g}\n" for name, share in left.items()]
    return [*lines[:start], *kept[:body], *more, *kept[body:], *lines[end:]]


def _section(lines: Sequence[str], name: str) -> tuple[int, int] | None:
    """The lines of a section after its head, up to the next head."""
    heads = [(n, found[1].strip()) for n, line in enumerate(lines) if (found := re.match(r"\s*\[([^\[\]]+)\]", line))]
    for place, (n, head) in enumerate(heads):
        if head.replace(" ", "") == name:
            return n + 1, heads[place + 1][0] if place + 1 < len(heads) else len(lines)
    return None


def _inline(drop: Mapping[str, float]) -> str:
    return "{ " + ", ".join(f"{_key(name)} = {share:g}" for name, share in drop.items()) + " }" if drop else "{}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    """`text_area.max = 7` is a table in a table."""
    found: list[tuple[str, float]] = []
    for name, value in table.items():
        found += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", float(value))]
    return found


def _without_drop(table: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in table.items() if name != "select"}
    select = {name: value for name, value in table.get("select", {}).items() if name != "drop"}
    return {**rest, "select": select}
