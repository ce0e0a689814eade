"""Clips cut out of a source: the frames that were asked for and no neighbour, copied packets bit for bit, in every kind
of source.
"""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from filming import cut_start, film, number, turn

from marey.media import Unusable, h264, probe, walk
from marey.media.cut import copy_clip, exact_clip, whole_groups, why_not_exact
from marey.media.mux import decode_times
from marey.media.packets import Packets


def times_of(path: Path) -> list[int]:
    return [int(time) for time in probe(path).pts]


def frames(path: Path, start: int, end: int) -> list[np.ndarray]:
    return [frame.rgb() for frame in walk(path, start, end)]


def whole(path: Path) -> list[np.ndarray]:
    times = times_of(path)
    return frames(path, times[0], times[-1])


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    error = float(((one.astype(float) - other) ** 2).mean())
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)


def exact(path: Path, first: int, last: int, out: Path, **how):
    """The exact cut of the frames `first` to `last`, held against the source frame by frame."""
    times = times_of(path)
    with Packets(path) as source:
        written = exact_clip(source, times[first], times[last], out, **how)
    assert written is not None
    mine, theirs = whole(out), frames(path, times[first], times[last])
    assert len(mine) == len(theirs) == written.frames == last - first + 1
    values = [psnr(a, b) for a, b in zip(mine, theirs, strict=True)]
    assert min(values) > 35
    assert sum(value == float("inf") for value in values) >= written.copied
    return written, values


RANDOM_TIMES = np.cumsum(np.random.default_rng(0).integers(20, 90, 60)).tolist()
SOURCES = {
    "b-frames.mp4": {"options": {"bf": "2"}},
    "aspect.mkv": {"options": {"bf": "3"}, "aspect": Fraction(4, 3)},
    "ten-bits.mp4": {"pixel_format": "yuv420p10le"},
    "full-chroma.mp4": {"pixel_format": "yuv444p"},
    "broadcast.ts": {"sound": True},
    "varying.mkv": {"pts": RANDOM_TIMES, "time_base": Fraction(1, 1000), "options": {"bf": "2"}},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "keyint=10:open-gop=0:bframes=3:log-level=none"}},
    "hevc-open.mp4": {"codec": "libx265", "options": {"x265-params": "keyint=10:bframes=3:log-level=none"}},
    "hevc-ten.mkv": {
        "codec": "libx265",
        "pixel_format": "yuv420p10le",
        "options": {"x265-params": "keyint=10:log-level=none"},
    },
    "hevc.ts": {"codec": "libx265", "options": {"x265-params": "keyint=10:log-level=none"}},
    "ntsc.mp4": {"fps": Fraction(30000, 1001), "options": {"bf": "2", "g": "12"}},
}


@pytest.mark.parametrize("name", SOURCES)
def test_an_exact_cut_has_the_frames_of_the_source_and_no_other(name, tmp_path):
    path = film(tmp_path / name, 60, **SOURCES[name])
    written, values = exact(path, 13, 52, tmp_path / "clip.mp4")
    assert 0 < written.copied < written.frames
    copied = [n for n, value in enumerate(values) if value == float("inf")]
    assert len(copied) >= written.copied  # the middle: whole groups, bit for bit
    assert [number(frame.gray()) for frame in walk(tmp_path / "clip.mp4", 0, 10**9)] == list(range(13, 53))


def test_its_times_are_those_of_the_source(tmp_path):
    path = film(tmp_path / "varying.mkv", 60, **SOURCES["varying.mkv"])
    exact(path, 13, 52, tmp_path / "clip.mp4")
    before, after = probe(path), probe(tmp_path / "clip.mp4")
    wanted = (before.pts[13:53] - before.pts[13]) * float(before.time_base)
    assert np.allclose(after.pts * float(after.time_base), wanted, atol=1e-4)


@pytest.mark.parametrize("degrees", [90, 180, 270, "mirror"])
def test_a_rotation_stays(degrees, tmp_path):
    path = turn(film(tmp_path / "a.mp4", 40), degrees)
    exact(path, 3, 35, tmp_path / "clip.mp4")
    assert probe(tmp_path / "clip.mp4").orientation == probe(path).orientation


def test_pixels_that_are_not_square_stay_so(tmp_path):
    path = film(tmp_path / "a.mkv", 40, aspect=Fraction(4, 3))
    written, _ = exact(path, 3, 35, tmp_path / "clip.mp4")
    assert (written.height, written.width) == (probe(path).height, probe(path).width)
    assert probe(tmp_path / "clip.mp4").width == probe(path).width != probe(path).coded_width


