"""The pictures of docs/worlds.md, drawn from their seeds: python docs/gallery.py [FOLDER]

All are WebP; what moves is played inside a page by a browser and by GitHub. Everything on them is made
by Marey: no photograph and no footage of anybody else. Needs the extra `meshes`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from marey.worlds.camera import MOVES, move
from marey.worlds.edits import Join, compose
from marey.worlds.figures import MOTIONS, figure
from marey.worlds.game import clip
from marey.worlds.game.art import POSES, item, jules, monster
from marey.worlds.game.level import THEMES
from marey.worlds.game.picture import Picture
from marey.worlds.game.tiles import LABELS, MONSTERS
from marey.worlds.orbits import orbit
from marey.worlds.palette import PALETTES
from marey.worlds.scenes import scene
from marey.worlds.things import THINGS, make

PAPER, INK, SOFT = (250, 248, 243), (52, 48, 60), (128, 122, 134)
GAP, LINE = 10, 22
CLIPS = {  # in which much happens
    "meadow": clip(11, 14, 96, "collector"),
    "desert": clip(11, 10, 96, "runner"),
    "dusk": clip(11, 20, 96, "explorer"),
    "snow": clip(11, 28, 96, "collector"),
    "cave": clip(11, 16, 96, "hunter"),
}
Frames = Sequence[np.ndarray]


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def sheet(tiles: Sequence[np.ndarray], names: Sequence[str], columns: int) -> np.ndarray:
    """Pictures of one size in rows, each with its name below."""
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    page = Image.new("RGB", (GAP + columns * (width + GAP), GAP + rows * (height + LINE + GAP)), PAPER)
    draw = ImageDraw.Draw(page)
    for n, (tile, name) in enumerate(zip(tiles, names, strict=True)):
        left, top = GAP + n % columns * (width + GAP), GAP + n // columns * (height + LINE + GAP)
        page.paste(Image.fromarray(tile), (left, top))
        draw.text((left + width / 2, top + height + LINE / 2 + 1), name, SOFT, font(13), anchor="mm")
    return np.asarray(page)


def played(films: Sequence[Frames], names: Sequence[str], columns: int) -> list[np.ndarray]:
    """Films of one length side by side."""
    return [sheet([film[n] for film in films], names, columns) for n in range(len(films[0]))]


def keep(folder: Path, name: str, frames: Frames, milliseconds: int, quality: int = 62) -> None:
    """Write an animated WebP that plays for ever."""
    first, *rest = (Image.fromarray(frame) for frame in frames)
    path = folder / f"{name}.webp"
    first.save(path, save_all=True, append_images=rest, duration=milliseconds, loop=0, quality=quality, method=6)
    print(f"{path}  {len(frames)} frames of {first.width}x{first.height}  {path.stat().st_size / 1000:.0f} kB")


def still(folder: Path, name: str, picture: np.ndarray) -> None:
    """Write a WebP that stands still."""
    path = folder / f"{name}.webp"
    Image.fromarray(picture).save(path, quality=88, method=6)
    print(f"{path}  {picture.shape[1]}x{picture.shape[0]}  {path.stat().st_size / 1000:.0f} kB")


def themes() -> np.ndarray:
    pictures = []
    for theme in THEMES:
        shots = list(CLIPS[theme].pictures(256))
        pictures.append(max(shots[20:], key=lambda shot: len(shot.boxes())).rgb)
    return sheet(pictures, THEMES, 5)


def on_ground(figures: Sequence[np.ndarray], tile: int, top: tuple[int, int, int], low: tuple[int, int, int]) -> Frames:
    """Sprites on a plain sky, with a line of ground below."""
    shade = np.linspace(0, 1, tile + 26)[:, None, None]
    sky = np.array(top) + shade * (np.array(low) - np.array(top))
    tiles = []
    for sprite in figures:
        picture = np.broadcast_to(sky, (tile + 26, tile + 26, 3)).copy()
        picture[-9:] = (118, 168, 92)
        picture[-7:] = (150, 110, 78)
        place = picture[17:-9, 13:-13]
        cover = sprite[..., 3:].astype(float) / 255
        place += cover * (sprite[..., :3] - place)
        tiles.append(np.rint(picture).astype(np.uint8))
    return tiles


def cast() -> list[np.ndarray]:
    """Jules in all poses, the ten monsters and the items, each in its two steps."""
    tile, top, low = 88, (150, 206, 236), (226, 242, 244)
    names = [f"Jules, {pose}" for pose in POSES] + [*MONSTERS, "coin", "gem"]
    frames = []
    for step in range(2):
        figures = [jules(tile, pose, step) for pose in POSES] + [monster(tile, kind, step, False) for kind in MONSTERS]
        figures += [item(tile, kind, step) for kind in ("coin", "gem")]
        frames.append(sheet(on_ground(figures, tile, top, low), names, 6))
    return frames


def colours() -> np.ndarray:
    """A colour for each label: uint8 (labels, 3)."""
    ground = ((236, 240, 244), (244, 140, 60), (206, 84, 50), (150, 128, 112), (112, 168, 92), (92, 148, 84))
    table = np.zeros((len(LABELS), 3), np.uint8)
    table[: len(ground)] = ground
    table[6:9] = (92, 148, 84), (226, 178, 96), (196, 140, 84)
    hue = (np.arange(len(LABELS) - 9) * 71 % 180).astype(np.uint8)
    wheel = np.stack([hue, np.full_like(hue, 170), np.full_like(hue, 225)], -1)[None]
    table[9:] = cv2.cvtColor(wheel, cv2.COLOR_HSV2RGB)[0]
    return table


def flow_colours(flow: np.ndarray, most: float) -> np.ndarray:
    """Direction as hue, speed as strength, uint8 (H, W, 3); grey stands still."""
    angle = np.degrees(np.arctan2(flow[..., 1], flow[..., 0])) % 360
    speed = np.clip(np.hypot(flow[..., 0], flow[..., 1]) / most, 0, 1)
    hsv = np.stack([angle / 2, 225 * np.sqrt(speed), 222 + 28 * speed], -1).astype(np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def boxed(picture: Picture, table: np.ndarray) -> np.ndarray:
    shown = (picture.rgb * 0.55 + 255 * 0.45).astype(np.uint8)
    for label, left, top, right, bottom in picture.boxes():
        cv2.rectangle(shown, (left, top), (right - 1, bottom - 1), [int(v * 0.72) for v in table[label]], 2)
    return shown


def truths() -> list[np.ndarray]:
    """One clip and what is known of it."""
    one, table = CLIPS["meadow"], colours()
    pictures = list(one.pictures(240))
    films: list[list[np.ndarray]] = [[], [], [], []]
    for now, then in zip(pictures[0:-2:2], pictures[2::2], strict=False):
        films[0].append(now.rgb)
        films[1].append(table[now.labels])
        films[2].append(boxed(now, table))
        films[3].append(flow_colours(now.flow(then), 20))
    return played(films, ("picture", "semantic map", "boxes", "exact flow"), 4)


def plays() -> list[np.ndarray]:
    films = [[picture.rgb for picture in CLIPS[theme].pictures(240)][::2] for theme in THEMES[1:]]
    return played(films, [CLIPS[theme].policy for theme in THEMES[1:]], 4)


def turns() -> list[np.ndarray]:
    films = []
    for n, kind in enumerate(THINGS):
        rng = np.random.default_rng([3, n])
        films.append(list(orbit(make(kind, rng), rng, views=21, size=160).frames))
    return played(films, THINGS, 4)


def shapes() -> list[np.ndarray]:
    """Each motion, and its flow below it."""
    made = [figure(5, 3 * n + 1, frames=40, height=176, width=176, motion=one) for n, one in enumerate(MOTIONS)]
    films = [[one.scene.frame(k) for k in range(39)] for one in made]
    for one in made:
        flows = [one.scene.flow(k) for k in range(39)]
        films.append([flow_colours(flow, max(float(np.abs(flow).max()) for flow in flows)) for flow in flows])
    return played(films, [*MOTIONS, *["its flow"] * len(MOTIONS)], 5)


def moves() -> list[np.ndarray]:
    """Camera moves over a picture that is drawn here, for nobody's photograph."""
    rng = np.random.default_rng(4)
    photo = scene("balloon", 12, seconds=0.2, height=480, width=640, palette=1).frame(1)
    films = [
        list(move(photo, label, rng, seconds=2.4, fps=15, height=132, width=176).render())
        for label in MOVES
        if label != "static"
    ]
    return played(films, [label for label in MOVES if label != "static"], 6)


