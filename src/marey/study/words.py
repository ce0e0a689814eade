"""A rating as a page of text: arms, pairs, and why shuffled votes say too little of the error."""

from collections.abc import Sequence

from marey.study.design import Design
from marey.study.rating import BOTH, Rating
from marey.study.votes import Told

QUESTIONS = {"quality": "visual quality", "prompt": "prompt following", BOTH: "both questions together"}


def page(design: Design, votes: Told, ratings: Sequence[Rating]) -> str:
    """All ratings, one after another, and whose votes were not counted."""
    passed, asked = votes.checks
    lines = [f"Study {design.name}: {len(design.arms)} arms, {len(design.prompts)} prompts"]
    if asked:
        lines.append(f"Attention checks: {passed} of {asked} passed")
    lines += [
        f"Not counted: {votes.voters.get(voter, 0)} votes of {voter!r}, {why}" for voter, why in votes.left_out.items()
    ]
    if votes.older:
        lines.append(f"Not counted: {votes.older} votes on videos of an earlier plan")
    return "\n\n".join(["\n".join(lines), *(told(rating) for rating in ratings)])


def why(rating: Rating) -> str:
    """Why the spread of shuffled votes is no error, with the figures of this rating."""
    errors = rating.errors
    times = errors.prompts / errors.shuffles if errors.shuffles > 0 else float("inf")
    return (
        f"Every shuffle holds the same {rating.votes} votes, so their spread ({errors.shuffles:.1f} points) only says "
        f"how much the order matters; other prompts and votes would move the strengths by {errors.prompts:.1f}, "
        f"{times:.1f} times as much."
    )


def told(rating: Rating) -> str:
    """One rating: its arms, its pairs, its errors and the votes still needed."""
    head = (
        f"{QUESTIONS.get(rating.question, rating.question)}: {rating.votes} votes ({rating.ties} ties) by "
        f"{rating.voters} voters on {rating.prompts} prompts"
    )
    if rating.agreement is not None:
        head += f"; agreement (Krippendorff's alpha) {rating.agreement:.2f}"
    share = f"{100 * rating.confidence:g} % interval"
    rows = [["arm", "votes", "Elo (K=1)", "± shuffles", "Bradley-Terry", share, "best"]]
    rows += [
        [
            one.arm,
            str(one.votes),
            f"{one.elo:.1f}",
            f"{one.elo_spread:.1f}",
            f"{one.strength:.0f}",
            f"{one.low:.0f} to {one.high:.0f}",
            f"{100 * one.best:.0f} %",
        ]
        for one in rating.arms
    ]
    pairs = [["pair", "difference", f"{share}, all pairs at once", "verdict", "won", "votes", "votes still needed"]]
    pairs += [
        [
            f"{one.first} - {one.second}",
            f"{one.difference:+.0f}",
            f"{one.low:+.0f} to {one.high:+.0f}",
            one.verdict,
            "" if one.won is None else f"{100 * one.won:.0f} %",
            str(one.votes),
            str(one.needed),
        ]
        for one in rating.pairs
    ]
    errors = [
        ["standard error of a strength, in points", ""],
        ["  shuffled orders of the same votes", f"{rating.errors.shuffles:.1f}"],
        ["  resampled votes", f"{rating.errors.votes:.1f}"],
        ["  resampled prompts", f"{rating.errors.prompts:.1f}"],
    ]
    wanted = (
        f"The intervals are {rating.width:.0f} points wide in the mean; for {rating.wanted:.0f} are still needed: "
        f"{rating.needed}."
    )
    parts = [head, _table(rows), _table(pairs, left=(0, 3, 6)), _table(errors) + "\n" + why(rating), wanted]
    return "\n\n".join([*parts, *(f"Note: {note}." for note in rating.notes)])


def _table(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> str:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if n in left else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)
