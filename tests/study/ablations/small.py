"""Ablations of two steps a training. Run as a program they are killed within an arm."""

import os
import signal
import sys
from pathlib import Path

from marey.recipe import Recipe
from marey.recipe.ablations import Ablations

SMALL = (
    "seeds=1",
    "footage.clips=12",
    "footage.pictures=12",
    "footage.heldout=8",
    "footage.quality=4",
    "footage.size=16",
    "footage.large=32",
    "footage.frames=5",
    "image.steps=2",
    "image.batch=2",
    "video.steps=4",
    "video.batch=2",
    "video.checkpoint_every=2",
    "video.precision='no'",
    "finetune.steps=1",
    "finetune.batch=2",
    "network.channels=[32]",
    "network.embed=8",
    "solver_steps=2",
)


def overrides(*more: str) -> list[str]:
    return [f"study.ablations.{one}" for one in (*SMALL, *more)]


def settings(*more: str) -> Ablations:
    return Recipe.of({}, overrides(*more)).study.ablations


if __name__ == "__main__":
    folder, stop = Path(sys.argv[1]), int(sys.argv[2])
    import torch

    from marey.study.ablations import run

    torch.set_num_threads(1)

    def die(what: str, done: float, total: float | None = None, note: str = "") -> None:
        if what == "training: video" and done == stop:
            os.kill(os.getpid(), signal.SIGKILL)

    run(settings("claims=['a']"), folder, progress=die)