@pytest.mark.parametrize(("first", "last"), [(0, 59), (10, 39), (0, 12), (9, 20), (29, 59), (30, 59)])
def test_ends_that_fall_on_keyframes_and_on_the_ends_of_the_file(first, last, tmp_path):
    written, _ = exact(film(tmp_path / "a.mp4", 60, options={"bf": "2"}), first, last, tmp_path / "clip.mp4")
    groups = [n for n in range(0, 60, 10) if n >= first and n + 9 <= last]
    assert written.copied == 10 * len(groups)


def test_the_same_source_gives_the_same_bytes(tmp_path):
    path = film(tmp_path / "a.mp4", 60)
    exact(path, 5, 44, tmp_path / "one.mp4")
    exact(path, 5, 44, tmp_path / "two.mp4")
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


def test_many_clips_are_cut_from_one_open_file(tmp_path, monkeypatch):
    path = film(tmp_path / "a.mp4", 90, options={"bf": "2"})
    times = times_of(path)
    opened = []
    real = av.open
    monkeypatch.setattr(av, "open", lambda file, *rest, **how: opened.append(str(file)) or real(file, *rest, **how))
    with Packets(path) as source:
        for n, (first, last) in enumerate([(3, 30), (31, 58), (59, 89)]):
            exact_clip(source, times[first], times[last], tmp_path / f"{n}.mp4")
    assert sum("a.mp4" in name for name in opened) == 1
    monkeypatch.undo()
    said = [number(frame.gray()) for n in range(3) for frame in walk(tmp_path / f"{n}.mp4", 0, 10**9)]
    assert said == list(range(3, 90))


def test_a_copy_is_snapped_inwards_and_bit_for_bit(tmp_path):
    path = film(tmp_path / "a.mp4", 60, options={"bf": "2"})
    times = times_of(path)
    with Packets(path) as source:
        written = copy_clip(source, times[13], times[47], tmp_path / "clip.mp4")
    assert (written.start_pts, written.end_pts) == (times[20], times[39])
    assert written.frames == written.copied == 20
    for mine, theirs in zip(whole(tmp_path / "clip.mp4"), frames(path, times[20], times[39]), strict=True):
        assert (mine == theirs).all()


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("open.mp4", {"options": {"bf": "3", "x264-params": "open-gop=1", "sc_threshold": "0"}}),
        ("hevc.mp4", {"codec": "libx265", "options": {"x265-params": "keyint=10:log-level=none"}}),
        ("vp9.webm", {"codec": "libvpx-vp9", "options": {"g": "10"}}),
    ],
)
def test_a_copy_of_open_groups_and_of_other_codecs(name, how, tmp_path):
    """In an open group the pictures before the keyframe need the group before: they belong to no copy."""
    path = film(tmp_path / name, 60, **how)
    times = times_of(path)
    with Packets(path) as source:
        written = copy_clip(source, times[13], times[52], tmp_path / "clip.mp4")
    assert times[13] <= written.start_pts < written.end_pts <= times[52]
    mine = whole(tmp_path / "clip.mp4")
    theirs = frames(path, written.start_pts, written.end_pts)
    assert len(mine) == len(theirs) == written.frames > 0
    assert all((a == b).all() for a, b in zip(mine, theirs, strict=True))


def test_a_clip_without_a_whole_group_is_told_and_nothing_is_left_behind(tmp_path):
    path = film(tmp_path / "a.mp4", 60)
    times = times_of(path)
    with Packets(path) as source:
        with pytest.raises(Unusable, match=r"no whole group of pictures .*exact or encode would do") as told:
            copy_clip(source, times[11], times[18], tmp_path / "clip.mp4")
        assert exact_clip(source, times[11], times[18], tmp_path / "clip.mp4") is None
    assert told.value.status == "rejected"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4"]


def test_a_codec_that_an_mp4_cannot_hold(tmp_path):
    path = film(tmp_path / "a.webm", 30, codec="libvpx", options={"g": "10"})
    times = times_of(path)
    with Packets(path) as source, pytest.raises(Unusable, match=r"cannot hold .*vp8.*encode would do"):
        copy_clip(source, times[0], times[29], tmp_path / "clip.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.webm"]


@pytest.mark.parametrize("name", ["a.mp4", "a.ts"])
def test_sound_comes_along_and_only_of_the_clip(name, tmp_path):
    """The sound of `film` ends after half a second."""
    path = film(tmp_path / name, 60, sound=True)
    early, _ = exact(path, 1, 45, tmp_path / "early.mp4", sound=True)
    late, _ = exact(path, 20, 45, tmp_path / "late.mp4", sound=True)
    assert early.sound
    assert not late.sound
    with av.open(str(tmp_path / "early.mp4")) as file:
        heard = sum(frame.samples for frame in file.decode(audio=0)) / 44100
    assert 0.38 < heard < 0.48


