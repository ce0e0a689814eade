"""The runner: every arm of every seed, one after another, each from where it was stopped.

    FOLDER/settings.json             what all of it is made by
          /seed-0/footage.npz        the sets of a seed
          /seed-0/ARM/               an arm while it is trained (checkpoints, metrics.jsonl), then its weights
          /results/seed-0/ARM.json   what came of it; an arm with this file is done

Killed at any moment, the same call goes on and ends with the same results.
"""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from marey.errors import MareyError
from marey.progress import Progress, silent
from marey.recipe.ablations import Ablations
from marey.study.ablations.files import write
from marey.study.ablations.judge import PRIMARY, distance, judged
from marey.study.ablations.plan import Arm, arms
from marey.study.ablations.sets import Sets, heldout, samples, sentences, sets

VERSION = 1
"""Of the footage and of what is done with it: folders of another one are not gone on with."""
_PHASES = ("abc", "d", "e")
_ALONG = 16
"""Held-out clips of the curves."""


def run(
    settings: Ablations,
    folder: Path,
    *,
    seed: int = 0,
    progress: Progress = silent,
    done: Callable[[Arm, int], None] = lambda arm, seed: None,
) -> None:
    """Train and measure what is missing: claims a to c of all seeds first, then d, then e.

    Args:
        seed: the first; the others follow it.
        done: told of each arm that is newly done, with its seed.

    Raises:
        MareyError: the folder holds ablations by other settings.
    """
    _claim(settings, folder, seed)
    planned = arms(settings)
    jobs = [
        (arm, number)
        for phase in _PHASES
        for number in range(seed, seed + settings.seeds)
        for arm in planned
        if arm.claim in phase
    ]
    for place, (arm, number) in enumerate(jobs):
        progress("arms", place, len(jobs), f"seed {number}: {arm.name}")
        if result_file(folder, arm.name, number).is_file():
            continue
        started = time.process_time()
        said = _trained(settings, arm, number, folder, progress)
        said["cpu_seconds"] = round(time.process_time() - started, 2)
        _write(result_file(folder, arm.name, number), said)
        shutil.rmtree(arm_folder(folder, arm.name, number) / "checkpoints", ignore_errors=True)
        done(arm, number)
    progress("arms", len(jobs), len(jobs))


def read(settings: Ablations, folder: Path, *, seed: int = 0) -> dict[str, dict[int, dict[str, Any]]]:
    """What is done so far: by arm and seed.

    Raises:
        MareyError: the folder holds ablations by other settings, or none.
    """
    if not (folder / "settings.json").is_file():
        raise MareyError(f"{folder} holds no ablations: marey study ablations --out {folder} makes them.")
    _claim(settings, folder, seed)
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for arm in arms(settings):
        for number in range(seed, seed + settings.seeds):
            path = result_file(folder, arm.name, number)
            if path.is_file():
                found.setdefault(arm.name, {})[number] = json.loads(path.read_text(encoding="utf-8"))
    return found


def result_file(folder: Path, arm: str, seed: int) -> Path:
    """Where the results of an arm are, once it is done."""
    return folder / "results" / f"seed-{seed}" / f"{arm}.json"


def arm_folder(folder: Path, arm: str, seed: int) -> Path:
    """Where an arm is trained."""
    return folder / f"seed-{seed}" / arm


def _trained(settings: Ablations, arm: Arm, seed: int, folder: Path, progress: Progress) -> dict[str, Any]:
    from marey.train.miniature import Clips, Codec, Sampling, Texts, losses, opened, sampled, save, train

    footage = settings.footage
    size = footage.large if arm.large else footage.size
    seen = _seen(sets(seed, footage, cache=folder / f"seed-{seed}" / "footage.npz", progress=progress), arm)
    clips = Clips(seen.videos, seen.texts, footage.fps)
    held, truth = heldout(footage, size)
    judges = Clips(held.videos, held.texts, footage.fps)
    codec = Codec(samples(footage), settings.square, settings.latent_channels)
    along = Clips(held.videos[:_ALONG], held.texts[:_ALONG], footage.fps)
    texts = Texts(sentences(), settings.network.context)
    start = None if arm.start is None else arm_folder(folder, arm.start, seed) / "weights.safetensors"
    unet = opened(start, settings.network, codec, size, seed=seed)
    stage = getattr(settings, arm.stage).model_copy(update=dict(arm.changes))
    place = arm_folder(folder, arm.name, seed)
    unet, curve = train(
        arm.stage, unet, clips, along, texts, stage, codec, place, sigmas=settings.sigmas, seed=seed, progress=progress
    )
    save(unet, place / "weights.safetensors")
    said: dict[str, Any] = {"arm": arm.name, "seed": seed, "clips": len(clips), "steps": stage.steps, "curve": curve}
    if arm.stage != "image":
        progress("measuring", 0, None)
        found = losses(unet, judges, texts, codec, settings.sigmas, seed=seed)
        said["by_sigma"] = found.mean(axis=0).tolist()
        said[PRIMARY] = found.mean(axis=1).tolist()
        drawn = Sampling(settings.solver_steps, settings.sigma_min, settings.sigma_max)
        videos = sampled(unet, judges, texts, codec, drawn, seed=seed)
        said |= judged(videos, truth)
        said["frechet"] = distance(videos, truth.videos)
    return said


def _seen(made: Sets, arm: Arm) -> Any:
    return (made.large if arm.large else made.small)[arm.data]


def _claim(settings: Ablations, folder: Path, seed: int) -> None:
    """Keep the settings in the folder, or see that they are those that are kept; more seeds and claims may follow."""
    path = folder / "settings.json"
    said = {"version": VERSION, "seed": seed, **settings.model_dump(mode="json", exclude={"seeds", "claims"})}
    if not path.is_file():
        _write(path, said)
        return
    had = json.loads(path.read_text(encoding="utf-8"))
    other = next((key for key in said if had.get(key) != said[key]), None)
    if other is not None:
        raise MareyError(
            f"{folder} holds ablations with {other} = {had.get(other)!r}, not {said[other]!r}: another --out would do."
        )


def _write(path: Path, said: dict[str, Any]) -> None:
    write(path.parent, {path.name: json.dumps(said)})
