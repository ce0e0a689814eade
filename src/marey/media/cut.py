"""Clips out of a video without encoding them anew, or with only their edges encoded.

`copy_clip` takes the whole groups of pictures that lie inside a clip: the clip is snapped inwards to keyframes that do
not cross its ends (Stable Video Diffusion, appendix C). `exact_clip` takes every frame of it: packets of whole groups
as they are, and the frames before and after them encoded with the same parameters (a smart cut; H.264 and HEVC).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from marey.media import h264
from marey.media.mux import Written, add_sound, decode_times, like_source, new_mp4, write_sound
from marey.media.packets import Listing, Packets
from marey.media.source import Unusable
from marey.media.splice import CODECS, Codec

EDGE_CRF = 8.0
"""Of the frames that an exact cut has to encode: no more than a few, so that their size does not matter."""
_NO_GROUP = "no whole group of pictures lies inside it (a keyframe, and all up to the next one)"
_AUTO_PICTURE = 0  # AV_PICTURE_TYPE_NONE: the encoder chooses


@dataclass(frozen=True)
class Run:
    """Packets that can stand alone: whole groups of pictures, without a gap."""

    first: int
    stop: int
    """Numbers in the order of decoding, `stop` not included."""
    members: np.ndarray
    """int64: those of them that are taken. Pictures shown before the first keyframe need what is not there."""


def whole_groups(listing: Listing, start: int, end: int, *, clean: bool = False) -> Run | None:
    """The longest run of whole groups from `start` to `end`, both included, or None.

    Args:
        clean: begin at a picture after which nothing needs what stood before it.
    """
    keys = np.flatnonzero(listing.keys)
    inside_keys = keys[(listing.pts[keys] >= start) & (listing.pts[keys] <= end) & ~listing.hidden[keys]]
    beyond = keys[listing.pts[keys] > end]
    stops = np.append(keys, len(listing.pts))
    stops = stops[stops <= (beyond[0] if len(beyond) else len(listing.pts))]
    for first in inside_keys[listing.clean[inside_keys]] if clean else inside_keys:
        for stop in stops[stops > first][::-1]:
            inside = np.arange(first, stop)
            members = inside[(listing.pts[inside] >= listing.pts[first])]
            last = int(listing.pts[members].max())
            if last > end or listing.damaged[members].any() or listing.hidden[members].any():
                continue
            if len(listing.members(int(listing.pts[first]), last)) == len(members):
                return Run(int(first), int(stop), members)
    return None


def copy_clip(source: Packets, start: int, end: int, path: str | Path, *, sound: bool = False) -> Written:
    """Write the whole groups of pictures inside a clip, bit for bit.

    Args:
        start, end: times of the clip's first and last frame, in ticks.

    Raises:
        Unusable: `rejected`, there is no whole group inside, the packets have no times, or an MP4 cannot hold the
            codec.
    """
    if not source.listing.timed:
        raise Unusable("rejected", "its packets have no times of their own: encode would do", source.path)
    run = whole_groups(source.listing, start, end)
    if run is None:
        raise Unusable("rejected", f"{_NO_GROUP}: exact or encode would do", source.path)
    return _write(source, run, [], [], path, sound, "", b"")


def exact_clip(source: Packets, start: int, end: int, path: str | Path, *, sound: bool = False) -> Written | None:
    """Write exactly the frames of a clip, copying what can be copied.

    Returns:
        None where that cannot be: `why_not_exact` says why.
    """
    if why_not_exact(source, start, end):
        return None
    listing = source.listing
    run = whole_groups(listing, start, end, clean=True)
    assert run is not None
    wanted = listing.pts[listing.members(start, end)]
    first, last = int(listing.pts[run.first]), int(listing.pts[run.members].max())
    codec = CODECS[source.stream.codec_context.name]
    extradata = source.stream.codec_context.extradata or b""
    head = _encoded(source, wanted[wanted < first], codec)
    tail = _encoded(source, wanted[wanted > last], codec)
    for edge in (head, tail):
        if edge:
            extradata = codec.header(extradata, h264.units(edge[0].data, 0))
            break
    return _write(source, run, head, tail, path, sound, "", extradata)


def why_not_exact(source: Packets, start: int, end: int) -> str:
    """Why a clip cannot be cut exactly with most of its packets as they are; empty if it can."""
    context = source.stream.codec_context
    if not source.listing.timed:
        return "its packets have no times of their own"
    codec = CODECS.get(context.name)
    formats = _formats(codec.encoder) if codec else set()
    if codec is None or not formats:
        return f"there is no encoder here that matches its {context.name} stream"
    if context.pix_fmt not in formats:
        return f"there is no {context.name} encoder here for {context.pix_fmt}"
    if context.field_order not in (0, 1):  # unknown, progressive
        return "it is interlaced"
    if not codec.sets(context.extradata or b""):
        return "its header lacks the parameters of the stream"
    if whole_groups(source.listing, start, end, clean=True) is None:
        return _NO_GROUP
    return ""


@dataclass(frozen=True)
class _Coded:
    """One encoded frame, with start codes."""

    pts: int
    data: bytes
    key: bool


@cache
def _formats(encoder: str) -> set[str]:
    """The pixel formats that an encoder takes; none where this build of PyAV lacks it."""
    if encoder not in av.codecs_available:
        return set()
    return {format.name for format in av.Codec(encoder, "w").video_formats or ()}


def _encoded(source: Packets, times: np.ndarray, codec: Codec) -> list[_Coded]:
    """Frames at these times, encoded with the source's own parameters, in the order of showing and of decoding."""
    if len(times) == 0:
        return []
    theirs = source.stream.codec_context
    encoder: Any = av.CodecContext.create(codec.encoder, "w")
    encoder.width, encoder.height, encoder.pix_fmt = theirs.width, theirs.height, theirs.pix_fmt
    encoder.time_base = source.time_base
    encoder.framerate = source.stream.average_rate or source.stream.guessed_rate or Fraction(25)
    if source.aspect:
        encoder.sample_aspect_ratio = source.aspect
    for name in ("color_primaries", "color_trc", "colorspace", "color_range"):
        setattr(encoder, name, getattr(theirs, name))
    encoder.options = {"crf": f"{EDGE_CRF:g}", "preset": "medium", **codec.options(theirs.extradata or b"")}
    encoder.thread_count = 1
    coded: list[_Coded] = []
    wanted = {int(time) for time in times}
    for pts, picture in source.pictures(int(times.min()), int(times.max())):
        if pts in wanted:
            picture.pts, picture.time_base, picture.pict_type = pts, source.time_base, _AUTO_PICTURE
            coded += [_Coded(one.pts, bytes(one), bool(one.is_keyframe)) for one in encoder.encode(picture)]
    coded += [_Coded(one.pts, bytes(one), bool(one.is_keyframe)) for one in encoder.encode(None)]
    if len(coded) < len(wanted):
        raise Unusable("failed", f"{len(wanted) - len(coded)} frames of it cannot be decoded", source.path)
    return coded


