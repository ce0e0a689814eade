"""Our UNet against diffusers' own, and against what it promises of pictures, clips and batches."""

import dataclasses
import hashlib
import os
from pathlib import Path

import pytest
import torch
from diffusers import UNetSpatioTemporalConditionModel

from marey.errors import MareyError
from marey.network.config import UNetConfig
from marey.network.resblock import Known
from marey.network.unet import SpatioTemporalUNet, fresh, is_temporal

TINY = UNetConfig.plain((32, 64), head_width=16, context=24, embed=16)
DEFAULT = UNetConfig.plain((64, 64, 128))
MIDDLE = UNetConfig(
    channels=(32, 64, 96, 128), heads=(1, 4, 3, 2), attends=(True, True, True, False), context=40, embed=12, frames=5
)
ODD = UNetConfig(
    channels=(32, 64, 64),
    heads=(2, 2, 4),
    attends=(False, True, True),
    layers=1,
    transformer_layers=2,
    context=16,
    embed=8,
    in_channels=9,
)

GOLDEN = {"unet": "e20e81752c96dbeb2c84725f7f9a64fc7468a028635e2d9f4a12bdf60945e245"}
"""sha256 of the sorted lines `unet<TAB>key<TAB>shape` of diffusers 0.42.1's module with SVD's configuration."""


def inputs(config: UNetConfig, batch=2, frames=3, height=8, width=8, tokens=1, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def randn(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    added = torch.tensor([[6.0, 127.0, 0.02], [23.0, 5.0, 0.5], [11.5, 250.0, 0.0]])[:batch]
    return (
        randn(batch, frames, config.in_channels, height, width),
        randn(batch),
        randn(batch, tokens, config.context),
        added.to(dtype),
    )


def random_unet(config: UNetConfig, dtype=torch.float32, seed=0) -> SpatioTemporalUNet:
    """With random mixes too: at their common start, a mix-up of two would not be seen."""
    torch.manual_seed(seed)
    unet = SpatioTemporalUNet(config).to(dtype).eval()
    for name, value in unet.named_parameters():
        if name.endswith("mix_factor"):
            torch.nn.init.normal_(value)
    return unet


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        (TINY, {"batch": 1, "frames": 1}),
        (TINY, {"batch": 2, "frames": 3, "height": 7, "width": 10}),
        (TINY, {"batch": 3, "frames": 2, "height": 5, "width": 3, "tokens": 6}),
        (DEFAULT, {"batch": 2, "frames": 4, "height": 16, "width": 12}),
        (MIDDLE, {"batch": 2, "frames": 5, "height": 11, "width": 13, "tokens": 3}),
        (MIDDLE, {"batch": 2, "frames": 2, "height": 16, "width": 8}),
        (ODD, {"batch": 2, "frames": 3, "height": 9, "width": 6, "tokens": 2}),
    ],
)
def test_it_equals_diffusers_in_float64(config, shape):
    ours = random_unet(config, torch.float64)
    theirs = UNetSpatioTemporalConditionModel.from_config(config.to_json()).double().eval()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    arguments = inputs(config, dtype=torch.float64, **shape)
    with torch.no_grad():
        expected = theirs(*arguments).sample
        difference = (ours(*arguments) - expected).abs().max()
    assert expected.std() > 0.01
    assert float(difference) < 1e-9


def test_gradients_equal_those_of_diffusers():
    ours = random_unet(TINY, torch.float64)
    theirs = UNetSpatioTemporalConditionModel.from_config(TINY.to_json()).double()
    theirs.load_state_dict(ours.state_dict())
    arguments = inputs(TINY, dtype=torch.float64)
    ours(*arguments).square().mean().backward()
    theirs(*arguments).sample.square().mean().backward()
    expected = dict(theirs.named_parameters())
    idle = ours.idle(tokens=1, only_stills=False)
    for name, value in ours.named_parameters():
        gradient = expected[name].grad
        if name in idle:  # one token: the softmax over one key is constant
            assert value.grad is None
            assert float(gradient.abs().max()) < 1e-12
        else:
            torch.testing.assert_close(value.grad, gradient, rtol=1e-8, atol=1e-12)


def test_float32_differs_by_rounding_only():
    config = DEFAULT
    unet = random_unet(config)
    arguments = inputs(config, height=16, width=16, frames=8)
    with torch.no_grad():
        single = unet(*arguments)
        double = unet.double()(*(a.double() for a in arguments))
    assert float((single - double).abs().max() / double.abs().max()) < 2e-5


def test_the_full_configuration_has_the_keys_shapes_and_size_of_stable_video_diffusion():
    with torch.device("meta"):
        unet = SpatioTemporalUNet(UNetConfig())
    state = unet.state_dict()
    lines = sorted(f"unet\t{key}\t{','.join(map(str, value.shape))}" for key, value in state.items())
    golden = _golden()
    if golden is not None:  # says which key differs; the digest below only that one does
        assert lines == [line for line in golden.read_text().splitlines() if line.startswith("unet\t")]
    assert hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest() == GOLDEN["unet"]
    assert sum(value.numel() for value in state.values()) == 1_524_623_082
    assert sum(value.numel() for key, value in state.items() if is_temporal(key)) == 656_076_838


