"""Doubling by quarters against a doubled image and its convolution."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from marey.network import doubling
from marey.network.doubling import by_nine, by_quarters, doubled


@pytest.mark.parametrize("shape", [(1, 4, 1, 1), (3, 5, 4, 7), (2, 8, 3, 2)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("bias", [True, False])
def test_four_quarters_and_nine_products_are_the_convolution_of_the_doubled_image(shape, layout, bias):
    torch.manual_seed(0)
    conv = nn.Conv2d(shape[1], 6, 3, padding=1, bias=bias).double()
    x = torch.randn(shape, dtype=torch.float64).contiguous(memory_format=layout)
    with torch.no_grad():
        expected = conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        for ours in (by_quarters(x, conv), by_nine(x, conv)):
            torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("band", [1, 7 * 6 * 2, 4 * 7 * 6 * 2])
def test_bands_of_an_image_are_the_image(band, monkeypatch, torch_threads):
    conv, x = nn.Conv2d(5, 6, 3, padding=1).double(), torch.randn(3, 5, 4, 7, dtype=torch.float64)
    with torch.no_grad():
        whole = by_nine(x, conv)
        monkeypatch.setattr(doubling, "_BAND", band)  # a row, two rows, two images
        torch.testing.assert_close(by_nine(x, conv), whole, rtol=1e-12, atol=1e-12)
        torch_threads(2)
        torch.testing.assert_close(by_nine(x, conv), whole, rtol=1e-12, atol=1e-12)


def test_nine_products_are_taken_for_wide_float32_and_lose_nothing(monkeypatch):
    torch.manual_seed(0)
    conv, x = nn.Conv2d(128, 96, 3, padding=1), torch.randn(2, 128, 8, 9)
    taken = []
    monkeypatch.setattr(doubling, "by_nine", lambda *given: taken.append(1) or by_nine(*given))
    with torch.no_grad():
        ours, quarters = doubled(x, conv), by_quarters(x, conv)
        assert taken == [1]
        truth = by_quarters(x.double(), conv.double())
        assert (ours - truth).abs().mean() < 1.5 * (quarters - truth).abs().mean()
        doubled(x.double(), conv)
        doubled(x.bfloat16(), conv.bfloat16())
        conv.float()
        narrow = nn.Conv2d(128, 64, 3, padding=1)
        doubled(x, narrow)
        assert taken == [1]
    assert doubled(x, conv).requires_grad
    assert taken == [1]


def test_pieces_of_a_batch_are_the_batch(monkeypatch):
    conv, x = nn.Conv2d(4, 4, 3, padding=1).double(), torch.randn(5, 4, 3, 6, dtype=torch.float64)
    with torch.no_grad():
        whole = by_quarters(x, conv)
        monkeypatch.setattr(doubling, "_CHUNK", 2 * x[0].numel())
        torch.testing.assert_close(by_quarters(x, conv), whole, rtol=1e-12, atol=1e-12)


def test_the_way_with_gradients_and_the_one_without_agree():
    conv, x = nn.Conv2d(4, 6, 3, padding=1).double(), torch.randn(2, 4, 5, 3, dtype=torch.float64)
    slow = doubled(x, conv)
    assert slow.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(doubled(x, conv), slow.detach(), rtol=1e-12, atol=1e-12)
        odd = doubled(x, conv, (9, 5))
        assert odd.shape == (2, 6, 9, 5)
        torch.testing.assert_close(odd, conv(functional.interpolate(x, size=(9, 5), mode="nearest")))


def test_elsewhere_too_a_batch_is_doubled_in_pieces(monkeypatch):
    conv, x = nn.Conv2d(4, 6, 3, padding=1).double(), torch.randn(5, 4, 5, 3, dtype=torch.float64)
    with torch.no_grad():
        whole = doubled(x, conv, (9, 5))
        monkeypatch.setattr(doubling, "_CHUNK_ELSEWHERE", 8 * x[0].numel())
        torch.testing.assert_close(doubled(x, conv, (9, 5)), whole, rtol=1e-12, atol=1e-12)
