"""Files written tensor by tensor, beside the safetensors library's own."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from safetensors.torch import save_file as by_library

from marey.train.streamed import save_file

KINDS = (torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.int8, torch.uint8, torch.int64, torch.bool)


def test_the_bytes_are_the_librarys(tmp_path):
    torch.manual_seed(0)
    tensors = {f"{kind} {n}": (torch.randn(3, n, 2) * 5).to(kind) for kind in KINDS for n in (1, 4)}
    tensors |= {"step": torch.tensor(7.0), "none": torch.zeros(0, 3), "größe": torch.ones(2)}
    for number, told in enumerate((None, {"marey": '{"step": 3}'})):
        ours, theirs = tmp_path / f"ours {number}", tmp_path / f"theirs {number}"
        save_file(tensors, ours, told)
        by_library(tensors, theirs, told)
        assert ours.read_bytes() == theirs.read_bytes()


def test_views_parameters_and_shared_memory_are_written_as_they_look(tmp_path):
    one = torch.arange(12.0).view(3, 4)
    images = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    tensors = {"one": torch.nn.Parameter(one), "turned": one.t(), "part": one[1:, ::2], "images": images}
    save_file(tensors, tmp_path / "a")
    found = load_file(tmp_path / "a")
    assert all(torch.equal(found[name], value) for name, value in tensors.items())
    with safe_open(tmp_path / "a", framework="pt") as held:
        assert held.metadata() is None


def test_what_the_format_does_not_have_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"z is of torch\.complex64"):
        save_file({"a": torch.ones(1), "z": torch.ones(1, dtype=torch.complex64)}, tmp_path / "a")
    assert not (tmp_path / "a").exists()
