"""The paper's study: subsets less their worst 12.5, 25 and 50 percent by each axis, and equal small trainings on them.

All arms share one encoding: one autoencoder, one set of windows, one set of held-out stills. An arm's training windows
are those of the clips that its subset keeps, so that nothing but the subset differs: steps, seed, order, latents and
motion buckets are the same (Stable Video Diffusion, section 3.3 and appendix E.2).
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from marey.catalog import Library, Selection, select, subset_grid
from marey.catalog.select import keep_selection
from marey.errors import MareyError
from marey.progress import Progress, silent
from marey.recipe import Recipe, Select
from marey.study.design import BASELINE, Arm, Design
from marey.study.gather import Asked, Format, gather, named
from marey.study.given import arm_of


@dataclass(frozen=True)
class Subset:
    """One arm before it is trained."""

    arm: Arm
    selection: str
    windows: int
    """That it is trained on."""


@dataclass(frozen=True)
class Plan:
    """What will be trained, and on what."""

    study: str
    subsets: tuple[Subset, ...]
    heldout: int
    """Held-out windows: the stills come from them."""
    prompts: int
    steps: dict[str, int]
    """By training stage; the same for each arm."""

    def __str__(self) -> str:
        rows = [f"  {one.arm.name:<28} {one.arm.clips:>6} clips  {one.windows:>7} windows" for one in self.subsets]
        steps = ", ".join(f"{name} {count}" for name, count in self.steps.items())
        return "\n".join(
            [
                f"Study {self.study}: {len(self.subsets)} equal trainings (steps: {steps}), "
                f"{self.prompts} prompts from {self.heldout} held-out windows",
                *rows,
            ]
        )


def plan(library: Library, recipe: Recipe, *, device: str = "auto", progress: Progress = silent) -> Plan:
    """Make the subsets, encode all clips once, and point each arm at its windows. Can be repeated.

    Args:
        library: open for writing; its clips have the signals of `recipe.study.axes`.

    Raises:
        MareyError: as `select`, `subset_grid` and `encode` do, or an arm that is left without a window.
        MissingExtra: torch is not installed.
    """
    from marey.train import encode
    from marey.train.windows import encoded, fingerprint

    settings = recipe.study
    named(settings.name)
    whole = f"{settings.name}-{BASELINE}"
    base = select(library, Select(name=whole, duplicates="keep", captions=recipe.select.captions), progress)
    grid = subset_grid(
        library,
        settings.axes,
        shares=settings.shares,
        seed=recipe.seed if settings.random else None,
        settings=recipe.select,
        progress=progress,
    )
    run = library.path / "runs" / f"{settings.name}-{BASELINE}"
    encode(library, recipe.encode, whole, seed=recipe.seed, run_folder=run, device=device, progress=progress)
    fact = library.facts[f"encode/{whole}"]
    windows = encoded(library, fact["latents"])
    places = library.places(fact["latents"])
    subsets = []
    for selection in [base, *grid]:
        arm = _arm(selection, whole)
        clips = set(selection.clips)
        kept = [window for window in windows if window.heldout or window.clip in clips]
        training = sum(not window.heldout and not window.photo for window in kept)
        if not training:
            raise MareyError(
                f"The subset {arm.name!r} has no window to train on, for its clips are held out: more footage, or a "
                "smaller encode.windows.heldout_share, would do."
            )
        name = selection_of(settings.name, arm.name)
        own = fingerprint([fact["latents"], [window.id for window in kept]])
        kind = fact["latents"] if len(kept) == len(windows) else f"latents@{own}"
        rows = [{"kind": kind, "item": window.id, **_row(places[window.id])} for window in kept]
        with library.transaction():
            if name != whole:
                keep_selection(library, replace(selection, name=name), {"study": settings.name, "of": selection.name})
            library.put("tensors", rows)
            library.facts[f"encode/{name}"] = {**fact, "latents": kind, "train": training}
        subsets.append(Subset(arm, name, training))
    heldout = sum(window.heldout and not window.photo for window in windows)
    stages = [str(stage) for stage in settings.stages if recipe.train.start is None or stage != "image"]
    steps: dict[str, int] = {stage: getattr(recipe.train, stage).steps for stage in stages}
    return Plan(settings.name, tuple(subsets), heldout, min(settings.prompts, heldout), steps)


def carry_out(
    library: Library, recipe: Recipe, planned: Plan, *, device: str = "auto", progress: Progress = silent
) -> Design:
    """Train each arm, let each animate the same held-out stills, and gather the videos. Goes on where it was stopped.

    Raises:
        MareyError: as `train` and `generate` do.
    """
    from marey.generate import Model
    from marey.generate.generate import generate
    from marey.train import train

    settings = recipe.study
    stills = _stills(library, planned)
    numbers = {still.id: n for n, still in enumerate(stills)}
    samples: dict[str, Path] = {}
    made = []
    for n, subset in enumerate(planned.subsets):
        progress("training the arms", n, len(planned.subsets), subset.arm.name)
        run = library.path / "runs" / subset.selection
        own = recipe.train.model_copy(update={"name": subset.selection})
        select_own = recipe.select.model_copy(update={"name": subset.selection})
        recipe.model_copy(update={"train": own, "select": select_own}).save(run / "recipe.toml")
        folder = train(
            library,
            run,
            own,
            recipe.encode,
            subset.selection,
            seed=recipe.seed,
            device=device,
            progress=progress,
            stages=settings.stages,
        )
        fact = library.facts[f"model/{subset.selection}"]
        opened = Model.open(folder, device=device, dtype=recipe.dtype)
        generate(
            opened, stills, run / "samples", recipe.generate, source=str(fact), seed=recipe.seed, progress=progress
        )
        samples[subset.arm.name] = run / "samples" / "videos.safetensors"
        made.append(fact)
    progress("training the arms", len(planned.subsets), len(planned.subsets))
    shape = stills[0].frames.shape
    return gather(
        library,
        settings.name,
        [subset.arm for subset in planned.subsets],
        [Asked(still.id, str(still.info["caption"]), still.frames[0]) for still in stills],
        lambda arm, prompt: _video(samples[arm], numbers[prompt]),
        Format(shape[0], shape[1], shape[2], recipe.encode.windows.fps),
        made_from=str([made, recipe.generate.model_dump(mode="json"), recipe.seed, [still.id for still in stills]]),
        seed=recipe.seed,
        progress=progress,
    )


def selection_of(study: str, arm: str) -> str:
    """The name under which an arm is encoded and trained: plain letters only, for it names folders."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", f"{study}-{arm}")
    return name if len(name) <= 64 else f"{name[:55]}-{hashlib.sha256(arm.encode()).hexdigest()[:8]}"