def edited() -> list[np.ndarray]:
    """An edit, and below it a line that shows where it is and what the truth says."""
    kinds, height, width = ("car", "fish", "rocket", "boat", "windmill"), 216, 288
    shots = [
        np.stack(list(scene(kind, 40 + n, seconds=2.4, fps=15, height=height, width=width, palette=n).render()))
        for n, kind in enumerate(kinds)
    ]
    joins = [
        Join("dissolve", 12),
        Join("cut"),
        Join("wipe", 14, "iris", soft=0.05),
        Join("fade", 14, "black"),
    ]
    frames, truth = compose(shots, joins, np.random.default_rng(0))
    films = []
    for n, frame in enumerate(frames):
        page = Image.new("RGB", (3 * width + 4 * GAP, height + 74), PAPER)
        draw = ImageDraw.Draw(page)
        for k in range(3):
            at = min(max(n + (k - 1) * 4, 0), len(frames) - 1)
            page.paste(Image.fromarray(frames[at] if k != 1 else frame), (GAP + k * (width + GAP), GAP))
        left, right, line = GAP, 3 * width + 3 * GAP, height + 40
        draw.line((left, line, right, line), SOFT, 2)
        for one in truth:
            a, b = (left + (right - left) * at / len(frames) for at in (one.a_end + 1, one.b_start))
            draw.rectangle((a, line - 8, max(b, a + 3), line + 8), (226, 74, 61))
            draw.text(((a + b) / 2, line + 21), f"{one.kind} {one.detail}".strip(), SOFT, font(13), anchor="mm")
        x = left + (right - left) * n / len(frames)
        draw.polygon([(x - 6, line - 16), (x + 6, line - 16), (x, line - 3)], INK)
        films.append(np.asarray(page))
    return films


def scenes() -> np.ndarray:
    kinds = (
        "car",
        "boat",
        "fish",
        "drive",
        "balloon",
        "rocket",
        "windmill",
        "roll",
        "dart",
        "planet",
        "train",
        "comet",
    )
    pictures = [
        scene(kind, 3 + n, seconds=2, height=144, width=192, palette=n % len(PALETTES)).frame(24)
        for n, kind in enumerate(kinds)
    ]
    return sheet(pictures, kinds, 6)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    still(folder, "jules-themes", themes())
    keep(folder, "jules-cast", cast(), 260, quality=80)
    keep(folder, "jules-plays", plays(), 67)
    keep(folder, "jules-truth", truths(), 67)
    keep(folder, "orbits", turns(), 120, quality=70)
    keep(folder, "shapes", shapes(), 50)
    keep(folder, "camera", moves(), 67)
    keep(folder, "edits", edited()[::2], 133)
    still(folder, "scenes", scenes())


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures"))
