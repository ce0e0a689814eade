"""Photographs as a viewer shows them."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from marey.media import Unusable, probe, read_photo

ROWS = np.zeros((20, 40, 3), np.uint8)
ROWS[:5, :10] = 250  # white in the upper left corner


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("tag", range(1, 9))
def test_every_exif_orientation(tmp_path: Path, tag: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = tag
    path = saved(tmp_path / "a.png", Image.fromarray(ROWS), exif=exif)
    image, facts = read_photo(path), probe(path)
    assert image.shape == ((40, 20, 3) if tag > 4 else (20, 40, 3))
    assert (facts.height, facts.width) == image.shape[:2]
    corner = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}[tag]
    assert image[corner].min() == 250
    np.testing.assert_array_equal(facts.orientation.apply(ROWS), image)


def test_transparency_lies_over_white(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("RGBA", (8, 6), (200, 0, 0, 0)))
    assert read_photo(path).min() == 255


def test_palettes_with_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (8, 6), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    assert read_photo(saved(tmp_path / "a.png", image))[0, 0].tolist() == [10, 20, 30]
    assert read_photo(saved(tmp_path / "b.png", image, transparency=1))[0, 0].tolist() == [255, 255, 255]


def test_sixteen_bits(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)[None].repeat(4, axis=0)
    path = saved(tmp_path / "a.png", Image.fromarray(ramp))
    image = read_photo(path)
    assert (image[0, 0, 0], image[0, -1, 0]) == (0, 255)
    assert np.all(np.diff(image[0, :, 0].astype(int)) >= 3)
    assert probe(path).bit_depth == 16


def test_cmyk_and_grey(tmp_path: Path) -> None:
    assert read_photo(saved(tmp_path / "a.jpg", Image.new("CMYK", (8, 6), (0, 255, 255, 0))))[0, 0, 0] > 200
    assert read_photo(saved(tmp_path / "b.jpg", Image.new("L", (8, 6), 77))).shape == (6, 8, 3)


def test_cut_short(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    path = saved(tmp_path / "a.jpg", Image.fromarray(noise))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(Unusable, match="the picture is broken") as caught:
        read_photo(path)
    assert caught.value.status == "failed"


def test_a_broken_header(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"nonsense" * 20)
    for call in (probe, read_photo):
        with pytest.raises(Unusable, match="header is broken"):
            call(path)


def test_a_decompression_bomb_is_not_opened(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))
    for call in (probe, read_photo):
        with pytest.raises(Unusable, match=r"too (large|many)"):
            call(path)


def test_a_photograph_in_memory_is_a_photograph(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(ROWS).save(buffer, "WEBP", lossless=True)
    path = tmp_path / "without-suffix"
    path.write_bytes(buffer.getvalue())
    assert probe(path).kind == "photo"
    np.testing.assert_array_equal(read_photo(path), ROWS)


def test_a_header_is_read_without_the_picture(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(ROWS))
    data = bytearray(path.read_bytes())
    start = data.index(b"IDAT") + 4
    data[start : start + 8] = bytes(8)
    path.write_bytes(data)
    assert (probe(path).height, probe(path).width) == ROWS.shape[:2]
    with pytest.raises(Unusable, match="the picture is broken"):
        read_photo(path)