def _arm(selection: Selection, whole: str) -> Arm:
    if selection.name == whole:
        return Arm(BASELINE, clips=len(selection.clips))
    return Arm(**{**asdict(arm_of(selection.name)), "clips": len(selection.clips)})


def _row(place: Any) -> dict[str, Any]:
    return {"shard": place.shard, "key": place.key, "info": place.info}


def _video(path: Path, n: int) -> np.ndarray:
    """One of the videos of an arm, without the others."""
    with safe_open(str(path), framework="numpy") as file:
        frames: np.ndarray = file.get_slice("generated")[n]
        return frames


def _stills(library: Library, planned: Plan) -> list[Any]:
    """The same held-out windows for all arms, evenly taken."""
    from marey.generate.generate import Still
    from marey.train.batches import spread
    from marey.train.pixels import stacked
    from marey.train.windows import encoded

    fact = library.facts[f"encode/{planned.subsets[0].selection}"]
    heldout = [window for window in encoded(library, fact["pixels"]) if window.heldout and not window.photo]
    chosen: Sequence[Any] = [heldout[n] for n in spread(len(heldout), planned.prompts)]
    return [
        Still(
            id=window.id,
            frames=stacked(library, fact["pixels"], [window])[0],
            fps=window.fps,
            motion=window.motion_bucket,
            info={"clip": window.clip, "footage": window.footage, "group": window.group, "caption": window.caption},
        )
        for window in chosen
    ]
