"""Just enough of HEVC's byte stream to join pieces of two encoders; its units are split and joined as H.264's are.

ITU-T H.265 §7.3.1 and §7.4.2.2; ISO/IEC 14496-15 §8.3.3 for the `hvcC` box, in which an MP4 keeps the parameter sets.
"""

from marey.media.h264 import units

_RANDOM_ACCESS = range(16, 22)  # BLA, IDR and CRA pictures
_SETS = (32, 33, 34)  # video, sequence and picture parameter sets
END_OF_SEQUENCE = bytes([36 << 1, 1])
"""Behind it, whatever random access picture comes next begins anew, even one whose stream went on before it."""


def length_size(extradata: bytes | None) -> int:
    """Bytes of each unit's length where units are stored with lengths; 0 where they have start codes."""
    return (extradata[21] & 3) + 1 if extradata and extradata[0] == 1 and len(extradata) > 22 else 0


def is_random_access(data: bytes, size: int) -> bool:
    """Whether a packet holds a picture at which a decoder can begin."""
    return any(unit and _kind(unit) in _RANDOM_ACCESS for unit in units(data, size))


def parameter_sets(extradata: bytes) -> list[bytes]:
    """The parameter sets of a stream's header, of either kind, in the order in which a decoder wants them."""
    found = _of_box(extradata) if length_size(extradata) else units(extradata, 0)
    return sorted((unit for unit in found if unit and _kind(unit) in _SETS), key=_kind)


def _kind(unit: bytes) -> int:
    return unit[0] >> 1 & 63


def _of_box(data: bytes) -> list[bytes]:
    found, at = [], 23
    for _ in range(data[22]):
        count = int.from_bytes(data[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            size = int.from_bytes(data[at : at + 2], "big")
            found.append(data[at + 2 : at + 2 + size])
            at += 2 + size
    return found
