"""Presets, and the savings that they choose from: each against the run without it."""

import numpy as np
import pytest
import torch

from marey.diffusion.guidance import triangle
from marey.errors import MareyError
from marey.generate import Model
from marey.generate import opened as opening
from marey.generate.plan import plan_for
from marey.generate.presets import PRESETS
from marey.network.autoencoder import Autoencoder
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder
from marey.network.folder import ModelInfo, save_model
from marey.network.unet import SpatioTemporalUNet


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    unet = SpatioTemporalUNet(UNetConfig.plain((32, 64), head_width=16, context=24, embed=16, frames=3))
    autoencoder = Autoencoder.build((32, 32), seed=0)
    where = tmp_path_factory.mktemp("models") / "tiny"
    return save_model(
        where,
        unet,
        autoencoder,
        ImageEmbedder.build(24, hidden=32, seed=0),
        card="",
        frames=3,
        size=(16, 16),
        fps=7.5,
        steps=20,
        sigma_max=80.0,
    )


@pytest.fixture(scope="module")
def model(folder) -> Model:
    return Model.open(folder, device="cpu", dtype="float32")


STILL = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)


def latents(model, **how) -> torch.Tensor:
    return model.animate(STILL, output="latents", **{"steps": 8, "guidance": (1.0, 3.0), **how})


def distance(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).norm() / theirs.norm())


@pytest.fixture
def counted(model, monkeypatch) -> list[tuple[int, bool]]:
    """(clips of the batch, whether the middle was run) of each call of the UNet."""
    calls = []
    whole, middle = type(model.parts.unet).forward, model.parts.unet.mid_block.resnets[0].forward

    def forward(self, sample, *rest, **named):
        calls.append((len(sample), False))
        return whole(self, sample, *rest, **named)

    def inner(*given):
        calls[-1] = (calls[-1][0], True)
        return middle(*given)

    monkeypatch.setattr(type(model.parts.unet), "forward", forward)
    monkeypatch.setattr(model.parts.unet.mid_block.resnets[0], "forward", inner)
    return calls


def test_a_cache_that_allows_no_change_is_the_exact_run_bit_for_bit(model):
    smallest = float(np.nextafter(0, 1))
    assert torch.equal(latents(model, cache=smallest), latents(model))
    assert torch.equal(latents(model, cache=0.0), latents(model))


def test_cached_calls_run_the_conditional_branch_alone_and_not_its_middle(model, counted):
    latents(model, cache=1e9)  # any change is allowed: a cached call after each full one
    assert counted == [(2, True)] + [(2, True), (1, False)] * 3 + [(2, True)]


def test_a_cached_run_is_near_the_exact_one_and_nearer_with_a_smaller_threshold(model):
    exact = latents(model, steps=16)
    far, near = (distance(latents(model, steps=16, cache=cache), exact) for cache in (1e9, 0.1))
    assert 0 < near < far < 0.3


def test_what_is_forecast_is_heard(model, monkeypatch):
    """Control: with features of zeros the cached run goes elsewhere."""
    from marey.diffusion.cache import Line

    exact, cached = latents(model, steps=16), latents(model, steps=16, cache=1e9)
    monkeypatch.setattr(Line, "at", lambda self, time: torch.zeros_like(self.known[-1][1]))
    assert distance(latents(model, steps=16, cache=1e9), exact) > 2 * distance(cached, exact)


def test_a_cached_video_does_not_know_of_the_others_in_its_batch(model):
    stills = np.stack([STILL, STILL[::-1], 255 - STILL])
    how = {"steps": 8, "guidance": (1.0, 3.0), "cache": 0.3}
    together = model.continue_stills(stills, seeds=[1, 2, 3], batch=3, **how)
    alone = model.continue_stills(stills[1:2], seeds=[2], batch=1, **how)
    assert np.array_equal(together[1], alone[0])
    assert not np.array_equal(together[0], together[1])


def test_an_interval_that_holds_all_levels_is_guidance_as_always(model):
    assert torch.equal(latents(model, guidance_interval=(0.0, 1e6)), latents(model))


def test_outside_the_interval_there_is_no_guidance_and_no_work_for_it(model, counted):
    assert torch.equal(latents(model, guidance_interval=(1e5, 1e6)), latents(model, guidance=1.0))
    counted.clear()
    sigmas = plan_for(model.info, 2, steps=8).sigmas[:-1]
    latents(model, guidance_interval=(0.1, 10.0))
    inside = (sigmas > 0.1) & (sigmas <= 10.0)
    assert [batch for batch, _ in counted] == [2 if each else 1 for each in inside]
    assert 0 < int(inside.sum()) < 8


def test_a_cache_with_an_interval_has_a_difference_before_it_needs_one(model):
    low, high = 0.1, 5.0
    both = latents(model, steps=16, cache=1e9, guidance_interval=(low, high))
    assert distance(both, latents(model, steps=16, guidance_interval=(low, high))) < 0.3


