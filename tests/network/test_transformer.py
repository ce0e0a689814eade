"""Attention by products against the fused kernel, and the sinusoid against its formula."""

import math

import pytest
import torch
from diffusers.models.embeddings import get_timestep_embedding
from torch.nn import functional

from marey.network import transformer
from marey.network.resblock import Clips
from marey.network.transformer import (
    Attention,
    FeedForward,
    SpatioTemporalTransformer,
    attend,
    attend_by_products,
    attend_by_tiles,
    sinusoid,
)


def test_products_and_the_fused_kernel_agree():
    q, k, v = torch.randn(3, 2, 5, 8), torch.randn(3, 2, 7, 8), torch.randn(3, 2, 7, 8)
    expected = functional.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(attend_by_products(*(y.flatten(0, 1) for y in (q, k, v))).view(3, 2, 5, 8), expected)
    torch.testing.assert_close(attend(q, k, v), expected)
    half = attend(*(y.bfloat16() for y in (q, k, v)))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("tokens", [(600, 600), (1100, 520), (5, 7)])
def test_tiles_of_queries_and_the_fused_kernel_agree(monkeypatch, tokens):
    torch.manual_seed(0)
    monkeypatch.setattr(transformer, "_TILE", 2**18)
    q, k, v = (torch.randn(2, 3, n, 8) for n in (tokens[0], tokens[1], tokens[1]))
    expected = functional.scaled_dot_product_attention(q, k, v)
    with torch.no_grad():
        torch.testing.assert_close(attend_by_tiles(q, k, v), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(attend(q, k, v), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rows", [None, 7])
def test_the_feed_forward_layer_adds_to_its_input_in_pieces(rows):
    torch.manual_seed(0)
    layer, norm = FeedForward(16), torch.nn.LayerNorm(16)
    layer.rows = rows
    x = torch.randn(2, 3, 700, 16)
    slow = layer.add_to(x, norm)
    torch.testing.assert_close(slow.detach(), (x + layer.net[2](layer.net[0](norm(x)))).detach(), rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        own = x.clone()
        assert layer.add_to(own, norm) is own
    torch.testing.assert_close(own, slow.detach(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tokens", [1, 3])
@pytest.mark.parametrize(("dtype", "most"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_the_way_with_gradients_and_the_one_without_agree(tokens, dtype, most):
    torch.manual_seed(0)
    made = SpatioTemporalTransformer(32, 2, 12, layers=2).to(dtype)
    torch.nn.init.normal_(made.time_mixer.mix_factor)
    x = torch.randn(6, 32, 24, 25, dtype=dtype).contiguous(memory_format=torch.channels_last)
    context, before = torch.randn(2, tokens, 12, dtype=dtype), x.clone()
    slow = made(x, context, Clips(2, 3))
    assert slow.requires_grad
    with torch.no_grad():
        fast = made(x, context, Clips(2, 3))
    assert float((fast - slow.detach()).abs().max() / fast.abs().max()) < most
    assert torch.equal(x, before)


def test_attention_over_time_is_that_of_each_pixels_frames():
    torch.manual_seed(0)
    attention = Attention(12, heads=3)
    x = torch.randn(2, 4, 5, 12)  # (B, T, P, C)
    with torch.no_grad():
        together = attention.over_time(x)
        for b in range(2):
            for p in range(5):
                torch.testing.assert_close(together[b, :, p], attention(x[b, None, :, p])[0], rtol=1e-5, atol=1e-6)


def test_one_token_gets_the_same_answer_whoever_asks():
    attention = Attention(8, heads=2, context=6)
    context = torch.randn(2, 1, 6)
    expected = attention(torch.randn(2, 9, 8), context)
    torch.testing.assert_close(attention.of_one_token(context).expand_as(expected), expected)


@pytest.mark.parametrize("width", [2, 16, 320])
def test_the_sinusoid_is_that_of_diffusers(width):
    values = torch.tensor([0.0, 1.0, -1.55, 127.0, 0.02, 6.0])
    waves = sinusoid(values, width)
    assert torch.equal(waves, get_timestep_embedding(values, width, flip_sin_to_cos=True, downscale_freq_shift=0))
    assert float(waves[1, 0]) == pytest.approx(math.cos(1.0))
    assert float(waves[1, width // 2]) == pytest.approx(math.sin(1.0))
