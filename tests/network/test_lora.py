"""Adapters: what they add, several at once, fused and not, and the files of others."""

import json

import pytest
import torch
from diffusers import UNetSpatioTemporalConditionModel
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model, set_peft_model_state_dict
from safetensors.torch import load_file, save_file

from marey.errors import MareyError
from marey.network.config import UNetConfig
from marey.network.lora import (
    Pair,
    adapters_of,
    add_adapter,
    layers_of,
    pairs_of,
    put_adapter,
    remove_adapters,
    set_strength,
)
from marey.network.lora_formats import load_adapter, save_adapter
from marey.network.sgm_names import unet_name
from marey.network.unet import SpatioTemporalUNet

CONFIG = UNetConfig.plain((32, 64), head_width=16, context=24, embed=16, frames=3)


def network(seed: int = 0) -> SpatioTemporalUNet:
    torch.manual_seed(seed)
    return SpatioTemporalUNet(CONFIG).double().requires_grad_(False)


def inputs() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(2, 3, 8, 8, 8, generator=generator, dtype=torch.float64)
    context = torch.randn(2, 2, 24, generator=generator, dtype=torch.float64)
    added = torch.tensor([[6.0, 127.0, 0.02], [11.0, 30.0, 0.1]], dtype=torch.float64)
    return x, torch.tensor([0.3, -0.8], dtype=torch.float64), context, added


def drawn(unet: SpatioTemporalUNet, targets="temporal attention", rank: int = 4, seed: int = 0) -> dict[str, Pair]:
    generator = torch.Generator().manual_seed(seed)
    pairs = {}
    for at, layer in layers_of(unet, targets).items():
        down = torch.randn(rank, *layer.weight.shape[1:], generator=generator)
        up = torch.randn(len(layer.weight), rank, *(1,) * (layer.weight.ndim - 2), generator=generator) * 0.1
        pairs[at] = Pair(down, up, 2.0)
    return pairs


def state(unet: SpatioTemporalUNet) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in unet.state_dict().items()}


@pytest.mark.parametrize(
    ("targets", "holds", "lacks"),
    [
        ("temporal attention", "temporal_transformer_blocks.0.attn1.to_out.0", "attentions.0.transformer_blocks"),
        ("spatial attention", "attentions.0.transformer_blocks.0.attn2.to_k", "temporal_transformer_blocks"),
        ("attention", "attentions.0.transformer_blocks.0.attn1.to_q", "ff.net"),
        ("temporal", "temporal_res_block.conv1", "spatial_res_block"),
        ("all", "conv_out", "no such layer"),
        ([r"to_q$", r"conv_in$"], "conv_in", "to_k"),
    ],
)
def test_which_layers_are_meant(targets, holds, lacks):
    names = list(layers_of(network(), targets))
    assert any(holds in name for name in names)
    assert not any(lacks in name for name in names)


@pytest.mark.parametrize("targets", ["temporal attention", "all"])
def test_beside_the_weights_or_fused_into_them_is_the_same(targets):
    unet, plain = network(), network()
    pairs = drawn(unet, targets)
    with torch.no_grad():
        before = unet(*inputs())
        put_adapter(unet, "one", pairs, strength=0.7)
        beside = unet(*inputs())
        for at, pair in pairs.items():  # the definition, by hand
            layer = plain.get_submodule(at)
            low = (pair.up.flatten(1) @ pair.down.flatten(1)).view(layer.weight.shape)
            layer.weight.data = layer.weight + 0.7 * (2.0 / 4) * low
        torch.testing.assert_close(beside, plain(*inputs()), rtol=0, atol=1e-6 * float(beside.abs().max()))
        assert (beside - before).abs().max() > 1e-3 * before.abs().max()
        remove_adapters(unet, fuse=True)
        torch.testing.assert_close(unet(*inputs()), beside, rtol=0, atol=1e-9)
    assert set(unet.state_dict()) == set(plain.state_dict())
    assert adapters_of(unet) == {}


def test_taken_out_nothing_is_left_of_them():
    unet = network()
    kept = state(unet)
    put_adapter(unet, "one", drawn(unet))
    put_adapter(unet, "two", drawn(unet, "all", seed=1))
    remove_adapters(unet)
    for key, value in unet.state_dict().items():
        assert torch.equal(value, kept[key]), key
    assert set(kept) == set(unet.state_dict())


