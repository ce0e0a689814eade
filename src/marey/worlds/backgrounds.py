"""What things move in front of: skies, land, sea, night, the deep, and textured floors. All uint8 RGB (H, W, 3).

What `landscape` and `skyline` draw is periodic in x, so that it may scroll for ever.
"""

import cv2
import numpy as np

from marey.worlds.palette import Colour, Palette, mix, ramp


def texture(height: int, width: int, grain: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise, float32 (H, W) of mean 0 in about -1..1, periodic in x.

    Args:
        grain: the size of its spots in pixels.
    """
    total = np.zeros((height, width), np.float32)
    for octave in range(3):
        rows = max(2, round(height / grain * 2**octave))
        columns = max(2, round(width / grain * 2**octave))
        spots = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
        spots = np.pad(spots, ((1, 1), (columns, columns)), mode="wrap")
        large = cv2.resize(spots, (3 * width, round(height * (rows + 2) / rows)), interpolation=cv2.INTER_CUBIC)
        top = (large.shape[0] - height) // 2
        total += large[top : top + height, width : 2 * width] / 2**octave
    return total / 1.75


def skyline(width: int, amplitude: float, waves: int, rng: np.random.Generator) -> np.ndarray:
    """Heights of a row of hills, float32 (W,) in pixels about 0, periodic in x."""
    at = np.arange(width) / width * 2 * np.pi
    heights = np.zeros(width)
    for wave in range(1, 5):
        heights += np.sin(at * wave * waves + rng.uniform(0, 2 * np.pi)) * rng.uniform(0.5, 1) / wave
    return (amplitude * heights / 2).astype(np.float32)


def below(image: np.ndarray, edge: np.ndarray, colours: tuple[Colour, Colour]) -> None:
    """Fill what lies below an edge (W,), in pixels from the top, from the first colour down to the second, in place."""
    height = image.shape[0]
    rows = np.arange(height, dtype=np.float32)[:, None]
    mask = np.clip(rows - edge[None] + 0.5, 0, 1)[..., None]
    depth = np.clip((rows - edge[None]) / max(1.0, height - float(edge.min())), 0, 1)[..., None]
    fill = np.array(colours[0], np.float32) + depth * (np.array(colours[1], np.float32) - np.array(colours[0]))
    image += mask * (fill - image)


def sky(height: int, width: int, palette: Palette, rng: np.random.Generator, horizon: float = 1.0) -> np.ndarray:
    """A sky down to `horizon` (share of the height), with its sun or moon and some clouds, float32."""
    image = np.repeat(ramp(palette.sky, max(2, round(height * horizon)))[:, None], width, axis=1)
    image = np.pad(image, ((0, max(0, height - image.shape[0])), (0, 0), (0, 0)), mode="edge")[:height]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    sun_x, sun_y = rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.4) * horizon * height
    away = np.hypot(x - sun_x, y - sun_y)
    radius = height * rng.uniform(0.05, 0.09)
    glow = 0.45 * np.exp(-((away / (radius * 3)) ** 2)) + np.clip(radius - away + 0.5, 0, 1)
    image += np.clip(glow, 0, 1)[..., None] * (np.array(palette.sun, np.float32) - image)
    clouds = np.clip(texture(height, width, height / 2.5, rng) - 0.15, 0, 1) * np.clip(1 - y / (horizon * height), 0, 1)
    return image + (0.7 * clouds)[..., None] * (np.array(mix(palette.sky[1], palette.sun, 0.5), np.float32) - image)


def landscape(height: int, width: int, palette: Palette, rng: np.random.Generator, ground: float = 0.82) -> np.ndarray:
    """Hills before hills under a sky, with the near ground beginning at `ground` (share of the height)."""
    image = sky(height, width, palette, rng, horizon=0.75)
    far, middle, near = palette.land
    below(image, 0.58 * height + skyline(width, 0.14 * height, 1, rng), (far, mix(far, palette.sky[1], 0.4)))
    below(
        image,
        0.7 * height + skyline(width, 0.1 * height, int(rng.integers(1, 3)), rng),
        (middle, mix(middle, far, 0.3)),
    )
    trees(image, 0.7 * height, palette, rng)
    below(image, np.full(width, ground * height, np.float32), (near, mix(near, (0, 0, 0), 0.25)))
    return finished(image, rng)


def trees(image: np.ndarray, foot: float, palette: Palette, rng: np.random.Generator) -> None:
    """A few round trees, in place."""
    height, width = image.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    crown = np.array(mix(palette.land[1], palette.land[2], 0.7), np.float32)
    for _ in range(int(rng.integers(2, 6))):
        centre, size = rng.uniform(0, width), height * rng.uniform(0.04, 0.08)
        base = foot + rng.uniform(0.02, 0.1) * height
        trunk = (np.abs(x - centre) < size * 0.14) & (np.abs(y - base + size * 0.4) < size * 0.8)
        image[trunk] = np.array(mix(palette.land[2], (60, 40, 30), 0.5), np.float32)
        leaves = np.clip(size - np.hypot(x - centre, (y - base + size * 1.6) * 0.85), 0, 1)[..., None]
        image += leaves * (crown * (1.12 - 0.18 * ((y - base + size * 1.6) / size)[..., None]) - image)


def sea(height: int, width: int, palette: Palette, rng: np.random.Generator, horizon: float = 0.56) -> np.ndarray:
    """Water under a sky, and perhaps an island."""
    image = sky(height, width, palette, rng, horizon)
    line = horizon * height
    island = skyline(width, 0.1 * height, 1, rng)
    if rng.random() < 0.7:
        below(image, np.minimum(line - 0.5 * island - 0.02 * height, line), (palette.land[0], palette.land[1]))
    water = (mix(palette.sky[1], (40, 110, 150), 0.55), mix(palette.sky[0], (16, 60, 96), 0.65))
    below(image, np.full(width, line, np.float32), water)
    waves = texture(height, width, height / 5, rng)
    waves = cv2.resize(waves[:, : width // 4], (width, height), interpolation=cv2.INTER_CUBIC)  # long in x
    strength = np.clip((np.arange(height) - line) / height, 0, 1)[:, None]
    image += (36 * waves * np.sqrt(strength))[..., None]
    return finished(image, rng)


def night(height: int, width: int, palette: Palette, rng: np.random.Generator) -> np.ndarray:
    """Stars and a faint nebula."""
    tint = ((52, 40, 104), (20, 72, 96), (84, 34, 84), (34, 52, 120))[int(rng.integers(4))]
    base, light = mix(palette.sky[0], (9, 11, 28), 0.9), mix(palette.sky[1], tint, 0.88)
    cloud = np.clip(0.45 + 0.75 * texture(height, width, height / 1.6, rng), 0, 1)[..., None]
    image = np.array(base, np.float32) + 0.8 * cloud * (np.array(light, np.float32) - np.array(base))
    stars = np.zeros((height, width), np.float32)
    count = width * height // 700
    stars[rng.integers(0, height, count), rng.integers(0, width, count)] = rng.uniform(0.3, 1, count) ** 3
    stars = np.clip(cv2.GaussianBlur(stars, (0, 0), 0.8) * 5, 0, 1)[..., None]
    return finished(image + stars * (255 - image), rng)


def deep(height: int, width: int, palette: Palette, rng: np.random.Generator) -> np.ndarray:
    """Under water: light from above, a sandy ground with weeds."""
    tint = palette.sky[1]
    colours = (mix((96, 206, 214), tint, 0.3), mix((26, 116, 160), tint, 0.15), mix((10, 50, 96), palette.sky[0], 0.15))
    image = np.repeat(ramp(colours, height)[:, None], width, axis=1)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    slant = rng.uniform(-0.5, 0.5)
    rays = np.zeros_like(x)
    for _ in range(4):
        centre, wide = rng.uniform(0, width), rng.uniform(0.03, 0.07) * width
        rays += np.exp(-(((x + slant * y - centre) / wide) ** 2))
    image += (34 * np.clip(rays, 0, 1) * np.clip(1 - y / height, 0, 1))[..., None]
    sand = mix((226, 206, 150), tint, 0.15)
    below(
        image,
        0.87 * height + skyline(width, 0.05 * height, 1, rng),
        (mix(sand, colours[2], 0.35), mix(sand, colours[2], 0.65)),
    )
    for _ in range(int(rng.integers(3, 7))):
        foot, tall = rng.uniform(0, width), rng.uniform(0.14, 0.34) * height
        rise = np.clip((0.95 * height - y) / tall, 0, 1)
        stem = foot + 0.03 * width * np.sin(rise * 5 + foot) * rise
        weed = np.clip(0.02 * width * (1 - rise) + 0.5 - np.abs(x - stem), 0, 1) * (y < 0.95 * height) * (rise < 1)
        image += weed[..., None] * (np.array(mix((40, 120, 80), colours[2], 0.3), np.float32) - image)
    return finished(image, rng)


def floor(height: int, width: int, palette: Palette, rng: np.random.Generator) -> np.ndarray:
    """A textured ground seen from above: two tones in tiles, stripes or clouds."""
    a, b = palette.land[0], mix(palette.land[0], palette.land[1], 0.55)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    step = height / rng.integers(3, 6)
    style = rng.integers(3)
    if style == 0:
        pattern = 0.5 + 0.5 * np.tanh(4 * np.sin(np.pi * x / step) * np.sin(np.pi * y / step))
    elif style == 1:
        turn = rng.uniform(0, np.pi)
        pattern = 0.5 + 0.5 * np.tanh(3 * np.sin(np.pi * (x * np.cos(turn) + y * np.sin(turn)) / step))
    else:
        pattern = np.clip(0.5 + texture(height, width, height / 2.5, rng), 0, 1)
    image = np.array(a, np.float32) + pattern[..., None] * (np.array(b, np.float32) - np.array(a))
    middle = np.hypot((x - width / 2) / width, (y - height / 2) / height)
    return finished(image * (1.08 - 0.5 * middle**2)[..., None], rng)


def finished(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As uint8, with a fine grain that hides the steps of the gradients."""
    grain = rng.normal(0, 1.2, image.shape[:2]).astype(np.float32)[..., None]
    return np.clip(np.rint(image + grain), 0, 255).astype(np.uint8)
