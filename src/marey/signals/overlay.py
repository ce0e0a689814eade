"""What is laid over a picture and stays put while all else moves: logos, watermarks, clocks.

The edges of an overlay are the same at the same place in every picture; those of the scene are not. So the median of
the gradients over pictures that differ leaves the overlay, even a half transparent one, and wipes the scene out.
Source: Dekel et al., "On the Effectiveness of Visible Watermarks" (CVPR 2017), section 3.1.

Pictures that are alike say nothing: of a shot in which nothing moves, and of whose footage nothing else is known, there
is no answer. What moves along with the camera, such as the bonnet of a car, is an overlay to this. An overlay without
edges of its own, one that moves or blinks, and one that covers most of the picture are not found.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

LONG_SIDE = 320
"""Pictures are compared at this long side."""
PICTURES = 4
"""So many that differ are needed."""
EDGE = 5.0
"""Grey levels a pixel by which an edge rises at least."""
SAME = 0.8
"""Share of the pictures in which an edge must be the same."""
DIFFERENT = 0.35
"""Two pictures differ if less than this share of their edges is the same."""
_ROUGH_SIDE = 80  # at which they are compared: what moved by a pixel or two of the larger size is the same view
_AWAY = 0.5  # of an edge's own strength, by which it may differ and be the same
_NET = 0.25  # energy of the mean edge over the mean energy of the edges
_JOIN = 0.022  # of the long side: edges so close are of one overlay
_MARGIN = 0.012  # of the long side, at the borders, that is not looked at
_MIDDLE = 0.15  # of the long side, about which a zoom turns, and where it moves next to nothing
_LARGEST = 0.3  # of the picture, that one overlay covers at most
_LEAST = 12  # pixels of edge
_ENDS = (1.0, 99.0)  # percentiles of where they lie, from which a box reaches to which
_NEAR, _DENSE = 7, 0.12  # of the pixels of such a square about an edge, that are edges too
_WINDOW = 17  # the side of a square in which edges of an overlay have more than one direction:
_ROUND = 0.08  # least over most energy of them; a line alone may be one that moves along itself
_RING = 0.35  # of the edges around an overlay, that stay as well: more, and it is the scene that stands there
_TOO_MUCH = 0.5  # of the edges, that stay: then it is the scene


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the source as shown."""

    x: int
    y: int
    width: int
    height: int


def overlays(
    looks: Sequence[np.ndarray],
    height: int,
    width: int,
    *,
    elsewhere: Callable[[], Sequence[np.ndarray]] = tuple,
    inside: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
    move: str = "",
) -> list[Box] | None:
    """The overlays of a clip.

    Args:
        looks: pictures of it, luma uint8 (H, W), at least one.
        height, width: of the source as shown.
        elsewhere: gives pictures of other clips of the same footage; asked if those of this one are too much alike.
        inside: lines at the top, bottom, left and right that are bars, as shares of the height and width.
        move: what the camera does, of `camera.MOVES`, if it is known. Of a camera at rest all pictures count as one,
            whatever moves before it; one that zooms or rolls leaves the middle where it is, which is not looked at.

    Returns:
        None if too few pictures differ for anything to stand out.
    """
    shape = looks[0].shape
    own = [_Picture(one) for one in looks]
    chosen = _differing(own[:1] if move == "static" else own)
    if len(chosen) < PICTURES:
        chosen = _differing([*chosen, *(_Picture(one) for one in elsewhere() if one.shape == shape)])
    if len(chosen) < PICTURES:
        return None
    high, wide = own[0].edges.shape[:2]
    area = _looked_at(high, wide, inside, move in ("zoom in", "zoom out", "roll"))
    # Only where edges do not cancel out over the pictures can their median be one.
    net = _energy(np.mean([one.edges for one in chosen], axis=0))
    often = (net >= (EDGE / 2) ** 2) & (net >= _NET * np.mean([one.energy for one in chosen], axis=0)) & area
    edges = np.stack([one.edges[often] for one in chosen])  # (K, N, 2)
    middle = np.median(edges, axis=0)
    same = np.mean([_same(one, middle) for one in edges], axis=0)
    same = np.minimum(same, np.mean([_same(one.edges[often], middle) for one in own], axis=0))
    kept = np.zeros((high, wide, 2), np.float32)
    kept[often] = middle
    stays = np.zeros((high, wide), bool)
    stays[often] = (_energy(middle) >= EDGE**2) & (same >= SAME)
    moves = np.where(stays, 0, np.mean([one.energy >= EDGE**2 for one in chosen], axis=0)) * area
    if stays.sum() > _TOO_MUCH * (stays.sum() + moves.sum()):
        return None
    return [_scaled(box, height / high, width / wide) for box in _boxes(stays, kept, moves)]


def share(boxes: Sequence[Box], height: int, width: int) -> float:
    """The share of the picture that boxes cover together, 0..1."""
    mask = np.zeros((height, width), bool)
    for box in boxes:
        mask[box.y : box.y + box.height, box.x : box.x + box.width] = True
    return float(mask.mean())


