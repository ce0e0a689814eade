"""Static overlays: painted logos are found on pictures that move, and nothing is found where there is none."""

import cv2
import numpy as np
import pytest

from marey.signals.overlay import Box, overlays, share

HEIGHT, WIDTH = 360, 640


def scene(seed: int) -> np.ndarray:
    """A large picture to move about in: uint8 (900, 1600)."""
    rng = np.random.default_rng(seed)
    out = np.zeros((900, 1600), np.float32)
    for cells, contrast in ((8, 40.0), (40, 22.0), (130, 12.0)):
        layer = rng.normal(0, contrast, (cells, cells * 16 // 9)).astype(np.float32)
        out += cv2.resize(layer, (1600, 900), interpolation=cv2.INTER_CUBIC)
    return np.clip(out + 110, 0, 255).astype(np.uint8)


def panned(seed: int, step: int = 50, count: int = 8) -> list[np.ndarray]:
    big = scene(seed)
    return [big[20 + 3 * n : 20 + 3 * n + HEIGHT, step * n : step * n + WIDTH].copy() for n in range(count)]


def logo(kind: str) -> np.ndarray:
    """How much of it there is, float (h, w) of 0..1."""
    ink = np.zeros((50, 130), np.uint8)
    if kind == "word":
        cv2.putText(ink, "MAREY", (6, 38), cv2.FONT_HERSHEY_SIMPLEX, 1.1, 255, 3)
    elif kind == "ring":
        cv2.circle(ink, (65, 25), 21, 255, 4)
        cv2.putText(ink, "7", (56, 35), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255, 3)
    else:
        ink[4:46, 4:126] = 150
        cv2.putText(ink, "LIVE", (20, 38), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 0, 4)
    return ink / 255


def painted(pictures: list[np.ndarray], kind: str, x: int, y: int, opacity: float, tone: int = 255) -> list[np.ndarray]:
    weight = opacity * logo(kind)
    out = []
    for picture in pictures:
        one = picture.astype(float)
        part = one[y : y + 50, x : x + 130]
        part[:] = (1 - weight) * part + weight * tone
        jpeg = cv2.imencode(".jpg", one.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
        out.append(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE))
    return out


def overlap(found: list[Box] | None, kind: str, x: int, y: int) -> float:
    """Intersection over union with the true box."""
    rows, columns = np.nonzero(logo(kind))
    truth, boxes = np.zeros((HEIGHT, WIDTH), bool), np.zeros((HEIGHT, WIDTH), bool)
    truth[y + rows.min() : y + rows.max() + 1, x + columns.min() : x + columns.max() + 1] = True
    for box in found or []:
        boxes[box.y : box.y + box.height, box.x : box.x + box.width] = True
    return float((truth & boxes).sum() / (truth | boxes).sum())


PLACES = [(20, 16), (490, 16), (24, 290), (486, 292), (250, 150)]


@pytest.mark.parametrize("kind", ["word", "ring", "plate"])
@pytest.mark.parametrize("opacity", [1.0, 0.5])
@pytest.mark.parametrize(("x", "y"), PLACES)
def test_a_logo_is_found_where_it_was_painted(kind: str, opacity: float, x: int, y: int) -> None:
    found = overlays(painted(panned(1), kind, x, y, opacity), HEIGHT, WIDTH)
    assert overlap(found, kind, x, y) > 0.5


def test_dark_ones_and_two_at_once() -> None:
    pictures = painted(painted(panned(2), "word", 20, 16, 1.0, tone=0), "ring", 486, 292, 0.7)
    found = overlays(pictures, HEIGHT, WIDTH)
    assert found is not None
    assert len(found) == 2
    dark, light = sorted(found, key=lambda box: box.x)
    assert overlap([dark], "word", 20, 16) > 0.5
    assert overlap([light], "ring", 486, 292) > 0.5


def test_it_is_told_in_pixels_of_the_source() -> None:
    pictures = painted(panned(3), "word", 20, 16, 1.0)
    (small,) = overlays(pictures, HEIGHT, WIDTH) or []
    (large,) = overlays(pictures, 3 * HEIGHT, 3 * WIDTH) or []
    assert abs(large.x - 3 * small.x) <= 3
    assert abs(large.width - 3 * small.width) <= 6


@pytest.mark.parametrize("seed", range(8))
def test_footage_without_a_logo_has_none(seed: int) -> None:
    assert overlays(panned(seed, 50 + 10 * seed), HEIGHT, WIDTH) == []


def test_lines_that_move_along_themselves_are_none() -> None:
    """A pan along railings: their edges stay where they are."""
    pictures = panned(4)
    for picture in pictures:
        for y in (60, 84, 250, 262, 300):
            picture[y : y + 6] = 230
    assert overlays(pictures, HEIGHT, WIDTH) == []


def test_a_camera_at_rest_gives_no_answer() -> None:
    rng = np.random.default_rng(0)
    (view,) = panned(5, count=1)
    still = [np.clip(view + rng.normal(0, 3, view.shape), 0, 255).astype(np.uint8) for _ in range(8)]
    assert overlays(painted(still, "word", 20, 16, 1.0), HEIGHT, WIDTH) is None
    assert overlays(still[:1], HEIGHT, WIDTH) is None
    for n, picture in enumerate(still):  # someone walks through it
        picture[100:340, 60 * n : 60 * n + 90] = scene(9)[:240, 40 * n : 40 * n + 90]
    assert overlays(still, HEIGHT, WIDTH) is None


def test_of_a_camera_at_rest_a_thing_before_stars_tells_nothing() -> None:
    pictures = []
    for n in range(8):
        sky = np.full((HEIGHT, WIDTH), 20, np.uint8)
        for y, x in np.random.default_rng(1).integers(10, (HEIGHT - 10, WIDTH - 10), (60, 2)):
            sky[y : y + 4, x : x + 4] = 200
        pictures.append(cv2.circle(sky, (60 + 70 * n, 300 - 30 * n), 50, 230, -1))
    assert overlays(pictures, HEIGHT, WIDTH) != []  # the circle alone makes eight views of it
    assert overlays(pictures, HEIGHT, WIDTH, move="static") is None


def test_a_zoom_leaves_the_middle_where_it_is() -> None:
    big = scene(12)
    pictures = []
    for n in range(8):
        matrix = cv2.getRotationMatrix2D((800, 450), 0, 1.15**n)
        pictures.append(cv2.warpAffine(big, matrix, (1600, 900))[450 - 180 : 450 + 180, 800 - 320 : 800 + 320])
    assert overlays(pictures, HEIGHT, WIDTH, move="zoom in") == []
    marked = painted(pictures, "word", 486, 16, 1.0)
    assert overlap(overlays(marked, HEIGHT, WIDTH, move="zoom in"), "word", 486, 16) > 0.5


def test_of_shots_at_rest_the_rest_of_the_footage_tells() -> None:
    views = [panned(seed, count=1) for seed in range(10, 18)]
    marked = [painted(view, "word", 486, 16, 0.7) for view in views]
    elsewhere = [picture for view in marked[1:] for picture in view]
    assert overlap(overlays(3 * marked[0], HEIGHT, WIDTH, elsewhere=lambda: elsewhere), "word", 486, 16) > 0.5
    assert (
        overlays(3 * views[0], HEIGHT, WIDTH, elsewhere=lambda: elsewhere) == []
    )  # the others have it, this clip has not
    assert overlays(3 * marked[0], HEIGHT, WIDTH, elsewhere=lambda: [one for view in views[1:] for one in view]) == []


def test_the_edges_of_bars_are_none() -> None:
    pictures = panned(6)
    for picture in pictures:
        picture[:40] = picture[-40:] = 0
        picture[:, :70] = picture[:, -70:] = 0
    inside = (40 / HEIGHT, 40 / HEIGHT, 70 / WIDTH, 70 / WIDTH)
    assert overlays(pictures, HEIGHT, WIDTH, inside=inside) == []


def test_the_share_counts_overlaps_once() -> None:
    assert share([], 100, 200) == 0
    box = Box(10, 10, 40, 50)
    assert share([box, box], 100, 200) == pytest.approx(0.1)
    assert share([box, Box(30, 10, 40, 50)], 100, 200) == pytest.approx(0.15)
