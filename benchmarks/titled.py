"""Clips with text of many kinds over real footage and photographs, for measuring text detectors: three stills each.

What a clip shows is drawn from its number: a shot of a clip or a photograph under a slow move; no text, or a title,
subtitles, a watermark, a banner, a sign in the scene, a slide, credits that roll, or words all over; its fonts, size,
place, colour, contrast, box, outline and slant; whether it is there in all three frames; and how hard the frames were
encoded. Sizes are drawn so that many clips lie near a text area of 7 %.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from edited import FIT_PHOTOS, SHOTS, TEST_PHOTOS, fetched
from PIL import Image, ImageDraw, ImageFont

from marey.media import probe, read, read_photo, write_video

SIZES = ((720, 1280), (720, 1280), (480, 854), (480, 640), (1080, 1920), (1280, 720))
SHARES = {
    "none": 0.30,
    "title": 0.13,
    "subtitle": 0.16,
    "watermark": 0.08,
    "banner": 0.08,
    "sign": 0.09,
    "slide": 0.07,
    "credits": 0.05,
    "words": 0.04,
}
PHRASES = (
    "a gun that takes twelve pictures a second Paris 1882 station physiologique the falling cat in praise of hands "
    "Open daily 9:00 to 17:30 exit north platform 4 no parking www.example.org @marey subscribe now episode "
    "directed by produced by music camera editing Wo ist der Bahnhof? Zwölf Bilder je Sekunde où est la gare "
    "Сколько времени вокзал открыто Αθήνα είσοδος ¿Qué hora es? SALE -50% breaking news live"
)
_LEFT_OUT = ("STIXNonUni", "STIXSiz", "cmex", "cmsy", "cmmi", "LastResort", "Math", "Display")  # no letters in them


@dataclass(frozen=True)
class Titled:
    """One clip."""

    n: int
    kind: str
    source: str
    frames: list[np.ndarray]
    """First, middle and last, uint8 RGB (H, W, 3), as they come out of the decoder."""


def fonts() -> list[Path]:
    """The fonts with letters of this machine: those of matplotlib, where it is installed, and of the system."""
    places = [Path("/usr/share/fonts/truetype")]
    try:
        import matplotlib

        places.append(Path(matplotlib.get_data_path()) / "fonts" / "ttf")
    except ImportError:
        pass
    found = {path.name: path for place in places for path in sorted(place.rglob("*.ttf"))}
    return [path for name, path in sorted(found.items()) if not name.startswith(_LEFT_OUT) and "Math" not in name]


class Backgrounds:
    """Shots and photographs without text, from pinned packages; more may lie in `media`, as in `edited.fetched`."""

    def __init__(self, folder: Path, media: Path | None = None) -> None:
        places = [fetched(folder / "samples"), *([media] if media else [])]
        files = {path.name: path for place in places for path in sorted(place.rglob("*")) if path.is_file()}
        self._shots = [(files[name], span) for name in sorted(SHOTS) if name in files for span in SHOTS[name][1]]
        names = {*FIT_PHOTOS, *TEST_PHOTOS}
        self._photos = [path for name, path in sorted(files.items()) if path.stem in names]
        self._decoded: dict[Path, list[np.ndarray]] = {}

    def draw(self, rng: np.random.Generator, size: tuple[int, int]) -> tuple[str, list[np.ndarray]]:
        """A name, and three frames of the size, uint8 RGB."""
        if rng.random() < 0.6:
            path, (first, last) = self._shots[int(rng.integers(len(self._shots)))]
            frames = self._frames(path)
            last = min(last, len(frames) - 1)
            start = int(rng.integers(first, max(first + 1, last - 12)))
            end = min(last, start + int(rng.integers(12, 75)))
            zoom, flip = rng.uniform(1.0, 1.6), rng.random() < 0.5
            x, y = rng.random(2)
            shown = [fitted(frames[n], size, zoom, x, y) for n in (start, (start + end) // 2, end)]
            # Text of the footage itself would be mirrored, as no text is.
            return path.stem, [
                one[:, ::-1] if flip and path.stem in ("bigbuckbunny", "world") else one for one in shown
            ]
        path = self._photos[int(rng.integers(len(self._photos)))]
        picture = read_photo(path)
        picture = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture
        zooms, places = rng.uniform(1.0, 2.2, 2), rng.random((2, 2))
        moves = [
            (1 - t) * np.array([zooms[0], *places[0]]) + t * np.array([zooms[1], *places[1]]) for t in (0, 0.3, 0.6)
        ]
        return path.stem, [fitted(picture, size, *move) for move in moves]

    def _frames(self, path: Path) -> list[np.ndarray]:
        if path not in self._decoded:
            self._decoded[path] = [
                frame.rgb(min(720, frame.height)) for n, frame in zip(range(900), read(path, probe(path)), strict=False)
            ]
        return self._decoded[path]


def fitted(picture: np.ndarray, size: tuple[int, int], zoom: float, x: float, y: float) -> np.ndarray:
    """A part of a picture with the proportions of the size, `zoom` times enlarged, brought to it."""
    high, wide = picture.shape[:2]
    scale = min(high / size[0], wide / size[1]) / zoom
    height, width = int(size[0] * scale), int(size[1] * scale)
    top, left = int(y * (high - height)), int(x * (wide - width))
    return cv2.resize(picture[top : top + height, left : left + width], size[::-1], interpolation=cv2.INTER_CUBIC)


def titled(n: int, backgrounds: Backgrounds, faces: Sequence[Path]) -> Titled:
    """Clip `n`: the same each time, with the same fonts and backgrounds."""
    rng = np.random.default_rng([20, n])
    size = SIZES[int(rng.integers(len(SIZES)))]
    kind = str(rng.choice(list(SHARES), p=list(SHARES.values())))
    source, frames = backgrounds.draw(rng, size)
    if kind != "none":
        layers = _Writer(rng, size, faces).layers(kind)
        there = (
            [True] * 3
            if rng.random() < 0.75
            else rng.permutation([True, True, False] if rng.random() < 0.5 else [True, False, False])
        )
        frames = [
            laid(frame, *layer) if shown else frame for frame, layer, shown in zip(frames, layers, there, strict=True)
        ]
    return Titled(n, kind, source, _encoded(frames, int(rng.choice((18, 23, 28, 33)))))


def laid(frame: np.ndarray, colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A layer (H, W, 3) of colour over a frame, as opaque as alpha (H, W) from 0 to 1 says."""
    mixed = frame * (1 - alpha[..., None]) + colour * alpha[..., None]
    return np.clip(mixed, 0, 255).astype(np.uint8)


