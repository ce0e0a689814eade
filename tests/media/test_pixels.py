"""Scaling: beside the slow and obvious way, in every depth and range."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from filming import film, turn

from marey.media import probe, read, write_video
from marey.media.pixels import cover, halved, shrunk


def first(path: Path):
    return next(iter(read(path, probe(path))))


@pytest.mark.parametrize("shape", [(270, 480), (272, 640), (405, 720), (101, 203), (36, 64), (20, 30), (1080, 1920)])
@pytest.mark.parametrize("target", [(36, 64), (128, 171)])
def test_the_fast_way_down_is_near_the_area_mean(shape: tuple[int, int], target: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 255, shape, np.uint8)
    plane = cv2.GaussianBlur(noise, (0, 0), 3)  # a picture, not white noise
    fast = shrunk([plane], *target)
    inter = cv2.INTER_AREA if shape[0] >= target[0] and shape[1] >= target[1] else cv2.INTER_LINEAR
    slow = cv2.resize(plane, target[::-1], interpolation=inter)
    assert fast.shape == target
    assert np.abs(fast.astype(int) - slow).mean() < 1.5


def test_halving_is_shared_and_exact() -> None:
    plane = np.random.default_rng(2).integers(0, 255, (256, 512), np.uint8)
    levels = [plane]
    halved(levels, 16, 32)
    assert [level.shape for level in levels] == [(256, 512), (128, 256), (64, 128), (32, 64)]
    means = plane.reshape(128, 2, 256, 2).mean(axis=(1, 3))
    assert np.abs(levels[1] - means).max() <= 0.5
    again = len(levels)
    halved(levels, 32, 64)
    assert len(levels) == again


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuv420p10le", "yuv444p12le"])
def test_luma_and_chroma_agree_with_the_colours(tmp_path: Path, pixel_format: str) -> None:
    """In whatever depth and range it is stored, the same picture gives the same full-range numbers."""
    codec = "libx264" if pixel_format != "yuv444p12le" else "ffv1"
    options = {"crf": "0"} if codec == "libx264" else {}
    path = film(tmp_path / "a.mkv", 4, codec=codec, pixel_format=pixel_format, options=options)
    *_, frame = read(path, probe(path))
    colour = cv2.cvtColor(frame.rgb(), cv2.COLOR_RGB2YCrCb).astype(int)
    luma, chroma = frame.yuv()
    assert np.abs(luma - colour[..., 0]).mean() < 2.5
    assert abs(int(luma.min()) - 20) <= 2
    assert abs(int(luma.max()) - 235) <= 2
    small = cv2.resize(colour[..., ::-1][..., :2].astype(np.float32), (64, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(chroma - small).mean() < 4


def test_luma_is_not_copied_when_it_is_read(tmp_path: Path) -> None:
    from marey.media.pixels import _plane

    frame = first(film(tmp_path / "a.mp4"))
    view = _plane(frame._picture, 0)
    address = view.__array_interface__["data"][0]
    assert address == frame._picture.planes[0].buffer_ptr
    assert view.base is not None


def test_each_size_is_made_once(tmp_path: Path) -> None:
    frame = first(film(tmp_path / "a.mp4"))
    assert frame.gray(64) is frame.gray((64, 85))
    assert frame.rgb(32) is frame.rgb(32)


def test_sizes(tmp_path: Path) -> None:
    frame = first(film(tmp_path / "a.mp4"))
    assert frame.gray().shape == (96, 128)
    assert frame.gray(48).shape == (48, 64)
    assert frame.gray(192).shape == (192, 256)
    assert frame.gray((36, 64)).shape == (36, 64)
    luma, chroma = frame.yuv((35, 63))
    assert (luma.shape, chroma.shape) == ((35, 63), (18, 32, 2))
    assert frame.rgb((40, 30), crop=True).shape == (40, 30, 3)
    with pytest.raises(ValueError, match="cannot have the size 0"):
        frame.gray(0)


def test_a_crop_is_the_middle_in_true_proportions(tmp_path: Path) -> None:
    """A circle in the middle of a wide picture stays a circle."""
    image = np.zeros((90, 160, 3), np.uint8)
    cv2.circle(image, (80, 45), 30, (255, 255, 255), -1)
    image[:, :20] = (255, 0, 0)
    write_video(tmp_path / "a.mp4", np.stack([image] * 3), 25, crf=5)
    square = first(tmp_path / "a.mp4").rgb(90, crop=True)
    assert square.shape == (90, 90, 3)
    white = square.min(axis=2) > 128
    rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
    assert abs((rows[-1] - rows[0]) - (columns[-1] - columns[0])) <= 1
    assert abs(white[:, :45].sum() - white[:, 45:].sum()) < 0.1 * white.sum()
    assert (square[..., 0].astype(int) - square[..., 1] > 60).sum() == 0


def test_cover() -> None:
    assert cover(90, 160, 45, 45) == (45, 80)
    assert cover(160, 90, 45, 45) == (80, 45)
    assert cover(90, 160, 90, 160) == (90, 160)


def test_grey_has_no_colour(tmp_path: Path) -> None:
    luma, chroma = first(film(tmp_path / "a.mkv", codec="ffv1", pixel_format="gray")).yuv()
    assert luma.std() > 20
    assert set(np.unique(chroma)) == {128}


def test_lines_are_those_that_are_stored_in_full_range(tmp_path: Path) -> None:
    frame = first(film(tmp_path / "a.mp4"))
    np.testing.assert_array_equal(frame.lines(40), frame.gray()[28:68])
    np.testing.assert_array_equal(frame.lines(1000), frame.gray())
    tall = first(turn(tmp_path / "a.mp4", 90))
    assert tall.lines(40).shape == (40, 128)
