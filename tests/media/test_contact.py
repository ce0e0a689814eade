"""Sheets and stills for people."""

import io

import numpy as np
import pytest
from PIL import Image

from marey.media import contact_sheet, jpeg_bytes, png_bytes

RED = np.full((40, 60, 3), (200, 10, 10), np.uint8)
GREY = np.full((80, 80), 90, np.uint8)


def test_all_frames_are_on_the_sheet_at_one_height() -> None:
    sheet = contact_sheet([[RED, RED], [GREY]], height=48, gap=4)
    assert sheet.shape == (4 + 2 * 52, 4 + 2 * (72 + 4), 3)
    assert (sheet[10, 20] == (200, 10, 10)).all()
    assert (sheet[10, 100] == (200, 10, 10)).all()
    assert (sheet[62, 20] == 90).all()


def test_labels_make_room_and_are_written() -> None:
    bare = contact_sheet([[RED]])
    labelled = contact_sheet([[RED]], ["a cut after frame 29, seen with confidence 0.98"])
    assert labelled.shape[0] > bare.shape[0]
    assert labelled.shape[1] > bare.shape[1]
    assert labelled[:20].min() < 100


def test_what_cannot_be_laid_out() -> None:
    with pytest.raises(ValueError, match="needs a frame"):
        contact_sheet([[]])
    with pytest.raises(ValueError, match="1 labels for 2 rows"):
        contact_sheet([[RED], [RED]], ["one"])


def test_png_is_lossless_and_jpeg_is_small() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (50, 60, 3), np.uint8)
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(png_bytes(noise)))), noise)
    assert Image.open(io.BytesIO(jpeg_bytes(GREY))).size == (80, 80)
    assert len(jpeg_bytes(noise, 30)) < len(jpeg_bytes(noise, 90)) < len(png_bytes(noise))
