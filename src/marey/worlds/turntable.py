"""Orbits as footage: a video a thing, with its sentence and its cameras beside it."""

import json
from pathlib import Path

import numpy as np

from marey.errors import MareyError, require
from marey.media import write_video
from marey.progress import Progress, silent
from marey.worlds.batch import Written, derived
from marey.worlds.beside import declare, licences, sidecar
from marey.worlds.orbits import VIEWS, Orbit, orbit
from marey.worlds.things import THINGS, Thing, from_file, make

FPS = 7
"""21 views last three seconds."""
MESHES = frozenset((".obj", ".glb", ".gltf", ".stl", ".ply"))


def turn(
    out: str | Path,
    clips: int,
    *,
    size: int = 256,
    views: int = VIEWS,
    seed: int = 7,
    meshes: str | Path | None = None,
    progress: Progress = silent,
) -> Written:
    """Write orbits into a folder. Those that are there are not made again; the same seed gives the same.

    Args:
        clips: how many: numbers 0 to clips - 1 of this seed.
        size: height and width in pixels, even.
        meshes: a folder of meshes (OBJ, GLB, glTF, STL, PLY) that take turns; without it the things are made by code.

    A mesh that cannot be read is left out, with the reason; what LICENCES.json beside the meshes says goes along.

    Returns: the videos in the order of their numbers.

    Raises:
        MareyError: a folder without meshes, or with none that can be read, or an odd size.
        MissingExtra: the extra 'meshes' is not installed.
    """
    require("vtk", "meshes")
    if size % 2:
        raise MareyError(f"--size is {size}: an even number would do.")
    out = Path(out)
    files = _meshes(Path(meshes)) if meshes is not None else []
    out.mkdir(parents=True, exist_ok=True)
    said, works = licences(out), licences(Path(meshes)) if meshes is not None else {}
    videos: list[Path] = []
    left_out: dict[str, str] = {}
    for number in range(clips):
        progress("turning things", number, clips)
        rng = np.random.default_rng([seed, number, 0x0B17])
        source = files[number % len(files)] if files else None
        video = out / f"orbit-{seed}-{number:05d}-{views}x{size}.mp4"
        if video.is_file():
            videos.append(video)
            continue
        try:
            thing = _thing(source, number, rng)
        except MareyError as error:
            left_out[video.stem] = str(error)
            continue
        one = orbit(thing, rng, views=views, size=size)
        sidecar(video.with_suffix(".txt"), one.sentence)
        sidecar(video.with_suffix(".truth.json"), json.dumps(truth(one)))
        said[video.name] = derived(video.stem, {source.name: works.get(source.name, {})} if source else {})
        declare(out, said)
        # The video comes last: what is there is whole.
        write_video(video, one.frames, FPS, crf=16, preset="veryfast")
        videos.append(video)
    progress("turning things", clips, clips, f"{len(left_out)} left out" if left_out else "")
    if clips and not videos:
        raise MareyError(f"None of {clips} orbits could be made: {next(iter(left_out.values()))}")
    return Written(videos, left_out)


def truth(one: Orbit) -> dict[str, object]:
    """What is known of an orbit, as JSON: of each view the camera's azimuth and elevation in degrees, its matrix from
    world to camera (OpenCV's axes) and the share of the picture that the thing covers; and the intrinsics."""
    cameras = [
        {
            "azimuth": round(camera.azimuth, 4),
            "elevation": round(camera.elevation, 4),
            "distance": camera.distance,
            "matrix": camera.matrix.round(6).tolist(),
            "covers": round(float(mask.mean()), 4),
        }
        for camera, mask in zip(one.cameras, one.masks, strict=True)
    ]
    return {
        "world": "orbits",
        "thing": one.thing.kind,
        "text": one.sentence,
        "fps": FPS,
        "size": one.size,
        "intrinsics": one.cameras[0].intrinsics(one.size).round(4).tolist(),
        "light": list(one.light),
        "cameras": cameras,
        "transitions": [],
    }


def _thing(source: Path | None, number: int, rng: np.random.Generator) -> Thing:
    return make(THINGS[number % len(THINGS)], rng) if source is None else from_file(source)


def _meshes(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise MareyError(f"{folder} is no folder: one with meshes ({', '.join(sorted(MESHES))}) would do.")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in MESHES and path.is_file())
    if not files:
        raise MareyError(f"{folder} holds no meshes: files that end in {', '.join(sorted(MESHES))} would do.")
    return files
