"""Many clips of one plan, a batch at a time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from marey.progress import Progress, silent

if TYPE_CHECKING:
    from marey.generate.opened import Opened
    from marey.generate.plan import Plan


def several(
    model: "Opened",
    what: str,
    plan: "Plan",
    stills: np.ndarray | None,
    fps: Sequence[float],
    motion: Sequence[float],
    seeds: Sequence[int],
    *,
    texts: Sequence[str] | None = None,
    numbers: Tensor | None = None,
    batch: int = 8,
    progress: Progress = silent,
) -> np.ndarray:
    """N clips; one depends on its own seed and conditions, not on the batch that it is in.

    Args:
        what: is done, for the progress.
        plan: of all.
        stills: uint8 (N, H, W, 3), or (N, S, H, W, 3) where the model's condition asks for several; None: there are
            none.
        fps, motion, seeds: N each.
        texts: N of them, as a model that takes texts takes them.
        numbers: (N, n) or (N, T, n), of a condition that is told in numbers.
        batch: how many at a time; one where the model has a `vram` to fit.
        progress: told of each step of each batch.

    Returns:
        uint8 (N, T, H, W, 3).
    """
    count = len(seeds)
    videos = np.empty((count, plan.frames, plan.height, plan.width, 3), np.uint8)
    saving = model.saving(plan)
    batch = 1 if model.vram is not None else batch  # a plan of memory is of one clip
    total = -(-count // batch) * plan.steps
    for start in range(0, count, batch):
        some = slice(start, min(start + batch, count))

        def done(step: int, before: int = start // batch * plan.steps) -> None:
            progress(what, before + step, total)

        latents = model.sample(
            plan,
            None if stills is None else stills[some],
            fps[some],
            motion[some],
            seeds[some],
            None,
            done,
            None if texts is None else texts[some],
            numbers=None if numbers is None else numbers[some],
            saving=saving,
        ).latents
        videos[some] = model.decode(latents, saving)
    return videos
