"""The sentences at the head of the page, from evaluations made by hand: each says what the numbers say, and no more."""

from pathlib import Path

import pytest

from marey.catalog import Library
from marey.evaluate import Difference, Evaluation, Row
from marey.report import head


def row(method: str, metric: str, value: float) -> Row:
    return Row("all", method, metric, "id", value, value, value, 24, 8, "", "higher", "cluster-bootstrap")


def gap(against: str, metric: str, verdict: str) -> Difference:
    return Difference("all", "model", against, metric, "id", 0, 0, 0, 24, 8, "", "cluster-bootstrap", "", verdict)


def evaluation(rows: list[Row], gaps: list[Difference]) -> Evaluation:
    return Evaluation({"id": "x"}, 24, 8, rows, gaps, [], [], [], {}, 0, "")


@pytest.fixture
def library(tmp_path: Path):
    with Library.open(tmp_path / "library", create=True) as library:
        plain = {"path": "/x/a.mp4", "time_base": "1/25", "status": "ok", "stage": "read"}
        library.put("footage", [{**plain, "id": "a", "kind": "video"}, {**plain, "id": "b", "kind": "photo"}])
        yield library


def said(library: Library, found: Evaluation) -> str:
    from marey.catalog.select import Selection

    selection = Selection("tiny", ("c1", "c2"), "00", {}, {}, {}, {})
    windows = [{"split": "train"}, {"split": "train", "photo": True}, {"split": "heldout"}]
    return head.verdict(library, selection, windows, [], found)


@pytest.mark.parametrize(
    ("motion", "words"),
    [
        (0.1, "It hardly moves."),
        (0.8, "It moves 80\N{NARROW NO-BREAK SPACE}% as much as the truth."),
        (2.0, "It moves 2 times as much as the truth, by a measure that takes flicker for motion."),
    ],
)
def test_motion_is_said_against_the_truths(library: Library, motion: float, words: str) -> None:
    found = evaluation([row("model", "motion", motion), row("truth", "motion", 1.0)], [gap("frozen", "psnr", "better")])
    assert said(library, found).endswith(words)


def test_a_ceiling_below_the_still_is_said(library: Library) -> None:
    rows = [row("autoencoder", "psnr", 12.0), row("frozen", "psnr", 20.0)]
    gaps = [gap("frozen", "psnr", "worse"), gap("frozen_autoencoder", "psnr", "better")]
    text = said(library, evaluation(rows, gaps))
    assert "It does not beat holding the still frozen" in text
    assert "Its autoencoder alone, the ceiling, already loses to the frozen still in pixels" in text
    assert text.endswith("; the still held via the autoencoder it does beat.")
    gaps[1] = gap("frozen_autoencoder", "psnr", "worse")
    assert said(library, evaluation(rows, gaps)).endswith("already loses to the frozen still in pixels.")
    high = evaluation([row("autoencoder", "psnr", 30.0), rows[1]], gaps)
    assert "ceiling" not in said(library, high)


def test_counts_are_of_videos_that_were_read_and_windows_that_train(library: Library) -> None:
    library.put("footage", [{"id": "z", "kind": "video", "path": "/x/z.mp4", "status": "ok", "stage": "probe"}])
    text = said(library, evaluation([], [gap("frozen", "psnr", "not distinguishable")]))
    assert text.startswith("1 video and 1 photograph came in; 2 of 0 clips were kept")
    assert "trained on 1 window of them" in text
