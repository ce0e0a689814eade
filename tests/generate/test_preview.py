"""Previews: what is expected of a clip, made visible."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from marey.errors import MareyError
from marey.generate.preview import SD_FACTORS, Linear, PreviewFile, fitted, frames_of, linear_of
from marey.network.autoencoder import Autoencoder
from marey.train.linear_start import start_linear


@pytest.fixture(scope="module")
def autoencoder() -> Autoencoder:
    """One that carries colours through its latents, as a trained one does."""
    made = Autoencoder.build((96, 96), seed=0).eval()
    start_linear(made)
    made.set_scaling_factor(0.5)
    return made


def test_the_fitted_map_shows_what_the_decoder_would(autoencoder):
    linear = linear_of(autoencoder)
    y, x = np.mgrid[:32, :32] / 31
    stills = torch.tensor(np.stack([np.stack([x, y, 1 - x]), np.stack([y * x, x, y])]), dtype=torch.float32) * 2 - 1
    with torch.no_grad():
        latents = autoencoder.encode(stills[:, None])[0]
        seen = functional.avg_pool2d(autoencoder.decode(latents)[:, 0], autoencoder.factor)
    drawn = linear(latents[:, 0] * autoencoder.scaling_factor)
    assert float((drawn - seen).abs().mean()) < 0.05
    other = Linear(linear.weight.flip(0), linear.bias)(latents[:, 0] * autoencoder.scaling_factor)
    assert float((other - seen).abs().mean()) > 0.2  # the control: another map
    assert torch.equal(fitted(autoencoder).weight, linear.weight)


def test_the_latents_of_stable_diffusion_have_their_known_map():
    table = {"block_out_channels": [128, 256, 512, 512], "down_block_types": ["DownEncoderBlock2D"] * 4}
    with torch.device("meta"):
        known = Autoencoder.from_json({**table, "layers_per_block": 2})
    linear = linear_of(known)
    assert torch.equal(linear.weight, torch.tensor(SD_FACTORS))
    latents = torch.zeros(1, 4, 1, 1)
    latents[0, 3] = 1.0
    assert frames_of(linear, latents)[0, 0, 0].tolist() == [104, 93, 67]


def test_a_file_is_replaced_after_each_step(tmp_path):
    frames = np.arange(6 * 4 * 5 * 3, dtype=np.uint8).reshape(6, 4, 5, 3)
    gif = PreviewFile(tmp_path / "new" / "clip.gif", fps=5)
    gif(1, 2, frames[::-1])
    before = gif.path.read_bytes()
    gif(2, 2, frames)
    assert gif.path.read_bytes() != before
    with Image.open(gif.path) as image:
        assert image.n_frames == 6
        assert image.info["duration"] == 200
        assert image.size == (195, 156)  # each pixel 39 times
    png = PreviewFile(tmp_path / "clip.png")
    png(1, 1, frames)
    with Image.open(png.path) as image:
        assert image.width > 5 * 195
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["clip.gif", "clip.png"]
    with pytest.raises(MareyError, match=r"clip\.jpg: a name ending in \.png or \.gif"):
        PreviewFile("clip.jpg")
