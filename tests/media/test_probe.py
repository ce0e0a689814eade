"""What a file is, told without decoding it."""

import os
import pickle
import shutil
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from counting import counted
from filming import cut_start, film, hum, marked, only_sound, turn

from marey.media import Unusable, content_id, probe, read
from marey.media.probe import demux


def refused(path: Path) -> Unusable:
    with pytest.raises(Unusable) as caught:
        probe(path)
    return caught.value


def test_a_plain_file_and_nothing_is_decoded(tmp_path: Path) -> None:
    path = film(tmp_path / "plain.mp4", 30, sound=True)
    with counted() as count:
        facts = probe(path)
    assert count.opened == 1
    assert count.pictures == 0
    assert (facts.kind, facts.codec, facts.pixel_format, facts.bit_depth) == ("video", "h264", "yuv420p", 8)
    assert (facts.width, facts.height, facts.rotation, facts.interlaced, facts.vfr) == (128, 96, 0, False, False)
    assert facts.frames == facts.declared == len(facts.pts) == 30
    assert facts.fps == 25
    assert facts.seconds == pytest.approx(1.2)
    assert facts.has_audio
    assert list(np.diff(facts.pts)) == [Fraction(1, 25) / facts.time_base] * 29
    assert list(facts.keyframes) == [facts.pts[0], facts.pts[10], facts.pts[20]]
    assert facts.reason == ""


def test_a_silent_file_has_no_sound(tmp_path: Path) -> None:
    assert not probe(film(tmp_path / "silent.mp4")).has_audio


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mpg", "mpeg1video"),
        ("a.avi", "libx264"),
        ("a.ts", "libx264"),
        ("a.mkv", "libx264"),
        ("a.mov", "mpeg4"),
        ("a.webm", "libvpx"),
    ],
)
def test_frames_are_counted_whatever_the_header_says(tmp_path: Path, name: str, codec: str) -> None:
    facts = probe(film(tmp_path / name, 40, codec=codec))
    assert facts.frames == 40
    assert facts.fps == pytest.approx(25, rel=0.01)
    assert facts.seconds == pytest.approx(1.6, rel=0.05)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_is_known_before_the_decode(tmp_path: Path, degrees: int) -> None:
    facts = probe(turn(film(tmp_path / "phone.mp4"), degrees))
    assert facts.rotation == degrees
    assert (facts.width, facts.height) == ((96, 128) if degrees % 180 else (128, 96))
    assert (facts.coded_width, facts.coded_height) == (128, 96)


def test_pixels_that_are_not_square_widen_the_picture(tmp_path: Path) -> None:
    facts = probe(film(tmp_path / "wide.mp4", aspect=Fraction(4, 3)))
    assert (facts.width, facts.height, facts.coded_width) == (171, 96, 128)


def test_a_varying_rate_is_flagged_and_measured(tmp_path: Path) -> None:
    times = [0, 40, 80, 120, 220, 260, 300, 500, 540, 580]
    path = film(tmp_path / "varying.mp4", pts=times, time_base=Fraction(1, 1000))
    facts = probe(path)
    assert facts.vfr
    assert [(time - facts.pts[0]) * facts.time_base for time in facts.pts] == [Fraction(time, 1000) for time in times]
    assert facts.fps == pytest.approx(9 / 0.58)


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), 25, Fraction(30000, 1001), 60])
def test_rounding_to_milliseconds_is_not_a_varying_rate(tmp_path: Path, fps: Fraction | int) -> None:
    facts = probe(film(tmp_path / "matroska.mkv", 60, fps=fps))
    assert not facts.vfr
    assert facts.fps == pytest.approx(float(fps), rel=2e-3)


def test_ten_bits(tmp_path: Path) -> None:
    facts = probe(film(tmp_path / "ten.mp4", pixel_format="yuv420p10le"))
    assert (facts.pixel_format, facts.bit_depth) == ("yuv420p10le", 10)


def test_odd_sizes(tmp_path: Path) -> None:
    facts = probe(film(tmp_path / "odd.mp4", height=91, width=121, pixel_format="yuv444p"))
    assert (facts.width, facts.height) == (121, 91)


def test_interlaced(tmp_path: Path) -> None:
    assert probe(film(tmp_path / "fields.mp4", options={"x264-params": "tff=1"})).interlaced


def test_what_an_edit_list_cuts_away_does_not_count(tmp_path: Path) -> None:
    path = film(tmp_path / "edited.mp4", 30)
    whole = probe(path)
    step = int(whole.pts[1] - whole.pts[0])
    facts = probe(cut_start(path, 12 * step))
    with counted() as count:
        shown = [frame.pts for frame in read(path, facts)]
    assert facts.frames == len(shown) == 18
    assert shown == list(facts.pts)
    assert count.pictures == 18


@pytest.mark.parametrize(
    "name", ["with space.mp4", "фильм.mp4", "映画.mp4", "a:b.mp4", "100%d.mp4", "-x.mp4", "a?b#c.mp4"]
)
def test_names(tmp_path: Path, name: str) -> None:
    assert probe(film(tmp_path / "plain.mp4").rename(tmp_path / name)).frames == 30


def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film(tmp_path / "plain.mp4")
    monkeypatch.chdir(tmp_path)
    assert probe("plain.mp4").frames == 30


def test_the_id_is_of_the_content_alone(tmp_path: Path) -> None:
    path = film(tmp_path / "plain.mp4")
    copy = Path(shutil.copy(path, tmp_path / "other.mp4"))
    assert content_id(path) == content_id(copy)
    assert len(content_id(path)) == 32
    data = bytearray(copy.read_bytes())
    data[-1] ^= 1
    copy.write_bytes(data)
    assert content_id(path) != content_id(copy)


