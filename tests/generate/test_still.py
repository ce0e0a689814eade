"""Stills are cropped about their centre and never squashed."""

import numpy as np
import pytest
from PIL import Image

from marey.errors import MareyError
from marey.generate.still import still_pixels


def disc(height: int, width: int, radius: int) -> np.ndarray:
    """A white disc in the middle of black."""
    y, x = np.ogrid[:height, :width]
    inside = (y - (height - 1) / 2) ** 2 + (x - (width - 1) / 2) ** 2 <= radius**2
    return np.where(inside[..., None], np.uint8(255), np.uint8(0)).repeat(3, axis=2)


@pytest.mark.parametrize("shape", [(300, 500), (500, 300), (90, 400), (64, 64)])
@pytest.mark.parametrize("size", [(64, 64), (48, 96), (96, 48)])
def test_a_disc_stays_a_disc_in_the_middle(shape, size):
    radius = min(shape) // 8
    pixels = still_pixels(disc(*shape, radius), *size)
    assert pixels.shape == (*size, 3)
    assert pixels.dtype == np.uint8
    rows, columns = np.nonzero(pixels[..., 0] > 127)
    high, wide = rows.max() - rows.min() + 1, columns.max() - columns.min() + 1
    scale = max(size[0] / shape[0], size[1] / shape[1])
    assert high == pytest.approx((2 * radius + 1) * scale, abs=1.6)
    assert wide == pytest.approx((2 * radius + 1) * scale, abs=1.6)
    assert (rows.min() + rows.max()) / 2 == pytest.approx((size[0] - 1) / 2, abs=1)
    assert (columns.min() + columns.max()) / 2 == pytest.approx((size[1] - 1) / 2, abs=1)


@pytest.mark.parametrize("shape", [(300, 500), (500, 300)])
def test_padding_shows_all_of_it_on_black_and_squashing_fills(shape):
    white = np.full((*shape, 3), 255, np.uint8)
    pixels = still_pixels(white, 64, 64, "pad")
    rows, columns = np.nonzero(pixels.max(2))
    high, wide = rows.max() - rows.min() + 1, columns.max() - columns.min() + 1
    assert max(high, wide) == 64
    assert high / wide == pytest.approx(shape[0] / shape[1], rel=0.03)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(31.5, abs=0.5)
    assert still_pixels(white, 64, 64, "squash").min() == 255
    striped = white.copy()
    striped[:, : shape[1] // 4] = 0  # squashed, a quarter of the width stays a quarter
    assert (still_pixels(striped, 64, 64, "squash")[32, :, 0] < 128).mean() == pytest.approx(0.25, abs=0.02)
    with pytest.raises(MareyError, match="no fit 'stretch': 'crop', 'pad' or 'squash'"):
        still_pixels(white, 64, 64, "stretch")


def test_a_still_of_the_right_size_is_not_touched():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    assert np.array_equal(still_pixels(pixels, 32, 48), pixels)


def test_every_kind_of_still_is_the_same_still(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    path = tmp_path / "a still.png"
    Image.fromarray(pixels).save(path)
    expected = still_pixels(pixels, 32, 32)
    for still in (path, str(path), Image.fromarray(pixels), Image.open(path)):
        assert np.array_equal(still_pixels(still, 32, 32), expected)
    grey = pixels[..., 0]
    assert np.array_equal(still_pixels(grey, 32, 32), still_pixels(grey[..., None].repeat(3, 2), 32, 32))


def test_a_turned_photograph_is_turned_first(tmp_path):
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, :40] = 255  # bright on the left as stored
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise: bright on top
    path = tmp_path / "turned.jpg"
    Image.fromarray(pixels).save(path, exif=exif)
    shown = still_pixels(path, 80, 40)
    assert shown[:30].mean() > 200
    assert shown[50:].mean() < 50


@pytest.mark.parametrize(
    ("still", "said"),
    [
        (np.zeros((8, 8, 3), np.float32), "dtype is float32: uint8"),
        (np.zeros((8, 8, 4), np.uint8), r"shape is \(8, 8, 4\)"),
        (np.zeros((0, 8, 3), np.uint8), r"shape is \(0, 8, 3\)"),
        (b"png", "still is a bytes"),
    ],
)
def test_what_is_no_still_is_named(still, said):
    with pytest.raises(MareyError, match=said):
        still_pixels(still, 8, 8)
    with pytest.raises(MareyError):
        still_pixels("no/such/still.png", 8, 8)
