"""Clips encoded anew: as shown, with the frames' own times or at a steady rate."""

from fractions import Fraction

import av
import numpy as np
import pytest
from counting import counted
from filming import film, marked, number, turn

from marey.errors import MareyError
from marey.media import Unusable, probe, read, walk
from marey.media.packets import Packets
from marey.media.recode import Recoding, encode_clip


def encode(path, first, last, out, how=None, **more):
    times = [frame.pts for frame in read(path, probe(path))]
    with Packets(path) as source:
        written = encode_clip(source, times[first], times[last], out, how or Recoding(), **more)
    mine = list(walk(out, 0, 10**9))
    theirs = list(walk(path, times[first], times[last]))
    return written, mine, theirs


def psnr(one, other):
    return 10 * np.log10(255**2 / max(1e-9, float(((one.astype(float) - other) ** 2).mean())))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mp4", {"options": {"bf": "2"}}),
        ("ten.mp4", {"pixel_format": "yuv420p10le"}),
        ("hevc.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none"}}),
        ("old.avi", {"codec": "mpeg4"}),
        ("broadcast.ts", {}),
    ],
)
def test_the_frames_are_those_of_the_clip(name, how, tmp_path):
    path = film(tmp_path / name, 40, **how)
    written, mine, theirs = encode(path, 7, 30, tmp_path / "clip.mp4")
    assert len(mine) == len(theirs) == written.frames == 24
    assert [number(frame.gray()) for frame in mine] == list(range(7, 31))
    assert min(psnr(a.rgb(), b.rgb()) for a, b in zip(mine, theirs, strict=True)) > 33
    assert written.fps == pytest.approx(25, abs=0.01)


@pytest.mark.parametrize("degrees", [90, 180, 270, "mirror"])
def test_a_turned_picture_is_written_upright(degrees, tmp_path):
    path = turn(film(tmp_path / "a.mp4", 12), degrees)
    written, mine, theirs = encode(path, 2, 9, tmp_path / "clip.mp4")
    assert (written.height, written.width) == theirs[0].rgb().shape[:2]
    assert probe(tmp_path / "clip.mp4").rotation == 0
    assert min(psnr(a.rgb(), b.rgb()) for a, b in zip(mine, theirs, strict=True)) > 35


def test_pixels_become_square(tmp_path):
    path = film(tmp_path / "a.mkv", 12, aspect=Fraction(3, 2))
    written, mine, _ = encode(path, 2, 9, tmp_path / "clip.mp4")
    found = probe(tmp_path / "clip.mp4")
    assert (written.width, found.width, found.coded_width) == (192, 192, 192)
    assert number(mine[0].gray()) == 2


@pytest.mark.parametrize("degrees", [0, 180])
def test_pixels_can_stay_as_they_are_stored(degrees, tmp_path):
    path = turn(film(tmp_path / "a.mp4", 12, aspect=Fraction(4, 3)), degrees)  # 171 columns as shown: no even number
    written, mine, theirs = encode(path, 2, 9, tmp_path / "clip.mp4", Recoding(square=False))
    found = probe(tmp_path / "clip.mp4")
    assert (found.height, found.width) == (written.height, written.width) == theirs[0].rgb().shape[:2]
    assert (found.coded_height, found.coded_width) == (96, 128)
    assert min(psnr(a.rgb(), b.rgb()) for a, b in zip(mine, theirs, strict=True)) > 30


def test_a_rate_that_varies_goes_on_varying(tmp_path):
    steps = np.random.default_rng(1).integers(20, 90, 40)
    path = film(tmp_path / "a.mkv", 40, pts=np.cumsum(steps).tolist(), time_base=Fraction(1, 1000))
    encode(path, 5, 30, tmp_path / "clip.mp4")
    before, after = probe(path), probe(tmp_path / "clip.mp4")
    wanted = np.diff(before.pts[5:31]) * float(before.time_base)
    assert np.allclose(np.diff(after.pts) * float(after.time_base), wanted, atol=1e-4)


