"""Who drops what: a selection's rules, what each leaves out together with others and alone, as a table to read."""

from collections.abc import Sequence

from marey.catalog.select import Selection, Threshold


def survivor_table(selection: Selection) -> str:
    """The rules of a selection: threshold, clips that fall to it, to it alone, and to it and each other rule.

    The last columns bear the numbers of the rules; where a rule meets itself, all of its clips stand.
    """
    total = len(selection.clips) + len(selection.dropped)
    lines = [f"{selection.name}: {len(selection.clips)} of {total} clips selected, {len(selection.dropped)} left out"]
    names = list(selection.matrix)
    if not names:
        return lines[0]
    head = ["", "rule", "drops below / above", "clips", "alone", *(f"&{n}" for n in range(1, len(names) + 1))]
    rows = [
        [
            str(n),
            _rule(name, selection.thresholds.get(name)),
            _limit(selection.thresholds.get(name)),
            str(selection.matrix[name][name]),
            str(selection.alone[name]),
            *(str(selection.matrix[name][other]) for other in names),
        ]
        for n, name in enumerate(names, 1)
    ]
    lines += ["", *columns([head, *rows], left=(1, 2))]
    lacking = {name: rule.missing for name, rule in selection.thresholds.items() if rule.missing}
    lines += [f"{count} clips lack what {name} looks at; they pass." for name, count in lacking.items()]
    return "\n".join(lines)


def columns(rows: Sequence[Sequence[str]], left: Sequence[int] = ()) -> list[str]:
    """Rows of cells as lines of equal columns; those of `left` are flush left, the others flush right."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if n in left else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _rule(name: str, threshold: Threshold | None) -> str:
    return f"{name} {threshold.percent:g} %" if threshold is not None and threshold.percent is not None else name


def _limit(threshold: Threshold | None) -> str:
    if threshold is None:
        return ""
    if threshold.value is None:
        return "no clip has it"
    return f"{'<' if threshold.side == 'low' else '>'} {threshold.value:.6g}"
