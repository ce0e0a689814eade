"""A small library of real files, made through the library's own API: in each video a disc crosses stripes."""

from pathlib import Path
from typing import Any

import numpy as np

from marey import recipe
from marey.catalog import Library
from marey.media import probe, write_video

SIDE, RATE = 48, 8
ENCODE = recipe.Encode(
    windows=recipe.Windows(frames=4, fps=RATE, size=32, heldout_least=4, heldout_share=0.2),
    autoencoder=recipe.Autoencoder(
        channels=(96, 32, 96), steps=60, batch=4, frames=2, crop=None, lr=1e-3, evaluate_every=20
    ),
)


def disc(n: int, frames: int) -> np.ndarray:
    """uint8 (frames, SIDE, 64, 3): video number n."""
    colours = np.array([[220, 60, 50], [60, 200, 80], [70, 90, 230], [230, 210, 60]])
    y, x = np.mgrid[0:SIDE, 0:64]
    speed = 0.5 + 0.5 * (n % 5)
    pictures = np.empty((frames, SIDE, 64, 3), np.uint8)
    for t in range(frames):
        picture = np.full((SIDE, 64, 3), 40 + 25 * (n % 6), np.float64) + 40 * ((x // 2) % 2)[:, :, None]
        inside = (x - 18 - speed * t) ** 2 + (y - 16 - 4 * (n % 4)) ** 2 < 81
        picture[inside] = colours[n % 4]
        pictures[t] = picture
    return pictures


def library(folder: Path, videos: int = 8, frames: int = 16, photos: int = 2) -> Library:
    """A library, open for writing, with a selection "chosen" of one clip a video and photograph.

    Every second video has a trace; captions are from a file for every third, from facts for all; motion rises.
    """
    store = Library.open(folder / "library", create=True)
    names = [add_video(store, folder, n, frames) for n in range(videos)]
    names += [add_photo(store, folder, n) for n in range(photos)]
    choose(store, names)
    return store


def add_video(store: Library, folder: Path, n: int, frames: int = 16, **columns: Any) -> str:
    path = folder / f"video {n}.mp4"
    write_video(path, disc(n, frames), RATE, crf=12)
    found = probe(path)
    name = f"v{n}"
    row = {"id": f"f{n}", "kind": "video", "path": str(path), "time_base": found.time_base, "fps": float(RATE)}
    status = {"status": "ok", "stage": "read@1"}
    store.put("footage", [{**row, **status, "license": "CC0-1.0", "source": "made by Marey", **columns}])
    pts = np.asarray(found.pts)
    if n % 2:
        store.put_tensors("trace", {f"f{n}": {"pts": pts}})
    clip = {
        "id": name,
        "footage": f"f{n}",
        "n": 0,
        "start_frame": 0,
        "end_frame": frames - 1,
        "start_pts": int(pts[0]),
        "end_pts": int(pts[-1]),
        "frames": frames,
        "seconds": frames / RATE,
        "width": 64,
        "height": SIDE,
        "fps": float(RATE),
    }
    store.put("clips", [{**clip, **status}])
    signals = [("motion", 0.5 + n, "low"), ("sharpness", 100.0 - n, "low"), ("text_area", 0.01 * n, "high")]
    store.put(
        "signals",
        [{"clip": name, "name": signal, "version": "1", "value": value, "bad": bad} for signal, value, bad in signals],
    )
    captions = [{"clip": name, "captioner": "facts", "version": "1", "text": "a clip"}]
    if n % 3 == 0:
        captions.append({"clip": name, "captioner": "file", "version": "1", "text": f"a disc of colour {n % 4}"})
    store.put("captions", captions)
    return name


def add_photo(store: Library, folder: Path, n: int, **columns: Any) -> str:
    from PIL import Image

    path = folder / f"photo {n}.png"
    Image.fromarray(disc(n + 1, 1)[0]).save(path)
    status = {"status": "ok", "stage": "read@1"}
    store.put("footage", [{"id": f"p{n}", "kind": "photo", "path": str(path), **status, **columns}])
    row = {"id": f"s{n}", "footage": f"p{n}", "n": 0, "start_frame": 0, "end_frame": 0, "start_pts": 0, "end_pts": 0}
    store.put("clips", [{**row, "frames": 1, "seconds": 0.0, "width": 64, "height": SIDE, **status}])
    return f"s{n}"


def choose(store: Library, clips: list[str], name: str = "chosen") -> None:
    rules = {"dropped": {}, "thresholds": {}, "matrix": {}, "alone": {}}
    store.put("selections", [{"name": name, "rules": rules, "hash": "h", "clips": len(clips), "made": "now"}])
    store.delete("selected", selection=name)
    store.put("selected", [{"selection": name, "clip": clip} for clip in clips])
