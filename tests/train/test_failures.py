"""What ends a training is named, and what was good is kept. Each failure is really caused."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from marey.errors import MareyError
from marey.train.checkpoints import Checkpoints
from marey.train.failures import Diverged, OutOfMemory, demand_finite, named

from .toy import Toy, pace, train


def last(run: Path) -> int:
    found = Checkpoints(run / "checkpoints" / "toy", "one").last()
    assert found is not None
    assert all(value.isfinite().all() for value in found.weights.values())
    return found.step


def test_a_gradient_that_is_no_number_is_told_by_its_parameter(tmp_path):
    task = Toy()
    calls = []

    def poison(gradient):
        calls.append(1)
        return gradient * float("inf") if len(calls) == 10 else gradient

    task.module.layer.bias.register_hook(poison)
    with pytest.raises(
        Diverged, match=r"step 10: its loss is .* gradient's norm (inf|nan), first in layer.bias; .*step 7"
    ):
        train(tmp_path, task)
    assert last(tmp_path) == 7


def test_how_many_clips_have_no_loss_is_told(tmp_path):
    task = Toy()

    def poison(step: int) -> None:
        if step == 8:
            task._x[:] = float("inf")

    task._before = poison
    with pytest.raises(Diverged, match=r"its loss is (inf|nan) \(4 of 4 clips"):
        train(tmp_path, task)
    assert last(tmp_path) == 7


def test_an_overflow_of_fp16_is_left_out_until_nothing_is_left_to_give(tmp_path):
    losses, module, checkpoints = [torch.ones(2)], Toy().module, Checkpoints(tmp_path, "one")
    demand_finite("toy", 3, losses, float("inf"), module, 1024.0, pace(precision="fp16"), checkpoints)
    with pytest.raises(Diverged, match=r"overflow fp16 even at a scale of 0.5; there is no checkpoint yet.*'bf16'"):
        demand_finite("toy", 3, losses, float("inf"), module, 0.5, pace(precision="fp16"), checkpoints)


def test_a_step_that_does_not_fit_is_told_with_what_would_do(tmp_path):
    task = Toy()
    whole = task.module.forward

    def huge(x, y):
        return whole(x, y) + (torch.empty(2**50).sum() if len(kept) == 9 else 0.0)

    kept: list[int] = []
    task._before = kept.append
    task.module.forward = huge
    with pytest.raises(
        OutOfMemory, match=r"ran out of memory at step 9 .*step 7 in .*larger accumulate .*checkpointing"
    ):
        train(tmp_path, task)
    assert last(tmp_path) == 7
    with pytest.raises(OutOfMemory, match="CUDA"), named("toy", 1, pace(), Checkpoints(tmp_path, "one")):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")


def test_other_errors_are_left_as_they_are(tmp_path):
    for error in (RuntimeError("shape"), OSError(2, "not there"), ValueError("x")):
        with pytest.raises(type(error), match=str(error.args[-1])), named("toy", 1, pace(), Checkpoints(tmp_path, "x")):
            raise error


FILL = """
import resource, sys
from pathlib import Path
from tests.train import toy
def limit(step):
    if step == 12:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
task = toy.Toy(limit)
task.module.register_buffer("ballast", toy.torch.zeros(10_000))
toy.train(Path(sys.argv[1]), task, checkpoint_every=5)
"""


@pytest.mark.parametrize(
    ("size", "said"), [(20_000, "checkpoint of step 15 could not be written"), (100, "could not write at step 13")]
)
def test_a_file_that_the_system_refuses_ends_in_a_sentence(tmp_path, size, said):
    """The kernel says no in the middle of a write: of a checkpoint, or of metrics.jsonl."""
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path), str(size)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "MareyError" in done.stderr
    assert said in done.stderr.splitlines()[-1]
    assert last(tmp_path) == 10
    assert not list((tmp_path / "checkpoints").rglob("*.tmp"))


def test_a_full_disk_is_told_with_what_is_free(tmp_path):
    full = pytest.raises(MareyError, match=r"could not write at step 3 .*No space left.* MB are free")
    with full, named("toy", 3, pace(), Checkpoints(tmp_path, "one")):
        raise OSError(28, "No space left on device")
