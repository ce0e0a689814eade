"""Black bars: found to two pixels of the source where they are, and not where a scene is dark."""

import cv2
import numpy as np
import pytest

from marey.signals.bars import Bars, bars

HEIGHT, WIDTH = 1080, 1920


def scene(seed: int, height: int, width: int, light: float = 1.0) -> np.ndarray:
    """Large shapes with details in them: uint8 (height, width)."""
    rng = np.random.default_rng(seed)
    out = np.zeros((height, width), np.float32)
    for cells, contrast in ((6, 45.0), (30, 20.0), (90, 10.0)):
        layer = rng.normal(0, contrast, (cells, cells * 16 // 9)).astype(np.float32)
        out += cv2.resize(layer, (width, height), interpolation=cv2.INTER_CUBIC)
    return (light * np.clip(out + rng.integers(70, 180), 0, 255)).astype(np.uint8)


def barred(seed: int, sides: tuple[int, int, int, int], tone: int = 0, light: float = 1.0) -> np.ndarray:
    top, bottom, left, right = sides
    out = np.full((HEIGHT, WIDTH), tone, np.uint8)
    out[top : HEIGHT - bottom, left : WIDTH - right] = np.maximum(
        scene(seed, HEIGHT - top - bottom, WIDTH - left - right, light), tone
    )
    return out


def still(picture: np.ndarray) -> np.ndarray:
    """As the pass keeps it: its long side 736 at most, as a JPEG."""
    scale = min(1.0, 736 / max(picture.shape))
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return cv2.imdecode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 92])[1], cv2.IMREAD_GRAYSCALE)


def found(pictures: list[np.ndarray]) -> Bars:
    return bars([still(picture) for picture in pictures], *pictures[0].shape)[0]


def near(one: Bars, sides: tuple[int, int, int, int]) -> bool:
    return max(abs(a - b) for a, b in zip((one.top, one.bottom, one.left, one.right), sides, strict=True)) <= 2


@pytest.mark.parametrize(
    "sides",
    [
        (0, 0, 0, 0),
        (132, 132, 0, 0),  # 2.35:1
        (20, 20, 0, 0),
        (0, 0, 240, 240),  # 4:3
        (0, 0, 656, 656),  # a telephone held upright
        (138, 140, 190, 188),  # both
        (100, 116, 0, 0),  # not quite even
        (0, 0, 8, 0),  # what a capture leaves
        (0, 12, 10, 14),
    ],
)
@pytest.mark.parametrize(("tone", "light"), [(0, 1.0), (16, 1.0), (0, 0.4)])
def test_bars_are_found_to_two_pixels(sides: tuple[int, int, int, int], tone: int, light: float) -> None:
    pictures = [barred(seed, sides, tone, light) for seed in (10, 11)]
    assert near(found(pictures), sides), found(pictures)


