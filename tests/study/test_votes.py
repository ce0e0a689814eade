"""Votes into the catalog: what is taken, what is refused, what counts once, and what is known of a voter."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marey.catalog import Library
from marey.errors import MareyError
from marey.study.design import Design, read
from marey.study.trials import trials
from marey.study.votes import import_votes, nickname, put, take, told, undo

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture
def store(library: Path) -> Iterator[Library]:
    with Library.open(library, write=True) as opened:
        yield opened


@pytest.fixture
def design(store: Library) -> Design:
    return read(store, "looks")


def vote(design: Design, n: int = 0, choice: str = "left", **more: Any) -> dict[str, Any]:
    arms = [arm.name for arm in design.arms]
    prompt = design.prompts[n % len(design.prompts)].id
    left, right = design.of(arms[0], prompt), design.of(arms[1 + n % 3], prompt)
    said = {"key": f"{n:032x}", "left": left, "right": right, "question": "quality", "choice": choice}
    return {**said, "milliseconds": 1200, "made": "2026-11-22T10:00:00Z", **more}


def sheet(design: Design, votes: list[Any], voter: str = "Ada") -> dict[str, Any]:
    return {"marey_votes": 1, "study": design.name, "voter": voter, "votes": votes}


def test_a_file_of_votes_becomes_rows_and_the_same_file_again_none(store, design, tmp_path):
    path = tmp_path / "votes.json"
    path.write_text(json.dumps(sheet(design, [vote(design, n) for n in range(5)])))
    assert (import_votes(store, design, path).new, import_votes(store, design, path).known) == (5, 5)
    rows = store.rows("select * from votes")
    assert len(rows) == 5
    assert {row["left_arm"] for row in rows} == {"motion-drop-12.5"}, "arms in the order of their folders"
    assert {row["voter"] for row in rows} == {"Ada"}
    personal = {
        "id",
        "study",
        "left_video",
        "right_video",
        "question",
        "choice",
        "voter",
        "milliseconds",
        "made",
        "key",
    }
    assert set(rows[0]) == personal | {"prompt", "left_arm", "right_arm", "expected"}


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"choice": "both"}, "choice"),
        ({"left": "0" * 16}, "does not have"),
        ({"left": "../../library.db"}, "left"),
        ({"question": "beauty"}, "does not ask"),
        ({"key": "x"}, "key"),
        ({"key": "'; drop table votes; --" * 2}, "key"),
        ({"milliseconds": -5}, "milliseconds"),
        ({"made": "yesterday"}, "made"),
    ],
)
def test_a_bad_vote_costs_itself_alone(store, design, wrong, reason):
    taken = take(store, design, sheet(design, [{**vote(design, 1), **wrong}, vote(design, 2), 7]), "here")
    assert taken.new == 1
    assert sum(taken.refused.values()) == 2
    assert any(reason in why for why in taken.refused), taken.refused


def test_videos_that_are_not_compared_are_refused(store, design):
    one, two = design.prompts[0].id, design.prompts[1].id
    arms = [arm.name for arm in design.arms]
    across = vote(design, 1, left=design.of(arms[0], one), right=design.of(arms[1], two))
    itself = vote(design, 2, left=design.of(arms[0], one), right=design.of(arms[0], one))
    assert sum(put(store, design, "Ada", [across, itself]).refused.values()) == 2
    assert store.rows("select * from votes") == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JUNK)
def test_whatever_a_file_holds_it_is_refused_with_a_sentence_or_taken(store, design, said):
    for table in (said, sheet(design, said if isinstance(said, list) else [said])):
        with contextlib.suppress(MareyError):
            take(store, design, table, "here")
    assert store.rows("select * from votes") == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"marey_votes": 2}', b"null"])
def test_what_is_no_file_of_votes_is_a_sentence(store, design, tmp_path, content):
    path = tmp_path / "votes.json"
    path.write_bytes(content)
    with pytest.raises(MareyError, match="saved would do"):
        import_votes(store, design, path)
    with pytest.raises(MareyError, match="cannot be read"):
        import_votes(store, design, tmp_path / "absent.json")


def test_votes_of_another_study_are_not_taken(store, design):
    with pytest.raises(MareyError, match="of the study 'other'"):
        take(store, design, {**sheet(design, []), "study": "other"}, "here")


def test_nicknames():
    assert nickname("  Ada\n\t Lovelace\u0007 ") == "Ada Lovelace"
    assert nickname("E\u0301tienne") == "Étienne"
    assert nickname("<script>") == "<script>", "escaped where it is shown, not where it is kept"
    for said in ("", " \n", "x" * 41, "\u202e"):
        with pytest.raises(MareyError, match="will not do"):
            nickname(said)


def test_undo_takes_back_the_own_vote_only(store, design):
    put(store, design, "Ada", [vote(design, 1)])
    assert not undo(store, design, "Bob", f"{1:032x}")
    assert undo(store, design, "Ada", f"{1:032x}")
    assert not undo(store, design, "Ada", f"{1:032x}")
    assert store.rows("select * from votes") == []


def checks(design: Design, right: int, wrong: int) -> list[dict[str, Any]]:
    said = []
    for n in range(right + wrong):
        check = design.checks[n % len(design.checks)]
        choice = "left" if n < right else "right"
        known = {"left": check.good, "right": check.bad, "question": check.question}
        said.append(vote(design, 1000 + n, choice, **known))
    return said


def test_who_does_not_look_is_left_out_and_named(store, design):
    put(store, design, "Ada", [vote(design, n) for n in range(6)] + checks(design, 5, 1))
    for row in checks(design, 2, 3):
        put(store, design, "Bob", [{**row, "key": "b" + row["key"][1:]}])
    put(store, design, "Bob", [vote(design, n, "right", key=f"b{n:031x}") for n in range(4)])
    found = told(store, design)
    assert found.left_out == {"Bob": "3 of 5 attention checks wrong"}
    assert found.checks == (7, 11)
    assert found.voters == {"Ada": 6, "Bob": 4}
    assert len(found.questions["quality"]) == 6, "a check is no vote"
    assert len(told(store, design, all_voters=True).questions["quality"]) == 10


def test_the_order_in_which_votes_came_does_not_matter(library, store, design):
    votes = [vote(design, n, ("left", "right", "tie")[n % 3]) for n in range(30)]
    put(store, design, "Ada", votes[:20])
    put(store, design, "Bob", votes[20:])
    first = told(store, design)
    store.delete("votes", study="looks")
    put(store, design, "Bob", votes[20:])
    put(store, design, "Ada", votes[:20])
    second = told(store, design)
    assert first.questions["quality"].score.tolist() == second.questions["quality"].score.tolist()
    assert first.questions["quality"].voter.tolist() == second.questions["quality"].voter.tolist()


def test_votes_on_videos_of_an_earlier_plan_are_kept_and_not_counted(store, design):
    put(store, design, "Ada", [vote(design, n) for n in range(4)])
    other = design.video(design.of("unfiltered", design.prompts[0].id))
    renamed = tuple(replace(one, id="f" * 16) if one == other else one for one in design.videos)
    found = told(store, replace(design, videos=renamed))
    on_it = sum(other.id in (row["left_video"], row["right_video"]) for row in store.rows("select * from votes"))
    assert found.older == on_it
    assert len(found.questions["quality"]) == 4 - on_it
    assert len(store.rows("select * from votes")) == 4


def test_trials_show_two_arms_of_one_prompt_and_checks_now_and_then(store, design):
    found = trials(design, told(store, design), 48, seed=3)
    kinds = [design.check(one.left, one.right, one.question) for one in found]
    assert 3 <= sum(bool(kind) for kind in kinds) <= 5
    assert set(kinds) == {"left", "right", ""}
    sides = [design.video(one.left).arm < design.video(one.right).arm for one in found]
    assert 0.25 < sum(sides) / len(sides) < 0.75
    for one, kind in zip(found, kinds, strict=True):
        left, right = design.video(one.left), design.video(one.right)
        assert kind or (left.prompt == right.prompt == one.prompt and left.arm != right.arm)
    assert {one.question for one in found} == {"quality", "prompt"}
    assert found == trials(design, told(store, design), 48, seed=3)
    assert found != trials(design, told(store, design), 48, seed=4)
