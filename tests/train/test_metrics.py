"""metrics.jsonl: whole lines only, and none that a resumed stage writes again."""

import json

import pytest

from marey.train.metrics import Metrics


def test_lines_come_back_as_written(tmp_path):
    metrics = Metrics(tmp_path / "run" / "metrics.jsonl")
    metrics.write("image", 1, loss=0.5, heldout={"0.2": 0.1})
    metrics.write("video", 1, loss=0.25)
    assert metrics.lines("image") == [{"stage": "image", "step": 1, "loss": 0.5, "heldout": {"0.2": 0.1}}]
    assert [line["stage"] for line in metrics.lines()] == ["image", "video"]


def test_cutting_drops_later_lines_of_the_stage_and_half_ones(tmp_path):
    metrics = Metrics(tmp_path / "metrics.jsonl")
    for step in (1, 2, 3):
        metrics.write("image", step, loss=step / 10)
    metrics.write("video", 3, loss=1.0)
    with metrics.path.open("a") as file:
        file.write('{"stage": "video", "st')  # as a killed process leaves it
    metrics.cut("image", 2)
    assert [(line["stage"], line["step"]) for line in metrics.lines()] == [("image", 1), ("image", 2), ("video", 3)]
    assert all(json.loads(text) for text in metrics.path.read_text().splitlines())
    metrics.write("video", 4, loss=0.5)
    assert metrics.lines("video")[-1]["step"] == 4


def test_a_curve_that_is_put_comes_before_the_others_and_once(tmp_path):
    metrics = Metrics(tmp_path / "metrics.jsonl")
    metrics.write("image", 1, loss=0.5)
    curve = [{"stage": "autoencoder", "step": 1, "loss": 0.3}]
    metrics.put("autoencoder", curve)
    metrics.put("autoencoder", curve)
    assert [line["stage"] for line in metrics.lines()] == ["autoencoder", "image"]


def test_what_json_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        Metrics(tmp_path / "metrics.jsonl").write("image", 1, loss=float("nan"))


def test_no_file_has_no_lines(tmp_path):
    metrics = Metrics(tmp_path / "metrics.jsonl")
    metrics.cut("image", 0)
    assert metrics.lines() == []
