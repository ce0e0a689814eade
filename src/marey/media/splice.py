"""Codecs whose packets can be spliced: a source's own, and those of an encoder that matches it.

Both halves need their own parameter sets. H.264 keeps those of each under a number of its own, in the file's header and
before each piece. HEVC's encoder knows no numbers: there the sets in force are said anew where one piece ends and the
next begins.
"""

from collections.abc import Callable
from dataclasses import dataclass

from marey.media import h264, hevc


@dataclass(frozen=True)
class Codec:
    """How packets of one codec are spliced. Units are without start codes or lengths."""

    encoder: str
    length_size: Callable[[bytes | None], int]
    """Of a header: bytes of each unit's length, 0 where units have start codes."""
    is_clean: Callable[[bytes, int], bool]
    """Of a packet: whether a piece may begin with it, once `closing` stands before it."""
    sets: Callable[[bytes], list[bytes]]
    """Of a header: its parameter sets."""
    options: Callable[[bytes], dict[str, str]]
    """Of a header: what keeps the encoder from frames out of order, and its parameter sets apart."""
    header: Callable[[bytes, list[bytes]], bytes]
    """Of a header and the units of an encoded frame: the header of the spliced stream."""
    closing: tuple[bytes, ...] = ()
    """Units behind an encoded piece, before packets of the source."""
    says_sets: bool = False
    """Whether the source's parameter sets are said anew behind an encoded piece."""


# mbtree=0, and no threads: as in encode.py, for the same bytes every time.
CODECS = {
    "h264": Codec(
        encoder="libx264",
        length_size=h264.length_size,
        is_clean=h264.is_idr,
        sets=lambda extradata: list(h264.read_extradata(extradata).sequence),
        options=lambda extradata: {
            "bf": "0",
            "x264-params": f"mbtree=0:sps-id={h264.read_extradata(extradata).free()}",
        },
        header=lambda extradata, parts: h264.extended(extradata, h264.sets_of(parts)),
    ),
    "hevc": Codec(
        encoder="libx265",
        length_size=hevc.length_size,
        is_clean=hevc.is_random_access,
        sets=hevc.parameter_sets,
        options=lambda extradata: {
            "x265-params": "bframes=0:repeat-headers=1:open-gop=0:info=0:pools=none:frame-threads=1:log-level=none"
        },
        header=lambda extradata, parts: extradata,
        closing=(hevc.END_OF_SEQUENCE,),
        says_sets=True,
    ),
}
