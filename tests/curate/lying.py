"""Files whose headers claim what cannot be: pictures without end, a thousand million frames, years of film."""

import struct
import zlib


def claims(whole: dict[str, bytes]) -> dict[str, bytes]:
    """By file name; `whole` is what `mutating.sources` made."""
    film, fast = whole["mp4_h264"], whole["mp4_h264_faststart"]
    gif, mjpeg, y4m, jpg = whole["gif"], whole["avi_mjpeg"], whole["y4m"], whole["jpg"]
    listed = _box(film, b"stsz", 4, 1, 10**9)
    listed = _box(_box(listed, b"stsc", 4, 1, 1, 10**9, 1), b"stts", 4, 1, 10**9, 512)
    start = b"\xff\xc0\0\x11\x08" + struct.pack(">HH", 48, 64)
    large = {size: b"\xff\xc0\0\x11\x08" + struct.pack(">HH", size, size) for size in (20000, 60000)}
    return {
        "10^9 frames of one byte.mp4": _box(film, b"stsz", 4, 1, 10**9),
        "10^9 frames in a list.mp4": _box(film, b"stsz", 4, 0, 10**9),
        "10^9 frames in one chunk.mp4": listed,
        "10^9 equal steps.mp4": _box(film, b"stts", 4, 1, 10**9, 512),
        "10^9 edits.mp4": _box(film, b"elst", 4, 10**9),
        "steps of years.mp4": _box(fast, b"stts", 4, 1, 14, 0x7FFFFFFF),
        "lasts for years.flv": _late(whole["flv_h263"]),
        "60000x60000 in the track.mp4": _box(film, b"tkhd", 76, 60000 << 16, 60000 << 16),
        "60000x60000 in the sample.mp4": _box(film, b"avc1", 24, 60000 << 16 | 60000),
        "16000x16000 in the stream.mp4": _sequence(film, 16000, 16000),
        "30000x30000 in the stream.mp4": _sequence(film, 30000, 30000),
        "60000x60000.gif": gif[:6] + struct.pack("<HH", 60000, 60000) + gif[10:],
        "20000x20000.gif": gif[:6] + struct.pack("<HH", 20000, 20000) + gif[10:],
        "60000x60000.avi": mjpeg.replace(start, large[60000]),
        "20000x20000.avi": mjpeg.replace(start, large[20000]),
        "60000x60000.jpg": jpg.replace(start, large[60000]),
        "60000x60000.png": _png(60000, 60000),
        "16383x16383.webp": _vp8(whole["webp"]),
        "16383x16383.webm": _vp8(whole["webm_vp8"]),
        "30000x30000.y4m": y4m.replace(b"W64 H48", b"W30000 H30000", 1),
        "16384x1.y4m": _thread(16384, 1),
        "2x8192.y4m": _thread(2, 8192),
        "1x1.y4m": _thread(1, 1),
    }


def _box(data: bytes, name: bytes, offset: int, *numbers: int) -> bytes:
    """Other numbers of 32 bits at an offset in an MP4's box."""
    at = data.index(name) + 4 + offset
    assert at + 4 * len(numbers) <= len(data)
    new = struct.pack(f">{len(numbers)}I", *numbers)
    return data[:at] + new + data[at + len(new) :]


def _late(data: bytes) -> bytes:
    """A Flash video whose last tag comes weeks after the others."""
    (before,) = struct.unpack(">I", data[-4:])
    at = len(data) - 4 - before + 4  # three bytes of the time, and a fourth that stands highest
    return data[:at] + b"\xff\xff\xff\x3f" + data[at + 4 :]


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1 << 20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def _vp8(data: bytes) -> bytes:
    return data.replace(
        b"\x9d\x01\x2a" + struct.pack("<HH", 64, 48), b"\x9d\x01\x2a" + struct.pack("<HH", 16383, 16383)
    )


def _thread(width: int, height: int) -> bytes:
    picture = b"FRAME\n" + bytes(width * height) + bytes(2 * ((width + 1) // 2) * ((height + 1) // 2))
    return b"YUV4MPEG2 W%d H%d F25:1 Ip A1:1 C420jpeg\n" % (width, height) + picture * 14


def _sequence(data: bytes, width: int, height: int) -> bytes:
    """An MP4 whose H.264 sequence parameter set (ITU-T H.264, 7.3.2.1.1) has another size, and nothing else."""
    at = data.index(b"avcC") + 4 + 6
    (length,) = struct.unpack_from(">H", data, at)
    body = data[at + 2 : at + 2 + length].replace(b"\0\0\3", b"\0\0")
    bits = "".join(f"{byte:08b}" for byte in body)
    place = 8 + 24  # the unit's type; profile, constraints, level
    _, place = _golomb(bits, place)
    if body[1] in (100, 110, 122, 244):  # the high profiles: chroma format, two depths, a bypass, no scaling lists
        for _ in range(3):
            _, place = _golomb(bits, place)
        assert bits[place + 1] == "0"
        place += 2
    _, place = _golomb(bits, place)
    order, place = _golomb(bits, place)
    assert order in (0, 2)
    for _ in range(2 if order == 0 else 1):
        _, place = _golomb(bits, place)
    start = place + 1  # a gap in the frame numbers is allowed or not
    _, place = _golomb(bits, start)
    _, place = _golomb(bits, place)
    new = bits[:start] + _coded(width // 16 - 1) + _coded(height // 16 - 1) + bits[place:]
    new = new[: new.rindex("1") + 1]
    new += "0" * (-len(new) % 8)
    escaped, zeros = bytearray(), 0
    for n in range(0, len(new), 8):
        byte = int(new[n : n + 8], 2)
        if zeros >= 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    out = bytearray(data[:at] + struct.pack(">H", len(escaped)) + escaped + data[at + 2 + length :])
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1", b"avcC"):
        (size,) = struct.unpack_from(">I", data, data.index(name) - 4)
        struct.pack_into(">I", out, data.index(name) - 4, size + len(escaped) - length)
    return bytes(out)


def _golomb(bits: str, at: int) -> tuple[int, int]:
    """An unsigned number of exponential-Golomb code, and where the next one begins."""
    zeros = bits.index("1", at) - at
    return int(bits[at + zeros : at + 2 * zeros + 1], 2) - 1, at + 2 * zeros + 1


def _coded(value: int) -> str:
    text = f"{value + 1:b}"
    return "0" * (len(text) - 1) + text
