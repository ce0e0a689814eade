"""Reels: together they are the source, frame by frame and byte by byte, in every kind of file that can be divided."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from counting import counted
from filming import cut_start, film, number, turn

from marey.media import Indivisible, Probe, Reel, divide, probe, read, read_reel, seekable
from marey.media.reels import OVERLAP

SECONDS = 2.0  # of 25 frames: 50, which the keyframes, one in ten frames, allow exactly
KINDS = {
    "plain.mp4": {"options": {"bf": "0"}},
    "b-frames.mp4": {"options": {"bf": "3"}},
    "open.mp4": {"options": {"bf": "3", "x264-params": "open-gop=1:keyint=10:min-keyint=10:scenecut=0"}},
    "open.mkv": {"options": {"bf": "3", "x264-params": "open-gop=1:keyint=10:min-keyint=10:scenecut=0"}},
    "hevc.mp4": {
        "codec": "libx265",
        "options": {"x265-params": "keyint=10:min-keyint=10:bframes=3:open-gop=1:scenecut=0:log-level=none"},
    },
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "10", "deadline": "realtime", "cpu-used": "8"}},
    "ten.mp4": {"pixel_format": "yuv420p10le", "options": {"bf": "2"}},
    "fields.mp4": {"options": {"x264-params": "tff=1"}},
    "intra.avi": {"codec": "mjpeg", "pixel_format": "yuvj420p"},
    "varying.mp4": {"pts": [n * 40 + (n * n) % 23 for n in range(200)], "time_base": Fraction(1, 1000)},
    "gap.mp4": {"pts": [n * 40 + (9000 if n >= 83 else 0) for n in range(200)], "time_base": Fraction(1, 1000)},
}


def together(path: Path, facts: Probe, reels: list[Reel], threads: int = 1) -> list[tuple[int, int, bytes]]:
    """What all reels give, each read by itself, once their keyframes agree."""
    readings = [read_reel(path, facts, reel, threads=threads) for reel in reels]
    frames = [(frame.n, frame.pts, frame.gray().tobytes()) for reading in readings for frame in reading]
    for one, following in pairwise(readings):
        assert one.closing == following.opening != 0
    assert (readings[0].opening, readings[-1].closing) == (0, 0)
    return frames


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", sorted(KINDS))
def test_reels_together_are_the_source(tmp_path: Path, name: str, threads: int) -> None:
    path = film(tmp_path / name, 200, **KINDS[name])
    facts = probe(path)
    reels = divide(facts, SECONDS)
    assert len(reels) >= 3
    assert seekable(path, reels)
    whole = [(frame.n, frame.pts, frame.gray().tobytes()) for frame in read(path, facts, threads=1)]
    with counted() as count:
        assert together(path, facts, reels, threads) == whole
    if threads == 1:
        leading = 8 if "open" in name or name == "hevc.mp4" else 0  # broken pictures that come before the keyframe
        assert count.pictures <= 200 + (len(reels) - 1) * (OVERLAP + leading)


@pytest.mark.parametrize("change", [lambda path: turn(path, 90), lambda path: cut_start(path, 12 * 512)])
def test_rotation_and_edit_lists(tmp_path: Path, change) -> None:
    path = change(film(tmp_path / "phone.mp4", 200, options={"bf": "2"}))
    facts = probe(path)
    reels = divide(facts, SECONDS)
    whole = list(read(path, facts, threads=1))
    assert len(reels) > 2
    assert seekable(path, reels)
    assert together(path, facts, reels) == [(frame.n, frame.pts, frame.gray().tobytes()) for frame in whole]
    assert probe(path).reason == ""
    second = next(iter(read_reel(path, facts, reels[1])))
    assert (second.height, second.width) == (whole[0].height, whole[0].width)


def test_the_division_follows_from_the_index(tmp_path: Path) -> None:
    path = film(tmp_path / "plain.mp4", 200, options={"bf": "0"})
    facts = probe(path)
    reels = divide(facts, SECONDS)
    assert [reel.first for reel in reels] == [0, 50, 100, 150]
    assert [reel.frames for reel in reels] == [50] * 4
    assert [reel.start for reel in reels] == [None, *(int(facts.pts[n]) for n in (50, 100, 150))]
    assert [reel.end for reel in reels] == [*(reel.start for reel in reels[1:]), None]
    assert [reel.first for reel in divide(facts, 3.9)] == [0, 100]
    assert [reel.first for reel in divide(facts, 5.5)] == [0]  # what is left would be too short for a reel
    assert len(divide(facts, 60)) == 1


def test_an_index_that_does_not_tell_all_is_not_trusted(tmp_path: Path) -> None:
    assert len(divide(probe(film(tmp_path / "rare.mp4", 200, options={"g": "250"})), SECONDS)) == 1
    fast = film(tmp_path / "fast.mp4", 200, container_options={"movflags": "faststart"})
    fast.write_bytes(fast.read_bytes()[: int(fast.stat().st_size * 0.8)])
    assert probe(fast).reason
    assert len(divide(probe(fast), SECONDS)) == 1


def test_a_picture_a_minute_is_not_a_reel_a_picture(tmp_path: Path) -> None:
    pts = [n * 60_000 for n in range(60)]
    facts = probe(film(tmp_path / "slow.mp4", pts=pts, time_base=Fraction(1, 1000)))
    assert [reel.frames for reel in divide(facts, SECONDS)] == [10] * 6


def test_a_keyframe_at_which_a_decoder_cannot_start_is_found_out(tmp_path: Path) -> None:
    """The reel before and the reel after see different pictures there, or no picture at all."""
    path = film(tmp_path / "plain.mp4", 200, options={"bf": "0", "g": "50"})
    facts = probe(path)
    (_, real, *_) = divide(facts, SECONDS)
    pretended = int(facts.pts[75])
    assert not seekable(path, [Reel(pretended, None, 75, 125, int(facts.pts[0]))])
    before = read_reel(path, facts, Reel(real.start, pretended, real.first, 25, real.origin), threads=1)
    assert len(list(before)) == 25
    after = read_reel(path, facts, Reel(pretended, None, 75, 125, real.origin), threads=1)
    try:
        frames = [number(frame.gray(64)) for frame in after]
    except Indivisible:
        pass
    else:  # libav went back to the keyframe before by itself: all is well
        assert frames == list(range(75, 200))
        assert before.closing == after.opening


def test_a_reel_that_gives_another_number_of_frames_is_refused(tmp_path: Path) -> None:
    path = film(tmp_path / "plain.mp4", 100)
    facts = probe(path)
    wrong = Reel(None, int(facts.pts[50]), 0, 49, 0)
    with pytest.raises(Indivisible, match="gives 50 frames and not 49"):
        list(read_reel(path, facts, wrong))


def test_damage_in_a_reel_is_not_passed_over(tmp_path: Path) -> None:
    path = film(tmp_path / "damaged.avi", 200, codec="mjpeg", pixel_format="yuvj420p")
    facts = probe(path)
    reels = divide(facts, SECONDS)
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\xd8", len(data) * 3 // 8)
    data[at : at + 200] = bytes(200)
    path.write_bytes(data)
    with pytest.raises(Indivisible):
        together(path, facts, reels)


def test_frames_know_their_place_in_the_source(tmp_path: Path) -> None:
    path = film(tmp_path / "plain.mp4", 200, options={"bf": "2"})
    facts = probe(path)
    reels = divide(facts, SECONDS)
    frames = list(read_reel(path, facts, reels[2]))
    assert [number(frame.gray(64)) for frame in frames] == [frame.n for frame in frames] == list(range(100, 150))
    assert frames[0].seconds == 4
    assert frames[0].keyframe
    np.testing.assert_array_equal([frame.pts for frame in frames], facts.pts[100:150])
