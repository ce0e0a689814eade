"""How the stored picture must be turned to be shown: the display matrix of a container or a frame.

The matrix is that of ISO/IEC 14496-12 §8.3.2: (x', y') = (a x + c y, b x + d y), y pointing down, in 16.16 fixed point.
A phone that is held upright stores a lying picture and such a matrix.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Orientation:
    """A mirror from left to right, then quarter turns clockwise."""

    turns: int = 0
    """Quarter turns clockwise, 0 to 3."""
    mirrored: bool = False

    @property
    def degrees(self) -> int:
        """Degrees clockwise: 0, 90, 180 or 270."""
        return 90 * self.turns

    @property
    def swaps(self) -> bool:
        """Whether width and height change places."""
        return self.turns % 2 == 1

    def apply(self, image: np.ndarray) -> np.ndarray:
        """The picture (H, W, ...) as it is to be shown. Untouched, and not copied, where there is nothing to do."""
        if self.mirrored:
            image = image[:, ::-1]
        if self.turns:
            image = np.rot90(image, -self.turns)
        return image if image.flags.c_contiguous or not (self.turns or self.mirrored) else np.ascontiguousarray(image)


UPRIGHT = Orientation()


def from_matrix(values: tuple[int, ...]) -> Orientation:
    """The orientation of the nine numbers a b u c d v x y w, to the nearest quarter turn."""
    a, b, _, c, d = (float(value) for value in values[:5])
    if a * d - b * c == 0:
        return UPRIGHT
    turns = round(math.degrees(math.atan2(-c, d)) / 90) % 4
    return Orientation(turns, mirrored=a * d - b * c < 0)


def of_frame_matrix(data: bytes) -> Orientation:
    """The orientation of a frame's display-matrix side data: nine 32-bit numbers in the machine's byte order."""
    return from_matrix(struct.unpack("=9i", data[:36])) if len(data) >= 36 else UPRIGHT


def of_mp4(path: str | Path, track: int) -> Orientation:
    """The orientation of a track of an MP4 or QuickTime file, read from its `tkhd` box; upright where there is none.

    The decoder tells it with the first frame; this tells it before anything is decoded.
    """
    try:
        with open(path, "rb") as file:
            end = file.seek(0, 2)
            for _, start, stop in _boxes(file, 0, end, b"moov"):
                for _, low, high in _boxes(file, start, stop, b"trak"):
                    for _, inner, outer in _boxes(file, low, high, b"tkhd"):
                        file.seek(inner)
                        body = file.read(min(outer - inner, 128))
                        long = 12 if body[:1] == b"\x01" else 0  # version 1 has 64-bit times
                        if struct.unpack_from(">I", body, 12 + (8 if long else 0))[0] == track:
                            return from_matrix(struct.unpack_from(">9i", body, 40 + long))
    except (OSError, struct.error):
        pass  # a broken header is for the demuxer to tell
    return UPRIGHT


def _boxes(file, start: int, stop: int, kind: bytes):  # type: ignore[no-untyped-def]
    """(kind, first byte of the content, end) of each box of one kind between two offsets."""
    while start + 8 <= stop:
        file.seek(start)
        size, name = struct.unpack(">I4s", file.read(8))
        content = start + 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            content += 8
        elif size == 0:
            size = stop - start
        if size < content - start:
            return
        if name == kind:
            yield name, content, min(start + size, stop)
        start += size
