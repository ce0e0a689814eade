"""Pictures for people: many frames on one sheet, and frames as JPEG or PNG."""

import io
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_PAPER, _INK = (250, 250, 248), (40, 42, 46)


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]],
    labels: Sequence[str] = (),
    *,
    height: int = 96,
    gap: int = 6,
) -> np.ndarray:
    """Frames in rows on one sheet, uint8 RGB (H, W, 3).

    Args:
        rows: of frames, uint8 (h, w, 3) or (h, w), of any sizes; each is brought to one height in its own proportions.
        labels: a line of text above each row; none, or one a row.
        height: of the frames on the sheet, in pixels.
        gap: between frames, in pixels.

    Raises:
        ValueError: no frames, or another number of labels than of rows.
    """
    if not any(len(row) for row in rows):
        raise ValueError("a contact sheet needs a frame")
    if labels and len(labels) != len(rows):
        raise ValueError(f"{len(labels)} labels for {len(rows)} rows")
    font = ImageFont.load_default(max(10, height // 7))
    line = round(max(10, height // 7) * 1.6) if labels else 0
    scaled = [[_scaled(frame, height) for frame in row] for row in rows]
    texts = [font.getlength(label) for label in labels]
    wide = max(sum(frame.shape[1] + gap for frame in row) for row in scaled)
    width = round(max([wide, *(text + gap for text in texts)])) + gap
    sheet = np.full((gap + len(rows) * (height + line + gap), width, 3), _PAPER, np.uint8)
    tops = [gap + n * (height + line + gap) for n in range(len(rows))]
    for top, row in zip(tops, scaled, strict=True):
        left = gap
        for frame in row:
            sheet[top + line : top + line + height, left : left + frame.shape[1]] = frame
            left += frame.shape[1] + gap
    if not labels:
        return sheet
    image = Image.fromarray(sheet)
    draw = ImageDraw.Draw(image)
    for top, label in zip(tops, labels, strict=True):
        draw.text((gap, top), label, fill=_INK, font=font)
    return np.array(image)


def jpeg_bytes(image: np.ndarray, quality: int = 85) -> bytes:
    """A picture, uint8 RGB (H, W, 3) or grey (H, W), as JPEG; `quality` from 1 to 95."""
    bgr = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"a picture of the shape {image.shape} cannot be written as JPEG")
    return data.tobytes()


def png_bytes(image: np.ndarray) -> bytes:
    """A picture, uint8 RGB (H, W, 3) or grey (H, W), as PNG, without loss."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "PNG")
    return file.getvalue()


def _scaled(frame: np.ndarray, height: int) -> np.ndarray:
    if frame.ndim == 2:
        frame = np.repeat(frame[:, :, None], 3, axis=2)
    width = max(1, round(frame.shape[1] * height / frame.shape[0]))
    smaller = height <= frame.shape[0]
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
