"""One step over many processes, or in many pieces, is the same step."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from marey.catalog import Library
from marey.errors import MareyError
from marey.network.folder import load_model
from marey.train import train as train_all
from marey.train.autoencoder import load_autoencoder
from marey.train.checkpoints import Checkpoints
from marey.train.encoded import Encoded
from marey.train.metrics import Metrics
from marey.train.processes import demand_shards, pieces
from marey.train.stages import ImageTask, VideoTask
from marey.train.windows import encoded

from . import made
from .pair import SHARDS, together
from .small import SETTINGS
from .tasks import KINDS, run
from .test_stages import STAGE, image_network, video_network
from .toy import Toy, train


def test_pieces_are_the_whole_batch_each_row_once():
    task = Toy()
    for world, accumulate in ((1, 1), (2, 1), (1, 2), (1, 3), (2, 2), (4, 1)):
        found = [piece for rank in range(world) for piece in pieces(task, 3, rank, world, accumulate)]
        assert len(found) == world * accumulate
        rows = torch.cat([batch["x"] for batch, _ in found])
        assert sorted(rows.tolist()) == sorted(task.batch(3)["x"].tolist())
        assert sum(share for _, share in found) == pytest.approx(1.0)
        assert all(share == len(batch["x"]) / 4 for batch, share in found)


def test_a_sliced_task_makes_only_its_rows():
    class Sliced(Toy):
        def size(self, step):
            return 4

        def rows(self, step, rows):
            made.append(list(rows))
            return {name: value[list(rows)] for name, value in super().batch(step).items()}

        def batch(self, step):
            raise AssertionError("the whole batch was made")

    made: list[list[int]] = []
    whole = pieces(Toy(), 5, 1, 2, 1)
    assert torch.equal(pieces(Sliced(), 5, 1, 2, 1)[0][0]["x"], whole[0][0]["x"])
    assert made == [[1, 3]]


def test_a_batch_that_is_too_small_is_told():
    with pytest.raises(MareyError, match="batch of 4 of training stage toy cannot be shared by 3 processes in 2"):
        pieces(Toy(), 0, 0, 3, 2)


def test_in_pieces_it_is_the_same_run(tmp_path):
    whole = train(tmp_path / "whole", Toy())
    for count in (2, 3, 4):  # three pieces of four rows are of unequal size
        parts = train(tmp_path / str(count), Toy(), accumulate=count)
        assert all(torch.allclose(parts[name], whole[name], atol=1e-6, rtol=0) for name in whole)


@pytest.mark.parametrize("task", ["image", "video"])
def test_rows_of_a_stage_are_those_of_its_whole_batch(encoded_library, task):
    fact = encoded_library.facts["encode/chosen"]
    autoencoder = load_autoencoder(encoded_library.path / fact["autoencoder"], torch.device("cpu"))
    windows = encoded(encoded_library, fact["latents"])
    data = Encoded.of(encoded_library, fact["pixels"], fact["latents"], autoencoder.scaling_factor, windows)
    if task == "image":
        made_by = ImageTask(data, STAGE, image_network(), 0)
    else:
        made_by = VideoTask("video", data, STAGE, video_network(), autoencoder, 0)
    whole, some = made_by.batch(1), made_by.rows(1, [3, 1])
    assert all(torch.allclose(whole[name][[3, 1]], some[name], atol=1e-6) for name in whole)


def test_two_processes_are_one_also_where_they_were_stopped(tmp_path):
    one = train(tmp_path / "one", Toy())
    together(2, "toy", str(tmp_path / "two"), "accumulate=2", "stop=12")
    together(2, "toy", str(tmp_path / "two"), "accumulate=2")
    last = Checkpoints(tmp_path / "two" / "checkpoints" / "toy", "one").last()
    assert last is not None
    assert all(torch.allclose(last.average[name], one[name], atol=1e-6, rtol=0) for name in one)
    lines = [Metrics(tmp_path / name / "metrics.jsonl").lines() for name in ("one", "two")]
    assert [line["step"] for line in lines[1]] == [line["step"] for line in lines[0]]
    for a, b in zip(*lines, strict=True):
        assert a.keys() == b.keys()
        assert all(b[key] == pytest.approx(a[key], abs=1e-6, rel=1e-5) for key in a if key != "stage")


def test_shards_of_two_processes_are_one_also_where_they_were_stopped(tmp_path):
    """FSDP2 as accelerate's configuration asks for it: weights, averages and moments lie in shards, checkpoints are
    whole, and one process goes on from them."""
    one = train(tmp_path / "one", Toy(), ema_widths=(0.1,))
    together(2, "toy", str(tmp_path / "two"), "width=0.1", "stop=12", **SHARDS)
    shutil.copytree(tmp_path / "two", tmp_path / "alone")
    train(tmp_path / "alone", Toy(), ema_widths=(0.1,))
    together(2, "toy", str(tmp_path / "two"), "width=0.1", **SHARDS)
    assert [(tmp_path / "two" / f"sharded-{rank}").read_text() for rank in (0, 1)] == ["True", "True"]
    whole = Checkpoints(tmp_path / "one" / "checkpoints" / "toy", "one").last()
    assert whole is not None
    for name in ("two", "alone"):
        last = Checkpoints(tmp_path / name / "checkpoints" / "toy", "one").last()
        assert last is not None
        assert all(torch.allclose(last.average[key], one[key], atol=1e-6, rtol=0) for key in one)
        assert last.optimizer.keys() == whole.optimizer.keys()
        for a, b in zip(*(Metrics(tmp_path / at / "metrics.jsonl").lines() for at in ("one", name)), strict=True):
            assert all(b[key] == pytest.approx(a[key], abs=1e-6, rel=1e-5) for key in a if key != "stage")


def test_shards_of_the_first_kind_are_refused(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "1")
    here = SimpleNamespace(num_processes=2, device=torch.device("cpu"), mixed_precision="no", state=SimpleNamespace())
    with pytest.raises(MareyError, match="fsdp_version: 2 would do"):
        demand_shards(here)


def apart(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> float:
    """The largest difference of any number."""
    assert one.keys() == two.keys()
    return max(float((one[name] - two[name]).abs().max()) for name in one)


def both(kinds: tuple[str, ...], folder: Path, double: bool, **told: str) -> None:
    """Train each kind of task in one process and in two, and hold them together.

    In float64 weights too are the same. In float32 they cannot be: a bias before a normalisation has no gradient but
    rounding, which Adam blows up to a whole step, either way; losses, gradients and moments are the same there.
    """
    together(2, "tasks", str(folder / "two"), "double" if double else "single", *kinds, **told)
    for kind in kinds:
        run(kind, folder / "one" / kind, double)
        lines = [Metrics(folder / name / kind / "metrics.jsonl").lines() for name in ("one", "two")]
        for a, b in zip(*lines, strict=True):
            near = {key: pytest.approx(a[key], rel=1e-6) for key in ("loss", "heldout", "heldout_by_sigma") if key in a}
            assert {key: b[key] for key in near} == near, kind
            assert b["grad_norm"] == pytest.approx(a["grad_norm"], rel=1e-9 if double else 5e-6)
        stage = lines[0][0]["stage"]
        one, two = (Checkpoints(folder / name / kind / "checkpoints" / stage, kind).last() for name in ("one", "two"))
        assert one is not None
        assert two is not None
        assert apart(one.optimizer, two.optimizer) < 1e-6, kind
        if double:
            assert apart(one.weights, two.weights) < 1e-6, kind
            assert apart(one.average, two.average) < 1e-6, kind
            assert all(apart(one.powers[width], two.powers[width]) < 1e-6 for width in one.powers), kind


def test_videos_with_pictures_in_two_processes_are_those_in_one(tmp_path):
    both(("pictures",), tmp_path, double=True)


def test_a_lora_in_shards_of_two_processes_is_that_in_one(tmp_path):
    both(("lora",), tmp_path, double=False, **SHARDS)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["double", "single", "double, in shards"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_task_in_two_processes_is_the_one_in_one(tmp_path, kind, how):
    both((kind,), tmp_path, how != "single", **(SHARDS if how.endswith("shards") else {}))


def test_the_three_stages_in_two_processes_are_those_in_one(encoded_library, tmp_path):
    shutil.copytree(encoded_library.path, tmp_path / "library")
    with Library.open(tmp_path / "library", write=True) as library:
        one = load_model(train_all(library, tmp_path / "one", SETTINGS, made.ENCODE, "chosen", seed=3, device="cpu"))
        library.facts["model/pair"] = {}
    together(2, "library", str(tmp_path / "two"), str(tmp_path / "library"))
    two = load_model(tmp_path / "library" / "models" / "pair")
    first, second = (Metrics(tmp_path / name / "metrics.jsonl") for name in ("one", "two"))
    for stage in ("image", "video", "finetune"):
        for a, b in zip(first.lines(stage), second.lines(stage), strict=True):
            assert b["loss"] == pytest.approx(a["loss"], rel=1e-5 if stage != "finetune" else 1e-2)
    assert one.unet.config == two.unet.config
