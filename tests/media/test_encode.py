"""Files that Marey writes."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from filming import marked

from marey.errors import MareyError
from marey.media import probe, read, video_bytes, write_video
from marey.media.encode import rate


def frames(count: int = 20, height: int = 96, width: int = 128) -> np.ndarray:
    return np.stack([marked(n, height, width) for n in range(count)])


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, frames(), Fraction(30000, 1001), crf=2)
    facts = probe(path)
    assert (facts.codec, facts.pixel_format, facts.frames, facts.vfr) == ("h264", "yuv420p", 20, False)
    assert Fraction(int(facts.pts[1] - facts.pts[0])) * facts.time_base == Fraction(1001, 30000)
    got = np.stack([frame.rgb() for frame in read(path, facts)])
    error = np.abs(got.astype(int) - frames())
    assert error[:, 8:40, 2:14].mean() < 2  # a flat block keeps its colour; edges blur with the halved chroma
    assert error.mean() < 6


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 180, 40), (0, 0, 0), (255, 255, 255)])
def test_colours_come_back(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    flat = np.broadcast_to(np.array(colour, np.uint8), (3, 48, 64, 3))
    write_video(tmp_path / "a.mp4", flat, 25, crf=0)
    frame = next(iter(read(tmp_path / "a.mp4", probe(tmp_path / "a.mp4"))))
    assert np.abs(frame.rgb().astype(int) - np.array(colour)).max() <= 3


def test_the_same_frames_give_the_same_bytes_whatever_memory_held_before() -> None:
    """libx264 as it is set up by default, with its macroblock tree, fails this."""
    rng = np.random.default_rng(0)
    frames = np.stack([cv2.GaussianBlur(rng.integers(0, 255, (240, 320, 3), np.uint8), (0, 0), 4)] * 80)
    for n, image in enumerate(frames):
        image[150:210, 3 * n : 3 * n + 60] = (250, 160, 40)
    files = set()
    for n in range(6):
        rubbish = [rng.integers(0, 255, int(size), np.uint8) for size in rng.integers(1000, 4_000_000, 6 + n)]
        del rubbish
        files.add(video_bytes(frames, 25, crf=17, preset="slow"))
    assert len(files) == 1


def test_an_array_and_an_iterator_give_the_same_file(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames(), 25)
    write_video(tmp_path / "b.mp4", iter(frames()), 25.0)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data == (tmp_path / "b.mp4").read_bytes()
    assert data != video_bytes(frames()[::-1], 25, crf=20)
    assert data == video_bytes(frames(), 25, crf=20)


def test_the_index_stands_in_front() -> None:
    data = video_bytes(frames(), 25)
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_an_odd_side_is_made_even(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames(height=91, width=121), 25)
    assert (probe(tmp_path / "a.mp4").width, probe(tmp_path / "a.mp4").height) == (122, 92)


def test_nothing_is_left_of_what_fails(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"what was there before")

    def broken():
        yield marked(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / "a.mp4", broken(), 25)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"what was there before"


def test_what_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with pytest.raises(MareyError, match="no frames"):
        write_video(path, [], 25)
    with pytest.raises(MareyError, match=r"Frame 0 is float64"):
        write_video(path, np.zeros((2, 8, 8, 3)), 25)
    with pytest.raises(MareyError, match="Frame 1 is 64x48, the first one 128x96"):
        write_video(path, [marked(0), marked(1, 48, 64)], 25)
    with pytest.raises(MareyError, match="no encoder 'nonesuch'"):
        write_video(path, frames(), 25, codec="nonesuch")
    with pytest.raises(MareyError, match="no frame rate"):
        write_video(path, frames(), 0)
    assert list(tmp_path.iterdir()) == []


def test_rates() -> None:
    assert rate(25.0) == 25
    assert rate(29.97) == rate(29.97002997) == Fraction(30000, 1001)
    assert rate(23.976) == Fraction(24000, 1001)
    assert rate(12.5) == Fraction(25, 2)
    assert rate(Fraction(24000, 1001)) == Fraction(24000, 1001)
