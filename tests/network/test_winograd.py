"""Winograd's convolutions against torch's, and where they are used."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional

from marey.network import resblock, winograd
from marey.network.decoder import TemporalDecoder
from marey.network.linear import has_products
from marey.network.lora import Pair, put_adapter, remove_adapters, set_strength
from marey.network.resblock import Clips, Mixer, ResBlock, SpatioTemporalResBlock, TemporalConv
from marey.network.winograd import over_space, over_time, quick_over_space, quick_over_time, space_kernels, time_kernels

CLOSE = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture
def small(monkeypatch):
    """Small images are convolved so too."""
    monkeypatch.setattr(winograd, "_LEAST_NUMBERS", 0)


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 9), (8, 12), (3, 17), (22, 6)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("bias", [True, False])
def test_over_space_it_is_the_3x3_convolution(size, layout, bias, monkeypatch):
    torch.manual_seed(0)
    conv = nn.Conv2d(5, 7, 3, padding=1, bias=bias).double()
    x = torch.randn(3, 5, *size, dtype=torch.float64).contiguous(memory_format=layout)
    with torch.no_grad():
        expected = conv(x)
        for band in (winograd._BAND, 60, 1):  # all images at once, some rows of one, one row
            monkeypatch.setattr(winograd, "_BAND", band)
            y = over_space(x, space_kernels(conv.weight), conv.bias)
            assert y.is_contiguous(memory_format=torch.channels_last)
            torch.testing.assert_close(y, expected, **CLOSE)


@pytest.mark.parametrize("frames", [1, 3, 4, 5, 8, 14])
@pytest.mark.parametrize("bias", [True, False])
def test_over_time_it_is_the_temporal_convolution(frames, bias, monkeypatch):
    torch.manual_seed(0)
    conv = TemporalConv(5, 7).double()
    conv.bias = conv.bias if bias else None
    x = torch.randn(2, 5, frames, 11, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        expected = conv(x)
        for band in (winograd._BAND, 28, 1):
            monkeypatch.setattr(winograd, "_BAND", band)
            y = over_time(x, time_kernels(conv.weight), conv.bias)
            assert y.is_contiguous(memory_format=torch.channels_last)
            torch.testing.assert_close(y, expected, **CLOSE)


def test_a_view_with_other_strides_is_convolved_as_it_is_seen():
    conv = nn.Conv2d(5, 7, 3, padding=1).double()
    x = torch.randn(3, 20, 18, 10, dtype=torch.float64).transpose(1, 3)[:, 2:7, 1::2, ::3]
    with torch.no_grad():
        torch.testing.assert_close(over_space(x, space_kernels(conv.weight), conv.bias), conv(x), **CLOSE)


@pytest.mark.parametrize("over", ["space", "time"])
def test_in_float32_it_loses_hardly_more_than_the_plain_convolution(over, small):
    torch.manual_seed(0)
    conv = _space(128) if over == "space" else _time(128)
    x = functional.silu(torch.randn(1, 128, 16, 16)).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        truth = copy.deepcopy(conv).double()(x.double())
        quick = (quick_over_space if over == "space" else quick_over_time)(conv, x)
        assert quick is not conv
        plain, ours = ((y.double() - truth).square().mean().sqrt() for y in (conv(x), quick(x)))
        assert ours < 3 * plain
        assert ours < 1e-6 * truth.abs().max()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_on_several_threads_it_is_the_same(threads, torch_threads):
    torch.manual_seed(0)
    space, time = _space(8).double(), _time(8).double()
    image, clip = (torch.randn(2, 8, 16, 12, dtype=torch.float64) for _ in range(2))
    torch_threads(threads)
    with torch.inference_mode():
        torch.testing.assert_close(over_space(image, space_kernels(space.weight), space.bias), space(image), **CLOSE)
        torch.testing.assert_close(over_time(clip, time_kernels(time.weight), time.bias), time(clip), **CLOSE)


def test_it_is_used_for_wide_float32_without_gradients_alone(torch_threads):
    assert has_products()
    image, clip = torch.randn(4, 128, 32, 32), torch.randn(1, 128, 8, 512)
    space, time = _space(128), _time(128)
    assert quick_over_space(space, image) is space
    assert quick_over_time(time, clip) is time
    with torch.no_grad():
        assert quick_over_space(space, image) is not space
        assert quick_over_time(time, clip) is not time
        assert quick_over_space(space, image[:3]) is space
        assert quick_over_space(space, torch.empty(512, 128, 4, 4)) is space
        assert quick_over_time(time, clip[..., :500]) is time
        for other in (torch.bfloat16, torch.float64):
            assert quick_over_space(space, image.to(other)) is space
            assert quick_over_space(space.to(other), image.to(other)) is space
            space.float()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert quick_over_space(space, image) is space
        narrow = _space(64)
        assert quick_over_space(narrow, image[:, :64]) is narrow
        seen = []
        handle = space.register_forward_hook(lambda *_: seen.append(1))
        quick_over_space(space, image)(image)
        assert seen
        handle.remove()
        torch_threads(17)
        assert quick_over_space(space, image) is space


def test_frames_over_time_are_worth_it_where_tiles_fit():
    time, takes = _time(128), []
    with torch.no_grad():
        for frames in range(1, 17):
            clip = torch.zeros(1, 128, frames, 4096)
            if quick_over_time(time, clip) is not time:
                takes.append(frames)
    assert takes == [4, 8, 11, 12, 14, 15, 16]


def test_changed_weights_are_heard_at_once(small):
    torch.manual_seed(0)
    block = ResBlock(128, 128, None, 1e-6, quick=True).eval()
    other = ResBlock(128, 128, None, 1e-6).eval()
    x = torch.randn(2, 128, 8, 8).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def same(ours: ResBlock = block) -> None:
        plain = copy.deepcopy(ours)
        plain.quick = False
        torch.testing.assert_close(ours(x, None), plain(x, None), rtol=1e-4, atol=1e-5)

    same()
    before = block(x, None)
    with torch.no_grad():
        block.conv1.weight.mul_(-2.0)
    same()
    block.conv2.weight.data = block.conv2.weight.data.flip(0)
    same()
    assert (block(x, None) - before).abs().max() > 0.1
    block.load_state_dict(other.state_dict())
    assert block.state_dict().keys() == other.state_dict().keys()
    same()
    same(copy.deepcopy(block))
    same(pickle.loads(pickle.dumps(block)))
    same(block.double().float())
    block.to(memory_format=torch.channels_last)
    same()
    put_adapter(block, "one", {"conv1": Pair(torch.randn(2, 128, 3, 3), torch.randn(128, 2, 1, 1), 1.0)})
    same()
    set_strength(block, {"one": 0.5})
    same()
    remove_adapters(block, fuse=True)
    same()


def test_gradients_take_the_plain_way_and_agree(small):
    torch.manual_seed(0)
    block = SpatioTemporalResBlock(128, 128, None, 1e-6, mixer=Mixer(), quick=True)
    x = torch.randn(4, 128, 8, 8).contiguous(memory_format=torch.channels_last)
    slow = block(x.requires_grad_(), None, Clips(1, 4))
    slow.square().sum().backward()
    assert all(parameter.grad is not None for parameter in block.parameters())
    with torch.no_grad():
        fast = block(x, None, Clips(1, 4))
    assert not fast.requires_grad
    torch.testing.assert_close(fast, slow.detach(), rtol=1e-4, atol=1e-5)
    assert not torch.equal(fast, slow)  # else the quick way was not taken


def test_kernels_are_made_once_for_all_chunks_of_a_batch(monkeypatch, small):
    made = []
    kernels = winograd.space_kernels
    monkeypatch.setattr(winograd, "space_kernels", lambda weight: made.append(1) or kernels(weight))
    monkeypatch.setattr(resblock, "_CHUNK", 1)
    block = ResBlock(128, 128, None, 1e-6, quick=True)
    with torch.no_grad():
        block(torch.randn(3, 128, 8, 8).contiguous(memory_format=torch.channels_last), None)
    assert len(made) == 2


def test_the_decoder_convolves_so_and_the_difference_is_one_of_rounding(monkeypatch, small):
    torch.manual_seed(0)
    decoder = TemporalDecoder(4, 3, (128, 128), 1).eval()
    z = torch.randn(8, 4, 8, 8)
    taken = []
    for name in ("over_space", "over_time"):
        made = getattr(winograd, name)
        monkeypatch.setattr(winograd, name, lambda *a, name=name, made=made, **k: taken.append(name) or made(*a, **k))
    with torch.no_grad():
        quick = decoder(z, num_frames=8)
        assert taken.count("over_space") == taken.count("over_time") == 10
        truth = copy.deepcopy(decoder).double()(z.double(), num_frames=8)
    torch.testing.assert_close(quick.double(), truth, rtol=0, atol=2e-5 * truth.abs().max().item())


def _space(width: int) -> nn.Conv2d:
    return nn.Conv2d(width, width, 3, padding=1)


def _time(width: int) -> TemporalConv:
    return TemporalConv(width, width)
