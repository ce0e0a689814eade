"""RAFT: the published network key by key and number by number, and its two special steps beside slow ones.

The reference is torchvision 0.29.1's `raft_large` and `raft_small`, which Marey does not depend on. With the same
random weights (also of the normalisations), in float64, on two pairs of 128x160 pixels and five rounds, ours and theirs
differed by 4e-14 and 5e-14 pixels at most, in flows of up to 35 and 44. What stands here as REFERENCE are keys and
numbers that theirs gave of the weights that `weights` makes.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from marey.errors import MareyError
from marey.network.raft import (
    LARGE,
    SMALL,
    Raft,
    RaftConfig,
    convex_upsampled,
    correlations,
    load_raft,
    look_up,
    renamed,
)

REFERENCE = {
    "large": (
        5257536,
        "13db9bb0af9fe29b",
        [
            1.721363883,
            1.706769082,
            1.142816909,
            2.446999248,
            2.893239345,
            2.605519603,
            1.635162776,
            2.791928635,
            2.132094517,
            1.556234137,
            4.517618241,
            5.347258086,
            4.073664879,
            6.818635298,
            7.113633426,
            5.114810090,
            6.817027459,
            7.478679090,
        ],
        4.651697980,
    ),
    "small": (
        990162,
        "6c33f98fcce17538",
        [
            -16.679301532,
            -9.107229831,
            -11.335382105,
            -7.782277458,
            -9.650868015,
            -9.288242580,
            -14.706090622,
            -11.710465526,
            -8.006953444,
            -3.220320518,
            -11.610146865,
            -4.741262273,
            -1.457380890,
            -8.205093784,
            -3.185158565,
            -4.386035891,
            -6.840283924,
            -6.930480374,
        ],
        8.167629515,
    ),
}
"""Parameters, a hash of keys and shapes, some of the flow, and its mean magnitude."""
TINY = replace(
    SMALL,
    features=(8, 8, 8, 8, 16),
    context=(8, 8, 8, 8, 20),
    hidden=8,
    correlation=(8,),
    flow=(8, 4),
    motion=10,
    head=8,
)
CONFIGS = {"large": LARGE, "small": SMALL}


def weights(net: torch.nn.Module) -> None:
    """Weights that need no random numbers: waves, as strong as usual ones."""
    with torch.no_grad():
        for n, (name, value) in enumerate(net.state_dict().items()):
            if not value.is_floating_point():
                continue
            wave = torch.sin(0.7 * torch.arange(value.numel(), dtype=torch.float64) ** 1.1 + n).reshape(value.shape)
            fan = value[0].numel() if value.ndim > 1 else 25
            base = 1.0 if "running_var" in name or (value.ndim == 1 and name.endswith("weight")) else 0.0
            value.copy_(base + (0.3 if base else 1.5 / fan**0.5) * wave)


def pictures() -> tuple[Tensor, Tensor]:
    """Two pairs of waves: (2, 3, 128, 136) each, from -1 to 1."""
    grid = torch.arange(2 * 3 * 128 * 136, dtype=torch.float64).reshape(2, 3, 128, 136)
    return torch.sin(0.011 * grid), torch.sin(0.0113 * grid + 0.4)


@pytest.mark.parametrize("name", CONFIGS)
def test_keys_shapes_and_numbers_are_the_published_ones(name: str) -> None:
    net = Raft(CONFIGS[name]).double().eval()
    count, digest, flow, mean = REFERENCE[name]
    assert sum(parameter.numel() for parameter in net.parameters()) == count
    shapes = [f"{key} {tuple(value.shape)}" for key, value in net.state_dict().items()]
    assert hashlib.sha256("\n".join(shapes).encode()).hexdigest()[:16] == digest
    weights(net)
    with torch.inference_mode():
        found = net(*pictures(), updates=3)
    assert found.shape == (2, 2, 128, 136)
    np.testing.assert_allclose(found[1, :, ::50, ::60].flatten().numpy(), flow, rtol=1e-7)
    assert float(found.abs().mean()) == pytest.approx(mean, rel=1e-7)


def test_correlations_and_their_look_up_are_what_a_slow_one_finds() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(2, 5, 8, 10, generator=generator, dtype=torch.float64) for _ in range(2))
    places = 9 * torch.rand(2, 2, 8, 10, generator=generator, dtype=torch.float64) - 1  # some are outside
    radius, levels = 2, 3
    found = look_up(correlations(one, other, levels), places, radius)
    assert found.shape == (2, levels * 25, 8, 10)
    for batch, row, column in ((0, 0, 0), (0, 3, 7), (1, 7, 9), (1, 5, 2)):
        slow = []
        for level in range(levels):
            coarse = functional.avg_pool2d(other, 2**level) if level else other
            # By linearity the mean of correlations is the correlation with the mean.
            volume = (one[batch, :, row, column, None, None] * coarse[batch]).sum(dim=0).numpy() / 5**0.5
            x, y = (float(value) / 2**level for value in places[batch, :, row, column])
            for right in range(-radius, radius + 1):
                slow += [_between(volume, x + right, y + down) for down in range(-radius, radius + 1)]
        np.testing.assert_allclose(found[batch, :, row, column].numpy(), slow, atol=1e-12)


def _between(field: np.ndarray, x: float, y: float) -> float:
    """The bilinear value at a place; what lies outside is 0."""
    left, top = int(np.floor(x)), int(np.floor(y))
    total = 0.0
    for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        if 0 <= row < field.shape[0] and 0 <= column < field.shape[1]:
            total += (1 - abs(x - column)) * (1 - abs(y - row)) * field[row, column]
    return total


def test_convex_upsampling_is_what_a_slow_one_finds() -> None:
    generator = torch.Generator().manual_seed(1)
    flow = torch.randn(1, 2, 3, 4, generator=generator, dtype=torch.float64)
    mask = torch.randn(1, 576, 3, 4, generator=generator, dtype=torch.float64)
    found = convex_upsampled(flow, mask)
    assert found.shape == (1, 2, 24, 32)
    shares = mask.reshape(9, 8, 8, 3, 4).softmax(dim=0)
    padded = functional.pad(flow, (1, 1, 1, 1))[0]
    for row, column in ((0, 0), (7, 9), (23, 31), (13, 18)):
        coarse = row // 8, column // 8
        total = torch.zeros(2, dtype=torch.float64)
        for n in range(9):
            share = shares[n, row % 8, column % 8, coarse[0], coarse[1]]
            total += 8 * share * padded[:, coarse[0] + n // 3, coarse[1] + n % 3]
        np.testing.assert_allclose(found[0, :, row, column].numpy(), total.numpy(), atol=1e-12)


def test_flow_of_one_kind_stays_so_inside_of_the_picture() -> None:
    flow = torch.tensor([1.5, -2.0]).reshape(1, 2, 1, 1).expand(1, 2, 5, 5)
    found = convex_upsampled(flow, torch.randn(1, 576, 5, 5, generator=torch.Generator().manual_seed(2)))
    inside = found[0, :, 8:-8, 8:-8]
    torch.testing.assert_close(inside, torch.tensor([12.0, -16.0]).reshape(2, 1, 1).expand_as(inside))


def test_pictures_it_cannot_take_are_an_error() -> None:
    net = Raft(TINY)
    for size in ((120, 128), (128, 132)):
        with pytest.raises(ValueError, match="multiples of 8 from 128"):
            net(torch.zeros(1, 3, *size), torch.zeros(1, 3, *size))
    with pytest.raises(ValueError, match="multiples of 8"):
        net(torch.zeros(1, 3, 128, 128), torch.zeros(1, 3, 128, 136))


def test_a_bigger_shift_of_features_is_a_bigger_look_up() -> None:
    """The correlation is highest where the other picture has what this one shows."""
    features = functional.normalize(torch.randn(1, 64, 16, 16, generator=torch.Generator().manual_seed(3)), dim=1)
    shifted = torch.roll(features, (1, 3), dims=(2, 3))  # down by one, to the right by three
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    found = look_up(correlations(features, shifted, 1), torch.stack([x, y])[None], 4)[0, :, 5, 5].reshape(9, 9)
    best = int(found.argmax())
    assert (best // 9 - 4, best % 9 - 4) == (3, 1)


def test_gradients_reach_every_weight() -> None:
    torch.manual_seed(0)
    net = Raft(SMALL)
    a, b = (torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(n)) for n in (1, 2))
    net(a, b, updates=2).square().sum().backward()
    still = [name for name, value in net.named_parameters() if value.grad is None or not value.grad.abs().sum()]
    # An instance's normalisation takes away what a bias adds.
    assert all(name.startswith("feature_encoder.") and name.endswith("bias") for name in still), still


def authors(net: Raft, config: RaftConfig) -> dict[str, Tensor]:
    """The same weights under the authors' keys, as `DataParallel` saves them."""
    found = {}
    last = 4 if config.bottleneck else 3
    for key, value in net.state_dict().items():
        name = key
        for ours, theirs in (("feature_encoder", "fnet"), ("context_encoder", "cnet")):
            name = name.replace(f"{ours}.convnormrelu.0", f"{theirs}.conv1").replace(
                f"{ours}.convnormrelu.1", f"{theirs}.norm1"
            )
            name = name.replace(f"{ours}.conv.", f"{theirs}.conv2.").replace(ours, theirs)
        for n in (1, 2, 3):
            name = name.replace(f"convnormrelu{n}.0", f"conv{n}").replace(f"convnormrelu{n}.1", f"norm{n}")
            name = name.replace(f"motion_encoder.convcorr{n}.0", f"encoder.convc{n}")
            name = name.replace(f"motion_encoder.convflow{n}.0", f"encoder.convf{n}")
            for gate in "zrq":
                units = f"{n}" if len(config.kernels) > 1 else ""
                name = name.replace(f"recurrent_block.convgru{n}.conv{gate}", f"gru.conv{gate}{units}")
        name = name.replace("motion_encoder.conv.0", "encoder.conv")
        name = name.replace("mask_predictor.convrelu.0", "update_block.mask.0")
        name = name.replace("mask_predictor.conv", "update_block.mask.2")
        found[f"module.{name}"] = value
        if "cnet" in name and ".downsample.1." in name:
            found[f"module.{name.replace('downsample.1', f'norm{last}')}"] = value
    return found


