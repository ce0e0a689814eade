"""Clips that are decoded piece by piece: windows, weights, seams."""

from itertools import pairwise

import pytest
import torch

from marey.errors import MareyError
from marey.network.autoencoder import Autoencoder
from marey.network.tiles import decode_blended, ramps, seams, windows


@pytest.mark.parametrize("length", [1, 5, 14, 25, 72])
@pytest.mark.parametrize(("size", "overlap"), [(1, 0), (4, 0), (4, 1), (4, 3), (8, 2), (30, 5)])
def test_windows_cover_everything_are_alike_and_overlap_enough(length, size, overlap):
    spans = windows(length, size, overlap)
    assert {stop - start for start, stop in spans} == {min(size, length)}
    assert spans[0][0] == 0
    assert spans[-1][1] == length
    for (start, stop), (later, _) in pairwise(spans):
        assert start < later
        assert stop - later >= overlap
    if len(spans) > 1:  # no more of them than needed
        assert (len(spans) - 1) * (size - overlap) < length - overlap
    total = torch.zeros(length)
    for (start, stop), weight in zip(spans, ramps(spans), strict=True):
        assert bool((weight >= 0).all())
        total[start:stop] += weight
    torch.testing.assert_close(total, torch.ones(length))


def test_two_windows_blend_linearly():
    first, second = ramps([(0, 5), (2, 7)])
    torch.testing.assert_close(first, torch.tensor([1, 1, 1, 0.5, 0]))
    torch.testing.assert_close(second, torch.tensor([0, 0.5, 1, 1, 1]))
    assert [weight.tolist() for weight in ramps([(0, 3), (2, 5)])] == [[1, 1, 0.5], [0.5, 1, 1]]


def test_a_decoder_that_sees_single_latents_is_decoded_exactly():
    def decode(latents):
        return latents[:, :, :3].repeat_interleave(2, 3).repeat_interleave(2, 4) * 2 + 1

    latents = torch.randn(2, 11, 4, 9, 13)
    blended = decode_blended(decode, latents, 2, (4, 5, 6), (1, 2, 1))
    torch.testing.assert_close(blended, decode(latents))


@pytest.fixture(scope="module")
def drawn():
    """A decoder whose frames depend on the chunk that they are in, and latents that move evenly."""
    autoencoder = Autoencoder.build((32, 32, 32), seed=0).eval()
    generator = torch.Generator().manual_seed(0)
    start, end = torch.randn(2, 4, 8, 8, generator=generator)
    share = torch.linspace(0, 1, 16)[:, None, None, None]
    return autoencoder, torch.lerp(start, end * 1.5, share)[None]


def test_a_blend_has_no_seam_where_hard_chunks_have_one(drawn):
    autoencoder, latents = drawn
    with torch.no_grad():
        whole = autoencoder.decode(latents)
        hard = autoencoder.decode(latents, chunk=8, overlap=0)
        soft = autoencoder.decode(latents, chunk=8)
    at_hard, at_soft = seams(hard[0], whole[0]), seams(soft[0], whole[0])
    assert float(seams(whole[0], whole[0]).max()) == 0.0
    assert at_hard.argmax() == 7  # the control: there it is seen
    assert float(at_hard[7]) > 3 * float(at_hard.median())
    assert float(at_soft.max()) < 0.5 * float(at_hard[7])
    assert float((soft - whole).abs().mean()) < 0.8 * float((hard - whole).abs().mean())


def test_tiles_are_blended_too(drawn):
    autoencoder, latents = drawn
    with torch.no_grad():
        large = torch.nn.functional.interpolate(latents[0, :2], (16, 12), mode="bilinear")[None]
        whole = autoencoder.decode(large)
        tiled = autoencoder.decode(large, tile=8)
        hard = decode_blended(autoencoder._decode, large, 4, (2, 8, 6), (0, 0, 0))
        assert torch.equal(autoencoder.decode(large, tile=16), whole)
    assert tiled.shape == whole.shape
    for axis in (2, 3):  # from row to row, and from column to column
        ours, cut, right = (some[0].movedim(axis, 0) for some in (tiled, hard, whole))
        assert float(seams(ours, right).max()) < 0.9 * float(seams(cut, right).max())
    assert float((tiled - whole).abs().mean()) < 0.9 * float((hard - whole).abs().mean())
    assert not torch.equal(tiled, whole)


def test_pieces_that_will_not_do_are_named(drawn):
    autoencoder, latents = drawn
    with pytest.raises(MareyError, match="window of 4 cannot overlap by 4: 0 to 3"):
        autoencoder.decode(latents, chunk=4, overlap=4)
    with pytest.raises(MareyError, match="tile is 3: 4 or more"):
        autoencoder.decode(latents, tile=3)
