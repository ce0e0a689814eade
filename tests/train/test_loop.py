"""The loop on a toy problem: it learns, resumes bit for bit, keeps what is good, and says what is wrong."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from marey.errors import MareyError
from marey.train import checkpoints as room
from marey.train.checkpoints import Checkpoints
from marey.train.loop import Diverged
from marey.train.metrics import Metrics

from . import toy
from .tasks import KINDS
from .toy import STEPS, Toy, pace, train


class Stopped(Exception):
    """Raised in the middle of a training step."""


def stopper(at: int):
    def before(step: int) -> None:
        if step == at:
            raise Stopped

    return before


def everything(run: Path) -> dict[str, bytes]:
    """All bytes of a run: metrics and checkpoints."""
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    run = tmp_path_factory.mktemp("undisturbed")
    task = Toy()
    return run, train(run, task), task


def test_it_learns_and_leaves_frozen_weights_alone(undisturbed):
    run, average, task = undisturbed
    fresh = Toy()
    lines = Metrics(run / "metrics.jsonl").lines("toy")
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert lines[-1]["loss"] < lines[0]["loss"] / 2
    assert [line["step"] for line in lines if "heldout" in line] == [10, 20, 30]
    assert torch.equal(task.module.frozen.weight, fresh.module.frozen.weight)
    assert not torch.equal(task.module.layer.weight, fresh.module.layer.weight)
    assert set(average) == {"layer.weight", "layer.bias"}
    assert not torch.equal(average["layer.weight"], task.module.layer.weight.detach())


def test_heldout_is_that_of_the_average(undisturbed):
    run, average, _ = undisturbed
    fresh = Toy()
    fresh.module.load_state_dict(average, strict=False)
    expected = fresh.heldout(lambda batch: fresh.module(**batch).detach())["heldout"]
    assert Metrics(run / "metrics.jsonl").lines()[-1]["heldout"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("at", [0, 5, 7, 13, 14, 29])
def test_interrupted_at_any_step_and_resumed_equals_undisturbed(undisturbed, tmp_path, at):
    with pytest.raises(Stopped):
        train(tmp_path, Toy(stopper(at)))
    seen = []
    average = train(tmp_path, Toy(seen.append))
    assert seen[0] == at // 7 * 7  # from the last checkpoint, not from the start
    assert everything(tmp_path) == everything(undisturbed[0])
    assert all(torch.equal(average[name], undisturbed[1][name]) for name in average)


def test_killed_twice_and_resumed_equals_undisturbed(undisturbed, tmp_path):
    for at in (9, 25):
        done = subprocess.run([sys.executable, toy.__file__, str(tmp_path), str(at)], check=False)
        assert done.returncode == -9
    train(tmp_path, Toy())
    assert everything(tmp_path) == everything(undisturbed[0])


def test_killed_between_any_two_operations_on_files_and_in_the_middle_of_one_it_goes_on(tmp_path):
    survives(tmp_path, "toy", 12)
    survives(tmp_path / "told", "told", 3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_task_goes_on_where_it_was_killed(tmp_path, kind):
    survives(tmp_path, kind, 7)


def survives(folder: Path, kind: str, points: int) -> None:
    words = [sys.executable, "-m", "tests.train.killed", str(folder), kind, str(points)]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_finished_stage_is_not_trained_again(undisturbed, tmp_path):
    before = everything(undisturbed[0])
    average = train(undisturbed[0], Toy(stopper(0)))  # any step would raise
    assert everything(undisturbed[0]) == before
    assert all(torch.equal(average[name], undisturbed[1][name]) for name in average)


def test_other_data_or_settings_start_anew_and_set_the_old_aside(tmp_path):
    train(tmp_path, Toy(), fingerprint="old")
    seen = []
    train(tmp_path, Toy(seen.append), fingerprint="new")
    assert seen[0] == 0
    assert (tmp_path / "checkpoints" / "toy.old" / f"step-{STEPS:06d}").is_dir()
    assert [line["step"] for line in Metrics(tmp_path / "metrics.jsonl").lines("toy")] == list(range(1, STEPS + 1))


def test_only_the_last_two_checkpoints_are_kept_and_nothing_is_pickled(undisturbed):
    names = {path.name for path in (undisturbed[0] / "checkpoints" / "toy").iterdir()}
    assert names == {"step-000028", "step-000030"}
    kinds = {path.suffix for path in (undisturbed[0] / "checkpoints").rglob("*") if path.is_file()}
    assert kinds == {".safetensors", ".json"}


def test_a_damaged_checkpoint_is_passed_over(undisturbed, tmp_path):
    with pytest.raises(Stopped):
        train(tmp_path, Toy(stopper(17)))
    weights = tmp_path / "checkpoints" / "toy" / "step-000014" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:40])
    seen = []
    train(tmp_path, Toy(seen.append))
    assert seen[0] == 7
    assert everything(tmp_path) == everything(undisturbed[0])


def test_a_damaged_checkpoint_of_a_later_step_does_not_push_out_good_ones(tmp_path):
    """How often it is saved may change on the way."""
    train(tmp_path, Toy())
    folder = tmp_path / "checkpoints" / "toy"
    for step in (28, 30):
        (folder / f"step-{step:06d}" / "weights.safetensors").write_bytes(b"")
    with pytest.raises(Stopped):
        train(tmp_path, Toy(stopper(12)), checkpoint_every=5)
    assert Checkpoints(folder, "one").steps() == [5, 10]
    seen = []
    train(tmp_path, Toy(seen.append), checkpoint_every=5)
    assert seen[0] == 10


def test_a_loss_that_is_no_number_ends_the_stage_and_keeps_what_was_good(tmp_path):
    task = Toy()

    def poison(step: int) -> None:
        if step == 16:
            task._y = task._y * float("nan")

    task._before = poison
    with pytest.raises(Diverged, match=r"toy diverged at step 17: its loss is nan.*step 14"):
        train(tmp_path, task)
    last = Checkpoints(tmp_path / "checkpoints" / "toy", "one").last()
    assert last is not None
    assert last.step == 14
    assert all(value.isfinite().all() for value in last.weights.values())


def test_a_full_disk_is_named_and_the_checkpoint_before_it_stays(tmp_path, monkeypatch):
    real = room.save_file

    def full(tensors, path, *rest):
        if "step-000014" in str(path):
            raise OSError(28, "No space left on device")
        return real(tensors, path, *rest)

    monkeypatch.setattr(room, "save_file", full)
    with pytest.raises(MareyError, match=r"step 14 could not be written.*No space left.*step 7 is kept"):
        train(tmp_path, Toy())
    assert Checkpoints(tmp_path / "checkpoints" / "toy", "one").steps() == [7]
    assert not list((tmp_path / "checkpoints" / "toy").glob("*.tmp"))


def test_the_rate_rises_and_falls_to_a_tenth():
    rates = [pace().rate(step) for step in range(STEPS)]
    assert rates[0] == pytest.approx(0.1 / 3)
    assert max(rates) == pytest.approx(rates[3]) == pytest.approx(0.1)
    assert rates[-1] == pytest.approx(0.01, rel=0.05)
    assert all(a > b for a, b in itertools.pairwise(rates[3:]))


def test_wide_layers_may_have_a_lower_rate(tmp_path):
    plain, scaled = Toy(), Toy()
    train(tmp_path / "plain", plain, steps=1, warmup=0)
    train(tmp_path / "scaled", scaled, steps=1, warmup=0, full_rate_inputs=1)
    fresh = Toy().module.layer
    moved = [(task.module.layer.weight - fresh.weight).abs().mean().item() for task in (plain, scaled)]
    assert moved[1] == pytest.approx(moved[0] / 3, rel=0.02)  # three inputs
    biases = [(task.module.layer.bias - fresh.bias).item() for task in (plain, scaled)]
    assert biases[0] == pytest.approx(biases[1])


@pytest.mark.parametrize("at", [3, 11])
def test_resuming_is_exact_with_many_rates_too(tmp_path, at):
    train(tmp_path / "whole", Toy(), full_rate_inputs=1)
    with pytest.raises(Stopped):
        train(tmp_path / "cut", Toy(stopper(at)), full_rate_inputs=1)
    train(tmp_path / "cut", Toy(), full_rate_inputs=1)
    assert everything(tmp_path / "cut") == everything(tmp_path / "whole")


def test_gradients_are_clipped(tmp_path):
    train(tmp_path, Toy(), clip_norm=1e-9, steps=5)
    fresh = Toy()
    last = Checkpoints(tmp_path / "checkpoints" / "toy", "one").last()
    assert last is not None
    moments = torch.cat([v.flatten() for name, v in last.optimizer.items() if name.endswith("exp_avg")])
    assert 0 < moments.abs().max().item() < 1e-9
    assert set(last.weights) == {name for name in fresh.module.state_dict() if not name.startswith("frozen")}


def test_stages_may_have_different_precisions(tmp_path):
    train(tmp_path / "a", Toy(), precision="bf16")
    train(tmp_path / "b", Toy(), precision="no")
    train(tmp_path / "c", Toy(), precision="bf16")
    a, b, c = (Metrics(tmp_path / name / "metrics.jsonl").lines()[-1]["loss"] for name in "abc")
    assert a == c != b


@pytest.mark.parametrize("fast", [True, False])
def test_auto_is_bf16_where_the_device_computes_in_it(tmp_path, monkeypatch, fast):
    monkeypatch.setattr("marey.train.processes.fast_bfloat16", lambda device: fast)
    train(tmp_path / "auto", Toy(), precision="auto")
    train(tmp_path / "named", Toy(), precision="bf16" if fast else "no")
    auto, named = (Metrics(tmp_path / name / "metrics.jsonl").lines() for name in ("auto", "named"))
    assert auto == named


def test_half_precision_on_a_cpu_is_refused(tmp_path):
    with pytest.raises(MareyError, match="fp16"):
        train(tmp_path, Toy(), precision="fp16")
