"""A video model that begins as the picture model that it came from."""

import pytest
import torch

from marey.errors import MareyError
from marey.network.config import UNetConfig
from marey.network.inflate import inflate, temporal_outputs
from marey.network.unet import SpatioTemporalUNet, is_temporal

CONFIG = UNetConfig.plain((32, 64), head_width=16, context=24, embed=16, in_channels=4, frames=1)


@pytest.fixture
def image() -> SpatioTemporalUNet:
    torch.manual_seed(0)
    unet = SpatioTemporalUNet(CONFIG).eval()
    for name, value in unet.named_parameters():
        if name.endswith("mix_factor"):
            torch.nn.init.normal_(value)
    return unet


@pytest.fixture
def still() -> tuple[torch.Tensor, ...]:
    torch.manual_seed(1)
    return torch.randn(2, 1, 4, 10, 8), torch.randn(2), torch.randn(2, 1, 24), torch.rand(2, 3) * 10


def as_clip(still, frames=5):
    """The same picture in every frame, and anything at all for the new channels."""
    sample, *rest = still
    clip = torch.cat([sample, torch.randn(2, 1, 4, 10, 8)], dim=2).expand(-1, frames, -1, -1, -1)
    return clip, *rest


@torch.no_grad()
def test_a_clip_of_one_picture_is_that_picture_to_the_image_model(image, still):
    video = inflate(image, frames=5)
    expected = image(*still, torch.ones(2, 1))
    assert expected.std() > 0.01
    result = video(*as_clip(still))
    assert float((result - expected).abs().max()) < 1e-5


@torch.no_grad()
@pytest.mark.parametrize("n", [0, 3, -1])
def test_control_one_temporal_weight_changes_it(image, still, n):
    video = inflate(image)
    clip = as_clip(still)
    before = video(*clip)
    layer = temporal_outputs(video)[n]
    layer.weight.view(-1)[0] = 3.0
    assert float((video(*clip) - before).abs().max()) > 1e-4


@torch.no_grad()
def test_control_without_the_zeroing_it_is_not_the_image_model(image, still):
    video = inflate(image)
    for layer, source in zip(temporal_outputs(video), temporal_outputs(image), strict=True):
        layer.load_state_dict(source.state_dict())
    difference = video(*as_clip(still)) - image(*still, torch.ones(2, 1))
    assert float(difference.abs().max()) > 1e-3


def test_every_other_weight_is_copied_and_the_image_model_left_alone(image):
    before = {key: value.clone() for key, value in image.state_dict().items()}
    video = inflate(image, frames=6)
    assert (video.config.in_channels, video.config.frames) == (8, 6)
    zeroed = {id(p) for layer in temporal_outputs(video) for p in layer.parameters()}
    for name, value in video.named_parameters():
        if name == "conv_in.weight":
            assert torch.equal(value[:, :4], before[name])
            assert not value[:, 4:].any()
        elif id(value) in zeroed:
            assert is_temporal(name)
            assert not value.any()
        else:
            assert torch.equal(value, before[name])
    with torch.no_grad():
        next(video.parameters()).add_(1.0)
    assert all(torch.equal(value, before[key]) for key, value in image.state_dict().items())


def test_gradients_reach_the_temporal_weights(image, still):
    video = inflate(image)
    torch.manual_seed(2)
    optimizer = torch.optim.SGD(video.parameters(), lr=0.1)
    moving = torch.randn(2, 4, 8, 10, 8)
    for _ in range(2):  # in the first step only what was zeroed learns; then all that stands behind it
        optimizer.zero_grad()
        video(moving, *still[1:]).square().mean().backward()
        optimizer.step()
    idle = video.idle(tokens=1, only_stills=False)
    # With one token, what the temporal cross-attention adds is its bias alone, behind the norm that follows.
    dead = {name for name, p in video.named_parameters() if name not in idle and not p.grad.any()}
    assert not {name for name in dead if is_temporal(name)}


def test_fewer_channels_cannot_be(image):
    with pytest.raises(MareyError, match="in_channels is 3"):
        inflate(image, in_channels=3)