def test_several_are_heard_by_their_strengths():
    unet = network()
    one, two = drawn(unet), drawn(unet, seed=1)
    put_adapter(unet, "one", one)
    put_adapter(unet, "two", two)
    assert adapters_of(unet) == {"one": 1.0, "two": 1.0}
    set_strength(unet, {"one": 0.5, "two": 0.0})
    at = next(iter(one))
    layer, plain = unet.get_submodule(at), network().get_submodule(at)
    torch.testing.assert_close(layer.weight, plain.weight + 0.5 * one[at].delta())
    set_strength(unet, {"two": -2.0})
    torch.testing.assert_close(layer.weight, plain.weight + 0.5 * one[at].delta() - 2.0 * two[at].delta())
    with pytest.raises(MareyError, match=r"no adapter 'three' here: one, two"):
        set_strength(unet, {"three": 1.0})


def test_a_new_one_changes_nothing_and_alone_is_trained():
    unet = network().float()
    given = [value.float() for value in inputs()]
    with torch.no_grad():
        before = unet(*given)
    parameters = add_adapter(unet, "camera", rank=3)
    with torch.no_grad():
        torch.testing.assert_close(unet(*given), before)
    assert len(parameters) == 2 * len(layers_of(network(), "temporal attention"))
    kept = {key: value.clone() for key, value in unet.state_dict().items() if ".down." not in key and ".up." not in key}
    optimizer = torch.optim.SGD(parameters, lr=0.5)
    for _ in range(2):
        unet(*given).square().mean().backward()
        optimizer.step()
    assert all(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in parameters)
    assert all(torch.equal(unet.state_dict()[key], value) for key, value in kept.items())
    assert {id(p) for p in unet.parameters() if p.requires_grad} == {id(p) for p in parameters}
    with torch.no_grad():
        assert (unet(*given) - before).abs().max() > 0


def theirs_with_lora(folder=None):
    """diffusers' UNet of the same weights, and peft's adapter on its temporal attention, drawn."""
    table = CONFIG.to_json()
    theirs = UNetSpatioTemporalConditionModel.from_config(table).double()
    theirs.load_state_dict(network().state_dict())
    modules = list(layers_of(network(), "temporal attention"))
    config = LoraConfig(r=4, lora_alpha=6, target_modules=modules, lora_dropout=0.0, init_lora_weights=False)
    torch.manual_seed(11)
    return inject_adapter_in_model(config, theirs), config


def of_theirs(theirs) -> torch.Tensor:
    x, c_noise, context, added = inputs()
    # One token, for diffusers orders the context of several as it likes; one time for both clips.
    with torch.no_grad():
        return theirs(x, c_noise[0], context[:, :1], added).sample


def of_ours(unet) -> torch.Tensor:
    x, c_noise, context, added = inputs()
    with torch.no_grad():
        return unet(x, c_noise[:1].expand(2), context[:, :1], added)


def test_pefts_adapter_gives_here_what_it_gives_there(tmp_path):
    theirs, config = theirs_with_lora()
    held = {f"base_model.model.{key}": value for key, value in get_peft_model_state_dict(theirs).items()}
    save_file({key: value.contiguous() for key, value in held.items()}, tmp_path / "adapter_model.safetensors")
    config.save_pretrained(tmp_path)
    ours = network()
    load_adapter(ours, tmp_path, "camera")
    expected, found = of_theirs(theirs), of_ours(ours)
    assert (expected - of_ours(network())).abs().max() > 1e-3
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6 * float(expected.abs().max()))


def test_what_we_write_peft_reads(tmp_path):
    ours = network()
    put_adapter(ours, "camera", drawn(ours, rank=4))
    save_adapter(ours, "camera", tmp_path, base="tiny")
    config = LoraConfig.from_pretrained(tmp_path)
    assert (config.r, config.lora_alpha) == (4, 2.0)
    theirs = UNetSpatioTemporalConditionModel.from_config(CONFIG.to_json()).double()
    theirs.load_state_dict(network().state_dict())
    theirs = inject_adapter_in_model(config, theirs)
    held = load_file(tmp_path / "adapter_model.safetensors")
    told = set_peft_model_state_dict(theirs, {key.removeprefix("base_model.model."): v for key, v in held.items()})
    assert not told.unexpected_keys
    expected = of_theirs(theirs)
    torch.testing.assert_close(of_ours(ours), expected, rtol=0, atol=1e-6 * float(expected.abs().max()))


