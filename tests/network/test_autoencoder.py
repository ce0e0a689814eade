"""The autoencoder against diffusers' own class."""

import hashlib
import math

import pytest
import torch
from diffusers import AutoencoderKLTemporalDecoder

from marey.errors import MareyError
from marey.network.autoencoder import Autoencoder, draw, kl, measure_scaling

GOLDEN = "d60477bd704f1e73846edf59d3185509053e40c0986fdded0a34bd0a94f52816"
"""sha256 of the sorted lines `vae<TAB>key<TAB>shape` of diffusers 0.42.1's module with SVD's configuration."""


def pair(channels, layers, dtype=torch.float64):
    """diffusers' autoencoder and ours with the same random weights, mixes too."""
    torch.manual_seed(0)
    ours = Autoencoder.build(channels, layers=layers, seed=1)
    for name, value in ours.named_parameters():
        if name.endswith("mix_factor"):
            torch.nn.init.normal_(value)
    theirs = AutoencoderKLTemporalDecoder.from_config(ours.to_json())
    theirs.load_state_dict(ours.vae.state_dict(), strict=True)
    return ours.to(dtype).eval(), theirs.to(dtype).eval()


@pytest.mark.parametrize(
    ("channels", "layers", "shape"),
    [
        ((32, 64, 64), 1, (2, 3, 5, 7)),
        ((32, 64), 2, (2, 4, 8, 6)),
        ((64,), 3, (1, 1, 4, 4)),
        ((32, 32), 1, (3, 1, 3, 2)),
    ],
)
def test_decoding_equals_diffusers_in_float64(channels, layers, shape):
    ours, theirs = pair(channels, layers)
    batch, frames, height, width = shape
    latents = torch.randn(batch, frames, 4, height, width, dtype=torch.float64)
    with torch.no_grad():
        expected = theirs.decode(latents.flatten(0, 1), num_frames=frames).sample
        difference = (ours.decode(latents).flatten(0, 1) - expected).abs().max()
    assert float(difference) < 1e-9


