import hashlib
from pathlib import Path

import pytest
import torch

from marey.errors import MareyError
from marey.network.inception import SHA256, Inception, averaged, load_inception


def test_its_names_and_sizes_are_the_fields_own() -> None:
    network = Inception()
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert network.d == 2048
    assert shapes["Conv2d_1a_3x3.conv.weight"] == (32, 3, 3, 3)
    assert shapes["Mixed_5b.branch_pool.conv.weight"] == (32, 192, 1, 1)
    assert shapes["Mixed_6c.branch7x7dbl_2.conv.weight"] == (160, 160, 7, 1)
    assert shapes["Mixed_6a.branch3x3dbl_3.bn.running_var"] == (96,)
    assert shapes["Mixed_7c.branch3x3dbl_3b.conv.weight"] == (384, 384, 3, 1)
    assert shapes["fc.weight"] == (1008, 2048)
    convolutions = [name for name in shapes if name.endswith(".conv.weight")]
    assert len(convolutions) == 94
    assert len(shapes) == 94 * 6 + 2
    weights = sum(value.numel() for name, value in network.named_parameters() if not name.startswith("fc."))
    assert weights == 21_785_568, "Inception v3 without its classifiers"


def test_an_average_counts_what_lies_inside() -> None:
    flat = torch.full((1, 1, 4, 4), 3.0)
    assert torch.allclose(averaged(flat), flat), "the corners too"


def test_the_last_block_takes_a_maximum_and_the_one_before_an_average() -> None:
    torch.manual_seed(0)
    network = Inception(1 / 16).eval()
    one = torch.zeros(1, network.Mixed_7b.channels, 5, 5)
    one[:, :, 2, 2] = 9.0
    for block, expected in ((network.Mixed_7b, 1.0), (network.Mixed_7c, 9.0)):
        seen: list[torch.Tensor] = []
        hook = block.branch_pool.register_forward_pre_hook(lambda _, args, seen=seen: seen.append(args[0]))
        block(one[:, : block.branch_pool.conv.in_channels])
        hook.remove()
        assert seen[0][0, 0, 1, 1] == pytest.approx(expected)


def test_saved_weights_come_back_by_their_hash(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = Inception(1 / 16, 10).eval()
    torch.save(small.state_dict(), tmp_path / "inception.pth")
    sha256 = hashlib.sha256((tmp_path / "inception.pth").read_bytes()).hexdigest()
    loaded = load_inception(tmp_path / "inception.pth", sha256)
    pictures = torch.randn(2, 3, 299, 299)
    with torch.inference_mode():
        assert torch.equal(loaded(pictures), small(pictures))
    with pytest.raises(MareyError, match=SHA256):
        load_inception(tmp_path / "inception.pth")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    other = hashlib.sha256((tmp_path / "other.pth").read_bytes()).hexdigest()
    with pytest.raises(MareyError, match="holds no Inception"):
        load_inception(tmp_path / "other.pth", other)
