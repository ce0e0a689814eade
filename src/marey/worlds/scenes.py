"""The scenes that Marey makes: a dozen kinds, each a short story of one motion that a still already hints at.

Cars, boats, fish and trains look where they are going, comets and rockets draw a tail, balls leave a trail, sails turn
with the wind from one side, balloons rise, planets come nearer. So a model that has seen enough of them can do better
than to repeat the still.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from marey.worlds import backgrounds, sprites
from marey.worlds.palette import BRIGHT, NAMES, PALETTES, Colour, Palette, mix
from marey.worlds.shapes import Layer, Mover, Scene, bouncing, heading, straight


@dataclass(frozen=True)
class Setting:
    """What a kind of scene is made from."""

    rng: np.random.Generator
    palette: Palette
    height: int
    width: int
    frames: int
    fps: int

    @property
    def seconds(self) -> float:
        """How long the scene lasts."""
        return self.frames / self.fps

    def colour(self) -> Colour:
        """Of a thing that stands out here."""
        return self.palette.things[int(self.rng.integers(len(self.palette.things)))]

    def vivid(self) -> Colour:
        """Of a ball, which has white in it already."""
        others = [colour for colour in self.palette.things if NAMES[colour] != "white"]
        return others[int(self.rng.integers(len(others)))]

    def side(self) -> int:
        """1 to go to the right, -1 to go to the left."""
        return 1 if self.rng.random() < 0.5 else -1

    def bright(self) -> Colour:
        """Of a thing among the stars."""
        return BRIGHT[int(self.rng.integers(len(BRIGHT)))]

    def pace(self, low: float, high: float) -> float:
        """A speed in pixels per second, from a range in picture heights per second.

        It is such that a thing on its way through the picture is seen, at least in part, from the first frame to the
        last.
        """
        return min(float(self.rng.uniform(low, high)), 1.15 / self.seconds) * self.height

    def through(self, velocity: tuple[float, float], spread: float = 0.1, at: float | None = None) -> np.ndarray:
        """A straight way, near the middle half way through; `at` fixes its height (share of the picture's)."""
        middle = np.array([self.width / 2, self.height * (0.5 if at is None else at)])
        middle += self.rng.uniform(-spread, spread, 2) * self.height * (1, 1 if at is None else 0)
        start = middle - np.array(velocity) * self.seconds / 2
        return straight((float(start[0]), float(start[1])), velocity, self.frames, self.fps)

    def mover(self, name: str, sprite: np.ndarray, positions: np.ndarray, **more: object) -> Mover:
        """A thing that neither turns nor grows unless `more` says so."""
        still = {"angles": np.zeros(self.frames), "scales": np.ones(self.frames)}
        return Mover(name, sprite, positions, **(still | more))  # type: ignore[arg-type]

    def scene(self, kind: str, sentence: str, background: np.ndarray, *movers: Mover, **more: object) -> Scene:
        """The scene."""
        return Scene(kind, sentence, self.fps, background, movers, **more)  # type: ignore[arg-type]


def _article(colour: Colour) -> str:
    return f"an {NAMES[colour]}" if NAMES[colour] == "orange" else f"a {NAMES[colour]}"


def _way(side: int) -> str:
    return "to the right" if side > 0 else "to the left"


def _facing(sprite: np.ndarray, side: int) -> np.ndarray:
    return sprite if side > 0 else sprites.mirrored(sprite)


def _road(image: np.ndarray, top: float, bottom: float, shade: Colour) -> None:
    """A road with a dashed line, in place."""
    height, width = image.shape[:2]
    low, high = round(top * height), round(bottom * height)
    image[low:high] = shade
    image[low : low + 2] = mix(shade, (255, 255, 255), 0.3)
    middle, dash = (low + high) // 2, width // 8
    for left in range(0, width, dash):
        image[middle - 1 : middle + 2, left : left + dash // 2] = mix(shade, (255, 255, 255), 0.7)


def car(setting: Setting) -> Scene:
    """A car drives past hills."""
    side, colour = setting.side(), setting.colour()
    background = backgrounds.landscape(setting.height, setting.width, setting.palette, setting.rng)
    _road(background, 0.8, 0.98, mix(setting.palette.land[2], (60, 60, 66), 0.6))
    size = round(setting.height * setting.rng.uniform(0.5, 0.66))
    positions = setting.through((side * setting.pace(0.34, 0.5), 0), at=0.88 - 0.25 * size / setting.height)
    mover = setting.mover(f"{_article(colour)} car", _facing(sprites.car(size, colour), side), positions)
    return setting.scene(
        "car", f"{mover.name} drives {_way(side)} past the hills {setting.palette.name}", background, mover
    )


def drive(setting: Setting) -> Scene:
    """The camera keeps pace with a car, and the land passes by."""
    side, colour = setting.side(), setting.colour()
    height, width, rng = setting.height, setting.width, setting.rng
    palette = setting.palette
    far, middle, near = palette.land
    background = backgrounds.finished(backgrounds.sky(height, width, palette, rng, 0.75), rng)
    layers = []
    for depth, (top, colours) in enumerate(((0.5, (far, middle)), (0.66, (middle, near)))):
        band = np.zeros((round(height * (1 - top)), width, 3), np.float32)
        edge = 0.1 * height + backgrounds.skyline(width, 0.12 * height, 1 + depth, rng)
        backgrounds.below(band, edge, (colours[0], mix(*colours, 0.5)))
        cover = np.clip(np.arange(band.shape[0])[:, None] - edge[None] + 0.5, 0, 1)
        layers.append(Layer(np.dstack([band, 255 * cover]).astype(np.uint8), round(top * height), 0.15 + 0.3 * depth))
    ground = np.full((height, width, 4), 0, np.uint8)
    _poles(ground, palette)
    road = np.zeros((height, width, 3), np.uint8)
    road[round(0.78 * height) :] = near
    _road(road, 0.82, 0.98, mix(near, (60, 60, 66), 0.6))
    ground[round(0.78 * height) :, :, :3] = road[round(0.78 * height) :]
    ground[round(0.78 * height) :, :, 3] = 255
    top = round(0.4 * height)
    layers.append(Layer(ground[top:], top, 1.0))
    size = round(height * rng.uniform(0.5, 0.62))
    x = width / 2 + rng.uniform(-0.12, 0.12) * height
    positions = np.tile((x, height * 0.9 - 0.25 * size), (setting.frames, 1))
    positions[:, 1] += 0.6 * np.sin(np.arange(setting.frames) / setting.fps * 9)
    camera = side * setting.pace(0.4, 0.6) * np.arange(setting.frames) / setting.fps
    mover = setting.mover(f"{_article(colour)} car", _facing(sprites.car(size, colour), side), positions)
    sentence = f"the camera follows {mover.name} that drives {_way(side)} {setting.palette.name}"
    return setting.scene("drive", sentence, background, mover, layers=tuple(layers), camera=camera)


def _poles(ground: np.ndarray, palette: Palette) -> None:
    """Poles beside the road, at even distances, in place."""
    height, width = ground.shape[:2]
    for n in range(3):
        left = round((n + 0.5) * width / 3)
        post = slice(left - 3, left + 3)
        ground[round(0.46 * height) : round(0.8 * height), post, :3] = mix(palette.land[2], (50, 36, 30), 0.5)
        ground[round(0.46 * height) : round(0.8 * height), post, 3] = 255
        cv2.circle(
            ground, (left, round(0.46 * height)), 9, (*mix(palette.sun, palette.land[2], 0.2), 255), -1, cv2.LINE_AA
        )


def boat(setting: Setting) -> Scene:
    """A boat sails over the sea."""
    side, colour = setting.side(), setting.colour()
    background = backgrounds.sea(setting.height, setting.width, setting.palette, setting.rng)
    size = round(setting.height * setting.rng.uniform(0.5, 0.7))
    positions = setting.through((side * setting.pace(0.24, 0.38), 0), at=0.76 - 0.34 * size / setting.height)
    swell = np.arange(setting.frames) / setting.fps * 3 + setting.rng.uniform(0, 6)
    positions[:, 1] += 0.012 * setting.height * np.sin(swell)
    angles = 0.05 * np.cos(swell)
    sprite = _facing(sprites.boat(size, colour), side)
    mover = setting.mover(f"a boat with {_article(colour)} sail", sprite, positions, angles=angles)
    return setting.scene(
        "boat", f"{mover.name} sails {_way(side)} over the sea {setting.palette.name}", background, mover
    )


def fish(setting: Setting) -> Scene:
    """One or two fish swim over the ground of the sea."""
    background = backgrounds.deep(setting.height, setting.width, setting.palette, setting.rng)
    side, colour = setting.side(), setting.colour()
    count = int(setting.rng.integers(1, 3))
    movers = []
    for n in range(count):
        size = round(setting.height * setting.rng.uniform(0.36, 0.52))
        at = 0.45 + (n - (count - 1) / 2) * 0.34 + setting.rng.uniform(-0.05, 0.05)
        positions = setting.through((side * setting.pace(0.3, 0.46), 0), 0.2, at=at)
        wave = np.arange(setting.frames) / setting.fps * 4 + setting.rng.uniform(0, 6)
        positions[:, 1] += 0.02 * setting.height * np.sin(wave)
        sprite = _facing(sprites.fish(size, colour), side)
        movers.append(setting.mover(f"{_article(colour)} fish", sprite, positions, angles=side * 0.1 * np.cos(wave)))
    who = f"{_article(colour)} fish swims" if count == 1 else f"two {NAMES[colour]} fish swim"
    return setting.scene("fish", f"{who} {_way(side)} under water", background, *movers)


def dart(setting: Setting) -> Scene:
    """A paper plane glides through the sky."""
    side, colour = setting.side(), setting.colour()
    background = backgrounds.landscape(setting.height, setting.width, setting.palette, setting.rng, ground=0.92)
    slope = setting.rng.uniform(-0.45, 0.45)
    speed = setting.pace(0.4, 0.56)
    size = round(setting.height * setting.rng.uniform(0.4, 0.52))
    positions = setting.through((side * speed * np.cos(slope), speed * np.sin(slope)), at=0.45)
    mover = setting.mover(
        f"{_article(colour)} paper plane", sprites.dart(size, colour), positions, angles=heading(positions)
    )
    going = "climbs" if slope < -0.15 else "dives" if slope > 0.15 else "glides"
    return setting.scene("dart", f"{mover.name} {going} {_way(side)} {setting.palette.name}", background, mover)


def rocket(setting: Setting) -> Scene:
    """A rocket flies up into the stars."""
    colour = setting.bright()
    background = backgrounds.night(setting.height, setting.width, setting.palette, setting.rng)
    angle = setting.rng.uniform(-0.8, 0.8) - np.pi / 2
    speed = setting.pace(0.36, 0.52)
    size = round(setting.height * setting.rng.uniform(0.5, 0.64))
    positions = setting.through((speed * np.cos(angle), speed * np.sin(angle)))
    mover = setting.mover(
        f"a rocket with {NAMES[colour]} fins", sprites.rocket(size, colour), positions, angles=heading(positions)
    )
    return setting.scene("rocket", f"{mover.name} flies upwards through the stars", background, mover)


def comet(setting: Setting) -> Scene:
    """One or two comets cross the sky."""
    background = backgrounds.night(setting.height, setting.width, setting.palette, setting.rng)
    colour, count = setting.bright(), int(setting.rng.integers(1, 3))
    angle = setting.rng.uniform(0, 2 * np.pi)
    movers = []
    for n in range(count):
        size = round(setting.height * setting.rng.uniform(0.6, 0.85))
        speed = setting.pace(0.4, 0.6)
        positions = setting.through((speed * np.cos(angle), speed * np.sin(angle)), 0.06)
        positions += (n - (count - 1) / 2) * 0.4 * setting.height * np.array([-np.sin(angle), np.cos(angle)])
        movers.append(setting.mover("a comet", sprites.comet(size, colour), positions, angles=heading(positions)))
    way = ("to the right", "downwards", "to the left", "upwards")[round(angle / (np.pi / 2)) % 4]
    who = f"{_article(colour)} comet flies" if count == 1 else f"two {NAMES[colour]} comets fly"
    return setting.scene("comet", f"{who} {way}", background, *movers)


def balloon(setting: Setting) -> Scene:
    """One or two balloons rise over the hills."""
    background = backgrounds.landscape(setting.height, setting.width, setting.palette, setting.rng, ground=0.9)
    colour, count = setting.colour(), int(setting.rng.integers(1, 3))
    drift = setting.side() * setting.pace(0.0, 0.05)
    movers = []
    for n in range(count):
        size = round(setting.height * setting.rng.uniform(0.44, 0.6))
        positions = setting.through((drift, -setting.pace(0.18, 0.28)))
        positions[:, 0] += (n - (count - 1) / 2) * 0.5 * setting.height
        movers.append(setting.mover("a balloon", sprites.balloon(size, colour), positions))
    who = f"{_article(colour)} balloon rises" if count == 1 else f"two {NAMES[colour]} balloons rise"
    return setting.scene("balloon", f"{who} over the hills {setting.palette.name}", background, *movers)


def bounce(setting: Setting) -> Scene:
    """A ball flies from wall to wall and leaves a trail."""
    background = backgrounds.floor(setting.height, setting.width, setting.palette, setting.rng)
    colour = setting.vivid()
    size = round(setting.height * setting.rng.uniform(0.26, 0.36))
    left = (setting.width - setting.height) / 2
    box = (left + size / 2, size / 2, left + setting.height - size / 2, setting.height - size / 2)
    angle = setting.rng.uniform(0, 2 * np.pi)
    speed = setting.pace(0.5, 0.75)
    start = (float(setting.rng.uniform(box[0], box[2])), float(setting.rng.uniform(box[1], box[3])))
    positions = bouncing(start, (speed * np.cos(angle), speed * np.sin(angle)), box, setting.frames, setting.fps)
    spin = setting.side() * 1.5 * np.arange(setting.frames) / setting.fps
    mover = setting.mover(f"{_article(colour)} ball", sprites.ball(size, colour), positions, angles=spin, trail=5)
    return setting.scene("bounce", f"{mover.name} bounces from wall to wall", background, mover)


def roll(setting: Setting) -> Scene:
    """A ball rolls along and passes behind columns."""
    side, colour = setting.side(), setting.vivid()
    height, width = setting.height, setting.width
    background = backgrounds.landscape(height, width, setting.palette, setting.rng)
    size = round(height * setting.rng.uniform(0.34, 0.46))
    speed = side * setting.pace(0.36, 0.5)
    positions = setting.through((speed, 0), at=0.93 - size / 2 / height)
    angles = speed / (0.95 * size / 2) * np.arange(setting.frames) / setting.fps
    front = np.zeros((height, width, 4), np.uint8)
    stone = mix(setting.palette.land[0], (236, 230, 216), 0.65)
    for n in range(int(setting.rng.integers(1, 3))):
        centre = width / 2 + height * (setting.rng.uniform(-0.3, -0.1) if n == 0 else setting.rng.uniform(0.15, 0.35))
        half = round(0.055 * height)
        columns = np.arange(round(centre) - half, round(centre) + half)
        light = 1.05 - 0.45 * np.linspace(0, 1, len(columns)) ** 1.5
        front[round(0.3 * height) : round(0.96 * height), columns, :3] = np.clip(np.outer(light, stone), 0, 255)
        front[round(0.3 * height) : round(0.96 * height), columns, 3] = 255
        cap = slice(columns[0] - 5, columns[-1] + 6)
        front[round(0.26 * height) : round(0.3 * height), cap] = (*mix(stone, (255, 255, 255), 0.2), 255)
    mover = setting.mover(f"{_article(colour)} ball", sprites.ball(size, colour), positions, angles=angles, trail=3)
    return setting.scene(
        "roll", f"{mover.name} rolls {_way(side)} behind columns {setting.palette.name}", background, mover, front=front
    )


def windmill(setting: Setting) -> Scene:
    """The sails of a windmill turn."""
    height, width, colour = setting.height, setting.width, setting.colour()
    background = backgrounds.landscape(height, width, setting.palette, setting.rng)
    centre = (width / 2 + setting.rng.uniform(-0.12, 0.12) * height, height * setting.rng.uniform(0.4, 0.5))
    tower = np.array([[-0.09, 0.0], [0.09, 0.0], [0.16, 0.5], [-0.16, 0.5]]) * height + centre
    wall = mix(setting.palette.land[0], (240, 232, 214), 0.7)
    cv2.fillPoly(background, [tower.round().astype(np.int32)], wall, cv2.LINE_AA)
    shade = np.array([tower[1], tower[2], (tower[2] + tower[3]) / 2, (tower[0] + tower[1]) / 2])
    cv2.fillPoly(background, [shade.round().astype(np.int32)], mix(wall, (0, 0, 0), 0.16), cv2.LINE_AA)
    roof = np.array([[-0.11, 0.01], [0.0, -0.13], [0.11, 0.01]]) * height + centre
    cv2.fillPoly(
        background, [roof.round().astype(np.int32)], mix(setting.palette.land[2], (120, 50, 40), 0.6), cv2.LINE_AA
    )
    turn = setting.rng.uniform(0, np.pi / 2) + setting.rng.uniform(0.9, 1.4) * np.arange(setting.frames) / setting.fps
    size = round(height * setting.rng.uniform(0.7, 0.86))
    mover = setting.mover("a windmill", sprites.blades(size, colour), np.tile(centre, (setting.frames, 1)), angles=turn)
    return setting.scene(
        "windmill", f"a windmill turns its {NAMES[colour]} sails {setting.palette.name}", background, mover
    )


def planet(setting: Setting) -> Scene:
    """A planet comes nearer."""
    background = backgrounds.night(setting.height, setting.width, setting.palette, setting.rng)
    colour = setting.bright()
    size = round(setting.height * 0.6)
    growth = setting.rng.uniform(0.2, 0.3)  # a share of its size each second
    time = np.arange(setting.frames) / setting.fps
    scales = setting.rng.uniform(0.4, 0.5) * np.exp(growth * time)
    positions = setting.through(
        (setting.side() * setting.pace(0.02, 0.06), setting.side() * setting.pace(0.0, 0.03)), 0.14
    )
    sprite = sprites.planet(size, colour, setting.rng)
    mover = setting.mover(f"{_article(colour)} planet", sprite, positions, scales=scales)
    return setting.scene("planet", f"{mover.name} comes nearer among the stars", background, mover)


def train(setting: Setting) -> Scene:
    """A train passes between the hills and some trees."""
    side, colour = setting.side(), setting.colour()
    height, width = setting.height, setting.width
    background = backgrounds.landscape(height, width, setting.palette, setting.rng)
    rail = round(0.86 * height)
    background[rail : rail + 3] = mix(setting.palette.land[2], (200, 190, 180), 0.5)
    for left in range(0, width, 14):
        background[rail + 3 : rail + 8, left : left + 7] = mix(setting.palette.land[2], (60, 40, 30), 0.6)
    size = round(height * setting.rng.uniform(0.95, 1.15))
    positions = setting.through((side * setting.pace(0.4, 0.55), 0), at=0.86 - 0.12 * size / height)
    mover = setting.mover(f"{_article(colour)} train", _facing(sprites.train(size, colour), side), positions)
    return setting.scene("train", f"{mover.name} passes {_way(side)} {setting.palette.name}", background, mover)


KINDS: dict[str, Callable[[Setting], Scene]] = {
    maker.__name__: maker
    for maker in (car, comet, boat, bounce, fish, drive, balloon, rocket, windmill, roll, dart, planet, train)
}


def scene(
    kind: str,
    seed: int,
    *,
    seconds: float = 4.0,
    fps: int = 25,
    height: int = 240,
    width: int = 320,
    palette: int | None = None,
) -> Scene:
    """A scene of one kind; the same arguments give the same scene.

    Args:
        kind: one of `KINDS`.
        seed: decides time of day, colours, sizes, places and speeds.
        height, width: in pixels; what happens happens in the middle square.
        palette: fixes the time of day, by its number in `PALETTES`, counted round and round.

    Raises:
        ValueError: no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"there is no scene {kind!r}: one of {', '.join(KINDS)} would do")
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    drawn = int(rng.integers(len(PALETTES)))
    colours = PALETTES[(drawn if palette is None else palette) % len(PALETTES)]
    return KINDS[kind](Setting(rng, colours, height, width, max(2, round(seconds * fps)), fps))
