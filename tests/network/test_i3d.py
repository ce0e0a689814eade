import hashlib
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from marey.errors import MareyError
from marey.network.i3d import I3d, Unit, load_i3d, padded, pooled


def test_its_names_and_sizes_are_the_fields_own() -> None:
    state = I3d().state_dict()
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    assert shapes["Conv3d_1a_7x7.conv3d.weight"] == (64, 3, 7, 7, 7)
    assert shapes["Conv3d_2c_3x3.conv3d.weight"] == (192, 64, 3, 3, 3)
    assert shapes["Mixed_3b.b1b.conv3d.weight"] == (128, 96, 3, 3, 3)
    assert shapes["Mixed_4f.b3b.conv3d.weight"] == (128, 528, 1, 1, 1)
    assert shapes["Mixed_5c.b2b.bn.running_var"] == (128,)
    assert shapes["logits.conv3d.weight"] == (400, 1024, 1, 1, 1)
    assert shapes["logits.conv3d.bias"] == (400,)
    # 57 convolutions with batch norm (6 entries each) and the scores with their bias.
    assert len(state) == 57 * 6 + 2
    weights = sum(value.numel() for name, value in state.items() if "running" not in name and "tracked" not in name)
    assert weights == 12_697_264, "the published network's"


@pytest.mark.parametrize("size", [7, 8, 9, 16, 17])
@pytest.mark.parametrize("kernel", [1, 2, 3, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_is_tensorflows(size: int, kernel: int, stride: int) -> None:
    """`ceil(size / stride)` places, and the odd zero stands behind."""
    if kernel < stride:
        return
    row = torch.arange(1.0, size + 1).view(1, 1, 1, 1, size)
    wide = padded(row, (1, 1, kernel), (1, 1, stride)).flatten()
    count = -(-size // stride)
    needed = max((count - 1) * stride + kernel - size, 0)
    expected = torch.cat([torch.zeros(needed // 2), row.flatten(), torch.zeros(needed - needed // 2)])
    assert wide.tolist() == expected.tolist()
    best = pooled(row, (1, 1, kernel), (1, 1, stride)).flatten()
    assert best.tolist() == expected.unfold(0, kernel, stride).amax(dim=1).tolist()
    assert len(best) == count


def test_a_unit_is_convolution_norm_and_relu() -> None:
    torch.manual_seed(0)
    unit = Unit(2, 3, (3, 3, 3), (2, 2, 2)).eval()
    unit.bn.running_mean.normal_()
    unit.bn.running_var.uniform_(0.5, 2)
    x = torch.randn(1, 2, 5, 6, 7)
    plain = functional.conv3d(functional.pad(x, (1, 1, 0, 1, 1, 1)), unit.conv3d.weight, stride=2)
    mean, variance = unit.bn.running_mean, unit.bn.running_var
    normed = (plain - mean.view(1, 3, 1, 1, 1)) / torch.sqrt(variance.view(1, 3, 1, 1, 1) + 1e-5)
    assert torch.allclose(unit(x), normed.clamp(min=0), atol=1e-5)


def test_saved_weights_come_back_by_their_hash(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = I3d(12, width=1 / 16).eval()
    torch.save(small.state_dict(), tmp_path / "i3d.pt")
    sha256 = hashlib.sha256((tmp_path / "i3d.pt").read_bytes()).hexdigest()
    loaded = load_i3d(tmp_path / "i3d.pt", sha256)
    video = torch.randn(2, 3, 9, 224, 224)
    with torch.inference_mode():
        scores = loaded(video)
        assert scores.shape == (2, 12)
        assert torch.equal(scores, small(video))
        assert torch.allclose(loaded(video[:1]), scores[:1], atol=1e-5)
    with pytest.raises(MareyError, match="not opened"):
        load_i3d(tmp_path / "i3d.pt", "0" * 64)
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    other = hashlib.sha256((tmp_path / "other.pt").read_bytes()).hexdigest()
    with pytest.raises(MareyError, match="holds no I3D"):
        load_i3d(tmp_path / "other.pt", other)
