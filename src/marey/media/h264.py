"""Just enough of H.264's byte stream to join pieces of two encoders: units, parameter sets and their numbers.

ITU-T H.264 §7.3.1 and annex B; ISO/IEC 14496-15 §5.3.3 for the `avcC` box, in which an MP4 keeps the parameter sets.
"""

import re
from dataclasses import dataclass

IDR, SPS, PPS = 5, 7, 8
_START = re.compile(b"\0\0\0?\1")


@dataclass(frozen=True)
class ParameterSets:
    """The sequence and picture parameter sets of a stream, whole units without start codes."""

    sequence: tuple[bytes, ...]
    picture: tuple[bytes, ...]

    @property
    def numbers(self) -> set[int]:
        """All ids that either kind uses."""
        return {_first_number(unit[4:]) for unit in self.sequence} | {_first_number(unit[1:]) for unit in self.picture}

    def free(self) -> int:
        """An id that neither kind uses, from 31 downwards, the largest that a sequence may have."""
        return next(n for n in range(31, -1, -1) if n not in self.numbers)


def length_size(extradata: bytes | None) -> int:
    """Bytes of each unit's length where units are stored with lengths; 0 where they have start codes."""
    return (extradata[4] & 3) + 1 if extradata and extradata[0] == 1 and len(extradata) > 6 else 0


def units(data: bytes, size: int) -> list[bytes]:
    """The units of a packet: `size` as `length_size` gives it."""
    if not size:
        return [unit.rstrip(b"\0") for unit in _START.split(data) if unit]
    found, at = [], 0
    while at + size <= len(data):
        count = int.from_bytes(data[at : at + size], "big")
        found.append(data[at + size : at + size + count])
        at += size + count
    return found


def joined(parts: list[bytes], size: int) -> bytes:
    """A packet of units, with lengths of `size` bytes, or with start codes where that is 0."""
    return b"".join((len(part).to_bytes(size, "big") if size else b"\0\0\0\1") + part for part in parts)


def is_idr(data: bytes, size: int) -> bool:
    """Whether a packet holds an IDR picture: nothing after it refers to anything before it."""
    return any(unit and unit[0] & 31 == IDR for unit in units(data, size))


def sets_of(parts: list[bytes]) -> ParameterSets:
    """The parameter sets among some units."""
    return ParameterSets(
        tuple(unit for unit in parts if unit and unit[0] & 31 == SPS),
        tuple(unit for unit in parts if unit and unit[0] & 31 == PPS),
    )


def read_extradata(extradata: bytes) -> ParameterSets:
    """The parameter sets of a stream's header, of either kind."""
    if not length_size(extradata):
        return sets_of(units(extradata, 0))
    sequence, at = _counted(extradata, 6, extradata[5] & 31)
    picture, _ = _counted(extradata, at + 1, extradata[at])
    return ParameterSets(tuple(sequence), tuple(picture))


def extended(extradata: bytes, more: ParameterSets) -> bytes:
    """A stream's header with more parameter sets behind its own."""
    if not length_size(extradata):
        return extradata + joined([*more.sequence, *more.picture], 0)
    sequence, at = _counted(extradata, 6, extradata[5] & 31)
    picture, end = _counted(extradata, at + 1, extradata[at])
    first, second = [*sequence, *more.sequence], [*picture, *more.picture]
    return (
        extradata[:5]
        + bytes([0xE0 | len(first)])
        + joined(first, 2)
        + bytes([len(second)])
        + joined(second, 2)
        + extradata[end:]
    )


def _counted(data: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    """`count` units with lengths of two bytes, and where they end."""
    found = []
    for _ in range(count):
        size = int.from_bytes(data[at : at + 2], "big")
        found.append(data[at + 2 : at + 2 + size])
        at += 2 + size
    return found, at


def _first_number(data: bytes) -> int:
    """The unsigned Exp-Golomb number (§9.1) that some bytes begin with."""
    bits = "".join(f"{byte:08b}" for byte in data[:5])
    zeros = len(bits) - len(bits.lstrip("0"))
    return int(bits[zeros : 2 * zeros + 1] or "1", 2) - 1
