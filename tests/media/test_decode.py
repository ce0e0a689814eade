"""The one decode, and the spans: exact times, every frame once, and the pixels that are meant."""

import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from counting import counted
from filming import cut_start, film, marked, number, turn

from marey.media import Tally, Unusable, frames_at, probe, read, span, walk

KINDS = {
    "plain.mp4": {},
    "b-frames.mkv": {"options": {"bf": "3"}},
    "transport.ts": {},
    "program.mpg": {"codec": "mpeg1video"},
    "no-times.avi": {"options": {"bf": "2"}},
    "intra.avi": {"codec": "mjpeg", "pixel_format": "yuvj420p"},
    "ten.mp4": {"pixel_format": "yuv420p10le"},
    "odd.mp4": {"height": 91, "width": 121, "pixel_format": "yuv444p"},
    "fields.mp4": {"options": {"x264-params": "tff=1"}},
    "varying.mp4": {"pts": [n * n * 3 + n * 20 for n in range(40)], "time_base": Fraction(1, 1000)},
    "rgb.mkv": {"codec": "ffv1", "pixel_format": "bgr0"},
    "grey.mkv": {"codec": "ffv1", "pixel_format": "gray"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "prores.mov": {"codec": "prores_ks", "pixel_format": "yuv422p10le"},
    "palette.gif": {"codec": "gif", "pixel_format": "rgb8"},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"bf": "2"}},
    "bare.h264": {"options": {"bf": "3"}},
    "alpha.mkv": {"codec": "ffv1", "pixel_format": "yuva420p"},
    "semi.mkv": {"codec": "rawvideo", "pixel_format": "nv12"},
}


CONTAINERS = {".ts": "mpegts", ".mpg": "mpeg", ".webm": "webm", ".avi": "avi", ".mkv": "matroska"}


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return film(tmp_path / request.param, 40, **KINDS[request.param])


def test_every_frame_comes_once_in_order_and_is_decoded_once(kind: Path) -> None:
    with counted() as count:
        facts = probe(kind)
        reading = read(kind, facts)
        seen = [(frame.n, frame.pts, number(frame.gray(64))) for frame in reading]
    assert [n for n, _, _ in seen] == list(range(40))
    assert [mark for _, _, mark in seen] == list(range(40))
    assert count.pictures == 40 == reading.decoded == reading.frames == facts.frames
    assert count.seeks == 0
    assert (reading.damaged, reading.limited) == (0, False)
    times = [pts for _, pts, _ in seen]
    assert times == sorted(set(times))
    if reading.retimed == 0:
        assert times == list(facts.pts)


def test_a_span_is_what_the_pass_saw(kind: Path) -> None:
    frames = [(frame.pts, frame.rgb(64)) for frame in read(kind, probe(kind))]
    for start, end in ((0, 4), (7, 19), (25, 39), (39, 39)):
        clip = span(kind, frames[start][0], frames[end][0], size=64)
        np.testing.assert_array_equal(clip, np.stack([image for _, image in frames[start : end + 1]]))


def test_times_are_exact(tmp_path: Path) -> None:
    path = film(tmp_path / "ntsc.mp4", 40, fps=Fraction(30000, 1001))
    seconds = [frame.seconds for frame in read(path, probe(path))]
    assert seconds == [Fraction(1001 * n, 30000) for n in range(40)]


def test_a_span_decodes_its_own_gop_only(tmp_path: Path) -> None:
    path = film(tmp_path / "long.mp4", 120, options={"bf": "0"})  # a keyframe every ten frames
    pts = probe(path).pts
    tally = Tally()
    with counted() as count:
        clip = span(path, int(pts[83]), int(pts[88]), threads=1, tally=tally)
    assert [number(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)) for image in clip] == list(range(83, 89))
    assert count.pictures == tally.decoded <= 10


def test_every(tmp_path: Path) -> None:
    path = film(tmp_path / "plain.mp4")
    pts = probe(path).pts
    clip = span(path, int(pts[3]), int(pts[12]), every=4)
    assert [number(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)) for image in clip] == [3, 7, 11]


def test_frames_at_any_times_in_any_order(kind: Path) -> None:
    seen = {frame.n: (frame.pts, frame.rgb(48, crop=True)) for frame in read(kind, probe(kind))}
    wanted = [30, 12, 12, 21]
    got = frames_at(kind, [seen[n][0] for n in wanted], 48)
    assert got.shape == (4, 48, 48, 3)
    np.testing.assert_array_equal(got, np.stack([seen[n][1] for n in wanted]))


