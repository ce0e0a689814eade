"""Blocks without gradients, which overwrite what they made and take frames in chunks, against blocks with them."""

import pytest
import torch

from marey.network import resblock
from marey.network.resblock import Clips, SpatioTemporalResBlock


def block(width_in: int, width: int) -> SpatioTemporalResBlock:
    torch.manual_seed(0)
    made = SpatioTemporalResBlock(width_in, width, 16, 1e-6).double()
    torch.nn.init.normal_(made.time_mixer.mix_factor)
    return made


@pytest.mark.parametrize("at_once", [1, 2, 5, 100])
@pytest.mark.parametrize("widths", [(32, 32), (32, 64), (64, 32)])
def test_the_way_with_gradients_and_the_one_without_agree(monkeypatch, widths, at_once):
    made = block(*widths)
    x = torch.randn(6, widths[0], 5, 4, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    emb = torch.randn(2, 1, 16, dtype=torch.float64)
    before = x.clone()
    slow = made(x, emb, Clips(2, 3))
    assert slow.requires_grad
    monkeypatch.setattr(resblock, "_CHUNK", at_once * x[0].numel())
    with torch.no_grad():
        fast = made(x, emb, Clips(2, 3))
    torch.testing.assert_close(fast, slow.detach(), rtol=1e-12, atol=1e-12)
    assert torch.equal(x, before)  # the input is others' as well: the way up reads it
    assert fast.is_contiguous(memory_format=torch.channels_last)


def test_stills_among_the_frames_stay_what_the_spatial_block_makes_of_them():
    made = block(32, 32)
    x = torch.randn(6, 32, 5, 4, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    emb = torch.randn(2, 3, 16, dtype=torch.float64)
    stills = torch.tensor([[True, True, True], [False, True, False]])
    slow = made(x, emb, Clips(2, 3, stills))
    with torch.no_grad():
        fast = made(x, emb, Clips(2, 3, stills))
        spatial = made(x, emb, Clips(2, 3, only_stills=True))
    torch.testing.assert_close(fast, slow.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(fast[[0, 1, 2, 4]], spatial[[0, 1, 2, 4]], rtol=1e-12, atol=1e-12)
    assert float((fast[3] - spatial[3]).abs().max()) > 1e-3
