"""No frame of a clip belongs to a neighbour shot, in whatever kind of file: every frame of every clip is looked at."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from filming import cut_start, turn
from panning import shot

from marey.catalog import Library, text_path
from marey.curate import curate
from marey.curate.measures import MEASURES
from marey.media import walk
from marey.recipe import Curate
from marey.worlds.edits import Join, compose

LEAN = Curate(without=tuple(kind.name for kind in MEASURES if kind.name != "phash"))
LENGTHS, JOINS = (40, 33, 47, 40), (Join("cut"), Join("cut"), Join("dissolve", 10))
FRAMES = sum(LENGTHS) - 10
OPEN = "keyint=15:min-keyint=15:scenecut=0:open-gop=1"
STEP = 40  # milliseconds
KINDS: dict[str, dict[str, Any]] = {
    "plain.mp4": {},
    "open.mp4": {"options": {"bf": "3", "x264-params": OPEN}},
    "open.mkv": {"options": {"bf": "3", "x264-params": OPEN}},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "keyint=15:bframes=3:open-gop=1:log-level=none"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "transport.ts": {"options": {"bf": "2"}},
    "no-times.avi": {"options": {"bf": "2"}},
    "ten.mp4": {"pixel_format": "yuv420p10le"},
    "fields.mp4": {"options": {"x264-params": "tff=1"}},
    "mpeg2-fields.ts": {"codec": "mpeg2video", "options": {"bf": "2", "flags": "+ildct+ilme", "b": "6M"}},
    "varying.mkv": {"pts": [STEP * n + (n * n) % 31 for n in range(FRAMES)]},
    "gaps.mkv": {"pts": [STEP * n + (700 if n >= 20 else 0) + (3000 if n >= 101 else 0) for n in range(FRAMES)]},
    "phone.mp4": {"change": lambda path: turn(path, 90)},
    "trimmed.mp4": {"options": {"bf": "2"}, "change": lambda path: cut_start(path, 13 * 512), "gone": 13},
}


@pytest.fixture(scope="module")
def edit() -> tuple[np.ndarray, list[tuple[int, int]]]:
    """The frames, and the first and the last whole frame of each shot."""
    video, truth = compose([shot(seed + 11, length) for seed, length in enumerate(LENGTHS)], JOINS)
    starts, ends = [0, *(one.b_start for one in truth)], [*(one.a_end for one in truth), len(video) - 1]
    return video, list(zip(starts, ends, strict=True))


def encode(
    path: Path,
    video: np.ndarray,
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    pts: list[int] | None = None,
    change: Callable[[Path], object] | None = None,
    gone: int = 0,
) -> None:
    base = Fraction(1, 1000) if pts else Fraction(1, 25)
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width, stream.pix_fmt = video.shape[1], video.shape[2], pixel_format
        stream.codec_context.time_base = base
        for n, image in enumerate(video):
            picture = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixel_format)
            picture.pts, picture.time_base = pts[n] if pts else n, base
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    if change is not None:
        change(path)


def small(image: np.ndarray) -> np.ndarray:
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (64, 36), interpolation=cv2.INTER_AREA).astype(np.float32)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_frame_of_every_clip_is_of_one_shot(
    tmp_path: Path, name: str, edit: tuple[np.ndarray, list[tuple[int, int]]]
) -> None:
    video, spans = edit
    (tmp_path / "footage").mkdir()
    encode(tmp_path / "footage" / name, video, **KINDS[name])
    curate(tmp_path / "footage", tmp_path / "library", settings=LEAN, workers=0)
    with Library.open(tmp_path / "library") as library:
        clips = library.rows("select clips.*, path from clips join footage on footage.id = footage order by start_pts")
    gone, turned = KINDS[name].get("gone", 0), name == "phone.mp4"
    originals = np.stack([small(np.rot90(image, -1) if turned else image) for image in video])
    shots = np.full(len(video), -1)
    for n, (start, end) in enumerate(spans):
        shots[start : end + 1] = n
    assert [clip["status"] for clip in clips] == ["ok"] * len(spans)
    for n, (clip, (start, end)) in enumerate(zip(clips, spans, strict=True)):
        frames = [small(frame.gray()) for frame in walk(text_path(clip["path"]), clip["start_pts"], clip["end_pts"])]
        seen = [int(np.abs(originals - frame).mean(axis=(1, 2)).argmin()) for frame in frames]
        assert len(frames) == clip["frames"] == clip["end_frame"] - clip["start_frame"] + 1
        assert set(shots[seen]) == {n}
        assert abs(seen[0] - (clip["start_frame"] + gone)) <= 1  # a pan of 0.4 pixels: the next frame looks alike
        assert abs(seen[-1] - (clip["end_frame"] + gone)) <= 1
        # Nothing of a shot is lost at a cut, and next to nothing at a dissolve.
        assert clip["start_frame"] + gone - max(start, gone) <= (0 if n < 3 else 3)
        assert end - (clip["end_frame"] + gone) <= (0 if n != 2 else 3)


def test_a_clip_that_is_one_frame_too_long_would_be_noticed(edit: tuple[np.ndarray, list[tuple[int, int]]]) -> None:
    video, spans = edit
    originals = np.stack([small(image) for image in video])
    for start, _ in spans[1:3]:
        seen = int(np.abs(originals - small(video[start - 1])).mean(axis=(1, 2)).argmin())
        assert seen < start
