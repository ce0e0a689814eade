"""The steps of a run: what was done is kept, what changed is done again, with all that follows."""

import json
from pathlib import Path

import pytest

from marey.progress import silent
from marey.run import Meter, _Steps


def road(folder: Path, settings: dict[str, str], did: list[str], fail: str = "") -> list[str]:
    steps = _Steps(folder, silent)
    for step in ("select", "encode", "train"):

        def work(step: str = step) -> dict[str, str]:
            if step == fail:
                raise KeyboardInterrupt
            did.append(step)
            (folder / step).write_text(step)
            return {"made": step}

        steps.do(step, settings[step], work, (folder / step).is_file)
    return [row["status"] for row in steps.ended]


def test_a_second_run_does_nothing_and_a_change_does_what_follows(tmp_path: Path) -> None:
    settings = {"select": "a", "encode": "b", "train": "c"}
    did: list[str] = []
    assert road(tmp_path, settings, did) == ["done"] * 3
    assert road(tmp_path, settings, did) == ["kept"] * 3
    assert did == ["select", "encode", "train"]
    assert road(tmp_path, {**settings, "encode": "other"}, did) == ["kept", "done", "done"]


def test_what_vanished_is_made_again(tmp_path: Path) -> None:
    settings = {"select": "a", "encode": "b", "train": "c"}
    did: list[str] = []
    road(tmp_path, settings, did)
    (tmp_path / "encode").unlink()
    assert road(tmp_path, settings, did) == ["kept", "done", "kept"]


def test_an_interrupted_step_is_written_down_and_done_again(tmp_path: Path) -> None:
    settings = {"select": "a", "encode": "b", "train": "c"}
    did: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        road(tmp_path, settings, did, fail="encode")
    rows = json.loads((tmp_path / "steps.json").read_text())
    assert [(row["step"], row["status"]) for row in rows] == [("select", "done"), ("encode", "interrupted")]
    assert road(tmp_path, settings, did) == ["kept", "done", "done"]


def test_the_meter_sees_memory_that_was_held() -> None:
    with Meter(every=0.01) as empty:
        sum(range(10**6))
    with Meter(every=0.01) as full:
        held = bytearray(200 * 2**20)
        sum(range(10**6))
    assert held[-1] == 0
    assert empty.peak_mb is not None
    assert full.peak_mb is not None
    assert full.peak_mb > empty.peak_mb + 150
