"""Transitions drawn as strips of film: some frames before, inside and after each, with their numbers."""

import tempfile
from collections.abc import Sequence
from types import TracebackType

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from marey.curate.transitions import Transition
from marey.media import Frame, jpeg_bytes

HEIGHT = 84
"""Of a picture, in pixels."""
IN_MEMORY = 32 << 20
"""Bytes of pictures that are held; what is more lies in a temporary file."""
FRAMES = 10
"""Pictures in a strip."""
INSIDE = 4
"""Of them at most so many from within a transition."""
MOST = 60
"""Strips on a sheet: of more transitions so many are drawn, evenly chosen."""
ONE_COLUMN = 8
"""More strips than these stand in two columns."""

COLOURS = {"cut": (209, 73, 56), "dissolve": (46, 117, 182), "fade": (133, 87, 168), "wipe": (52, 138, 87)}
_LIGHT = {kind: tuple((value + 255) // 2 for value in colour) for kind, colour in COLOURS.items()}
"""The same on black."""
_PAPER, _INK, _FAINT = (250, 250, 248), (40, 42, 46), (122, 124, 128)
_FILM, _HOLE, _NUMBER = (28, 28, 30), (226, 224, 216), (200, 198, 190)
_EDGE, _GAP, _BAND, _LINE, _MARGIN = 10, 4, 15, 26, 22


class Album:
    """Small pictures of all frames of a file, as they pass; memory does not grow with their number."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed with the album
        self._ends = [0]

    def __enter__(self) -> "Album":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._ends) - 1

    def take(self, frame: Frame) -> None:
        """The next frame, in order."""
        width = min(max(16, round(frame.width * HEIGHT / frame.height)), 3 * HEIGHT)
        self._ends.append(self._ends[-1] + self._file.write(jpeg_bytes(frame.rgb((HEIGHT, width)), 88)))

    def __getitem__(self, n: int) -> np.ndarray:
        """The picture of frame `n`, uint8 RGB (84, W, 3)."""
        self._file.seek(self._ends[n])
        data = np.frombuffer(self._file.read(self._ends[n + 1] - self._ends[n]), np.uint8)
        return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def shown(one: Transition, count: int) -> tuple[list[int], list[int], list[int]]:
    """The frames that are drawn of a transition: before, inside and after.

    The last whole frame before and the first one after are always among them, and their neighbours; those inside are
    evenly spread.
    """
    within = one.b_start - one.a_end - 1
    inside = np.linspace(one.a_end, one.b_start, min(within, INSIDE) + 2).round().astype(int)[1:-1].tolist()
    side = (FRAMES - len(inside)) // 2
    before = list(range(max(0, one.a_end - side + 1), one.a_end + 1))
    after = list(range(one.b_start, min(count, one.b_start + FRAMES - len(inside) - side)))
    return before, inside, after


def draw_strip(found: Sequence[Transition], album: Album, times: Sequence[str], title: str) -> np.ndarray:
    """A sheet with a strip for each transition, uint8 RGB (H, W, 3).

    Args:
        times: of all frames, for people to read.
        title: what stands above.
    """
    drawn = [found[n] for n in np.unique(np.linspace(0, len(found) - 1, min(MOST, len(found))).round().astype(int))]
    if len(drawn) < len(found):
        title += f"  ·  {len(drawn)} of its {len(found)} transitions"
    else:
        title += f"  ·  {len(found) or 'no'} transition{'' if len(found) == 1 else 's'}"
    width = album[0].shape[1]
    wide = 2 * _EDGE + FRAMES * (width + _GAP) - _GAP
    high = _LINE + 2 * _BAND + HEIGHT + 20 + _MARGIN
    columns = 2 if len(drawn) > ONE_COLUMN else 1
    rows = -(-len(drawn) // columns)
    sheet = Image.new("RGB", (columns * (wide + _MARGIN) + _MARGIN, 58 + rows * high), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, 18), title, fill=_INK, font=ImageFont.load_default(19))
    for n, one in enumerate(drawn):
        left, top = _MARGIN + (n // rows) * (wide + _MARGIN), 58 + (n % rows) * high
        _heading(draw, left, top, wide, one, times)
        _film(sheet, draw, left, top + _LINE, one, album)
    return np.asarray(sheet)


def _heading(draw: ImageDraw.ImageDraw, left: int, top: int, wide: int, one: Transition, times: Sequence[str]) -> None:
    """The kind, where it is, and how sure: `dissolve   0:12.480  to  0:13.040   confidence 0.98`."""
    font, small = ImageFont.load_default(15), ImageFont.load_default(13)
    draw.rounded_rectangle((left, top, left + 4, top + 18), 2, fill=COLOURS[one.kind])
    draw.text((left + 11, top), one.kind, fill=COLOURS[one.kind], font=font)
    x = left + 18 + font.getlength("dissolve") + 6
    within = one.b_start - one.a_end - 1
    text = f"{times[one.a_end]}  to  {times[one.b_start]}" + (f"    {within} frames inside" if within > 1 else "")
    draw.text((x, top + 1), text, fill=_INK, font=small)
    sure = f"confidence {one.confidence:.2f}"
    draw.text((left + wide - small.getlength(sure), top + 1), sure, fill=_FAINT, font=small)


def _film(sheet: Image.Image, draw: ImageDraw.ImageDraw, left: int, top: int, one: Transition, album: Album) -> None:
    before, inside, after = shown(one, len(album))
    frames = [*before, *inside, *after]
    width, colour = album[0].shape[1], _LIGHT[one.kind]
    wide = 2 * _EDGE + len(frames) * (width + _GAP) - _GAP
    bottom = top + 2 * _BAND + HEIGHT + 20
    draw.rounded_rectangle((left, top, left + wide, bottom), 4, fill=_FILM)
    for x in range(left + _EDGE, left + wide - 8, 18):
        for y in (top + 4, bottom - 11):
            draw.rounded_rectangle((x, y, x + 9, y + 6), 2, fill=_HOLE)
    font = ImageFont.load_default(12)
    for n, frame in enumerate(frames):
        x = left + _EDGE + n * (width + _GAP)
        sheet.paste(Image.fromarray(album[frame]), (x, top + _BAND))
        edge, text = frame in (one.a_end, one.b_start), str(frame)
        tint = _HOLE if edge else colour if frame in inside else _NUMBER
        middle = x + (width - font.getlength(text)) / 2
        draw.text((middle, top + _BAND + HEIGHT + 4), text, fill=tint, font=font)
        if edge:
            draw.text((middle + 0.5, top + _BAND + HEIGHT + 4), text, fill=tint, font=font)
    # A bar over what lies inside; where nothing does, the join itself.
    start = left + _EDGE + len(before) * (width + _GAP) - _GAP
    stop = start + max(len(inside) * (width + _GAP), 0) + _GAP
    if inside:
        for y in (top + _BAND - 3, top + _BAND + HEIGHT):
            draw.rectangle((start + _GAP, y, stop - _GAP - 1, y + 2), fill=COLOURS[one.kind])
    else:
        draw.rectangle((start, top + 2, start + _GAP - 1, bottom - 2), fill=COLOURS[one.kind])