def test_a_time_that_no_frame_has(tmp_path: Path) -> None:
    path = film(tmp_path / "plain.mp4")
    pts = [int(time) for time in probe(path).pts]
    with pytest.raises(Unusable, match=f"no frame at the time {pts[4] + 1} "):
        frames_at(path, [pts[2], pts[4] + 1, pts[6]], 32)
    with pytest.raises(Unusable, match="no frame at the time"):
        list(walk(path, pts[-1] + 1, pts[-1] + 9))


def test_no_times_wanted(tmp_path: Path) -> None:
    assert frames_at(tmp_path / "need-not-exist.mp4", [], 32).shape == (0, 32, 32, 3)


def test_what_an_edit_list_cuts_away_cannot_be_seen(tmp_path: Path) -> None:
    path = film(tmp_path / "edited.mp4", 30)
    step = int(np.diff(probe(path).pts)[0])
    cut_start(path, 12 * step)
    frames = [(frame.pts, number(frame.gray(64))) for frame in read(path, probe(path))]
    assert [mark for _, mark in frames] == list(range(12, 30))
    clip = span(path, frames[2][0], frames[5][0])
    assert [number(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)) for image in clip] == [14, 15, 16, 17]


@pytest.mark.parametrize("degrees", [90, 180, 270, "mirror"])
def test_rotation_is_applied_to_every_kind_of_pixel(tmp_path: Path, degrees: int | str) -> None:
    path = film(tmp_path / "phone.mp4", 5)
    upright = next(iter(read(path, probe(path))))
    turned = next(iter(read(turn(path, degrees), probe(path))))

    def shown(image: np.ndarray) -> np.ndarray:
        return image[:, ::-1] if degrees == "mirror" else np.rot90(image, -degrees // 90)

    np.testing.assert_array_equal(turned.rgb(), shown(upright.rgb()))
    np.testing.assert_array_equal(turned.gray(48), shown(upright.gray(48)))
    np.testing.assert_array_equal(turned.yuv()[1], shown(upright.yuv()[1]))
    assert (turned.height, turned.width) == turned.rgb().shape[:2]
    assert turned.rgb(32, crop=True).shape == (32, 32, 3)


def test_rotation_that_only_the_decoder_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from marey.media import orientation

    path = turn(film(tmp_path / "phone.mp4", 5), 90)
    monkeypatch.setattr(sys.modules["marey.media.probe"], "of_mp4", lambda *_: orientation.UPRIGHT)
    facts = probe(path)
    assert (facts.width, facts.height) == (128, 96)
    reading = read(path, facts)
    assert {frame.rgb().shape for frame in reading} == {(128, 96, 3)}
    assert (reading.probe.width, reading.probe.height, reading.probe.rotation) == (96, 128, 90)


def test_square_pixels(tmp_path: Path) -> None:
    path = film(tmp_path / "wide.mp4", 4, aspect=Fraction(2))
    frame = next(iter(read(path, probe(path))))
    assert frame.rgb().shape == (96, 256, 3)
    assert frame.gray(48).shape == (48, 128)
    assert number(frame.gray(48)) == 0


def test_the_limit(tmp_path: Path) -> None:
    path = film(tmp_path / "plain.mp4", 60)
    reading = read(path, probe(path), limit_seconds=1.0, threads=1)
    assert [frame.n for frame in reading] == list(range(25))
    assert reading.limited
    assert reading.decoded <= 27
    free = read(path, probe(path), limit_seconds=100)
    assert len(list(free)) == 60
    assert not free.limited


def test_threads_change_nothing(tmp_path: Path) -> None:
    path = film(tmp_path / "plain.mp4", 40)
    one = [frame.gray() for frame in read(path, probe(path), threads=1)]
    four = [frame.gray() for frame in read(path, probe(path), threads=4)]
    np.testing.assert_array_equal(one, four)


def test_frames_outlive_the_reading(tmp_path: Path) -> None:
    """A consumer may hold a frame and ask for its pixels when the decoder has long moved on."""
    path = film(tmp_path / "plain.mp4", 40)
    held = list(read(path, probe(path)))
    assert [number(frame.gray(48)) for frame in held] == list(range(40))
    np.testing.assert_allclose(held[0].rgb().astype(int), marked(0).astype(int), atol=40)


def test_cut_short_behind_its_index(tmp_path: Path) -> None:
    path = film(tmp_path / "short.mp4", 60, container_options={"movflags": "+faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    facts = probe(path)
    reading = read(path, facts)
    marks = [number(frame.gray(64)) for frame in reading]
    assert marks[: facts.frames - 1] == list(range(facts.frames - 1))
    assert "cut short" in reading.reason


def ruin(path: Path, numbers: range) -> None:
    """Overwrite whole frames of a motion JPEG file, in which every frame stands alone."""
    data = bytearray(path.read_bytes())
    starts = [at for at in range(len(data) - 2) if data[at : at + 3] == b"\xff\xd8\xff"]
    for n in numbers:
        end = starts[n + 1] if n + 1 < len(starts) else starts[n] + 300
        data[starts[n] : end] = bytes(end - starts[n])
    path.write_bytes(data)


def test_damage_in_the_middle_costs_only_what_is_damaged(tmp_path: Path) -> None:
    path = film(tmp_path / "damaged.mp4", 100, codec="mjpeg", pixel_format="yuvj420p")
    facts = probe(path)
    ruin(path, range(40, 43))
    reading = read(path, facts)
    marks = [number(frame.gray(64)) for frame in reading]
    assert marks == [n for n in range(100) if n not in (40, 41, 42)]
    assert reading.damaged == 3
    assert reading.reason == "3 damaged packets were skipped"


def test_more_damage_than_the_budget_allows(tmp_path: Path) -> None:
    path = film(tmp_path / "ruined.mp4", 100, codec="mjpeg", pixel_format="yuvj420p")
    facts = probe(path)
    ruin(path, range(20, 60))
    with pytest.raises(Unusable, match="more than 10 of its packets are damaged") as caught:
        list(read(path, facts))
    assert caught.value.status == "failed"


def test_noise_in_the_middle_ends_in_frames_or_in_a_sentence(tmp_path: Path) -> None:
    source = film(tmp_path / "source.mp4", 100, container_options={"movflags": "+faststart"}).read_bytes()
    path = tmp_path / "noise.mp4"
    ends: list[str] = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        data = bytearray(source)
        at = int(rng.integers(len(data) // 3, len(data) - 600))
        data[at : at + 500] = rng.bytes(500)
        path.write_bytes(data)
        try:
            frames = len(list(read(path, probe(path))))
        except Unusable as error:
            ends.append(error.status)
        else:
            ends.append("ok" if 2 <= frames <= 100 else f"{frames} frames")
    assert set(ends) <= {"ok", "failed"}
    assert "ok" in ends


def test_all_frames_damaged(tmp_path: Path) -> None:
    path = film(tmp_path / "ruined.mp4", 5, codec="mjpeg", pixel_format="yuvj420p")
    facts = probe(path)
    ruin(path, range(5))
    with pytest.raises(Unusable, match="none of its frames can be decoded"):
        list(read(path, facts))


def test_a_file_that_grows_while_it_is_read(tmp_path: Path) -> None:
    path = film(tmp_path / "growing.ts", 40)
    facts = probe(path)
    path.write_bytes(path.read_bytes() * 2)  # the second half begins again at the same times
    reading = read(path, facts)
    times = [frame.pts for frame in reading]
    assert len(times) > 40
    assert times == sorted(set(times))
    assert {*facts.pts} - {*times} <= {*facts.pts[-3:]}  # where the halves meet, the decoder may lose a few
    assert "is reckoned" in reading.reason


@pytest.mark.parametrize("kind", ["transport.ts", "program.mpg", "vp9.webm", "intra.avi", "semi.mkv"])
def test_whatever_is_broken_only_a_sentence_comes_out(tmp_path: Path, kind: str) -> None:
    source = film(tmp_path / "source.tmp", 30, **KINDS[kind], container=CONTAINERS[Path(kind).suffix]).read_bytes()
    path = tmp_path / kind
    for seed in range(8):
        rng = np.random.default_rng(seed)
        data, at = bytearray(source), int(rng.integers(len(source)))
        match seed % 4:
            case 0:
                del data[at:]
            case 1:
                data[at : at + 2000] = rng.bytes(min(2000, len(data) - at))
            case 2:
                del data[at : at + int(rng.integers(1, 3000))]
            case 3:
                for where in rng.integers(0, len(data), 20):
                    data[where] ^= 0x55
        path.write_bytes(data)
        try:
            frames = [frame.pts for frame in read(path, probe(path))]
        except Unusable as error:
            told = (error.status, error.reason)
            assert told[0] in {"failed", "rejected"}
            assert told[1]
            assert "\n" not in told[1]
        else:
            assert len(frames) >= 2
            assert frames == sorted(set(frames))


def test_a_file_that_vanishes(tmp_path: Path) -> None:
    path = film(tmp_path / "plain.mp4")
    facts = probe(path)
    path.unlink()
    with pytest.raises(Unusable, match="no such file"):
        list(read(path, facts))
