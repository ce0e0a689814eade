"""Started as one of several processes, trains a toy or a small library; or starts them itself (`together`)."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import torch


def together(count: int, *words: str) -> None:
    """Run this file in `count` processes that find each other, as `torchrun` and `accelerate launch` start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "true"}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.train.pair", *words],
            cwd=Path(__file__).parents[2],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
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


class Sharding:
    """accelerate shards nothing on a CPU: its Accelerator, but that torch's FSDP2 takes the module apart."""

    def __init__(self, accelerator) -> None:
        self._accelerator = accelerator

    def __getattr__(self, name):
        return getattr(self._accelerator, name)

    def prepare(self, module, optimizer):
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        names = {value: name for name, value in module.named_parameters()}
        fully_shard(module, mesh=init_device_mesh("cpu", (self.num_processes,)))
        shards = dict(module.named_parameters())
        for group in optimizer.param_groups:
            group["params"] = [shards[names[value]] for value in group["params"]]
        return module, optimizer


def main(what: str, folder: str, *more: str) -> None:
    torch.set_num_threads(1)
    if what == "toy":
        from .toy import Toy, train

        changes = {
            key: float(value) if "." in value else int(value) for key, _, value in (m.partition("=") for m in more)
        }
        stop = int(changes.pop("stop", -1))

        def die(step: int) -> None:
            if step == stop:
                os._exit(0)

        train(Path(folder), Toy(die), **changes)
    elif what == "shards":
        from marey.train import loop

        from .toy import Toy, train

        real = loop.accelerator_of
        loop.accelerator_of = lambda *given, **how: Sharding(real(*given, **how))
        changes = {key: int(value) for key, _, value in (m.partition("=") for m in more)}
        stop = changes.pop("stop", -1)

        def end(step: int) -> None:
            if step == stop:
                os._exit(0)

        train(Path(folder), Toy(end), **changes)
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
