"""Devices and precisions by name."""

import pytest
import torch

from marey.errors import MareyError
from marey.generate.device import fast_bfloat16, pick, pick_dtype


def cuda(monkeypatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


def mps(monkeypatch, there: bool) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there)


def test_auto_takes_the_best_that_is_there(monkeypatch):
    cuda(monkeypatch, 1)
    assert pick("auto").type == "cuda"
    cuda(monkeypatch, 0)
    mps(monkeypatch, True)
    assert pick("auto").type == "mps"
    mps(monkeypatch, False)
    assert pick("auto").type == "cpu"
    assert pick().type == "cpu"


def test_a_device_is_taken_by_name_or_as_it_is(monkeypatch):
    cuda(monkeypatch, 2)
    assert pick("cuda:1") == torch.device("cuda", 1)
    assert pick(torch.device("cpu")) == pick("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cuda", "finds no CUDA here. 'auto' or 'cpu' would do"),
        ("mps", "needs a Mac with Apple silicon"),
        ("gpu", "no device 'gpu'"),
        ("meta", "does not run on 'meta'"),
    ],
)
def test_what_is_not_there_is_a_sentence(monkeypatch, name, said):
    cuda(monkeypatch, 0)
    mps(monkeypatch, False)
    with pytest.raises(MareyError, match=said):
        pick(name)


def test_a_card_too_many_is_a_sentence(monkeypatch):
    cuda(monkeypatch, 2)
    with pytest.raises(MareyError, match="there are 2, from cuda:0 on"):
        pick("cuda:2")


@pytest.mark.parametrize(("avx", "amx"), [(True, False), (False, True), (False, False)])
def test_a_cpu_is_fast_in_bfloat16_only_with_instructions_for_it(monkeypatch, avx, amx):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    assert fast_bfloat16(torch.device("cpu")) == (avx or amx)


def test_precisions():
    cpu, card = torch.device("cpu"), torch.device("cuda")
    assert pick_dtype("auto", cpu, torch.float16) == torch.float32
    assert pick_dtype("auto", card, torch.float16) == torch.float16
    assert pick_dtype("bfloat16", cpu) == torch.bfloat16
    assert pick_dtype(torch.float64, cpu) == torch.float64
    with pytest.raises(MareyError, match="float16 is not for the CPU: float32 or bfloat16"):
        pick_dtype("float16", cpu)
    with pytest.raises(MareyError, match="no dtype 'int4'"):
        pick_dtype("int4", cpu)
    with pytest.raises(MareyError, match=r"torch\.int8"):
        pick_dtype(torch.int8, cpu)