def _write(
    source: Packets,
    run: Run,
    head: list[_Coded],
    tail: list[_Coded],
    path: str | Path,
    sound: bool,
    note: str,
    extradata: bytes,
) -> Written:
    listing = source.listing
    middle = [int(listing.pts[n]) for n in run.members]
    order = [one.pts for one in head] + middle + [one.pts for one in tail]
    first, last = min(order), max(order)
    shown_for = source.duration(int(listing.members(last, last)[0]))
    span = last - first + shown_for
    with new_mp4(path) as container:
        stream = like_source(container, source)
        if extradata:
            stream.codec_context.extradata = extradata
        start, end = first * source.time_base, (last + shown_for) * source.time_base
        voice = add_sound(container, source) if sound else None
        heard = voice is not None and write_sound(container, voice, source, start, end)
        times = iter(decode_times(order))
        for packet in _packets(source, run, head, tail):
            pts = packet.pts
            packet.pts, packet.dts = pts - first, next(times) - first
            packet.time_base = source.time_base
            if pts == last:
                packet.duration = shown_for
            packet.stream = stream
            try:
                container.mux(packet)
            except (av.error.InvalidDataError, av.error.ArgumentError) as error:
                name = source.stream.codec_context.name
                raise Unusable("rejected", f"an MP4 cannot hold this {name}: encode would do", source.path) from error
    height, width = _shown(source)
    return Written(
        frames=len(order),
        copied=len(middle),
        start_pts=first,
        end_pts=last,
        seconds=float(span * source.time_base),
        fps=float((len(order) - 1) / ((last - first) * source.time_base)) if last > first else 0.0,
        height=height,
        width=width,
        sound=heard,
        note=note,
    )


def _packets(source: Packets, run: Run, head: list[_Coded], tail: list[_Coded]) -> Iterator[Any]:
    context = source.stream.codec_context
    codec, extradata = CODECS.get(context.name), context.extradata or b""
    size = codec.length_size(extradata) if codec else 0
    for n, one in enumerate(head, 1):
        closing = codec.closing if codec and n == len(head) else ()
        yield _packet([*h264.units(one.data, 0), *closing], size, one.pts, one.key)
    members = set(run.members.tolist())
    for n, packet in enumerate(source.packets(run.first, run.stop), run.first):
        if n == run.first and head and codec and codec.says_sets:
            yield _packet([*codec.sets(extradata), *h264.units(bytes(packet), size)], size, packet.pts, True)
        elif n in members:
            yield packet
    yield from (_packet(h264.units(one.data, 0), size, one.pts, one.key) for one in tail)


def _packet(parts: list[bytes], size: int, pts: int, key: bool) -> Any:
    packet: Any = av.Packet(h264.joined(parts, size))
    packet.pts, packet.is_keyframe = pts, key
    return packet


def _shown(source: Packets) -> tuple[int, int]:
    """(height, width) as shown, by the first picture: only it tells of a rotation in every container."""
    first = int(source.listing.pts[np.flatnonzero(source.listing.keys)[0]])
    picture = next((picture for _, picture in source.pictures(first, first)), None)
    if picture is None:
        context = source.stream.codec_context
        return context.height, context.width
    height, width, _ = source.shown(picture)
    return height, width
