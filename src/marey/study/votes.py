"""Votes into the catalog and out of it. Whatever comes from a page or a file is looked at before it is believed."""

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from marey.catalog import Library
from marey.errors import MareyError
from marey.study.ballots import Ballots
from marey.study.design import REHEARSAL, Design

MOST_BYTES = 64 * 2**20
NICKNAME = 40
FORMAT = 1
_ID = r"^[0-9a-f]{16}$"
CARELESS = 0.25
"""Voters who get more than this share of the attention checks wrong, and at least two, are left out."""


class Vote(BaseModel):
    """One choice, as a page sends it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    key: str = Field(pattern=r"^[0-9a-zA-Z-]{8,64}$")
    """Drawn by the page: the same vote sent twice is one."""
    left: str = Field(pattern=_ID)
    right: str = Field(pattern=_ID)
    question: str = Field(max_length=40)
    choice: Literal["left", "right", "tie"]
    milliseconds: int | None = Field(None, ge=0, le=10**9)
    made: datetime


class Sheet(BaseModel):
    """A file of votes, or what a page sends."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    marey_votes: Literal[1]
    study: str = Field(max_length=80)
    voter: str = Field(max_length=400)
    votes: list[Any] = Field(max_length=100_000)


@dataclass(frozen=True)
class Taken:
    """What became of some votes."""

    new: int
    known: int
    """Votes that were there already, by their key."""
    refused: dict[str, int] = field(default_factory=dict)
    """Votes that were not believed, by reason."""

    def __str__(self) -> str:
        text = f"{self.new} votes taken"
        text += f", {self.known} were there already" if self.known else ""
        return text + "".join(f"; {count} refused: {why}" for why, count in self.refused.items())


def import_votes(library: Library, design: Design, path: Path) -> Taken:
    """Take in a file of votes, as the offline page saves it.

    Raises:
        MareyError: it is no such file, or of another study. A single bad vote costs itself alone.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise MareyError(
                f"{path} is larger than {MOST_BYTES >> 20} MB: a file that the voting page saved would do."
            )
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or "it is no JSON"
        raise MareyError(f"{path} cannot be read ({reason}): a file that the voting page saved would do.") from error
    return take(library, design, table, str(path))


def take(library: Library, design: Design, table: Any, where: str) -> Taken:
    """Take in one voter's votes: a `Sheet` as JSON gives it.

    Raises:
        MareyError: it is no sheet, or of another study, or the nickname will not do.
    """
    try:
        sheet = Sheet.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise MareyError(
            f"{where} holds no votes ({place}: {first['msg'].lower()}): a file that the voting page saved would do."
        ) from error
    if sheet.study != design.name:
        raise MareyError(f"{where} has votes of the study {sheet.study[:80]!r}, not of {design.name!r}.")
    voter = nickname(sheet.voter)
    return put(library, design, voter, sheet.votes)


def put(library: Library, design: Design, voter: str, votes: Iterable[Any], study: str = "") -> Taken:
    """Write down those votes that are sound and new."""
    refused: Counter[str] = Counter()
    rows: dict[str, dict[str, Any]] = {}
    known = 0
    there = {row["key"] for row in library.rows("select key from votes where key is not null")}
    for said in votes:
        try:
            vote = said if isinstance(said, Vote) else Vote.model_validate(said)
        except ValidationError as error:
            first = error.errors()[0]
            refused[f"{'.'.join(str(part) for part in first['loc']) or 'vote'}: {first['msg'].lower()}"] += 1
            continue
        row, why = _row(design, vote, voter, study or design.name)
        if why:
            refused[why] += 1
        elif vote.key in there or vote.key in rows:
            known += 1
        else:
            rows[vote.key] = row
    library.put("votes", rows.values())
    return Taken(len(rows), known, dict(refused))


def undo(library: Library, design: Design, voter: str, key: str) -> bool:
    """Take a vote back, if it is this voter's."""
    return bool(library.delete("votes", study=design.name, voter=nickname(voter), key=key))