def test_at_a_steady_rate_each_moment_shows_what_was_shown_then(tmp_path):
    path = film(tmp_path / "a.mp4", 50)
    written, mine, _ = encode(path, 0, 49, tmp_path / "clip.mp4", Recoding(fps=10))
    assert [number(frame.gray()) for frame in mine] == [int(2.5 * n) for n in range(20)]
    assert (written.fps, written.seconds) == (pytest.approx(10), pytest.approx(2.0))
    written, mine, _ = encode(path, 0, 9, tmp_path / "fast.mp4", Recoding(fps=50))
    assert [number(frame.gray()) for frame in mine] == [n // 2 for n in range(20)]


def test_a_crop_takes_what_it_says_and_nothing_else(tmp_path):
    path = film(tmp_path / "a.mp4", 6, height=192, width=256)
    written, mine, theirs = encode(path, 1, 4, tmp_path / "clip.mp4", crop=(20, 8, 10, 6))
    assert (written.height, written.width) == (164, 240)
    for a, b in zip(mine, theirs, strict=True):
        assert psnr(a.rgb(), b.rgb()[20:184, 10:250]) > 33
        assert psnr(a.rgb(), b.rgb()[22:186, 10:250]) < 33  # a wrong place would be seen


def test_a_crop_is_of_the_picture_as_shown(tmp_path):
    path = turn(film(tmp_path / "a.mp4", 6, height=192, width=256), 90)
    _, mine, theirs = encode(path, 1, 4, tmp_path / "clip.mp4", crop=(40, 0, 0, 12))
    assert psnr(mine[0].rgb(), theirs[0].rgb()[40:, :180]) > 33


def test_sizes(tmp_path):
    path = film(tmp_path / "a.mp4", 6, height=192, width=256)
    for size, shape in ((96, (96, 128)), ((64, 64), (64, 64)), ((192, 300), (192, 300)), (95, (94, 126))):
        written, mine, _ = encode(path, 1, 4, tmp_path / "clip.mp4", Recoding(size=size))
        assert (written.height, written.width) == mine[0].rgb().shape[:2] == shape


def test_nothing_left_of_the_picture_is_one_sentence(tmp_path):
    path = film(tmp_path / "a.mp4", 6)
    with pytest.raises(MareyError, match="nothing of 128x96 is left after a crop"):
        encode(path, 1, 4, tmp_path / "clip.mp4", crop=(50, 50, 0, 0))
    assert not (tmp_path / "clip.mp4").exists()


def test_no_frame_there(tmp_path):
    path = film(tmp_path / "a.mp4", 6)
    with Packets(path) as source, pytest.raises(Unusable, match="no frame at the time"):
        encode_clip(source, 10**8, 10**8 + 1, tmp_path / "clip.mp4", Recoding())


def test_only_the_span_is_decoded_and_the_bytes_are_the_same_each_time(tmp_path):
    path = film(tmp_path / "a.mp4", 100)
    with counted() as count, Packets(path) as source:
        encode_clip(source, 45 * 512, 54 * 512, tmp_path / "one.mp4", Recoding())
        assert count.pictures <= 15  # from the keyframe before it to its last frame
        encode_clip(source, 45 * 512, 54 * 512, tmp_path / "two.mp4", Recoding())
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


def test_sound_comes_along(tmp_path):
    path = film(tmp_path / "a.mkv", 30, sound=True)
    written, mine, _ = encode(path, 2, 20, tmp_path / "clip.mp4", sound=True)
    assert written.sound
    assert len(mine) == 19
    assert probe(tmp_path / "clip.mp4").has_audio


def test_sound_that_an_mp4_cannot_hold_is_encoded_in_time(tmp_path):
    """One second of silence, then a tone: the clip begins in the middle of the silence."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        sound = output.add_stream("pcm_s16le", rate=48000, layout="stereo")
        for n in range(50):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(marked(n), format="rgb24")))
        output.mux(stream.encode(None))
        wave = (np.sin(np.arange(96000) * 0.05) * 20000 * (np.arange(96000) >= 48000)).astype(np.int16)
        for n in range(0, 96000, 4800):
            piece = np.repeat(wave[n : n + 4800], 2)[None]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 48000, n
            output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    written, _, _ = encode(path, 12, 37, tmp_path / "clip.mp4", sound=True)
    assert written.sound
    with av.open(str(tmp_path / "clip.mp4")) as file:
        assert file.streams.audio[0].codec_context.name == "aac"
        heard = np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1)
    loud = np.abs(heard[0]) > 0.2
    assert np.argmax(loud) / 48000 == pytest.approx(1 - 12 / 25, abs=0.05)
    assert heard.shape[1] / 48000 == pytest.approx(26 / 25, abs=0.06)
