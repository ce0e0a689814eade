"""A perceptual hash of a picture.

Source: Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010), the DCT hash.
"""

import cv2
import numpy as np

NEAR = 6
"""Hashes that differ in so many of their 64 bits or fewer are of near-duplicates."""
FLAT = 3.0
"""A picture whose luma deviates by less, in grey levels, tells nothing: it gets no hash."""


def perceptual_hash(luma: np.ndarray) -> int | None:
    """The signs of the 64 lowest frequencies of uint8 (H, W) but the constant one; None of a picture that is nearly
    one tone.

    Scaling, recompression and mild changes of light flip few bits.
    """
    small = cv2.resize(luma, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    if small.std() < FLAT:
        return None
    low = cv2.dct(small)[:9, :9].ravel()[1:65]
    bits = low > np.median(low)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def hamming(a: int, b: int) -> int:
    """In how many bits two hashes differ."""
    return (a ^ b).bit_count()