def test_of_random_bars_in_single_stills_all_but_few_are_found() -> None:
    rng = np.random.default_rng(0)
    exact = 0
    for n in range(24):
        top, left = (int(value) // 2 * 2 for value in rng.integers(4, (200, 300)))
        sides = [(top, top + 2, 0, 0), (0, 0, left, left), (top, top, left, left + 2)][n % 3]
        exact += near(found([barred(n, sides)]), sides)
    assert exact >= 22


def test_logos_and_subtitles_stand_in_bars() -> None:
    pictures = [barred(seed, (140, 140, 0, 0)) for seed in (1, 2, 3)]
    for n, picture in enumerate(pictures):
        cv2.putText(picture, "MAREY", (1500, 90), cv2.FONT_HERSHEY_SIMPLEX, 2.5, 255, 8)
        cv2.putText(picture, ["Nobody told", "me that it was", "moving"][n], (600, 1040), 0, 2.2, 255, 6)
    assert near(found(pictures), (140, 140, 0, 0))


def test_the_even_numbers_are_a_crop_and_the_share_what_it_leaves_out() -> None:
    one = found([barred(4, (132, 132, 0, 0))])
    assert all(value % 2 == 0 for value in (one.top, one.bottom, one.left, one.right))
    assert Bars(270, 270, 0, 0).share(1080, 1920) == pytest.approx(0.5)
    assert Bars(270, 270, 480, 480).share(1080, 1920) == pytest.approx(0.75)
    assert Bars().share(1080, 1920) == 0


def moon(radius: int) -> np.ndarray:
    return cv2.circle(np.zeros((HEIGHT, WIDTH), np.uint8), (960, 540), radius, 190, -1)


def skyline() -> np.ndarray:
    picture = np.zeros((HEIGHT, WIDTH), np.uint8)
    rng = np.random.default_rng(3)
    for x in range(0, WIDTH, 120):
        picture[int(rng.integers(250, 520)) :, x : x + 120] = rng.integers(60, 160)
    return picture


def dusk() -> np.ndarray:
    """Light that fades upwards and downwards into black."""
    rows = np.clip(140 - 0.35 * np.abs(np.arange(HEIGHT) - 540), 0, 255)
    return np.clip(rows[:, None] + scene(5, HEIGHT, WIDTH) / 8 - 16, 0, 255).astype(np.uint8)


def credits() -> np.ndarray:
    picture = np.zeros((HEIGHT, WIDTH), np.uint8)
    for n in range(9):
        cv2.putText(picture, "EDITED BY SOMEBODY AND OTHERS", (120, 160 + 90 * n), 0, 3.0, 240, 10)
    return picture


def stage() -> np.ndarray:
    """A lit floor below a black room."""
    picture = np.zeros((HEIGHT, WIDTH), np.uint8)
    picture[700:] = scene(8, 380, WIDTH)
    return picture


def scrolling() -> np.ndarray:
    """The lightest of each pixel while lines of text roll over a night sky."""
    rng = np.random.default_rng(6)
    picture = np.clip(scene(6, HEIGHT, WIDTH) / 6 + rng.normal(0, 2, (HEIGHT, WIDTH)), 0, 255).astype(np.uint8)
    for n in range(40):
        text = "a gun that takes twelve pictures"[: 14 + 9 * (n % 3)]
        (wide, _), _ = cv2.getTextSize(text, 0, 2.2, 6)
        cv2.putText(picture, text, (960 - wide // 2, 30 + 28 * n), cv2.FONT_HERSHEY_SIMPLEX, 2.2, 250, 6)
    return picture


def road() -> np.ndarray:
    """A dark strip of the scene at the bottom."""
    picture = scene(7, HEIGHT, WIDTH)
    picture[1052:] = 30
    return picture


@pytest.mark.parametrize(
    "picture",
    [
        scrolling(),
        road(),
        moon(200),
        moon(430),
        moon(525),
        skyline(),
        dusk(),
        credits(),
        stage(),
        np.zeros((HEIGHT, WIDTH), np.uint8),
    ],
    ids=["scrolling", "road", "moon", "large moon", "huge moon", "skyline", "dusk", "credits", "stage", "black"],
)
def test_a_dark_scene_has_no_bars(picture: np.ndarray) -> None:
    assert found([picture] * 3) == Bars()


def test_a_shot_too_dark_to_tell_is_told_by_the_others() -> None:
    sides = (132, 132, 0, 0)
    dark = [still(barred(seed, sides, light=0.03)) for seed in (1, 2)]
    bright = [still(barred(seed, sides)) for seed in (3, 4)]
    assert bars(dark, HEIGHT, WIDTH) == (Bars(), False)
    one, seen = bars(dark, HEIGHT, WIDTH, elsewhere=lambda: bright)
    assert seen
    assert near(one, sides)
    whole = [still(barred(seed, (0, 0, 0, 0))) for seed in (3, 4)]
    assert bars(dark, HEIGHT, WIDTH, elsewhere=lambda: whole) == (Bars(), True)


def test_a_white_frame_around_a_picture_is_no_black_bar() -> None:
    assert found([255 - barred(2, (132, 132, 0, 0))]) == Bars()