def nickname(said: str) -> str:
    """A nickname as it is kept: composed, without control characters and white space around.

    Raises:
        MareyError: nothing is left, or it is too long.
    """
    plain = "".join(letter for letter in unicodedata.normalize("NFC", said) if unicodedata.category(letter)[0] != "C")
    plain = " ".join(plain.split())
    if not 1 <= len(plain) <= NICKNAME:
        raise MareyError(f"The nickname {plain[:60]!r} will not do: 1 to {NICKNAME} letters would.")
    return plain


@dataclass(frozen=True)
class Told:
    """The votes of a study, ready to be rated."""

    questions: dict[str, Ballots]
    voters: dict[str, int]
    """Votes by voter, those that were left out too."""
    left_out: dict[str, str]
    """Voters whose votes do not count, and why."""
    checks: tuple[int, int]
    """Attention checks: passed, and in all."""
    older: int = 0
    """Votes on videos of an earlier plan, which are not counted."""


def told(library: Library, design: Design, *, rehearsal: bool = False, all_voters: bool = False) -> Told:
    """The votes of a study on videos that it still has, without those of voters who did not look.

    Args:
        rehearsal: those of simulated voters instead.
        all_voters: count the votes of careless voters too.
    """
    study = design.name + (REHEARSAL if rehearsal else "")
    # In the order of the keys, which are drawn at random: the result does not depend on which file came first.
    every = library.rows("select * from votes where study = ? order by key, id", study)
    rows = [row for row in every if design.video(row["left_video"]) and design.video(row["right_video"])]
    passed: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for row in rows:
        if row["expected"]:
            asked[row["voter"]] += 1
            passed[row["voter"]] += row["choice"] == row["expected"]
    left_out = {
        voter: f"{count - passed[voter]} of {count} attention checks wrong"
        for voter, count in sorted(asked.items())
        if count - passed[voter] >= 2 and count - passed[voter] > CARELESS * count
    }
    arms = [arm.name for arm in design.arms]
    score = {"left": 1.0, "right": 0.0, "tie": 0.5}
    prompts = [prompt.id for prompt in design.prompts]
    number: dict[str, int] = {}
    columns: dict[str, list[tuple[str, str, float, str, str]]] = {question: [] for question in design.questions}
    voters: Counter[str] = Counter()
    for row in rows:
        if row["expected"] or row["question"] not in columns:
            continue
        voters[row["voter"]] += 1
        number.setdefault(row["voter"], len(number))
        careless = row["voter"] in left_out and not all_voters
        if careless:
            continue
        columns[row["question"]].append(
            (row["left_arm"], row["right_arm"], score[row["choice"]], row["prompt"], row["voter"])
        )
    questions = {question: _numbered(arms, votes, prompts, number) for question, votes in columns.items()}
    checks = sum(passed.values()), sum(asked.values())
    return Told(questions, dict(voters), left_out, checks, len(every) - len(rows))


def _numbered(
    arms: list[str], votes: list[tuple[str, str, float, str, str]], prompts: list[str], voters: Mapping[str, int]
) -> Ballots:
    """Voters are numbered alike for all questions."""
    return Ballots.of(arms, [(*vote[:4], vote[4]) for vote in votes], prompts, list(voters))


def _row(design: Design, vote: Vote, voter: str, study: str) -> tuple[dict[str, Any], str]:
    left, right = design.video(vote.left), design.video(vote.right)
    if left is None or right is None:
        return {}, "a video that the study does not have"
    if vote.question not in design.questions:
        return {}, "a question that the study does not ask"
    expected = design.check(vote.left, vote.right, vote.question)
    if not expected and (left.prompt != right.prompt or left.arm == right.arm or not left.arm or not right.arm):
        return {}, "two videos that are not compared"
    return {
        "study": study,
        "left_video": left.id,
        "right_video": right.id,
        "question": vote.question,
        "choice": vote.choice,
        "voter": voter,
        "milliseconds": vote.milliseconds,
        "made": vote.made.isoformat(timespec="seconds"),
        "key": vote.key,
        "prompt": left.prompt,
        "left_arm": left.arm,
        "right_arm": right.arm,
        "expected": expected,
    }, ""