@pytest.mark.parametrize(
    ("channels", "layers", "shape"),
    [
        ((32, 64), 1, (2, 3, 16, 12)),
        ((64, 32, 96), 2, (1, 2, 20, 28)),
        ((32,), 3, (1, 1, 5, 7)),
    ],
)
def test_encoding_equals_diffusers(channels, layers, shape):
    ours, theirs = pair(channels, layers)
    batch, frames, height, width = shape
    pixels = torch.rand(batch, frames, 3, height, width, dtype=torch.float64) * 2 - 1
    with torch.no_grad():
        mean, logvar = ours.encode(pixels)
        expected = theirs.encode(pixels.flatten(0, 1)).latent_dist
    assert mean.shape == logvar.shape == (batch, frames, 4, height // ours.factor, width // ours.factor)
    assert float((mean.flatten(0, 1) - expected.mode()).abs().max()) < 1e-9
    assert float((logvar.flatten(0, 1) - expected.logvar).abs().max()) < 1e-9


def test_a_gradient_through_the_encoder_is_that_of_diffusers():
    ours, theirs = pair((32, 64), 1)
    pixels = torch.rand(1, 2, 3, 8, 12, dtype=torch.float64) * 2 - 1
    ours.encode(pixels)[0].square().sum().backward()
    theirs.encode(pixels.flatten(0, 1)).latent_dist.mode().square().sum().backward()
    expected = dict(theirs.named_parameters())
    for name, value in ours.vae.named_parameters():
        if name.startswith("encoder."):
            torch.testing.assert_close(value.grad, expected[name].grad, rtol=1e-8, atol=1e-9, msg=name)


def test_the_full_configuration_has_the_keys_and_shapes_of_stable_video_diffusion():
    table = {
        "block_out_channels": [128, 256, 512, 512],
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "layers_per_block": 2,
    }
    with torch.device("meta"):
        state = Autoencoder.from_json(table).vae.state_dict()
    lines = sorted(f"vae\t{key}\t{','.join(map(str, value.shape))}" for key, value in state.items())
    assert hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest() == GOLDEN
    assert sum(value.numel() for value in state.values()) == 97_742_847


def test_the_decoder_mixes_frames_and_the_encoder_does_not():
    ours, _ = pair((32, 32), 1)
    latents = torch.randn(1, 4, 4, 4, 4, dtype=torch.float64)
    other = latents.clone()
    other[:, 3] += 1.0
    with torch.no_grad():
        changed = (ours.decode(latents) - ours.decode(other)).abs().amax((0, 2, 3, 4))
        assert bool((changed > 1e-6).all())  # group normalisation over time reaches every frame
        pixels = torch.rand(1, 2, 3, 8, 8, dtype=torch.float64)
        together = ours.encode(pixels)[0]
        torch.testing.assert_close(together[:, :1], ours.encode(pixels[:, :1])[0], rtol=1e-10, atol=1e-10)


def test_chunks_are_near_but_not_the_whole():
    ours, _ = pair((32, 32), 1)
    latents = torch.randn(1, 4, 4, 4, 4, dtype=torch.float64)
    with torch.no_grad():
        whole, halves = ours.decode(latents), ours.decode(latents, chunk=2, overlap=0)
        torch.testing.assert_close(halves[:, :2], ours.decode(latents[:, :2]))
        assert halves.shape == whole.shape
        assert not torch.allclose(halves, whole)
        assert torch.equal(ours.decode(latents, chunk=9), whole)


def test_one_call_gives_what_a_training_step_needs():
    ours, _ = pair((32, 32), 1)
    pixels = torch.rand(1, 2, 3, 8, 8, dtype=torch.float64) * 2 - 1
    mean, logvar = ours.encode(pixels)
    noise = torch.randn_like(mean)
    for given, latents in ((None, mean), (noise, mean + torch.exp(logvar / 2) * noise)):
        decoded, again, log_again = ours(pixels, given)
        torch.testing.assert_close(decoded, ours.decode(latents))
        torch.testing.assert_close((again, log_again), (mean, logvar))


def test_the_divergence_is_that_of_the_closed_form():
    mean, logvar = torch.tensor([0.0, 2.0]), torch.tensor([0.0, math.log(4.0)])
    assert float(kl(mean, logvar)) == pytest.approx((0.0 + 0.5 * (4.0 + 4.0 - 1.0 - math.log(4.0))) / 2)


def test_the_measured_factor_makes_draws_of_unit_variance():
    generator = torch.Generator().manual_seed(0)
    moments = [
        (3.0 + 2.0 * torch.randn(8, 4, 16, 16, generator=generator), torch.full((8, 4, 16, 16), math.log(0.25)))
        for _ in range(5)
    ]
    factor = measure_scaling(moments)
    assert factor == pytest.approx((4.0 + 0.25) ** -0.5, rel=0.01)
    draws = torch.cat([draw(m, v, torch.randn(m.shape, generator=generator)) for m, v in moments])
    assert float((draws * factor).std()) == pytest.approx(1.0, rel=0.01)


def test_the_factor_travels_with_the_configuration():
    ours = Autoencoder.build((32, 32))
    ours.set_scaling_factor(0.61)
    again = Autoencoder.from_json(ours.to_json())
    assert again.scaling_factor == pytest.approx(0.61)
    assert (again.factor, again.latent_channels) == (2, 4)


def test_building_is_reproducible_and_leaves_the_generator_alone():
    before = torch.random.get_rng_state()
    first, second = Autoencoder.build((32, 32), seed=5), Autoencoder.build((32, 32), seed=5)
    assert torch.equal(torch.random.get_rng_state(), before)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_it_learns_to_give_back_what_it_saw():
    torch.manual_seed(0)
    ours = Autoencoder.build((32, 32), seed=0)
    across = torch.linspace(-1, 1, 16).expand(1, 2, 3, 16, 16)
    optimizer = torch.optim.AdamW(ours.parameters(), lr=2e-3)
    losses = []
    for _ in range(30):
        decoded, _, _ = ours(across)
        loss = (decoded - across).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * losses[0]


def test_what_does_not_fit_is_named():
    ours = Autoencoder.build((32, 32))
    with pytest.raises(MareyError, match="multiples of 32"):
        Autoencoder.build((32, 48))
    with pytest.raises(MareyError, match=r"multiples of 2"):
        ours.encode(torch.zeros(1, 1, 3, 7, 8))
    with pytest.raises(MareyError, match=r"latents are \(1, 4, 4, 4\)"):
        ours.decode(torch.zeros(1, 4, 4, 4))
    with pytest.raises(MareyError, match="chunk is 0"):
        ours.decode(torch.zeros(1, 1, 4, 4, 4), chunk=0)
    with pytest.raises(MareyError, match="is of a AutoencoderKL"):
        Autoencoder.from_json({"_class_name": "AutoencoderKL"})
    with pytest.raises(MareyError, match=r"down_block_types = \['AttnDownEncoderBlock2D'\]"):
        Autoencoder.from_json({"down_block_types": ["AttnDownEncoderBlock2D"]})
    for table, said in (
        ({"block_out_channels": 64}, "block_out_channels = 64: a list"),
        ({"layers_per_block": "2"}, "layers_per_block = '2': a whole number"),
        ({"latent_channels": 0}, "latent_channels is 0"),
        ({"scaling_factor": -1}, "scaling_factor = -1: a positive number"),
    ):
        with pytest.raises(MareyError, match=said):
            Autoencoder.from_json(table)
    with pytest.raises(MareyError, match="positive number"):
        ours.set_scaling_factor(0.0)
    with pytest.raises(MareyError, match="no latents"):
        measure_scaling([])
    with pytest.raises(MareyError, match="not trained"):
        measure_scaling([(torch.zeros(4), torch.full((4,), -1e9))])


def test_a_decoder_in_half_precision_is_near_and_leaves_the_encoder_alone():
    autoencoder = Autoencoder.build((32, 32)).eval()
    latents, pixels = torch.randn(1, 3, 4, 8, 8), torch.randn(1, 1, 3, 16, 16)
    with torch.no_grad():
        whole, encoded = autoencoder.decode(latents), autoencoder.encode(pixels)[0]
        autoencoder.decode_in(torch.bfloat16)
        half = autoencoder.decode(latents)
        assert half.dtype == torch.float32
        assert autoencoder.vae.decoder.conv_in.weight.dtype == torch.bfloat16
        difference = (half - whole).abs()
        assert 0 < float(difference.mean()) < 0.02 * float(whole.std())
        assert torch.equal(autoencoder.encode(pixels)[0], encoded)
