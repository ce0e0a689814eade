"""TAESDV's decoder against its definition, on a small random checkpoint of its layout."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from marey.errors import MareyError
from marey.network.taesdv import TinyDecoder, load_taesdv

WIDTH = 8


@pytest.fixture
def state():
    torch.manual_seed(0)
    return {key: value.clone() for key, value in TinyDecoder(WIDTH).state_dict().items()}


def slow(state, latents):
    """Frame by frame, each block handed what it was given for the frame before."""

    def conv(x, at):
        return functional.conv2d(x, state[f"{at}.weight"], state.get(f"{at}.bias"), padding=1)

    memory: dict[int, torch.Tensor] = {}
    frames = []
    for x in latents.split(1):
        x = functional.relu(conv(torch.tanh(x / 3) * 3, "decoder.1"))
        at = 3
        for stage in range(4):
            for _ in range(3 if stage < 3 else 1):
                before = memory.get(at, torch.zeros_like(x))
                memory[at] = x
                y = functional.relu(conv(torch.cat([x, before], 1), f"decoder.{at}.conv.0"))
                y = functional.relu(conv(y, f"decoder.{at}.conv.2"))
                x = functional.relu(conv(y, f"decoder.{at}.conv.4") + x)
                at += 1
            if stage < 3:
                x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
                x = conv(x, f"decoder.{at + 1}")
                at += 2
        frames.append(conv(x, f"decoder.{at}"))
    return torch.cat(frames) * 2 - 1


@pytest.mark.parametrize("prefixed", [True, False])
def test_a_clip_at_once_is_frame_by_frame(state, tmp_path, prefixed):
    given = state if prefixed else {key.removeprefix("decoder."): value for key, value in state.items()}
    given = {**given, **({"encoder.0.weight": torch.zeros(2)} if prefixed else {})}
    save_file({key: value.contiguous() for key, value in given.items()}, tmp_path / "taesdv.safetensors")
    decoder = load_taesdv(tmp_path)  # a folder
    latents = torch.randn(3, 4, 5, 6)
    frames = decoder(latents)
    assert frames.shape == (3, 3, 40, 48)
    torch.testing.assert_close(frames, slow(state, latents), rtol=1e-4, atol=1e-5)
    moved = latents.clone()
    moved[1] += 1
    changed = (decoder(moved) - frames).abs().amax((1, 2, 3)) > 1e-6
    assert changed.tolist() == [False, True, True]  # the past is heard, the future is not


def test_the_published_layout_has_its_keys():
    wanted = {1: (64, 4, 3, 3), 7: (64, 64, 3, 3), 12: (64, 64, 3, 3), 17: (64, 64, 3, 3), 19: (3, 64, 3, 3)}
    with torch.device("meta"):
        state = TinyDecoder().state_dict()
    found = {
        int(key.split(".")[1]): tuple(state[key].shape) for key in state if key.count(".") == 2 and "weight" in key
    }
    assert found == wanted
    blocks = {int(key.split(".")[1]) for key in state if ".conv.0.weight" in key}
    assert blocks == {3, 4, 5, 8, 9, 10, 13, 14, 15, 18}
    assert tuple(state["decoder.3.conv.0.weight"].shape) == (64, 128, 3, 3)
    assert isinstance(TinyDecoder(WIDTH).decoder[6], nn.Upsample)


def test_other_files_are_named(state, tmp_path):
    with pytest.raises(MareyError, match="is a pickle"):
        load_taesdv(tmp_path / "taesdv.pth")
    with pytest.raises(MareyError, match="cannot be read"):
        load_taesdv(tmp_path)
    save_file({"some.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(MareyError, match=r"no TAESDV: its decoder\.1\.weight"):
        load_taesdv(tmp_path / "other.safetensors")
    del state["decoder.7.weight"]
    save_file(state, tmp_path / "cut.safetensors")
    with pytest.raises(MareyError, match=r"'decoder\.7\.weight' \(one of 1\)"):
        load_taesdv(tmp_path / "cut.safetensors")