def _encoded(frames: list[np.ndarray], crf: int) -> list[np.ndarray]:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "clip.mp4"
        write_video(path, np.stack(frames), 2, crf=crf)
        return [frame.rgb() for frame in read(path, probe(path))]


class _Writer:
    """One clip's text: how it looks is drawn once, where it stands for each of three frames."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], faces: Sequence[Path]) -> None:
        self._rng, self._size = rng, size
        self._face = faces[int(rng.integers(len(faces)))]
        light = rng.random() < 0.7
        self._ink = np.array(rng.integers(190, 256, 3) if light else rng.integers(0, 70, 3))
        if rng.random() < 0.3:
            self._ink = rng.integers(0, 256, 3)
        self._paper = np.array(255 - self._ink if rng.random() < 0.6 else rng.integers(0, 256, 3))
        self._opaque = float(rng.uniform(0.25, 0.6) if rng.random() < 0.2 else rng.uniform(0.85, 1.0))

    def layers(self, kind: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """Colour and opacity of each frame."""
        make: Callable[[], list[tuple[np.ndarray, np.ndarray]]] = getattr(self, f"_{kind}")
        return make()

    def _title(self) -> list[tuple[np.ndarray, np.ndarray]]:
        lines = self._lines(int(self._rng.integers(1, 4)), 1, 4)
        return self._still(lines, self._rng.uniform(0.05, 0.15), 0.5, self._rng.uniform(0.2, 0.7), boxed=0.15)

    def _subtitle(self) -> list[tuple[np.ndarray, np.ndarray]]:
        lines = self._lines(int(self._rng.integers(1, 3)), 3, 9)
        return self._still(lines, self._rng.uniform(0.03, 0.075), 0.5, 0.93, boxed=0.3, outlined=0.7)

    def _watermark(self) -> list[tuple[np.ndarray, np.ndarray]]:
        self._opaque = float(self._rng.uniform(0.2, 0.9))
        x, y = self._rng.choice((0.06, 0.94)), self._rng.choice((0.06, 0.94))
        return self._still(self._lines(1, 1, 3), self._rng.uniform(0.025, 0.09), float(x), float(y))

    def _banner(self) -> list[tuple[np.ndarray, np.ndarray]]:
        lines = self._lines(int(self._rng.integers(1, 3)), 2, 8)
        return self._still(lines, self._rng.uniform(0.04, 0.08), self._rng.uniform(0.1, 0.6), 0.85, boxed=1.0)

    def _slide(self) -> list[tuple[np.ndarray, np.ndarray]]:
        lines = self._lines(int(self._rng.integers(3, 10)), 2, 9)
        colour, alpha = self._block(lines, self._rng.uniform(0.035, 0.07), 0.5, 0.5, 0.0, outlined=False)
        page = np.ones(self._size) * (1.0 if self._rng.random() < 0.7 else self._rng.uniform(0.5, 0.9))
        shown = alpha[..., None] * colour + (1 - alpha[..., None]) * self._paper
        return [(shown, np.maximum(page, alpha))] * 3

    def _credits(self) -> list[tuple[np.ndarray, np.ndarray]]:
        lines = self._lines(int(self._rng.integers(4, 12)), 1, 4)
        tall = self._rng.uniform(0.03, 0.06)
        return [self._block(lines, tall, 0.5, place, 0.0, outlined=True) for place in (0.75, 0.5, 0.25)]

    def _words(self) -> list[tuple[np.ndarray, np.ndarray]]:
        parts = [
            self._block(self._lines(1, 1, 3), self._rng.uniform(0.03, 0.1), *self._rng.uniform(0.1, 0.9, 2), 0.0)
            for _ in range(int(self._rng.integers(2, 7)))
        ]
        colour = np.max([colour * (alpha[..., None] > 0) for colour, alpha in parts], axis=0)
        return [(colour, np.max([alpha for _, alpha in parts], axis=0))] * 3

    def _sign(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """A plate in perspective that drifts through the picture."""
        lines = self._lines(int(self._rng.integers(1, 3)), 1, 3)
        colour, alpha = self._block(lines, self._rng.uniform(0.06, 0.14), 0.5, 0.5, 1.0, outlined=False)
        high, wide = self._size
        corners = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)
        bent = corners + self._rng.uniform(-0.14, 0.14, (4, 2)).astype(np.float32) * (wide, high)
        drift, shift = (
            self._rng.uniform(-0.08, 0.08, 2) * (wide, high),
            self._rng.uniform(-0.25, 0.25, 2) * (wide, high),
        )
        out = []
        for t in range(3):
            matrix = cv2.getPerspectiveTransform(corners, (bent + shift + t * drift).astype(np.float32))
            moved = [cv2.warpPerspective(np.float32(one), matrix, (wide, high)) for one in (colour, alpha)]
            blur = float(self._rng.uniform(0, 1.2))
            out.append((moved[0], cv2.GaussianBlur(moved[1], (0, 0), blur) if blur > 0.3 else moved[1]))
        return out

    def _still(
        self, lines: list[str], tall: float, x: float, y: float, *, boxed: float = 0.0, outlined: float = 0.3
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        slant = float(self._rng.uniform(-6, 6)) if self._rng.random() < 0.1 else 0.0
        box, edge = self._rng.random() < boxed, self._rng.random() < outlined
        return [self._block(lines, tall, x, y, float(box), outlined=edge, slant=slant)] * 3

    def _block(
        self,
        lines: list[str],
        tall: float,
        x: float,
        y: float,
        box: float,
        *,
        outlined: bool = False,
        slant: float = 0.0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lines one below the other around a place, kept inside of the picture; `tall` is a share of its height."""
        high, wide = self._size
        pixels = max(9, round(tall * high))
        font = ImageFont.truetype(str(self._face), pixels)
        text = "\n".join(lines)
        sheet = Image.new("L", (wide, high), 0)
        pen = ImageDraw.Draw(sheet)
        while True:
            left, top, right, bottom = pen.multiline_textbbox((0, 0), text, font=font, align="center")
            if right - left < 0.96 * wide or pixels <= 9:
                break
            pixels = max(9, int(pixels * 0.9))
            font = ImageFont.truetype(str(self._face), pixels)
        at_x = float(
            np.clip(x * wide - (right - left) / 2, 0.02 * wide, max(0.02 * wide, 0.98 * wide - (right - left)))
        )
        at_y = y * high - (bottom - top) / 2
        if len(lines) < 4:
            at_y = float(np.clip(at_y, 0.02 * high, max(0.02 * high, 0.98 * high - (bottom - top))))
        place = (at_x - left, at_y - top)
        pen.multiline_text(place, text, fill=255, font=font, align="center")
        ink = np.asarray(sheet, np.float32) / 255
        colour = np.broadcast_to(self._ink.astype(np.float32), (high, wide, 3)).copy()
        alpha = ink * self._opaque
        if outlined:
            edge = Image.new("L", (wide, high), 0)
            ImageDraw.Draw(edge).multiline_text(
                place, text, fill=255, font=font, align="center", stroke_width=max(1, pixels // 14)
            )
            under = np.asarray(edge, np.float32) / 255
            colour = ink[..., None] * self._ink + (1 - ink[..., None]) * self._paper
            alpha = np.maximum(under, ink) * self._opaque
        if box:
            pad = 0.35 * pixels
            top_, bottom_ = int(max(0, at_y - pad)), int(at_y + bottom - top + pad)
            left_, right_ = int(max(0, at_x - pad)), int(at_x + right - left + pad)
            plate = np.zeros((high, wide), np.float32)
            plate[top_:bottom_, left_:right_] = box * (1.0 if self._rng.random() < 0.6 else 0.6)
            share = (alpha / max(self._opaque, 1e-6))[..., None]
            colour = share * colour + (1 - share) * self._paper
            alpha = np.maximum(plate, alpha)
        if slant:
            matrix = cv2.getRotationMatrix2D((wide / 2, high / 2), slant, 1.0)
            colour, alpha = (cv2.warpAffine(np.float32(one), matrix, (wide, high)) for one in (colour, alpha))
        return colour, alpha

    def _lines(self, count: int, least: int, most: int) -> list[str]:
        lines = []
        for _ in range(count):
            words = [str(word) for word in self._rng.choice(PHRASES.split(), int(self._rng.integers(least, most)))]
            line = " ".join(words)
            lines.append(line.upper() if self._rng.random() < 0.3 else line)
        return lines
