import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from marey.evaluate.resize import centre, covering, matrix, resize, resize_as_torch, shorter_to

SIZES = [(18, 20), (40, 60), (30, 30), (97, 33), (200, 300), (90, 61), (45, 30)]


def picture(seed: int = 0, size: tuple[int, int] = (90, 60)) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)
    return np.where(np.arange(size[1])[None, :, None] < 30, cv2.GaussianBlur(noise, (0, 0), 2), noise)


def torchs(values: np.ndarray, size: tuple[int, int], **kwargs: object) -> np.ndarray:
    tensor = torch.from_numpy(values).permute(2, 0, 1)[None]
    return interpolate(tensor, size=size, align_corners=False, **kwargs)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
def test_it_is_torchs(size: tuple[int, int], antialias: bool, kernel: str) -> None:
    values = picture().astype(np.float64)
    ours = resize(values, size, antialias=antialias, kernel=kernel)
    assert ours == pytest.approx(torchs(values, size, mode=kernel, antialias=antialias), abs=1e-3)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kernel", "pillow"), [("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC)])
def test_with_antialias_it_is_pillows(size: tuple[int, int], kernel: str, pillow: int) -> None:
    quiet = picture() // 2 + 64  # Pillow cuts off between the axes what the cubic overshoots
    theirs = np.asarray(Image.fromarray(quiet).resize(size[::-1], pillow), dtype=float)
    ours = resize(quiet, size, antialias=True, kernel=kernel)
    assert np.abs(ours - theirs).max() <= 1.2, "Pillow rounds after each axis"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("antialias", [False, True])
def test_in_single_precision_it_is_torchs_to_the_last_bits(size: tuple[int, int], antialias: bool) -> None:
    """As a loader calls it: (T, H, W, 3) permuted, which leaves the channels last in memory."""
    values = picture().astype(np.float32) / np.float32(255)
    ours = resize_as_torch(values, size, antialias=antialias)
    theirs = torchs(values, size, mode="bilinear", antialias=antialias)
    assert ours.dtype == np.float32
    assert np.abs(ours - theirs).max() < 5e-7
    assert (ours == theirs).mean() > 0.5, "all of them where products are fused with sums as on x86"


def test_tensorflows_grid_by_hand() -> None:
    """Pixel n of 3 out of 6 is pixel 2n itself; of 6 out of 3 every second one lies half way, and the last repeats."""
    ramp = np.arange(6, dtype=float)[:, None, None].repeat(3, axis=2)
    assert resize(ramp, (3, 1), antialias=False, grid="corners")[:, 0, 0] == pytest.approx([0, 2, 4])
    up = resize(ramp[:3], (6, 1), antialias=False, grid="corners")[:, 0, 0]
    assert up == pytest.approx([0, 0.5, 1, 1.5, 2, 2])
    assert resize(ramp[:3], (6, 1), antialias=False)[:, 0, 0] == pytest.approx([0, 0.25, 0.75, 1.25, 1.75, 2])


def test_a_flat_picture_stays_flat_and_the_same_size_is_the_same_picture() -> None:
    flat = np.full((50, 70, 3), 77, np.uint8)
    for kernel in ("bilinear", "bicubic"):
        for antialias in (False, True):
            assert resize(flat, (31, 99), antialias=antialias, kernel=kernel) == pytest.approx(77)
            assert (resize(picture(), (90, 60), antialias=antialias, kernel=kernel) == picture()).all()
            assert matrix(9, 4, antialias, kernel).sum(axis=1) == pytest.approx(1)


def test_only_antialiasing_sees_every_pixel() -> None:
    stripes = np.zeros((8, 64, 3), np.uint8)
    stripes[:, 1::8] = 255
    assert resize(stripes, (8, 8), antialias=False).max() == 0, "the stripes fall between the samples"
    assert resize(stripes, (8, 8), antialias=True).mean() == pytest.approx(255 / 8, rel=0.1)


def test_shapes() -> None:
    assert shorter_to((320, 576, 3), 128) == (128, 231)
    assert shorter_to((576, 320, 3), 128) == (231, 128)
    assert shorter_to((100, 100, 3), 128) == (128, 128)
    assert covering((320, 576), (240, 320)) == (240, 432)
    assert covering((240, 320), (240, 320)) == (240, 320)
    assert covering((576, 320), (240, 320)) == (576, 320)
    assert covering((1000, 1000), (240, 320)) == (320, 320)
    numbers = np.arange(5 * 7).reshape(5, 7, 1)
    assert centre(numbers, (2, 4))[:, :, 0].tolist() == [[8, 9, 10, 11], [15, 16, 17, 18]]
