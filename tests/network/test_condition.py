"""What a UNet is told beside noisy latents, closed forms; and a model that is widened for more says what it said."""

import json
from dataclasses import replace

import pytest
import torch

from marey.errors import MareyError
from marey.network.autoencoder import Autoencoder
from marey.network.condition import BASE, CONDITIONS, Condition, Elevation, Ends, Poses, added, condition_named
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder
from marey.network.folder import load_model, save_model
from marey.network.single_file import save_file
from marey.network.sources import convert
from marey.network.unet import SpatioTemporalUNet, fresh
from marey.network.widen import BETWEEN, conditioned, widened


def unet(in_channels: int = 8) -> SpatioTemporalUNet:
    """Of random weights whose every layer says something."""
    config = UNetConfig.plain((32, 32), context=32, embed=32, frames=5, sample_size=8, in_channels=in_channels)
    made, generator = fresh(config, seed=0), torch.Generator().manual_seed(0)
    for value in made.parameters():
        value.data += 0.05 * torch.randn(value.shape, generator=generator)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("model") / "base"
    embedder = ImageEmbedder.build(32, hidden=32, patch=56)
    autoencoder = Autoencoder.build((32, 32), sample_size=16)
    return save_model(where, unet(), autoencoder, embedder, card="x", frames=8, size=16, fps=8.0)


def test_the_nine_channels_of_an_interpolation():
    ends = Ends(4)
    ends.mask.data = torch.tensor([1.0, 2.0, 3.0, 4.0])
    first, last = torch.randn(2, 2, 4, 3, 3)
    told = ends.concatenated(torch.stack([first, last], dim=1), 5)
    assert told.shape == (2, 5, 5, 3, 3)
    assert ends.channels == 9  # with the four noisy ones
    assert torch.equal(told[:, 0, :4], first)
    assert torch.equal(told[:, 4, :4], last)
    for between in (1, 2, 3):
        assert torch.equal(told[:, between, :4], ends.mask[:, None, None].expand(2, 4, 3, 3))
    assert told[:, :, 4].amax((0, 2, 3)).tolist() == [1, 0, 0, 0, 1] == told[:, :, 4].amin((0, 2, 3)).tolist()
    told[:, 1:4].sum().backward()
    assert ends.mask.grad.tolist() == [2 * 3 * 9.0] * 4


def test_noise_is_added_to_pixels_for_a_still_and_to_latents_for_ends():
    stills, ones, strength = torch.rand(2, 2, 3, 8, 8), torch.ones, torch.tensor([0.1, 0.5])

    def draw(shape):
        return ones(2, *shape)

    def encode(pixels):
        return 10 * pixels[:, :, :, ::2, ::2]

    given, known = Ends(3).encoded(stills, strength, draw, encode, 0.2)
    clean = encode(stills)
    # In standard deviations of latents, which times the scale have a variance of 1.
    assert torch.allclose(0.2 * (given - clean), strength.view(2, 1, 1, 1, 1).expand_as(given), atol=1e-5)
    assert torch.equal(known, clean * 0.2)
    given, known = Condition(3).encoded(stills[:, :1], strength, draw, encode, 0.2)
    assert known is None
    assert torch.allclose(given - clean[:, :1], 10 * strength.view(2, 1, 1, 1, 1).expand_as(given), atol=1e-5)


def test_a_still_is_copied_to_all_frames_and_known_frames_are_put_back():
    given = torch.randn(2, 1, 4, 3, 3)
    assert torch.equal(Condition().concatenated(given, 6), given.expand(2, 6, 4, 3, 3))
    clip, known = torch.randn(2, 5, 4, 3, 3), torch.randn(2, 2, 4, 3, 3)
    pinned = Ends().pinned(clip, known)
    assert torch.equal(pinned[:, [0, 4]], known)
    assert torch.equal(pinned[:, 1:4], clip[:, 1:4])


