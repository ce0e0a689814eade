import json
from dataclasses import replace

import pytest

from marey.errors import MareyError
from marey.evaluate.intervals import Interval
from marey.evaluate.record import Evaluation, Row, comparable, verdict


def row(**changes: object) -> Row:
    plain = Row(
        "all", "model", "psnr", "psnr/rgb-frame-cap100", 20.0, 19.0, 21.0, 24, 8, "dB", "higher", "cluster-bootstrap"
    )
    return replace(plain, **changes)


def evaluation(*rows: Row) -> Evaluation:
    return Evaluation(
        {"id": "marey/continuation-1"}, 24, 8, list(rows), [], [], [], ["a note"], {"resamples": 100}, 7, "00ff"
    )


def test_saved_and_loaded(tmp_path) -> None:
    saved = evaluation(row(), row(method="frozen", low=None, high=None, interval="none"))
    saved.save(tmp_path / "run" / "metrics.json")
    assert Evaluation.load(tmp_path / "run" / "metrics.json") == saved
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["metrics.json"]
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["versions"]["marey"]


@pytest.mark.parametrize("text", ["", "{}", '{"format": 99}', "[]", '{"format": 1}'])
def test_what_is_no_evaluation_is_named(tmp_path, text: str) -> None:
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(MareyError, match=r"metrics\.json"):
        Evaluation.load(tmp_path / "metrics.json")


def test_the_text_says_intervals_and_n() -> None:
    text = str(evaluation(row()))
    assert "24 videos of 8 groups" in text
    assert "20 [19, 21]" in text
    assert "a note" in text


@pytest.mark.parametrize("change", [{"id": "psnr/luma"}, {"n": 25}, {"subset": "real"}])
def test_rows_of_other_things_refuse_to_be_ranked(change: dict[str, object]) -> None:
    comparable(row(), row(method="frozen"))
    with pytest.raises(MareyError, match=f"cannot be ranked: {next(iter(change))}"):
        comparable(row(), row(method="frozen", **change))


@pytest.mark.parametrize(
    ("low", "high", "better", "said"),
    [
        (0.1, 0.5, "higher", "better"),
        (0.1, 0.5, "lower", "worse"),
        (-0.5, -0.1, "higher", "worse"),
        (-0.5, -0.1, "lower", "better"),
        (-0.1, 0.5, "higher", "not distinguishable"),
        (None, None, "higher", "too few groups to say"),
    ],
)
def test_only_an_interval_without_zero_says_better_or_worse(low, high, better: str, said: str) -> None:
    value = 0.0 if low is None else (low + high) / 2
    assert verdict(Interval(value, low, high, 24, 8, "cluster-bootstrap"), better) == said


def test_an_interval_over_windows_says_nothing() -> None:
    assert verdict(Interval(1.0, 0.5, 1.5, 24, 3, "window-bootstrap"), "higher") == "too few groups to say"
