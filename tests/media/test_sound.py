"""Sound on the picture's clock: clicks are where they were made, gaps are silent, and no picture is decoded."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from counting import counted
from filming import film, marked

from marey.media import Unusable
from marey.media.sound import RATE, Heard, _timed, hear


def sounding(
    path: Path,
    wave: np.ndarray,
    rate: int = 48000,
    codec: str = "pcm_s16le",
    layout: str = "mono",
    gap: tuple[int, int] | None = None,
    first: int = 0,
) -> Path:
    """A file of 40 frames with a wave float (C, N); `gap` leaves out samples from one number to another."""
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=20)
        video.height, video.width, video.pix_fmt = 96, 128, "yuv420p"
        audio = output.add_stream(codec, rate=rate, layout=layout)
        for n in range(40):
            output.mux(video.encode(av.VideoFrame.from_ndarray(marked(n), format="rgb24")))
        output.mux(video.encode(None))
        for n in range(0, wave.shape[1], 1024):
            if gap and gap[0] <= n < gap[1]:
                continue
            piece = np.ascontiguousarray(wave[:, n : n + 1024].astype(np.float32))
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, first + n, Fraction(1, rate)
            output.mux(audio.encode(frame))
        output.mux(audio.encode(None))
    return path


def whole(path: Path, start: float = 0, end: float = 2, heard: Heard | None = None) -> np.ndarray:
    return np.concatenate(list(hear(path, Fraction(start), Fraction(end), heard)), axis=1)


def clicks(rate: int, times: tuple[float, ...], seconds: float = 2.0) -> np.ndarray:
    """Short bells at these times."""
    t = np.arange(round(rate * seconds)) / rate
    return sum(0.8 * np.exp(-(((t - time) / 0.0004) ** 2)) for time in times)[None]


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "pcm_s16le"), ("mkv", "flac"), ("mp4", "aac")])
def test_a_click_is_where_it_was_made(tmp_path: Path, rate: int, suffix: str, codec: str) -> None:
    times = (0.25, 1.1, 1.75)
    heard = Heard()
    wave = whole(sounding(tmp_path / f"a.{suffix}", clicks(rate, times), rate, codec), heard=heard)
    assert wave.shape == (1, 2 * RATE)
    assert heard.channels == ("FC",)
    for time in times:
        near = wave[0, round((time - 0.1) * RATE) : round((time + 0.1) * RATE)]
        assert abs(near.argmax() / RATE - 0.1) < 0.0012
        assert near.max() > 0.5


def test_any_stretch_is_that_of_the_whole(tmp_path: Path) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, (2, 96000))
    path = sounding(tmp_path / "a.mkv", wave, layout="stereo")
    every = whole(path)
    np.testing.assert_allclose(every, wave, atol=1e-4)
    np.testing.assert_array_equal(whole(path, 0.5, 1.25), every[:, 24000:60000])


def test_before_after_and_between_there_is_silence(tmp_path: Path) -> None:
    wave = np.full((1, 96000), 0.5)
    path = sounding(tmp_path / "a.mkv", wave, gap=(20480, 40960))
    heard = whole(path, -0.5, 3)[0]
    assert len(heard) == 3.5 * RATE
    loud = heard > 0.4
    assert not loud[: RATE // 2 - 60].any()
    assert loud[RATE // 2 + 60 : RATE // 2 + 20400].all()
    assert not loud[RATE // 2 + 20540 : RATE // 2 + 40900].any()
    assert loud[RATE // 2 + 41020 : RATE // 2 + 95900].all()
    assert not loud[RATE // 2 + 96060 :].any()


def test_sound_that_begins_late_is_late(tmp_path: Path) -> None:
    heard = whole(sounding(tmp_path / "a.mkv", np.full((1, 24000), 0.5), first=24000))[0]
    assert abs(int((heard > 0.4).argmax()) - 24000) < 60


def test_a_time_that_nothing_goes_on_from_is_damage_and_a_gap_is_a_gap() -> None:
    def moments(*pts: int | None) -> list[int]:
        frames = [
            SimpleNamespace(pts=time, time_base=Fraction(1, 1000), samples=960, sample_rate=48000) for time in pts
        ]
        return [round(1000 * moment) for _, moment in _timed(frames, Fraction(0))]

    assert moments(0, 20, 40) == [0, 20, 40]
    assert moments(0, None, None, 60) == [0, 20, 40, 60]
    assert moments(0, 20, 90_000, 60, 80) == [0, 20, 40, 60, 80]
    assert moments(0, 20, -500, 60) == [0, 20, 40, 60]
    assert moments(0, 20, 500, 520, 540) == [0, 20, 500, 520, 540]
    assert moments(300, 320) == [300, 320]


def test_no_picture_is_decoded(tmp_path: Path) -> None:
    path = sounding(tmp_path / "a.mp4", clicks(48000, (1.0,)), codec="aac")
    with counted() as count:
        whole(path)
    assert count.pictures == 0


def test_channels_have_their_names(tmp_path: Path) -> None:
    wave = np.zeros((6, 48000))
    heard = Heard()
    assert whole(sounding(tmp_path / "a.mkv", wave, layout="5.1"), heard=heard).shape == (6, 96000)
    assert heard.channels == ("FL", "FR", "FC", "LFE", "BL", "BR")


def test_a_file_without_sound_is_rejected_and_a_damaged_one_fails(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="no sound in it") as told:
        whole(film(tmp_path / "a.mp4"))
    assert told.value.status == "rejected"
    path = sounding(tmp_path / "b.mkv", np.random.default_rng(0).normal(0, 0.1, (1, 96000)), codec="flac")
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\xf8")  # the first frame of FLAC
    noise = np.random.default_rng(1).integers(0, 256, len(data) - at, dtype=np.uint8).tobytes()
    keep = np.random.default_rng(2).random(len(data) - at) < 0.9
    mixed = bytes(a if k else b for a, b, k in zip(data[at:], noise, keep, strict=True))
    path.write_bytes(bytes(data[:at]) + mixed)
    with pytest.raises(Unusable) as told:
        whole(path)
    assert told.value.status == "failed"


def test_a_file_that_breaks_off_is_silent_from_there(tmp_path: Path) -> None:
    path = sounding(tmp_path / "a.mkv", np.full((1, 96000), 0.5))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    heard = whole(path)[0]
    assert (heard[4800:9600] > 0.4).all()
    assert not (heard[-9600:] > 0.4).any()


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "flac"), ("mp4", "aac"), ("mov", "pcm_s16le"), ("ts", "mp2")])
def test_broken_files_end_as_sound_of_the_right_length_or_say_what_is_wrong(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, (2, 96000))
    whole_file = sounding(tmp_path / f"a.{suffix}", wave, codec=codec, layout="stereo").read_bytes()
    rng = np.random.default_rng(1)
    ends = set()
    for n in range(24):
        data = bytearray(whole_file)
        start, stop = sorted(rng.integers(0, len(data), 2))
        if n % 3 == 0:
            data[start : min(stop, start + 20000)] = rng.bytes(min(stop, start + 20000) - start)
        elif n % 3 == 1:
            del data[start:stop]
        else:
            for at in rng.integers(0, len(data), 30):
                data[at] = rng.integers(256)
        path = tmp_path / f"b.{suffix}"
        path.write_bytes(data)
        try:
            sound = whole(path)
        except Unusable as told:
            ends.add(told.status)
        else:
            ends.add("heard")
            assert sound.shape[1] == 96000
            assert np.abs(sound).max() <= 4
    assert "heard" in ends
