"""Motion buckets: how much a clip moves among those of its selection, as a number that a model is conditioned on."""

from collections.abc import Mapping

import numpy as np

UNKNOWN_MOTION = 127
"""The motion bucket of a clip whose motion is not known: the one that diffusers' pipeline takes when none is asked for.
"""


def motion_buckets(motion: Mapping[str, float | None]) -> dict[str, int]:
    """The bucket 0..255 of each clip: the share of the clips that move less (ties count half), times 256.

    Stability never said how its buckets were made; as a quantile every bucket has as many clips as any other. Clips
    that move alike share a bucket.
    """
    known = np.array(sorted(value for value in motion.values() if value is not None))
    buckets = {}
    for clip, value in motion.items():
        if value is None:
            buckets[clip] = UNKNOWN_MOTION
            continue
        below, upto = np.searchsorted(known, value, "left"), np.searchsorted(known, value, "right")
        buckets[clip] = min(255, int(256 * (below + upto) / 2 / len(known)))
    return buckets
