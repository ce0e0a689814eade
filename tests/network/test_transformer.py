"""Attention by products against the fused kernel, and the sinusoid against its formula."""

import math

import pytest
import torch
from diffusers.models.embeddings import get_timestep_embedding
from torch.nn import functional

from marey.network.transformer import Attention, attend, attend_by_products, sinusoid


def test_products_and_the_fused_kernel_agree():
    q, k, v = torch.randn(3, 2, 5, 8), torch.randn(3, 2, 7, 8), torch.randn(3, 2, 7, 8)
    expected = functional.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(attend_by_products(*(y.flatten(0, 1) for y in (q, k, v))).view(3, 2, 5, 8), expected)
    torch.testing.assert_close(attend(q, k, v), expected)
    half = attend(*(y.bfloat16() for y in (q, k, v)))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), expected, rtol=0.05, atol=0.05)


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
