"""TAESDV's decoder: Stable Video Diffusion's latents to frames by a small network that remembers the frame before, with
the state-dict keys of https://github.com/madebyollin/taesdv.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional

from marey.errors import MareyError
from marey.network.weights import PICKLES, refuse_pickle

_PREFIX = "decoder."
_LATENTS, _STAGES, _BLOCKS = 4, 3, 3
_NAMES = ("taesdv.safetensors", "taesdv_decoder.safetensors", "diffusion_pytorch_model.safetensors")


class Remembering(nn.Module):
    """Three convolutions of a frame's features beside those of the frame before, added to the former."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers = [nn.Conv2d(2 * width if n == 0 else width, width, 3, padding=1) for n in range(3)]
        self.conv = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])

    def forward(self, x: Tensor) -> Tensor:
        """x: (T, C, h, w), the frames of one clip."""
        before = torch.cat([torch.zeros_like(x[:1]), x[:-1]])
        return functional.relu(self.conv(torch.cat([x, before], dim=1)) + x)


class Clamp(nn.Module):
    """Latents softly held within 3 deviations."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


class TinyDecoder(nn.Module):
    """Scaled latents (T, 4, h, w) to frames (T, 3, 8h, 8w), about in [-1, 1].

    Args:
        width: of its convolutions; 64 as published.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [Clamp(), nn.Conv2d(_LATENTS, width, 3, padding=1), nn.ReLU()]
        for _ in range(_STAGES):
            layers += [Remembering(width) for _ in range(_BLOCKS)]
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1, bias=False)]
        layers += [Remembering(width), nn.Conv2d(width, 3, 3, padding=1)]
        self.decoder = nn.Sequential(*layers)

    @property
    def factor(self) -> int:
        return int(2**_STAGES)

    def forward(self, latents: Tensor) -> Tensor:
        return self.decoder(latents.to(self.decoder[1].weight)) * 2.0 - 1.0


def load_taesdv(path: str | Path) -> TinyDecoder:
    """Read TAESDV's decoder from a .safetensors file, or from a folder that holds one; its encoder is passed over.

    Raises:
        MareyError: there is none, it is a pickle (as the published taesdv.pth), or it is of another layout.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        path = next((path / name for name in _NAMES if (path / name).is_file()), path / _NAMES[0])
    if path.suffix in PICKLES:
        refuse_pickle(path)
    try:
        with safe_open(path, framework="pt") as file:
            keys = [key for key in file.keys() if not key.startswith("encoder.")]  # noqa: SIM118
            state = {_PREFIX + key.removeprefix(_PREFIX): file.get_tensor(key).float() for key in keys}
    except (SafetensorError, OSError) as error:
        raise MareyError(f"{path} cannot be read ({error}): taesdv's weights as safetensors would do.") from error
    first = state.get(_PREFIX + "1.weight")
    if first is None or first.ndim != 4 or first.shape[1] != _LATENTS:
        raise MareyError(f"{path} is no TAESDV: its decoder.1.weight, of {_LATENTS} channels in, is not there.")
    with torch.device("meta"):
        decoder = TinyDecoder(len(first))
    wanted = decoder.state_dict()
    odd = sorted(wanted.keys() ^ state.keys()) or [key for key in wanted if wanted[key].shape != state[key].shape]
    if odd:
        raise MareyError(f"{path} is no TAESDV: {odd[0]!r} (one of {len(odd)}) does not fit its layout.")
    decoder.load_state_dict(state, assign=True)
    return decoder.eval().requires_grad_(False)