def test_numbers_stand_after_the_usual_ones_once_a_clip_or_in_every_frame():
    usual = torch.tensor([[7.0, 127.0, 0.02], [9.0, 10.0, 0.1]])
    assert torch.equal(added(usual, None), usual)
    assert added(usual, torch.tensor([[10.0], [20.0]])).tolist()[1] == pytest.approx([9.0, 10.0, 0.1, 20.0])
    cameras = torch.arange(20.0).view(2, 5, 2)
    told = added(usual, cameras)
    assert told.shape == (2, 5, 5)
    assert torch.equal(told[:, :, 3:], cameras)
    assert torch.equal(told[:, 3, :3], usual)


@pytest.mark.parametrize("had", [4, 8])
def test_a_widened_unet_says_what_it_said_whatever_is_new(had):
    narrow, generator = unet(had), torch.Generator().manual_seed(1)
    wide = widened(narrow, in_channels=9, conditions=5)
    sample, more = torch.randn(2, 5, had, 8, 8, generator=generator), torch.randn(2, 5, 9 - had, 8, 8)
    context, told = torch.randn(2, 2, 32, generator=generator), torch.rand(2, 3, generator=generator)
    given = sample, torch.tensor([0.1, 0.2]), context, told
    with torch.no_grad():
        before = narrow(*given)
        after = wide(torch.cat([sample, more], 2), given[1], context, added(told, 90 * torch.rand(2, 5, 2)))
    assert torch.allclose(before, after, atol=1e-5)
    with pytest.raises(MareyError, match="no fewer"):
        widened(wide, in_channels=8, conditions=5)


@pytest.mark.parametrize("name", sorted(CONDITIONS))
def test_a_folder_keeps_a_condition_and_what_it_has_learned(folder, name, tmp_path):
    parts = conditioned(load_model(folder), name)
    if isinstance(parts.condition, Ends):
        parts.condition.mask.data = torch.tensor([1.0, -2.0, 3.0, 0.5])
        assert (parts.info.frames, parts.info.guidance) == (BETWEEN, (1.0, 1.0))
    assert parts.unet.config.conditions == len(BASE) + len(parts.condition.numbers)
    words = {"card": "x", "frames": 5, "size": 16, "fps": 8.0, "condition": parts.condition}
    made = save_model(tmp_path / "made", parts.unet, parts.autoencoder, parts.image_embedder, **words)
    assert json.loads((made / "marey.json").read_text())["condition"] == name
    assert (made / "condition" / "model.safetensors").is_file() == (name == "ends")
    for path in (made, convert(made, tmp_path / "again")):
        found = load_model(path)
        assert type(found.condition) is CONDITIONS[name]
        mine, theirs = parts.condition.state_dict(), found.condition.state_dict()
        assert all(torch.equal(value, theirs[key]) for key, value in mine.items())
        assert found.unet.config == parts.unet.config
    if name != "still":
        with pytest.raises(MareyError, match="no place for the condition"):
            save_file(tmp_path / "one.safetensors", parts)


def test_what_does_not_fit_is_told(folder, tmp_path):
    parts = load_model(folder)
    with pytest.raises(MareyError, match="no condition 'depth': still, ends, elevation, poses"):
        condition_named("depth", 4)
    ends, camera = conditioned(parts, "ends"), conditioned(parts, "elevation")
    assert isinstance(camera.condition, Elevation)
    assert isinstance(conditioned(camera, "poses").condition, Poses)  # knows the elevation already
    with pytest.raises(MareyError, match="learned the condition 'ends', and cannot go on to 'poses': ends"):
        conditioned(ends, "poses")
    with pytest.raises(MareyError, match="'poses', and cannot go on to 'elevation': poses"):
        conditioned(conditioned(parts, "poses"), "elevation")
    words = {"card": "x", "frames": 5, "size": 16, "fps": 8.0}
    with pytest.raises(MareyError, match=r"takes 8 channels.*has to take 9"):
        save_model(tmp_path / "m", parts.unet, parts.autoencoder, parts.image_embedder, condition=Ends(4), **words)
    with pytest.raises(MareyError, match=r"told 3 numbers; .*elevation, azimuth"):
        save_model(tmp_path / "m", parts.unet, parts.autoencoder, parts.image_embedder, condition=Poses(4), **words)
    assert replace(parts).condition is parts.condition
