"""Faults that were put into footage, as signals tell them after the one pass: bars, repeats, a logo, fields."""

import json
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from marey.catalog import Library
from marey.curate import curate
from marey.curate.measures import MEASURES
from marey.media import write_video
from marey.recipe import Curate

WANTED = ("crop", "overlay", "cadence", "freeze_share", "interlaced", "flicker", "black_share", "camera_motion")
HEIGHT, WIDTH = 272, 480


def pan(frames: int, seed: int, speed: float = 6.0) -> np.ndarray:
    """A pan to the right over large shapes with details: uint8 (T, H, W, 3)."""
    rng = np.random.default_rng(seed)
    size = (int(WIDTH + speed * frames + 8), HEIGHT)
    big = np.full((HEIGHT, size[0], 3), 110, np.float32)
    for cells, contrast in ((5, 35.0), (24, 22.0), (80, 14.0)):
        layer = rng.normal(0, contrast, (cells, round(cells * size[0] / HEIGHT), 3)).astype(np.float32)
        big += cv2.resize(layer, size, interpolation=cv2.INTER_CUBIC)
    big = np.clip(big, 0, 255).astype(np.uint8)
    return np.stack([big[:, round(speed * n) : round(speed * n) + WIDTH] for n in range(frames)])


def barred(video: np.ndarray) -> np.ndarray:
    out = np.zeros_like(video)
    out[:, 34:-34] = [cv2.resize(frame, (WIDTH, HEIGHT - 68)) for frame in video]
    return out


def marked(video: np.ndarray) -> np.ndarray:
    out = video.copy()
    for frame in out:
        cv2.putText(frame, "MAREY", (350, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (255, 255, 255), 3)
    return out


def woven(path: Path, video: np.ndarray) -> Path:
    """Interlaced: the lower field of each frame is that of the next one."""
    frames = video[::2].copy()
    frames[:, 1::2] = video[1::2, 1::2]
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        stream.options = {"x264-params": "interlaced=1:tff=1", "crf": "12"}
        for frame in frames:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        output.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The signals of each file's one clip, by the file's name."""
    place = tmp_path_factory.mktemp("faults")
    footage = place / "footage"
    footage.mkdir()
    write_video(footage / "plain.mp4", pan(75, 1, speed=1), 25)
    write_video(footage / "bars.mp4", barred(pan(60, 2)), 25)
    write_video(footage / "logo.mp4", marked(pan(75, 3, speed=9)), 25)
    write_video(footage / "converted.mp4", np.repeat(pan(64, 4), [1, 1, 1, 2] * 16, axis=0), 30)
    write_video(footage / "frozen.mp4", np.concatenate([pan(30, 5), np.repeat(pan(30, 5)[-1:], 30, axis=0)]), 25)
    swing = np.where(np.arange(60) % 2, 1.0, 0.88)[:, None, None, None]
    write_video(footage / "flicker.mp4", (pan(60, 6) * swing).astype(np.uint8), 25)
    woven(footage / "fields.mkv", pan(120, 7, speed=5))
    without = tuple(kind.name for kind in MEASURES if kind.name not in WANTED)
    curate(footage, place / "library", settings=Curate(without=without), workers=0)
    with Library.open(place / "library") as library:
        clips = library.rows(
            "select clips.id, footage.path from clips join footage on footage.id = clips.footage order by clips.frames"
        )
        signals = library.signals([clip["id"] for clip in clips])
        return {Path(clip["path"]).stem: signals[clip["id"]] for clip in clips}


def test_there_is_nothing_to_be_said_of_a_plain_pan(told: dict[str, dict[str, Any]]) -> None:
    plain = told["plain"]
    nothing = ("crop", "overlay", "cadence", "freeze_share", "interlaced", "black_share")
    assert {name: plain[name]["value"] for name in nothing} == dict.fromkeys(nothing, 0)
    assert plain["flicker"]["value"] < 0.001
    assert json.loads(plain["camera_motion"]["data"])["move"] == "pan right"


def test_bars(told: dict[str, dict[str, Any]]) -> None:
    top, bottom, left, right = json.loads(told["bars"]["crop"]["data"])
    assert abs(top - 34) <= 2
    assert abs(bottom - 34) <= 2
    assert (left, right) == (0, 0)
    assert told["bars"]["crop"]["value"] == pytest.approx(68 / HEIGHT, abs=0.02)
    assert told["bars"]["overlay"]["value"] == 0, "the edges of bars are no overlay"


def test_a_logo(told: dict[str, dict[str, Any]]) -> None:
    ((x, y, width, height),) = json.loads(told["logo"]["overlay"]["data"])
    assert 335 < x < 365
    assert 10 < y < 25
    assert x + width <= WIDTH
    assert 15 < height < 40
    assert told["logo"]["overlay"]["value"] == pytest.approx(width * height / (WIDTH * HEIGHT), rel=0.01)


def test_repeated_and_frozen_frames(told: dict[str, dict[str, Any]]) -> None:
    assert told["converted"]["cadence"]["value"] == pytest.approx(0.2)
    assert json.loads(told["converted"]["cadence"]["data"]) == {"kept": 4, "of": 5, "fps": pytest.approx(24, abs=0.01)}
    assert told["frozen"]["freeze_share"]["value"] == pytest.approx(0.5, abs=0.06)
    assert told["frozen"]["cadence"]["value"] == 0


def test_fields_and_flicker(told: dict[str, dict[str, Any]]) -> None:
    assert told["fields"]["interlaced"]["value"] > 0.5
    assert json.loads(told["fields"]["interlaced"]["data"]) == {"flag": True}
    assert json.loads(told["plain"]["interlaced"]["data"]) == {"flag": False}
    assert told["flicker"]["flicker"]["value"] > 10 * told["plain"]["flicker"]["value"]
    assert told["flicker"]["flicker"]["value"] == pytest.approx(0.06 * 110 / 255, rel=0.3)
