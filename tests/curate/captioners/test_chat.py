"""One question to a server that delays, drops, refuses and talks nonsense."""

import email.utils
import itertools
import json
import threading
import time
from typing import Any

import pytest
from dummy_server import Answer, completion, fault, serving

from marey.curate.captioners.chat import Chat, Unanswered, Unfit
from marey.recipe import Server

BODY = {"model": "m", "messages": [{"role": "user", "content": "?"}], "max_tokens": 8, "temperature": 0, "seed": 0}
GOOD = completion("A dog.")


def chat(url: str, waits: list[float] | None = None, key: str = "", chance: float = 0.5, **settings: Any) -> Chat:
    """With no real waiting: the pauses are put in `waits`."""
    server = Server(base_url=url, **{"timeout_seconds": 5.0, **settings})
    return Chat(server, key, sleep=(waits if waits is not None else []).append, chance=lambda: chance)


def answers(*made: Answer) -> Any:
    """One after another, the last for ever."""
    return lambda number, body: made[min(number, len(made) - 1)]


def test_a_question_and_its_answer() -> None:
    with serving(answers(completion("  A dog\n barks. "))) as dummy:
        assert chat(dummy.url + "/", key="secret").ask(BODY) == ("A dog barks.", "")
    assert dummy.bodies == [BODY]
    assert dummy.paths == ["/v1/chat/completions"]
    assert dummy.keys == ["Bearer secret"]


def test_without_a_key_none_is_sent() -> None:
    with serving(answers(GOOD)) as dummy:
        chat(dummy.url).ask(BODY)
    assert dummy.keys == [None]


@pytest.mark.parametrize(
    "bad",
    [
        fault(500, "oh"),
        fault(503),
        fault(429, "slow down"),
        fault(408),
        None,
        (200, {}, b"<html>"),
        (200, {}, b""),
        (200, {}, b'{"choices": []}'),
        (200, {}, b'{"choices": [{"message": null}]}'),
        (200, {}, b'{"error": {"message": "overloaded"}}'),
        (200, {"Content-Length": "400"}, b'{"choices": ['),
    ],
)
def test_what_may_pass_is_asked_again(bad: Answer) -> None:
    waits: list[float] = []
    with serving(answers(bad, bad, GOOD)) as dummy:
        assert chat(dummy.url, waits).ask(BODY)[0] == "A dog."
    assert len(dummy.bodies) == 3
    assert waits == [0.5, 1.0]  # twice as long each time


def test_waits_have_chance_in_them_and_a_limit() -> None:
    for chance, wanted in ((0.0, [0.25, 0.5, 1.0]), (1.0, [0.75, 1.5, 2.0])):
        waits: list[float] = []
        with (
            serving(answers(fault(500))) as dummy,
            pytest.raises(Unanswered, match="answered 500: Internal Server Error, after 4 attempts"),
        ):
            chat(dummy.url, waits, chance=chance, retries=3, longest_wait_seconds=2.0).ask(BODY)
        assert waits == pytest.approx(wanted)
        assert len(dummy.bodies) == 4


def test_the_server_says_how_long_to_wait() -> None:
    waits: list[float] = []
    date = email.utils.formatdate(time.time() + 20, usegmt=True)
    with serving(
        answers(fault(429, Retry_After="7"), fault(503, Retry_After=date), fault(429, Retry_After="x"), GOOD)
    ) as d:
        assert chat(d.url, waits).ask(BODY)[0] == "A dog."
    assert waits[0] == 7
    assert 15 < waits[1] <= 20
    assert waits[2] == 2.0


def test_a_server_that_wants_too_long_a_wait_is_left_alone() -> None:
    with serving(answers(fault(429, "come tomorrow", Retry_After="86400"))) as dummy:
        with pytest.raises(Unanswered, match="429: come tomorrow; it asks to wait for 86400 s"):
            chat(dummy.url).ask(BODY)
        assert len(dummy.bodies) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (completion(None, refusal="I can't help with that."), "refused: I can't help with that."),
        (completion("A", finish_reason="content_filter"), "refused: the server's content filter"),
        (completion(""), "the answer is empty"),
        (completion(None), "the answer is empty"),
        (completion("<think>hm", finish_reason="length"), "cut off before its first word"),
        (fault(400, "image too small"), "answered 400: image too small"),
        (fault(413), "answered 413"),
    ],
)
def test_what_will_not_pass_is_not_asked_again(answer: Answer, reason: str) -> None:
    with serving(answers(answer)) as dummy:
        with pytest.raises(Unfit, match=reason):
            chat(dummy.url).ask(BODY)
        assert len(dummy.bodies) == 1