def test_the_round_trip_through_a_folder_is_exact(tmp_path):
    first, second = network(), network()
    pairs = drawn(first, "temporal")
    odd = next(iter(pairs))
    pairs[odd] = Pair(pairs[odd].down[:2], pairs[odd].up[:, :2], 5.0)  # another rank and alpha than the rest
    put_adapter(first, "one", pairs)
    save_adapter(first, "one", tmp_path / "one")
    assert load_adapter(second, tmp_path / "one") == "one"
    again = pairs_of(second, "one")
    assert again.keys() == pairs.keys()
    for at, pair in pairs.items():
        assert again[at].alpha == pair.alpha
        assert torch.equal(again[at].down, pair.down)
        assert torch.equal(again[at].up, pair.up)


def named(style: str, at: str) -> tuple[str, str, str]:
    """The names of A, B and alpha in the files of others."""
    sgm = unet_name(f"{at}.weight", CONFIG).removesuffix(".weight")
    if style == "diffusers":
        return f"unet.{at}.lora_A.weight", f"unet.{at}.lora_B.weight", ""
    if style == "diffusers old":
        return f"unet.{at}.lora.down.weight", f"unet.{at}.lora.up.weight", ""
    if style == "processors":
        layer = at.removesuffix(".0") if at.endswith("to_out.0") else at
        stem, _, last = layer.rpartition(".")
        return f"{stem}.processor.{last}_lora.down.weight", f"{stem}.processor.{last}_lora.up.weight", ""
    if style == "kohya":
        flat = f"lora_unet_{at.replace('.', '_')}"
        return f"{flat}.lora_down.weight", f"{flat}.lora_up.weight", f"{flat}.alpha"
    if style == "kohya of sgm":
        flat = f"lora_unet_{sgm.replace('.', '_')}"
        return f"{flat}.lora_down.weight", f"{flat}.lora_up.weight", f"{flat}.alpha"
    return f"model.diffusion_model.{sgm}.lora_A.weight", f"model.diffusion_model.{sgm}.lora_B.weight", ""


@pytest.mark.parametrize("style", ["diffusers", "diffusers old", "processors", "kohya", "kohya of sgm", "sgm"])
def test_files_of_other_trainers_are_read(style, tmp_path):
    unet = network()
    pairs = drawn(unet)
    held = {}
    for at, pair in pairs.items():
        down, up, alpha = named(style, at)
        held |= {down: pair.down, up: pair.up}
        held |= {alpha: torch.tensor(pair.alpha)} if alpha else {}
    save_file({key: value.clone() for key, value in held.items()}, tmp_path / "some lora.safetensors")
    assert load_adapter(unet, tmp_path / "some lora.safetensors") == "some-lora"
    again = pairs_of(unet, "some-lora")
    assert again.keys() == pairs.keys()
    for at, pair in pairs.items():
        assert torch.equal(again[at].down, pair.down)
        assert again[at].alpha == (2.0 if "kohya" in style else 4.0)  # without an alpha, the rank


def test_what_is_no_lora_of_this_network_is_named(tmp_path):
    unet = network()
    at = next(iter(layers_of(unet, "temporal attention")))
    good = {f"unet.{at}.lora_A.weight": torch.zeros(2, 32), f"unet.{at}.lora_B.weight": torch.zeros(32, 2)}
    cases = {
        "another": ({"unet.blocks.3.to_q.lora_A.weight": torch.zeros(2, 32)}, "made for another"),
        "half": ({f"unet.{at}.lora_A.weight": torch.zeros(2, 32)}, "only half"),
        "wide": ({**good, f"unet.{at}.lora_A.weight": torch.zeros(2, 99)}, r"\(32, 99\).*\(32, 32\)"),
        "strange": ({**good, "unet.some.thing": torch.zeros(1)}, "no part of a LoRA"),
    }
    for name, (held, said) in cases.items():
        save_file(held, tmp_path / f"{name}.safetensors")
        with pytest.raises(MareyError, match=said):
            load_adapter(unet, tmp_path / f"{name}.safetensors")
    assert adapters_of(unet) == {}
    (tmp_path / "old.bin").write_bytes(b"x")
    with pytest.raises(MareyError, match="pickle"):
        load_adapter(unet, tmp_path / "old.bin")
    with pytest.raises(MareyError, match="no LoRA at"):
        load_adapter(unet, tmp_path / "none.safetensors")
    save_file(good, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "use_dora": True}))
    with pytest.raises(MareyError, match="DoRA"):
        load_adapter(unet, tmp_path)
    with pytest.raises(MareyError, match="No layer is meant by 'nothing'"):
        add_adapter(unet, "a", targets="nothing")
    put_adapter(unet, "a", drawn(unet))
    with pytest.raises(MareyError, match="an adapter 'a' already"):
        put_adapter(unet, "a", drawn(unet))
