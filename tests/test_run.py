"""The steps of a run: what was done is kept, what changed is done again, with all that follows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from marey.progress import silent
from marey.run import _Steps


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
    """In a process of its own: in this one, memory that other tests gave back may be taken again unseen."""
    code = (
        "import time; from marey.run import Meter\n"
        "with Meter(every=0.01) as empty: time.sleep(0.1)\n"
        "with Meter(every=0.01) as full: held = bytearray(b'x') * (200 * 2**20); time.sleep(0.1)\n"
        "print(empty.peak_mb, full.peak_mb)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    empty, full = (int(word) for word in said.split())
    assert full > empty + 150