class _Picture:
    """A picture's edges, and its rough edges by which it is told whether it is another view."""

    def __init__(self, picture: np.ndarray) -> None:
        small = _shrunk(picture, LONG_SIDE)
        self.edges = _gradient(small)  # (H, W, 2)
        self.energy = _energy(self.edges)
        self.rough = _gradient(_shrunk(small, _ROUGH_SIDE))


def _shrunk(picture: np.ndarray, side: int) -> np.ndarray:
    while min(picture.shape) >= 32 and max(picture.shape) >= 2 * side:
        # Exact 2x2 means are many times as fast as an area mean to any size.
        even = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
        picture = cv2.resize(even, (even.shape[1] // 2, even.shape[0] // 2), interpolation=cv2.INTER_AREA)
    scale = min(1.0, side / max(picture.shape))
    size = (max(8, round(picture.shape[1] * scale)), max(8, round(picture.shape[0] * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)


def _gradient(picture: np.ndarray) -> np.ndarray:
    """Grey levels a pixel, to the right and downwards: float32 (H, W, 2)."""
    return cv2.merge(
        [cv2.Sobel(picture, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(picture, cv2.CV_32F, 0, 1, scale=1 / 8)]
    )


def _energy(gradient: np.ndarray) -> np.ndarray:
    """The square of its length."""
    x, y = gradient[..., 0], gradient[..., 1]
    energy: np.ndarray = x * x + y * y
    return energy


def _same(gradient: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Where a picture has the edges `kept`, up to a share of their strength."""
    same: np.ndarray = _energy(gradient - kept) <= _AWAY**2 * _energy(kept)
    return same


def _looked_at(height: int, width: int, inside: tuple[float, float, float, float], ring: bool) -> np.ndarray:
    margin = max(2, round(_MARGIN * max(height, width)))
    top, bottom = (int(np.ceil(share * height)) + margin for share in inside[:2])
    left, right = (int(np.ceil(share * width)) + margin for share in inside[2:])
    area = np.zeros((height, width), bool)
    area[top : height - bottom, left : width - right] = True
    if ring:
        y, x = np.ogrid[:height, :width]
        area &= np.hypot(y - height / 2, x - width / 2) > _MIDDLE * max(height, width)
    return area


def _differing(pictures: Sequence[_Picture]) -> list[_Picture]:
    """Those that differ from all that were taken before them."""
    chosen: list[_Picture] = []
    for one in pictures:
        strong = _energy(one.rough) >= EDGE**2
        count = max(1, int(strong.sum()))
        if all((_same(other.rough, one.rough) & strong).sum() < DIFFERENT * count for other in chosen):
            chosen.append(one)
    return chosen


def _boxes(stays: np.ndarray, kept: np.ndarray, moves: np.ndarray) -> list[Box]:
    """Groups of edges that stay, of more than one direction, with none around them that stay.

    Args:
        stays: where an edge stays, bool (H, W).
        kept: these edges, (H, W, 2).
        moves: share of the pictures that have an edge that does not stay, (H, W).
    """
    near = stays & (_around(stays, _NEAR) >= _DENSE)
    edges = np.where(near[..., None], kept, 0)
    x, y = edges[..., 0], edges[..., 1]
    xx, yy, xy = (_around(one, _WINDOW) for one in (x * x, y * y, x * y))
    half, root = (xx + yy) / 2, np.sqrt(((xx - yy) / 2) ** 2 + xy * xy)
    core = near & (half - root >= _ROUND * (half + root))
    # With each core goes what stays beside it, such as the ends of a line.
    whole = near & (_around(core, _NEAR) > 0)
    reach = max(3, 2 * round(_JOIN * max(stays.shape) / 2) + 1)
    count, labels = cv2.connectedComponents(cv2.dilate(whole.astype(np.uint8), np.ones((reach, reach), np.uint8)))
    found = []
    for n in range(1, count):
        rows, columns = np.nonzero(whole & (labels == n))
        (top, bottom), (left, right) = (np.percentile(one, _ENDS).round().astype(int) for one in (rows, columns))
        bottom, right = bottom + 1, right + 1
        if len(rows) < _LEAST or (bottom - top) * (right - left) > _LARGEST * stays.size:
            continue
        ring = np.zeros(stays.shape, bool)
        ring[max(0, top - reach) : bottom + reach, max(0, left - reach) : right + reach] = True
        ring[top:bottom, left:right] = False
        if (stays & ring).sum() <= _RING * ((stays & ring).sum() + moves[ring].sum()) + 1:
            found.append(Box(int(left), int(top), int(right - left), int(bottom - top)))
    return found


def _around(values: np.ndarray, side: int) -> np.ndarray:
    """The mean over a square about each pixel."""
    return cv2.blur(values.astype(np.float32), (side, side), borderType=cv2.BORDER_CONSTANT)


def _scaled(box: Box, down: float, right: float) -> Box:
    x, y = int(box.x * right), int(box.y * down)
    return Box(x, y, int(np.ceil((box.x + box.width) * right)) - x, int(np.ceil((box.y + box.height) * down)) - y)
