"""Decoding windows: once, to the right frames, resumable, and at the cost of one clip at most."""

import numpy as np
import pytest
import torch

from marey.errors import MareyError
from marey.media import walk
from marey.train import pixels as room
from marey.train.pixels import read_pixels, stacked, to_bytes, to_unit
from marey.train.windows import encoded, plan

from . import made

SETTINGS = made.ENCODE.windows


@pytest.fixture
def library(tmp_path):
    with made.library(tmp_path, videos=6) as store:
        yield store


def test_the_pixels_are_those_of_the_planned_frames(library, tmp_path):
    planned = plan(library, SETTINGS, "chosen", seed=0)
    decoded = read_pixels(library, planned, SETTINGS)
    windows = encoded(library, decoded.kind)
    assert sorted(window.id for window in windows) == sorted(window.id for window in planned.windows)
    window = next(window for window in windows if window.id == "v3:2")
    array = stacked(library, decoded.kind, [window])[0]
    assert (array.shape, array.dtype) == ((4, 32, 32, 3), np.uint8)
    frames = list(walk(tmp_path / "video 3.mp4", window.pts[0], window.pts[-1]))
    for pixels, frame in zip(array, frames, strict=True):
        assert np.array_equal(pixels, frame.rgb(32, crop=True))
    assert not np.array_equal(array[0], array[-1])
    photo = next(window for window in windows if window.photo)
    assert stacked(library, decoded.kind, [photo]).shape == (1, 1, 32, 32, 3)
    assert decoded.frames >= 6 * 16
    assert not decoded.failed


def test_a_second_call_decodes_nothing_and_another_plan_shares_the_pixels(library, monkeypatch):
    first = read_pixels(library, plan(library, SETTINGS, "chosen", seed=0), SETTINGS)
    monkeypatch.setattr(room, "frames_at", None)
    monkeypatch.setattr(room, "read_photo", None)
    again = read_pixels(library, plan(library, SETTINGS, "chosen", seed=0), SETTINGS)
    assert (again.kind, again.frames) == (first.kind, 0)
    library.put("captions", [{"clip": "v1", "captioner": "file", "version": "1", "text": "another"}])
    other = read_pixels(library, plan(library, SETTINGS, "chosen", seed=0), SETTINGS)
    assert (other.kind != first.kind, other.frames) == (True, 0)
    captions = {window.clip: window.caption for window in encoded(library, other.kind)}
    assert captions["v1"] == "another"
    assert {window.clip: window.caption for window in encoded(library, first.kind)}["v1"] == "a clip"


def test_a_killed_reading_goes_on_with_the_clip_in_hand(library, monkeypatch):
    planned = plan(library, SETTINGS, "chosen", seed=0)
    real, paths = room.frames_at, []

    class Killed(BaseException):
        pass

    def counted(path, *rest, **more):
        paths.append(str(path))
        if len(paths) == 4:
            raise Killed
        return real(path, *rest, **more)

    monkeypatch.setattr(room, "frames_at", counted)
    with pytest.raises(Killed):
        read_pixels(library, planned, SETTINGS)
    decoded = read_pixels(library, planned, SETTINGS)
    assert len(paths) == 7
    assert paths[3] == paths[4]  # only the clip in hand was lost
    assert len(set(paths)) == 6
    assert len(encoded(library, decoded.kind)) == len(planned.windows)


def test_a_clip_that_cannot_be_decoded_costs_only_itself(library, tmp_path):
    (tmp_path / "video 3.mp4").write_bytes(b"not a video at all")
    (tmp_path / "video 4.mp4").unlink()  # this one has no trace either
    planned = plan(library, SETTINGS, "chosen", seed=0)
    decoded = read_pixels(library, planned, SETTINGS)
    assert set(decoded.failed) == {"v3", "v4"}
    assert {window.clip for window in encoded(library, decoded.kind)} == {"v0", "v1", "v2", "v5", "s0", "s1"}
    rows = {row["item"]: row for row in library.rows("select * from ledger where stage = ?", decoded.kind)}
    assert rows["v3"]["status"] == rows["v4"]["status"] == "failed"
    assert rows["v3"]["reason"]
    assert rows["v0"]["status"] == "ok"


def test_nothing_left_to_hold_out_is_an_error(library, tmp_path):
    planned = plan(library, SETTINGS, "chosen", seed=0)
    for window in planned.windows:
        if window.heldout and not window.photo:
            (tmp_path / f"video {window.clip[1:]}.mp4").write_bytes(b"")
    with pytest.raises(MareyError, match="No heldout window could be read"):
        read_pixels(library, planned, SETTINGS)


def test_pixels_to_the_unit_range_and_back():
    pixels = np.arange(2 * 3 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 4, 3)
    unit = to_unit(pixels)
    assert unit.shape == (2, 3, 3, 4, 4)
    assert to_unit(np.array([[[0, 127, 255]]], np.uint8)).flatten().tolist() == pytest.approx([-1.0, -1 / 255, 1.0])
    assert np.array_equal(to_bytes(unit), pixels)
    assert to_bytes(torch.tensor([[[-9.0]], [[0.0]], [[9.0]]])).flatten().tolist() == [0, 128, 255]
