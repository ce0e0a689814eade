"""Started as one of several processes, trains a toy or a small library; or starts them itself (`together`)."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import torch

SHARDS = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
"""What `accelerate launch` says to its processes where the configuration asks for FSDP2."""


def together(count: int, *words: str, **told: str) -> None:
    """Run this file in `count` processes that find each other, as `torchrun` and `accelerate launch` start them.

    Args:
        told: more that their environment says, such as `SHARDS`.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "true"}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.train.pair", *words],
            cwd=Path(__file__).parents[2],
            env={**os.environ, **shared, **told, "RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    try:
        said = [process.communicate(timeout=240)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    assert all(process.returncode == 0 for process in started), "\n".join(said)


def main(what: str, folder: str, *more: str) -> None:
    torch.set_num_threads(1)
    if what == "toy":
        from marey.train.processes import sharded

        from .toy import Toy, train

        changes = {
            key: float(value) if "." in value else int(value) for key, _, value in (m.partition("=") for m in more)
        }
        stop = int(changes.pop("stop", -1))

        def die(step: int) -> None:
            if step == stop:
                os._exit(0)

        widths = tuple(changes.pop(key) for key in list(changes) if key == "width")
        made = Toy(die)
        train(Path(folder), made, ema_widths=widths, **changes)
        (Path(folder) / f"sharded-{os.environ['RANK']}").write_text(str(sharded(made.module)))
    elif what == "tasks":
        from .tasks import run

        double, *kinds = more
        for kind in kinds:
            run(kind, Path(folder) / kind, double == "double")
    elif what == "finetune":
        from marey.catalog import Library
        from marey.recipe import Recipe
        from marey.train.finetune import finetune
        from marey.train.processes import main_process

        library_path, model, settings = more
        with Library.open(Path(library_path), write=main_process()) as library:
            tuned = Recipe.of(json.loads(settings)).finetune
            finetune(library, model, tuned, "chosen", run_folder=Path(folder), device="cpu")
    else:
        from marey.catalog import Library
        from marey.train import train
        from marey.train.processes import main_process

        from . import made
        from .small import SETTINGS

        with Library.open(Path(more[0]), write=main_process()) as library:
            train(library, Path(folder), SETTINGS, made.ENCODE, "chosen", seed=3, device="cpu")


if __name__ == "__main__":
    main(*sys.argv[1:])