def test_times_of_decoding_rise_and_come_before_their_pictures():
    for pts in ([0, 3, 1, 2, 6, 4, 5], [5, 6, 7], [10, 40, 20, 30, 41, 90, 50, 60]):
        times = decode_times(pts)
        assert all(a < b for a, b in pairwise(times))
        assert all(dts <= own for dts, own in zip(times, pts, strict=True))


def test_parameter_sets_survive_the_way_through_a_header(tmp_path):
    with Packets(film(tmp_path / "a.mp4", 20)) as source:
        extradata = source.stream.codec_context.extradata
    sets = h264.read_extradata(extradata)
    assert (len(sets.sequence), len(sets.picture)) == (1, 1)
    assert sets.free() == 31
    assert h264.read_extradata(h264.extended(extradata, sets)).sequence == sets.sequence * 2
    assert h264.extended(extradata, h264.ParameterSets((), ())) == extradata
    parts = [b"\x67\x01\x02", b"\x68\x05"]
    assert h264.units(h264.joined(parts, 4), 4) == h264.units(h264.joined(parts, 0), 0) == parts


def test_whole_groups_of_a_listing(tmp_path):
    with Packets(film(tmp_path / "a.mp4", 40)) as source:
        listing, pts = source.listing, times_of(tmp_path / "a.mp4")
    run = whole_groups(listing, pts[0], pts[39])
    assert (run.first, run.stop) == (0, 40)
    assert whole_groups(listing, pts[1], pts[18]) is None
    assert len(whole_groups(listing, pts[1], pts[19]).members) == 10


def test_what_an_edit_list_hides_is_in_no_clip(tmp_path):
    path = cut_start(film(tmp_path / "a.mp4", 60, options={"bf": "2"}), 5 * 512)
    shown = [number(frame.gray()) for frame in walk(path, times_of(path)[0], times_of(path)[-1])]
    exact(path, 0, len(shown) - 1, tmp_path / "clip.mp4")
    assert [number(frame.gray()) for frame in walk(tmp_path / "clip.mp4", 0, 10**9)] == shown
    with Packets(path) as source:
        copy_clip(source, times_of(path)[0], times_of(path)[-1], tmp_path / "copy.mp4")
    copied = [number(frame.gray()) for frame in walk(tmp_path / "copy.mp4", 0, 10**9)]
    assert copied == [n for n in shown if n >= 10]  # the first group is not whole


def test_interlaced_material_is_not_cut_but_encoded(tmp_path):
    path = film(tmp_path / "a.mp4", 40, options={"flags": "+ildct+ilme", "x264-params": "tff=1"})
    times = times_of(path)
    with Packets(path) as source:
        assert why_not_exact(source, times[3], times[35]) == "it is interlaced"
        assert exact_clip(source, times[3], times[35], tmp_path / "clip.mp4") is None


def test_the_search_for_whole_groups_does_not_grow_with_what_lies_behind_the_clip(tmp_path):
    with Packets(film(tmp_path / "a.mp4", 20)) as source:
        small = source.listing
    count = 200_000
    pts = np.arange(count, dtype=np.int64) * 512
    keys = pts % (512 * 25) == 0
    none = np.zeros(count, bool)
    large = type(small)(pts, keys, keys, none, none, np.full(count, 512), True)
    run = whole_groups(large, 512 * 1003, 512 * 1101)
    assert (run.first, run.stop) == (1025, 1100)
    assert whole_groups(large, 512 * 1003, 512 * 1020) is None
    assert whole_groups(large, 0, int(pts[-1])).stop == count


@pytest.mark.parametrize("name", ["b-frames.mp4", "hevc-open.mp4", "ten-bits.mp4"])
def test_another_reader_finds_each_frame_where_it_is(name, tmp_path):
    """OpenCV brings a libav of its own; it reads through, and it seeks."""
    exact(film(tmp_path / name, 60, **SOURCES[name]), 13, 52, tmp_path / "clip.mp4")
    video = cv2.VideoCapture(str(tmp_path / "clip.mp4"))
    told = []
    while (read := video.read())[0]:
        told.append(number(cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY)))
    assert told == list(range(13, 53))
    for n in (0, 5, 7, 20, 36, 37, 39):
        video.set(cv2.CAP_PROP_POS_FRAMES, n)
        assert number(cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2GRAY)) == 13 + n