def test_parts_thoughts_and_a_cut() -> None:
    parts = json.dumps({"choices": [{"message": {"content": [{"type": "text", "text": "A dog."}]}}]}).encode()
    with serving(
        answers((200, {}, parts), completion("<think>a cat?</think> A dog."), completion("A d", finish_reason="length"))
    ) as d:
        one = chat(d.url)
        assert [one.ask(BODY) for _ in range(3)] == [
            ("A dog.", ""),
            ("A dog.", ""),
            ("A d", "cut off at its greatest length"),
        ]


def test_a_late_answer_is_none() -> None:
    ready = threading.Event()

    def late(number: int, body: dict[str, Any]) -> Answer:
        if number != 1:
            ready.wait(5)
        return GOOD

    with serving(late) as dummy:
        one = chat(dummy.url, timeout_seconds=0.2, retries=1)
        assert one.ask(BODY)[0] == "A dog."
        with pytest.raises(Unanswered, match=r"no answer within 0\.2 s, after 2 attempts"):
            one.ask(BODY)
        ready.set()


def test_an_answer_that_drips_is_late_too() -> None:
    def drips(number: int, body: dict[str, Any]) -> Answer:
        return 200, {}, b"".join(itertools.repeat(b" ", 40))

    with serving(drips, pause=0.05) as dummy, pytest.raises(Unanswered, match=r"no answer within 0\.3 s"):
        chat(dummy.url, timeout_seconds=0.3, retries=0).ask(BODY)


def test_a_wrong_key_ends_all_questions_and_is_not_told() -> None:
    with serving(answers(fault(401, "the key sk-12345 is wrong"))) as dummy:
        one = chat(dummy.url, key="sk-12345")
        for _ in range(3):
            with pytest.raises(Unanswered) as told:
                one.ask(BODY)
            assert "the key *** is wrong" in str(told.value)
            assert "sk-12345" not in repr(told.value)
        assert len(dummy.bodies) == 1


def test_a_server_that_is_down_is_not_asked_for_ever() -> None:
    with serving(answers(GOOD)) as dummy:
        url = dummy.url
    waits: list[float] = []
    one = chat(url, waits, retries=1)
    for _ in range(3):
        with pytest.raises(Unanswered, match="no connection to http://127"):
            one.ask(BODY)
    assert len(waits) == 3
    with pytest.raises(Unanswered, match="the server does not answer: no connection"):
        one.ask(BODY)
    assert len(waits) == 3


def test_some_unanswered_questions_among_answered_ones_end_nothing() -> None:
    def second(number: int, body: dict[str, Any]) -> Answer:
        return GOOD if number % 2 else fault(500)

    with serving(second) as dummy:
        one = chat(dummy.url, retries=0)
        for n in range(8):
            if n % 2:
                assert one.ask(BODY)[0] == "A dog."
            else:
                with pytest.raises(Unanswered):
                    one.ask(BODY)


def test_a_redirect_is_not_followed() -> None:
    with serving(answers(GOOD)) as other, serving(answers(fault(302, Location=other.url))) as dummy:
        with pytest.raises(Unfit, match="answered 302"):
            chat(dummy.url, key="secret").ask(BODY)
        assert other.bodies == []


def test_parameters_that_a_server_does_not_take_are_said_otherwise() -> None:
    def picky(number: int, body: dict[str, Any]) -> Answer:
        for name in ("max_tokens", "temperature", "seed"):
            if name in body:
                return fault(400, f"Unsupported parameter: '{name}'", parameter=name)
        return GOOD

    with serving(picky) as dummy:
        one = chat(dummy.url)
        assert one.ask(BODY)[0] == "A dog."
        assert one.ask(BODY)[0] == "A dog."
    assert len(dummy.bodies) == 5  # it is found out once
    assert dummy.bodies[-1] == {"model": "m", "messages": BODY["messages"], "max_completion_tokens": 8}