@pytest.mark.parametrize("name", CONFIGS)
def test_weights_with_the_authors_keys_are_the_same_network(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Raft(CONFIGS[name]).eval()
    theirs = authors(net, CONFIGS[name])
    assert "module.fnet.conv1.weight" in theirs
    assert "module.update_block.gru.convq" + ("1" if name == "large" else "") + ".bias" in theirs
    assert len(theirs) == len(net.state_dict()) + (10 if name == "large" else 0)
    assert set(renamed(theirs)) == set(net.state_dict())
    torch.save(theirs, tmp_path / "raft-things.pth")
    sha256 = hashlib.sha256((tmp_path / "raft-things.pth").read_bytes()).hexdigest()
    loaded = load_raft(tmp_path / "raft-things.pth", sha256)
    assert all(torch.equal(loaded.state_dict()[key], value) for key, value in net.state_dict().items())
    save_file({key: value.clone() for key, value in net.state_dict().items()}, tmp_path / "raft.safetensors")
    again = load_raft(tmp_path / "raft.safetensors", "")
    assert all(torch.equal(again.state_dict()[key], value) for key, value in net.state_dict().items())
    assert again.config == CONFIGS[name]


def test_other_files_are_refused(tmp_path: Path) -> None:
    torch.save(Raft(TINY).state_dict(), tmp_path / "tiny.pth")
    with pytest.raises(MareyError, match="sha256"):
        load_raft(tmp_path / "tiny.pth", "0" * 64)
    sha256 = hashlib.sha256((tmp_path / "tiny.pth").read_bytes()).hexdigest()
    with pytest.raises(MareyError, match=r"is no RAFT .*raft_large or raft_small"):
        load_raft(tmp_path / "tiny.pth", sha256)
    (tmp_path / "half.safetensors").write_bytes(b"half")
    with pytest.raises(MareyError, match="cannot be read"):
        load_raft(tmp_path / "half.safetensors", "")
