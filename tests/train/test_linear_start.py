"""The autoencoder's first weights are a linear codec: block means in, blocks of their colours out."""

import pytest
import torch
from torch.nn import functional

from marey.network.autoencoder import Autoencoder
from marey.train.autoencoder import Reconstruction
from marey.train.batches import noise
from marey.train.linear_start import LOGVAR, start_linear


def started(channels: tuple[int, ...], **more: int) -> Autoencoder:
    autoencoder = Autoencoder.build(channels, sample_size=32, **more)
    start_linear(autoencoder)
    return autoencoder.eval().requires_grad_(False)


def smooth_pictures() -> torch.Tensor:
    """(6, 1, 3, 32, 32): smooth ones, flat ones of any brightness, and one of little contrast."""
    coarse = noise((3, 3, 4, 4), "pictures").clamp(-1, 1)
    pictures = functional.interpolate(coarse, size=(32, 32), mode="bicubic").clamp(-1, 1)
    flat = torch.tensor([-0.9, 0.1, 0.8])[:, None, None, None].expand(3, 3, 32, 32)
    pictures[2] *= 0.1
    return torch.cat([pictures, flat])[:, None]


@pytest.mark.parametrize("channels", [(96, 32, 96), (96, 96, 96), (128, 64, 128), (96, 96), (96, 64, 32, 128)])
def test_latents_are_block_means_and_come_back_as_pictures(channels):
    autoencoder = started(channels)
    pictures = smooth_pictures()
    mean, logvar = autoencoder.encode(pictures)
    blocks = functional.avg_pool2d(pictures[:, 0], autoencoder.factor)
    assert (mean[:, 0, :3] - blocks).abs().max().item() < 0.08
    assert torch.all(logvar == LOGVAR)
    # How bright a picture is comes through too, which random weights cannot say.
    expected = functional.interpolate(blocks, scale_factor=autoencoder.factor)
    assert (autoencoder.decode(mean)[:, 0] - expected).abs().max().item() < 0.15


def test_a_clip_comes_back_frame_by_frame():
    autoencoder = started((96, 32, 96))
    pictures = smooth_pictures()[:3].transpose(0, 1)  # one clip of three frames
    mean, _ = autoencoder.encode(pictures)
    assert torch.allclose(
        autoencoder.decode(mean), torch.cat([autoencoder.decode(mean[:, n : n + 1]) for n in range(3)], 1), atol=1e-4
    )


@pytest.mark.parametrize("channels", [(32, 64, 64), (64, 64), (32, 32, 32)])
def test_narrow_ones_still_see_shapes(channels):
    """What groups of one or two channels lose is brightness or contrast; the shapes of a picture come through."""
    pictures = smooth_pictures()[:2]
    back = started(channels).decode(started(channels).encode(pictures)[0])
    for picture, found in zip(pictures, back, strict=True):
        correlation = torch.corrcoef(torch.stack([picture.flatten(), found.flatten()]))[0, 1]
        assert correlation > 0.7


def test_every_weight_can_learn():
    autoencoder = Autoencoder.build((96, 32, 96), sample_size=32)
    start_linear(autoencoder)
    optimizer = torch.optim.AdamW(Reconstruction(autoencoder, 0.0).parameters(), lr=0.01, weight_decay=0.0)
    before = {name: value.detach().clone() for name, value in autoencoder.named_parameters()}
    clip = torch.cat([smooth_pictures()[:2], smooth_pictures()[1:3]], dim=1) + 0.3 * noise((2, 2, 3, 32, 32), "grain")
    for step in range(3):
        back, mean, logvar = autoencoder(clip, noise((2, 2, 4, 8, 8), "posterior", step))
        ((back - clip).square().mean() + 1e-3 * (mean.square() + logvar.exp() - logvar).mean()).backward()
        optimizer.step()
        optimizer.zero_grad()
    stuck = {name for name, value in autoencoder.named_parameters() if torch.equal(before[name], value)}
    unused = {name for name, value in autoencoder.named_parameters() if not value.requires_grad}
    assert unused == {name for name in before if "decoder.mid_block.attentions" in name}
    assert stuck - unused <= {name for name in before if name.endswith("to_k.bias")}


def test_latents_that_cannot_hold_a_colour_are_left_alone():
    autoencoder = started((32, 32), latent_channels=2)
    assert torch.all(autoencoder.encode(smooth_pictures())[1] == LOGVAR)
