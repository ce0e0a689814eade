"""The held-out windows that `generate` animated, against their true continuation and the baselines, to
runs/NAME/metrics.json.

The given frame is not scored. Intervals resample groups of footage that share an origin, because windows of one shot
are no independent witnesses.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file

from marey.errors import MareyError
from marey.evaluate.baselines import drift, drift_velocity, frozen
from marey.evaluate.features import Projection, features, fit
from marey.evaluate.metrics import mean_motion, scores
from marey.evaluate.record import METHODS, Evaluation
from marey.evaluate.summary import distances, summarise
from marey.progress import Progress, follow, silent
from marey.recipe import Evaluate as Settings

if TYPE_CHECKING:
    from marey.catalog import Library

Video = npt.NDArray[np.uint8]

PROTOCOL = "marey/continuation-1"
FEWEST = 24
"""Held-out windows under which the page must say that there are few."""


def evaluate(
    library: "Library",
    run_folder: Path,
    settings: Settings | None = None,
    selection: str = "selected",
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """Score `run_folder/samples`, and write `run_folder/metrics.json`.

    Args:
        selection: whose training windows give the drift's velocity and the axes of the Frechet distance.

    Raises:
        MareyError: nothing was generated yet, or what is there does not fit together.
    """
    settings = settings or Settings()
    run_folder = Path(run_folder)
    windows, videos = read_samples(run_folder / "samples")
    shown = {"model": videos["generated"], "autoencoder": videos["autoencoder"]}
    truth = videos["truth"]
    velocity, projection, reason = _learn(library, selection, settings, progress)

    frames = truth.shape[1]
    shown["frozen"] = np.stack([frozen(video[0], frames) for video in truth])
    shown["drift"] = np.stack(
        [drift(video[0], frames, velocity, float(window["fps"])) for video, window in zip(truth, windows, strict=True)]
    )
    shown["frozen_autoencoder"] = np.stack([frozen(video[0], frames) for video in videos["autoencoder"]])
    shown = {method: shown[method] for method in METHODS if method in shown}
    per_window = []
    for n, window in enumerate(follow(windows, progress, "scoring videos", len(windows))):
        values: dict[str, dict[str, float]] = {method: scores(video[n], truth[n]) for method, video in shown.items()}
        values["truth"] = {"motion": mean_motion(truth[n])}
        per_window.append(
            {
                "id": window["id"],
                "group": str(window["group"]),
                "real": bool(window.get("real", True)),
                "values": values,
            }
        )

    rows, differences, absent = summarise(per_window, settings, seed)
    tables = {}
    if projection is not None and frames >= 3:
        for method, videos_of in {**shown, "truth": truth}.items():
            tables[method] = np.stack([features(video) for video in videos_of])
    elif projection is not None:
        projection, reason = None, f"videos of {frames} frames have no second difference; three or more would do"
    more, missing = distances(tables, per_window, projection, reason, settings)
    groups = len({window["group"] for window in per_window})
    evaluation = Evaluation(
        protocol={
            "id": PROTOCOL,
            "frames": frames,
            "height": truth.shape[2],
            "width": truth.shape[3],
            "given": 1,
            "against": "the true continuation at the size that the model works at, not through the autoencoder",
            "frozen": "the true first frame, held",
            "frozen_autoencoder": "the first frame as the autoencoder gives it back, held",
            "drift": f"the true first frame, slid by the training windows' mean flow: {velocity[0]:+.2f} px/s right, "
            f"{velocity[1]:+.2f} px/s down",
            "autoencoder": "the true continuation, encoded and decoded",
        },
        n=len(per_window),
        groups=groups,
        rows=rows + more,
        differences=differences,
        absent=absent + missing,
        windows=per_window,
        notes=_notes(len(per_window), groups),
        settings=settings.model_dump(mode="json"),
        seed=seed,
        data=_digest(windows, videos),
    )
    evaluation.save(run_folder / "metrics.json")
    return evaluation


def read_samples(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Video]]:
    """What `generate` left in runs/NAME/samples: windows `(N)`, and truth, generated and autoencoder, each `(N, T, H,
    W, 3)`.

    Raises:
        MareyError: it is not there, or its parts do not fit together.
    """
    try:
        windows = json.loads((folder / "windows.json").read_text(encoding="utf-8"))
        videos = load_file(folder / "videos.safetensors")
    except FileNotFoundError as error:
        raise MareyError(f"There are no generated videos in {folder}: `marey generate` makes them.") from error
    except (OSError, ValueError, SafetensorError) as error:
        raise MareyError(
            f"The generated videos in {folder} cannot be read ({error}): `marey generate` makes them again."
        ) from error
    for name in ("truth", "generated", "autoencoder"):
        if name not in videos:
            raise MareyError(f"{folder / 'videos.safetensors'} has no {name!r}: `marey generate` makes it again.")
        shape = videos[name].shape
        if (
            shape != videos["truth"].shape
            or len(shape) != 5
            or shape[0] != len(windows)
            or videos[name].dtype != np.uint8
        ):
            raise MareyError(
                f"{folder / 'videos.safetensors'}: {name!r} is {videos[name].dtype} {shape}; "
                f"uint8 {videos['truth'].shape} for the {len(windows)} windows of windows.json would do."
            )
    if not windows:
        raise MareyError(f"No window was generated in {folder}: a selection with held-out windows would do.")
    return windows, videos


def _learn(
    library: "Library", selection: str, settings: Settings, progress: Progress
) -> tuple[tuple[float, float], Projection | None, str]:
    """The drift's velocity and the principal axes, both from training windows; the reason where there are no axes."""
    rows = []
    kind = _pixels(library, selection)
    for item, place in library.places(kind).items():
        if place.info["split"] == "train" and not place.info.get("photo"):
            rows.append((item, float(place.info["fps"])))
    described: list[npt.NDArray[np.float64]] = []

    def windows() -> Iterator[tuple[Video, float]]:
        for item, fps in follow(rows, progress, "looking at training windows", len(rows)):
            video = np.asarray(library.tensor(kind, item))
            if len(video) >= 3:
                described.append(features(video))
            if len(video) >= 2:
                yield video, fps

    velocity = drift_velocity(windows())
    try:
        return (
            velocity,
            fit(np.array(described), settings.frechet_dims) if described else None,
            "no training window is a video",
        )
    except MareyError as error:
        return velocity, None, str(error)


def _pixels(library: "Library", selection: str) -> str:
    """The kind of the pixel tensors that the selection was encoded to."""
    fact = library.facts.get(f"encode/{selection}")
    if fact is None:
        raise MareyError(f"The selection {selection!r} is not encoded: `marey encode` would do.")
    return str(fact["pixels"])


def _notes(n: int, groups: int) -> list[str]:
    notes = [
        "The model answers through its autoencoder, the frozen still does not: against the still held via the "
        "autoencoder both pay that price."
    ]
    if n < FEWEST:
        notes.append(f"{n} windows are few: at least {FEWEST} are wanted, so the numbers are rough.")
    if groups < 10:
        notes.append(f"The windows come from {groups} groups of footage only: the intervals are rough.")
    return notes


def _digest(windows: Sequence[Mapping[str, Any]], videos: Mapping[str, Video]) -> str:
    hasher = hashlib.sha256(json.dumps([window["id"] for window in windows]).encode())
    for name in sorted(videos):
        hasher.update(np.ascontiguousarray(videos[name]).tobytes())
    return hasher.hexdigest()[:16]
