"""Frames that were never in a file are what a decoder gives from a file without loss."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from marey.media import probe, read
from marey.media.given import given


def lossless(path: Path, images: np.ndarray, fps: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=fps)
        stream.height, stream.width, stream.pix_fmt = *images.shape[1:3], "rgb24"
        for n, image in enumerate(images):
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            picture.pts, picture.time_base = n, Fraction(1, fps)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def test_every_view_of_them_is_that_of_the_decoded_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for height, width in ((64, 64), (90, 120), (101, 64)):
        images = rng.integers(0, 256, (5, height, width, 3), np.uint8)
        path = lossless(tmp_path / f"{height}.mov", images, 30)
        frames = list(given(images, 30))
        assert len(frames) == 5
        for n, (frame, decoded) in enumerate(zip(frames, read(path, probe(path)), strict=True)):
            assert (frame.n, frame.height, frame.width, frame.keyframe) == (n, height, width, decoded.keyframe)
            assert frame.seconds == decoded.seconds == Fraction(n, 30)
            assert (frame.pts, frame.time_base) == (decoded.pts, decoded.time_base)
            assert np.array_equal(frame.rgb(), images[n])
            for size in (None, 32, (36, 64)):
                assert np.array_equal(frame.gray(size), decoded.gray(size))
                assert np.array_equal(frame.rgb(size), decoded.rgb(size))
                assert all(np.array_equal(a, b) for a, b in zip(frame.yuv(size), decoded.yuv(size), strict=True))
            assert np.array_equal(frame.rgb(48, crop=True), decoded.rgb(48, crop=True))
            assert np.array_equal(frame.lines(), decoded.lines())
