"""The preconditioning against its definition and against the optimal denoiser of a Gaussian."""

import pytest
import torch

from marey.diffusion.precondition import denoise, denoise_discrete, noisy, scalings, v_loss, v_target
from marey.diffusion.schedules import betas_scaled_linear, sigmas_of

SIGMA = torch.tensor([0.002, 0.1, 1.0, 7.0, 700.0], dtype=torch.float64)


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (len(SIGMA), 3, 2, 4, 4)
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))


def test_the_scalings_are_those_of_edm_with_sigma_data_one():
    c_skip, c_out, c_in, c_noise = scalings(SIGMA)
    torch.testing.assert_close(c_skip, 1 / (SIGMA**2 + 1))
    torch.testing.assert_close(c_out, -SIGMA / (SIGMA**2 + 1) ** 0.5)
    torch.testing.assert_close(c_in, (SIGMA**2 + 1) ** -0.5)
    torch.testing.assert_close(c_noise, SIGMA.log() / 4)


def test_the_input_and_the_target_have_unit_variance_at_every_level():
    x0, noise = (torch.randn(len(SIGMA), 200_000, dtype=torch.float64) for _ in range(2))
    scaled = scalings(SIGMA).c_in[:, None] * noisy(x0, noise, SIGMA)
    for values in (scaled, v_target(x0, noise, SIGMA)):
        torch.testing.assert_close(values.std(dim=1), torch.ones_like(SIGMA), atol=0.01, rtol=0)


def test_a_network_that_hits_the_target_gives_back_the_data():
    x0, noise = batch()
    x = noisy(x0, noise, SIGMA)
    denoised = denoise(lambda scaled, c_noise: v_target(x0, noise, SIGMA), x, SIGMA)
    torch.testing.assert_close(denoised, x0, atol=1e-9, rtol=0)


def test_the_v_form_loss_is_the_weighted_denoising_loss():
    x0, noise = batch()

    def network(x, c_noise):
        return torch.sin(3 * x) + c_noise.reshape(-1, 1, 1, 1, 1)

    x = noisy(x0, noise, SIGMA)
    weight = (1 + SIGMA**2) / SIGMA**2
    error = (denoise(network, x, SIGMA) - x0).square().flatten(1).mean(dim=1)
    torch.testing.assert_close(v_loss(network, x0, noise, SIGMA), weight * error, rtol=1e-7, atol=0)
    assert not torch.allclose(v_loss(network, x0, noise, SIGMA), error, rtol=0.1)  # the weight matters


def test_an_error_counts_as_much_as_its_place():
    x0, noise, sigma = torch.zeros(2, 3, 4), torch.ones(2, 3, 4), torch.ones(2)
    target = v_target(x0, noise, sigma)

    def network(x, c_noise):
        return target + torch.tensor([1.0, 2.0, 3.0, 4.0])

    weight = torch.tensor([0.0, 0.5, 0.0, 1.0]).expand(2, 3, 4)
    torch.testing.assert_close(v_loss(network, x0, noise, sigma, weight), torch.full((2,), (0.5 * 4 + 16) / 4))
    torch.testing.assert_close(v_loss(network, x0, noise, sigma), torch.full((2,), 30 / 4))


def test_the_network_is_told_the_noise_level_and_gets_the_scaled_input():
    x0, noise = batch()
    seen = {}

    def network(x, c_noise):
        seen.update(x=x, c_noise=c_noise)
        return torch.zeros_like(x)

    denoise(network, noisy(x0, noise, SIGMA), SIGMA)
    torch.testing.assert_close(seen["c_noise"], SIGMA.log() / 4)
    expected = noisy(x0, noise, SIGMA) / (1 + SIGMA**2).sqrt().reshape(-1, 1, 1, 1, 1)
    torch.testing.assert_close(seen["x"], expected)


def test_one_number_serves_a_whole_batch_and_the_dtype_stays():
    x = torch.randn(3, 2, 5)
    one = denoise(lambda x, c_noise: x, x, 2.0)
    each = denoise(lambda x, c_noise: x, x, torch.full((3,), 2.0))
    assert torch.equal(one, each)
    assert one.dtype == torch.float32


@pytest.mark.parametrize("sigma", [0.05, 1.0, 20.0])
def test_nothing_in_the_v_form_grows_as_the_noise_vanishes(sigma):
    x0, noise = torch.randn(1, 1000), torch.randn(1, 1000)
    assert v_target(x0, noise, torch.tensor([sigma])).abs().max() < 6


TABLE = sigmas_of(betas_scaled_linear())


@pytest.mark.parametrize("prediction", ["epsilon", "v"])
def test_a_discrete_network_that_is_right_gives_back_the_data(prediction):
    levels = TABLE[[0, 200, 500, 800, 999]]
    x0, noise = batch()
    told = []

    def network(scaled, timestep):
        told.append(timestep)
        return noise if prediction == "epsilon" else v_target(x0, noise, levels)

    denoised = denoise_discrete(network, noisy(x0, noise, levels), levels, TABLE, prediction)
    torch.testing.assert_close(denoised, x0, atol=1e-9, rtol=0)
    assert told[0].tolist() == [0, 200, 500, 800, 999]


def test_between_two_timesteps_the_nearer_one_is_told():
    told = []
    for share in (0.4, 0.6):
        sigma = float(TABLE[10] * (TABLE[11] / TABLE[10]) ** share)
        denoise_discrete(lambda x, t: told.append(float(t[0])) or x, torch.randn(1, 2), sigma, TABLE, "v")
    assert told == [10.0, 11.0]