def test_a_guider_by_its_name(model):
    named = plan_for(model.info, 2, guidance="triangle:1:2.5", frames=6)
    assert torch.equal(named.weights, triangle(1.0, 2.5, 6))
    assert torch.equal(latents(model, guidance="1:3"), latents(model))
    assert torch.equal(latents(model, guidance="constant:2"), latents(model, guidance=2.0))


def test_exact_is_the_models_own_and_the_default(model):
    assert torch.equal(latents(model, preset="exact", steps=None), latents(model, steps=None))
    plan = plan_for(ModelInfo(steps=25), 8)
    assert (plan.steps, plan.cache, plan.interval, plan.narrow) == (25, 0.0, None, False)


def test_what_is_said_overrides_a_preset():
    info = ModelInfo(steps=25)
    fast = plan_for(info, 8, preset="fast")
    chosen = PRESETS["fast"]
    assert (fast.steps, fast.cache, fast.narrow) == (chosen.steps, chosen.cache, True)
    assert float(fast.sigmas[-2]) == pytest.approx(0.034)
    changed = plan_for(info, 8, preset="fast", steps=9, cache=0.0, schedule="karras", solver="heun", sigma_min=0.01)
    assert (changed.steps, changed.cache) == (9, 0.0)
    assert float(changed.sigmas[-2]) == pytest.approx(0.01)
    assert changed.solver is not fast.solver
    assert torch.equal(plan_for(info, 8, steps=9, sigma_min=0.01).sigmas, changed.sigmas)
    interval = plan_for(info, 8, preset="fast", guidance_interval=(0.1, 3.0)).interval
    assert interval == (0.1, 3.0)


def test_a_preset_leaves_a_model_of_few_steps_and_a_consistency_model_as_they_are():
    steps = PRESETS["fast"].steps
    for own, taken in ((8, 8), (steps // 2, steps // 2), (steps // 2 + 1, steps), (50, steps)):
        assert plan_for(ModelInfo(steps=own), 8, preset="fast").steps == taken
    consistent = plan_for(ModelInfo(steps=4, solver="lcm"), 8, preset="draft")
    assert (consistent.steps, consistent.cache, float(consistent.sigmas[-2])) == (4, 0.0, pytest.approx(0.002))


def test_a_preset_narrows_the_unet_only_where_that_is_quick_and_no_precision_was_asked_for(folder, monkeypatch):
    seen = []
    forward = SpatioTemporalUNet.forward

    def keeping(self, *given, **named):
        seen.append(self.conv_in.weight.dtype)
        return forward(self, *given, **named)

    monkeypatch.setattr(SpatioTemporalUNet, "forward", keeping)
    for quick, dtype, expected in (
        (True, "auto", torch.bfloat16),
        (False, "auto", torch.float32),
        (True, "float32", torch.float32),
    ):
        monkeypatch.setattr(opening, "fast_bfloat16", lambda device, quick=quick: quick)
        seen.clear()
        opened = Model.open(folder, device="cpu", dtype=dtype)
        latents(opened, preset="fast", steps=2)
        assert set(seen) == {expected}
        seen.clear()
        latents(opened, preset="exact", steps=2)
        assert set(seen) == {torch.float32}


def test_what_was_saved_is_measured_against_the_run_without(model):
    how = {"steps": 8, "guidance": (1.0, 3.0), "seed": 3}
    video = model.animate(STILL, cache=1e9, measure=True, **how)
    cost = video.cost
    ours, exact = (model.animate(STILL, cache=cache, output="latents", **how) for cache in (1e9, 0.0))
    error = float((ours - exact).double().square().mean())
    spread = float(exact.max() - exact.min())
    assert cost.latent_psnr == pytest.approx(10 * np.log10(spread**2 / error), abs=1e-3)
    motion, truth = ours[:, 1:] - ours[:, :-1], exact[:, 1:] - exact[:, :-1]
    error = float((motion - truth).double().square().mean())
    assert cost.motion_psnr == pytest.approx(10 * np.log10(float(truth.max() - truth.min()) ** 2 / error), abs=1e-3)
    assert (cost.calls.full, cost.calls.cached, cost.calls.unconditional) == (5, 3, 5)
    assert (cost.calls_without.full, cost.calls_without.cached) == (8, 0)
    assert "5 full, 3 cached" in str(cost)
    assert model.animate(STILL, **how).cost is None
    nothing = model.animate(STILL, measure=True, **how).cost
    assert (nothing.latent_psnr, nothing.motion_psnr) == (np.inf, np.inf)
    assert nothing.to_json()["latent_psnr"] is None


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"preset": "quick"}, "no preset 'quick': exact, fast, draft would do"),
        ({"cache": -1.0}, "threshold is -1"),
        ({"guidance_interval": (3.0, 1.0)}, "the lower first"),
        ({"guidance": "circle:1:2"}, "triangle:1:2.5"),
        ({"guidance": "triangle:1"}, "triangle:1:2.5"),
        ({"guidance": "linear:a:b"}, "no guidance 'linear:a:b'"),
    ],
)
def test_what_will_not_do_is_named(model, how, said):
    with pytest.raises(MareyError, match=said):
        latents(model, **how)