def _golden() -> Path | None:
    """The stored list of keys, where there is one: in the folder that MAREY_GOLDEN names, or beside the checkout."""
    beside = Path(__file__).parents[3] / "shared" / "specs" / "data"
    path = Path(os.environ.get("MAREY_GOLDEN", beside)) / "diffusers_svd_keys.tsv"
    return path if path.is_file() else None


def test_clips_of_a_batch_do_not_know_of_each_other():
    unet = random_unet(TINY, torch.float64)
    sample, c_noise, context, added = inputs(TINY, batch=3, tokens=4, dtype=torch.float64)
    with torch.no_grad():
        together = unet(sample, c_noise, context, added)
        for n in range(3):
            one = slice(n, n + 1)
            alone = unet(sample[one], c_noise[one], context[one], added[one])
            torch.testing.assert_close(together[one], alone, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("tokens", [1, 5])
def test_every_condition_changes_the_output(tokens):
    unet = random_unet(TINY)
    arguments = list(inputs(TINY, tokens=tokens))
    with torch.no_grad():
        before = unet(*arguments)
        for place in range(4):
            changed = list(arguments)
            changed[place] = changed[place] + 0.5
            assert float((unet(*changed) - before).abs().max()) > 1e-4


def test_a_pooled_context_reaches_a_network_that_hardly_attends():
    """What the tokens say as one comes to each residual block: all but what the transformers do is then silenced."""
    config = dataclasses.replace(TINY, pools_context=True)
    unet, plain = random_unet(config), random_unet(TINY)
    for one in (unet, plain):
        for name, weight in one.named_parameters():
            if name.endswith("proj_out.weight"):
                torch.nn.init.zeros_(weight)
    sample, c_noise, context, added = inputs(config, tokens=5)
    with torch.no_grad():
        before, known = unet(sample, c_noise, context, added), Known()
        assert float((unet(sample, c_noise, -context, added) - before).abs().max()) > 1e-4
        assert torch.equal(plain(sample, c_noise, -context, added), plain(sample, c_noise, context, added))
        shuffled = context[:, torch.tensor([2, 0, 4, 1, 3])]
        torch.testing.assert_close(unet(sample, c_noise, shuffled, added), before, rtol=1e-4, atol=1e-5)
        for _ in range(2):
            torch.testing.assert_close(unet(sample, c_noise, context, added, known=known), before)
        other = unet(sample, c_noise, -context, added)
        torch.testing.assert_close(unet(sample, c_noise, -context, added, known=known), other)


def test_one_token_is_the_same_as_that_token_many_times():
    """The folded cross-attention against the real one: equal tokens share the weight."""
    unet = random_unet(TINY, torch.float64)
    sample, c_noise, context, added = inputs(TINY, dtype=torch.float64)
    with torch.no_grad():
        folded = unet(sample, c_noise, context, added)
        attended = unet(sample, c_noise, context.repeat(1, 3, 1), added)
    torch.testing.assert_close(folded, attended, rtol=1e-10, atol=1e-10)


class TestPictures:
    def test_frames_of_pictures_only_do_not_know_of_each_other(self):
        unet = random_unet(TINY, torch.float64)
        sample, c_noise, context, added = inputs(TINY, frames=3, dtype=torch.float64)
        with torch.no_grad():
            together = unet(sample, c_noise, context, added, torch.ones(2, 3))
            for t in range(3):
                alone = unet(sample[:, t : t + 1], c_noise, context, added, torch.ones(2, 1))
                torch.testing.assert_close(together[:, t : t + 1], alone, rtol=1e-10, atol=1e-10)
            as_clip = unet(sample, c_noise, context, added)
        assert float((as_clip - together).abs().max()) > 1e-3  # and as a clip they do

    def test_a_batch_may_hold_both(self):
        unet = random_unet(TINY, torch.float64)
        arguments = inputs(TINY, frames=3, dtype=torch.float64)
        stills = torch.tensor([[1, 1, 1], [0, 0, 0]])
        with torch.no_grad():
            mixed = unet(*arguments, stills)
            torch.testing.assert_close(mixed[:1], unet(*arguments, torch.ones(2, 3))[:1], rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(mixed[1:], unet(*arguments)[1:], rtol=1e-10, atol=1e-10)

    def test_the_temporal_weights_get_no_gradient_and_all_others_do(self):
        unet = random_unet(TINY)
        unet(*inputs(TINY, frames=1, tokens=4), torch.ones(2, 1)).square().mean().backward()
        without = {name for name, value in unet.named_parameters() if value.grad is None}
        assert without == {name for name, _ in unet.named_parameters() if is_temporal(name)}
        assert without == unet.idle(tokens=4, only_stills=True)


def test_numbers_may_differ_by_frame():
    unet = random_unet(TINY, torch.float64)
    sample, c_noise, context, added = inputs(TINY, frames=3, dtype=torch.float64)
    with torch.no_grad():
        once = unet(sample, c_noise, context, added)
        each = unet(sample, c_noise, context, added[:, None].expand(-1, 3, -1).contiguous())
        torch.testing.assert_close(once, each, rtol=1e-10, atol=1e-10)
        rising = added[:, None] + torch.arange(3, dtype=torch.float64)[None, :, None]
        assert float((unet(sample, c_noise, context, rising) - once).abs().max()) > 1e-4


def test_checkpointing_changes_neither_values_nor_gradients():
    unet = random_unet(TINY, torch.float64)
    arguments = inputs(TINY, dtype=torch.float64)
    gradients = []
    kept = []
    for unet.checkpointing in (False, (0,), True):
        unet.zero_grad()
        held: dict[int, int] = {}

        def keep(value, held=held):
            held[value.untyped_storage()._cdata] = value.untyped_storage().nbytes()
            return value

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
            output = unet(*arguments)
        kept.append(sum(held.values()))
        output.square().mean().backward()
        gradients.append([output.detach(), *(p.grad for p in unet.parameters() if p.grad is not None)])
    for plain, some, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, recomputed)
        torch.testing.assert_close(plain, some)
    assert kept[0] > kept[1] > kept[2]


def test_a_fresh_unet_is_silent_reproducible_and_learns():
    before = torch.random.get_rng_state()
    unet = fresh(TINY, seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    arguments = inputs(TINY)
    assert not unet(*arguments).any()
    for ours, again in zip(unet.parameters(), fresh(TINY, seed=3).parameters(), strict=True):
        assert torch.equal(ours, again)
    assert not torch.equal(unet.conv_in.weight, fresh(TINY, seed=4).conv_in.weight)

    target = torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.AdamW(unet.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        loss = (unet(*arguments) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("place", "shape", "said"),
    [
        (0, (2, 3, 7, 8, 8), r"sample is \(2, 3, 7, 8, 8\).*\(clips, frames, 8, height, width\)"),
        (0, (2, 8, 8, 8), "sample is"),
        (1, (1,), r"c_noise is \(1,\)"),
        (2, (2, 1, 23), r"context is \(2, 1, 23\)"),
        (2, (2, 24), "context is"),
        (3, (2, 4), r"added is \(2, 4\)"),
    ],
)
def test_arguments_of_another_shape_are_named(place, shape, said):
    arguments = list(inputs(TINY))
    arguments[place] = torch.zeros(shape)
    with pytest.raises(MareyError, match=said):
        random_unet(TINY)(*arguments)
    with pytest.raises(MareyError, match="image_only is"):
        random_unet(TINY)(*inputs(TINY), torch.ones(2, 4))


@pytest.mark.parametrize("outer", range(8))
def test_the_inner_network_can_be_left_out_where_its_features_are_known(outer, monkeypatch):
    unet = random_unet(MIDDLE)
    given = inputs(MIDDLE, height=9, width=12)
    kept = []

    def keep(inner):
        kept.append(inner())
        return kept[0]

    with torch.no_grad():
        whole = unet(*given)
        assert torch.equal(unet(*given, around=keep, outer=outer), whole)
        monkeypatch.setattr(unet.mid_block.resnets[0], "forward", None)  # it is not called
        assert torch.equal(unet(*given, around=lambda inner: kept[0], outer=outer), whole)
        other = unet(*inputs(MIDDLE, height=9, width=12, seed=1), around=lambda inner: kept[0], outer=outer)
        assert not torch.allclose(other, whole)  # the outer network is run


def test_a_cut_below_the_last_step_down_is_an_error():
    unet = random_unet(TINY)
    with pytest.raises(MareyError, match="outer is 4: 0 to 3"):
        unet(*inputs(TINY), outer=4)


@torch.no_grad()
def test_what_is_kept_from_the_first_call_of_a_clip_changes_nothing():
    unet = random_unet(TINY, torch.float64)
    known = Known()
    sample, c_noise, context, added = inputs(TINY, dtype=torch.float64)
    embedded = []
    hook = unet.add_embedding.register_forward_hook(lambda *given: embedded.append(1))
    for step in (0.0, 1.0):
        arguments = sample + step, c_noise - step, context, added
        expected = unet(*arguments)
        embedded.clear()
        assert torch.equal(unet(*arguments, known=known), expected)
        assert len(embedded) == (step == 0.0)  # the second call asks for the embedding no more
    hook.remove()
    other = inputs(TINY, batch=1, frames=2, dtype=torch.float64, seed=1)  # another clip is not taken for this one
    assert torch.equal(unet(*other, known=known), unet(*other))
    told = sample, c_noise, context, added + 1
    assert torch.equal(unet(*told, known=known), unet(*told))


def test_with_gradients_nothing_is_kept():
    unet, known = random_unet(TINY), Known()
    arguments = inputs(TINY)
    for _ in range(2):  # a second backward pass through one graph would fail
        unet(*arguments, known=known).sum().backward()
    assert unet.add_embedding.linear_1.weight.grad is not None
