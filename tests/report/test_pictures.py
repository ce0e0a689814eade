import base64
from pathlib import Path

import cv2
import numpy as np

from marey.media import probe, read
from marey.report.clips import in_turn
from marey.report.model import _a_group_each
from marey.report.pictures import evenly, jpeg_uri, sheet, side_by_side, video_uri


def test_a_jpeg_uri_is_the_picture_made_smaller() -> None:
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (80, 120, 3), dtype=np.uint8), (0, 0), 4)
    data = base64.b64decode(jpeg_uri(picture, width=60, quality=95).removeprefix("data:image/jpeg;base64,"))
    back = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert back.shape == (40, 60, 3)
    assert np.abs(back.astype(float) - cv2.resize(picture, (60, 40), interpolation=cv2.INTER_AREA)).mean() < 3


def test_a_video_uri_holds_every_frame(tmp_path: Path) -> None:
    frames = np.stack([np.full((32, 64, 3), level, np.uint8) for level in (20, 90, 160, 230)])
    (tmp_path / "x.mp4").write_bytes(base64.b64decode(video_uri(frames, 8).removeprefix("data:video/mp4;base64,")))
    found = probe(tmp_path / "x.mp4")
    assert found.fps == 8
    back = np.stack([frame.rgb(None) for frame in read(tmp_path / "x.mp4", found)])
    assert back.shape == frames.shape
    assert np.abs(back.astype(float) - frames).max() < 6


def test_side_by_side_keeps_the_order() -> None:
    videos = [np.full((3, 16, 16, 3), level, np.uint8) for level in (0, 100, 200)]
    joined = side_by_side(videos, scale=2)
    assert joined.shape == (3, 32, 96, 3)
    assert [int(joined[0, 16, x, 0]) for x in (16, 48, 80)] == [0, 100, 200]


def test_a_sheet_has_a_row_a_video() -> None:
    made = sheet([np.zeros((4, 8, 8, 3), np.uint8), np.full((4, 8, 8, 3), 99, np.uint8)], gap=2)
    assert made.shape == (20, 40, 3)
    assert made[4, 4, 0] == 0
    assert made[14, 4, 0] == 99
    assert made[9, 4, 0] == 255


def test_evenly() -> None:
    assert evenly(3, 5) == [0, 1, 2]
    assert evenly(9, 3) == [0, 4, 8]
    assert evenly(9, 1) == [4]
    assert evenly(0, 4) == []


def test_in_turn_gives_every_key_its_share() -> None:
    rows = [{"kind": "cut", "n": n} for n in range(20)] + [{"kind": "fade", "n": 0}, {"kind": "wipe", "n": 0}]
    chosen = in_turn(rows, lambda row: row["kind"], 6)
    assert [row["kind"] for row in chosen] == ["cut"] * 4 + ["fade", "wipe"]
    assert [row["n"] for row in chosen[:4]] == evenly(20, 4)
    assert in_turn(rows, lambda row: row["kind"], 0) == []
    assert len(in_turn(rows, lambda row: row["kind"], 99)) == 22


def test_examples_are_chosen_by_group_and_order_alone() -> None:
    groups = ["a", "a", "a", "b", "c", "b"]
    assert _a_group_each(groups, 3) == [0, 3, 4]
    assert _a_group_each(groups, 4) == [0, 3, 4, 1]
    assert _a_group_each(groups, 99) == [0, 3, 4, 1, 5, 2]