def test_unusable_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(Unusable("rejected", "there is no video in it", "a.mp4")))
    assert (error.status, error.reason, error.path) == ("rejected", "there is no video in it", "a.mp4")
    assert str(error) == "a.mp4: there is no video in it"


def test_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    error = refused(path)
    assert (error.status, error.reason) == ("failed", "the file is empty")


def test_text(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("Dies ist kein Film, sondern ein Brief – mit Umlauten: äöü.\n" * 40, encoding="utf-8")
    error = refused(path)
    assert (error.status, error.reason) == ("failed", "it is text, not a video")


def test_noise_and_zeros(tmp_path: Path) -> None:
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(np.random.default_rng(0).bytes(20000))
    assert "not a media file" in refused(noise).reason
    zeros = tmp_path / "zeros.mp4"
    zeros.write_bytes(bytes(20000))
    assert "only zeros" in refused(zeros).reason


def test_only_sound(tmp_path: Path) -> None:
    error = refused(only_sound(tmp_path / "song.mp4"))
    assert (error.status, error.reason) == ("rejected", "there is sound in it but no video")


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as output:
        sound = output.add_stream("aac", rate=44100, layout="mono")
        cover = output.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 48, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(marked(0, 48, 64), format="rgb24")
        for packet in [*cover.encode(picture), *cover.encode(None)]:
            output.mux(packet)
        hum(output, sound)
    assert (refused(path).status, refused(path).reason) == ("rejected", "there is sound in it but no video")


def test_one_frame(tmp_path: Path) -> None:
    error = refused(film(tmp_path / "one.mp4", 1))
    assert error.status == "rejected"
    assert "one frame" in error.reason


def test_a_missing_index(tmp_path: Path) -> None:
    path = film(tmp_path / "whole.mp4", 60)  # the index is written last
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    error = refused(path)
    assert error.status == "failed"
    assert "moov" in error.reason


def test_cut_short_behind_its_index(tmp_path: Path) -> None:
    path = film(tmp_path / "short.mp4", 60, container_options={"movflags": "+faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    facts = probe(path)
    assert 2 <= facts.frames < 60
    assert facts.declared == 60
    assert "cut short" in facts.reason


def test_folders_pipes_and_links(tmp_path: Path) -> None:
    folder = tmp_path / "folder.mp4"
    folder.mkdir()
    assert (refused(folder).status, refused(folder).reason) == ("rejected", "it is a folder, not a file")
    if hasattr(os, "mkfifo"):
        pipe = tmp_path / "pipe.mp4"
        os.mkfifo(pipe)
        assert (refused(pipe).status, refused(pipe).reason) == ("rejected", "it is a named pipe, not a file")
    dangling = tmp_path / "dangling.mp4"
    dangling.symlink_to(tmp_path / "nowhere.mp4")
    assert (refused(dangling).status, refused(dangling).reason) == (
        "failed",
        "it is a link to something that is not there",
    )
    loop = tmp_path / "loop.mp4"
    loop.symlink_to(loop)
    assert refused(loop).reason == "it is a link that leads back to itself"
    assert refused(tmp_path / "missing.mp4").reason == "there is no such file"


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film(tmp_path / "secret.mp4")
    real = open

    def denied(file, *rest, **options):
        if str(file) == str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(file, *rest, **options)

    monkeypatch.setattr("builtins.open", denied)
    error = refused(path)
    assert (error.status, error.reason) == ("failed", "it may not be read (permission denied)")
    with pytest.raises(Unusable, match="permission denied"):
        content_id(path)


def test_a_picture_called_mp4_is_a_photograph(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "picture.mp4"
    Image.new("RGB", (40, 30)).save(path, "JPEG")
    facts = probe(path)
    assert (facts.kind, facts.width, facts.height, facts.frames) == ("photo", 40, 30, 1)


def test_a_stream_that_begins_in_the_middle_ends_no_reading() -> None:
    """PyAV looks for a flush of the newcomer, and there is none."""

    class Broadcast:
        def demux(self, stream: str) -> Iterator[str]:
            yield from (f"{stream} 1", f"{stream} 2", f"{stream} flush")
            raise IndexError("list index out of range")

    assert list(demux(Broadcast(), "video")) == ["video 1", "video 2", "video flush"]


def y4m(path: Path, width: int, height: int, frames: int = 3) -> Path:
    picture = b"FRAME\n" + bytes(width * height) + bytes(2 * ((width + 1) // 2) * ((height + 1) // 2))
    path.write_bytes(b"YUV4MPEG2 W%d H%d F25:1 Ip A1:1 C420jpeg\n" % (width, height) + picture * frames)
    return path


def test_a_picture_like_a_thread_is_no_film(tmp_path: Path) -> None:
    """What takes it at a short side of 128 would have to make its long side a million."""
    error = refused(y4m(tmp_path / "thread.y4m", 8192, 2))
    assert error.status == "rejected"
    assert error.reason == "its picture is 8192x2: one side is more than 64 times the other"
    assert probe(y4m(tmp_path / "narrow.y4m", 640, 10)).frames == 3


def test_a_picture_that_claims_too_much_is_told_before_the_decoder_makes_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules[probe.__module__]  # `marey.media.probe` is the function
    monkeypatch.setattr(module, "LARGEST", 128 * 96 - 1)
    error = refused(film(tmp_path / "large.mp4"))
    assert error.status == "failed"
    assert error.reason == "the picture claims 128x96 pixels, too many to be one"
    monkeypatch.setattr(module, "LARGEST", 128 * 96)
    assert probe(tmp_path / "large.mp4").frames == 30
