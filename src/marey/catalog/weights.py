"""Which of a clip's captions is trained on, and how often (Stable Video Diffusion, appendix E.2.2)."""

import hashlib
from collections.abc import Mapping

FALLBACKS = ("file", "facts")
"""Where none of the weighted captioners has spoken: a person's words first, then what was measured."""


def caption_weights(captions: Mapping[str, str], weights: Mapping[str, float]) -> dict[str, float]:
    """The share of each of a clip's captions, 1 in all; empty of a clip without captions.

    Args:
        captions: text by captioner.
        weights: by captioner, as the selection has them. The share of one that the clip lacks goes to the others.
    """
    there = {name: weight for name, weight in sorted(weights.items()) if weight > 0 and captions.get(name)}
    total = sum(there.values())
    if total > 0:
        return {name: weight / total for name, weight in there.items()}
    spare = [name for name in (*FALLBACKS, *sorted(captions)) if captions.get(name)]
    return {spare[0]: 1.0} if spare else {}


def drawn_caption(clip: str, shares: Mapping[str, float]) -> str | None:
    """The captioner whose turn it is for a clip: always the same one, and over many clips each by its share.

    Args:
        clip: its id.
        shares: as `caption_weights` gives them.
    """
    at = int.from_bytes(hashlib.sha256(f"caption {clip}".encode()).digest()[:8], "big") / 2**64
    for name, share in shares.items():
        at -= share
        if at < 0:
            return name
    return list(shares)[-1] if shares else None


def heaviest_caption(shares: Mapping[str, float]) -> str | None:
    """The captioner with the largest share; the first of several."""
    return max(shares, key=lambda name: shares[name]) if shares else None
