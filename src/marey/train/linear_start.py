"""The autoencoder's first weights: a plain linear codec that its training then improves on.

From random weights most of a short training goes into finding out how bright a picture is. Group normalisation is why:
diffusers fixes 32 groups, so that at small widths a group has one to four channels, and what a group of one or two
channels has in common over the whole picture is taken out of it. Three channels suffice: x, -x and a constant c have
the mean c / 3, and while c is large a deviation that hardly depends on x, so that silu(u) - silu(-u) = u gives x back.
Laid out so, in the first weights,

    encode   mean colour of each block of pixels -> the first three latents
    decode   the first three latents -> blocks of their colours

with every residual branch at zero and all other channels as they were drawn, ready to learn the rest.
"""

import math

import torch
from torch import nn

from marey.network.autoencoder import Autoencoder

Kernel = tuple[tuple[float, ...], ...]
Step = tuple[nn.Conv2d, Kernel | None]

CONSTANT = 5.0
"""Of the constant channels; pixels are in [-1, 1]."""
LOGVAR = -6.0
"""Of all latents to begin with: drawn latents are nearly the means, so that the decoder sees what the encoder says."""
_COLOURS = 3
_REST = 0.1
"""Scale of the drawn weights that read the other channels."""
_BLOCK: Kernel = ((0.25, 0.25, 0.0), (0.25, 0.25, 0.0), (0.0, 0.0, 0.0))
"""Mean of 2x2 pixels, for a convolution of stride 2 that is padded at the right and the bottom."""
_BRANCH_ENDS = ("conv2.weight", "conv2.bias", "to_out.0.weight", "to_out.0.bias")


@torch.no_grad()
def start_linear(autoencoder: Autoencoder) -> None:
    """Replace the first weights of an autoencoder by a linear codec. With fewer than three latent channels, which
    cannot hold a colour, only the branches are silenced.

    Widths of 96 and more at the finest and at the coarsest level keep brightness and contrast exactly; 64 loses
    contrast, 32 brightness too, and training has to find them.
    """
    encoder, decoder = autoencoder.vae.encoder, autoencoder.vae.decoder
    for name, value in autoencoder.vae.named_parameters():
        if name.endswith(_BRANCH_ENDS):
            nn.init.zeros_(value)

    mix = autoencoder.vae.quant_conv
    channels = autoencoder.latent_channels
    nn.init.zeros_(mix.weight)
    nn.init.zeros_(mix.bias)
    mix.weight[range(channels), range(channels)] = 1.0
    mix.bias[channels:] = LOGVAR
    if channels < _COLOURS:
        return

    _carry(encoder.conv_in, None)
    through: list[Step] = []
    for level in encoder.down_blocks:
        through += [(block.conv_shortcut, None) for block in level.resnets if block.conv_shortcut is not None]
        through += [(sampler.conv, _BLOCK) for sampler in level.downsamplers or ()]
    _lay(encoder.conv_in, through, encoder.conv_norm_out)
    _read(encoder.conv_norm_out, encoder.conv_out)

    _carry(decoder.conv_in, None)
    through = []
    for level in decoder.up_blocks:
        blocks = [block.spatial_res_block for block in level.resnets]
        through += [(block.conv_shortcut, None) for block in blocks if block.conv_shortcut is not None]
        through += [(sampler.conv, None) for sampler in level.upsamplers or ()]
    _lay(decoder.conv_in, through, decoder.conv_norm_out)
    _read(decoder.conv_norm_out, decoder.conv_out)
    nn.init.dirac_(decoder.time_conv_out.weight)
    nn.init.zeros_(decoder.time_conv_out.bias)


def _lay(first: nn.Conv2d, through: list[Step], norm: nn.GroupNorm) -> None:
    """The colours go through all convolutions as they are; the last one lays them out for the normalisation."""
    for conv, kernel in through[:-1]:
        _carry(conv, kernel)
    last, kernel = through[-1] if through else (first, None)
    size = norm.num_channels // norm.num_groups
    for colour in range(_COLOURS):
        plus, minus, constants = _places(colour, size)
        _tap(last, colour, plus, 1.0, kernel)
        _tap(last, colour, minus, -1.0, kernel)
        for channel, value in constants:
            _tap(last, colour, channel, 0.0, kernel)
            last.bias[channel] = value


def _places(colour: int, size: int) -> tuple[int, int, list[tuple[int, float]]]:
    """Channels of x and -x, and of the constants with their values, in groups of `size` channels."""
    if size == 1:
        return 2 * colour, 2 * colour + 1, []
    first = colour * size
    return first, first + 1, [(first + n, CONSTANT * (-1) ** n) for n in range(2, size)]


def _read(norm: nn.GroupNorm, conv: nn.Conv2d) -> None:
    """Normalisation, SiLU and convolution give x back, in the first three channels of the convolution."""
    size = norm.num_channels // norm.num_groups
    values = [0.0, 0.0] + [value for _, value in _places(0, size)[2]]
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum(value**2 for value in values) / len(values) - mean**2) or 0.4  # a picture's own, about
    nn.init.zeros_(conv.bias)
    conv.weight.mul_(_REST)
    for colour in range(_COLOURS):
        plus, minus, _ = _places(colour, size)
        norm.bias[[plus, minus]] = mean / deviation
        _tap(conv, plus, colour, deviation, None)
        _tap(conv, minus, colour, -deviation, None, clear=False)


def _carry(conv: nn.Conv2d, kernel: Kernel | None) -> None:
    for colour in range(_COLOURS):
        _tap(conv, colour, colour, 1.0, kernel)


def _tap(
    conv: nn.Conv2d,
    source: int,
    target: int,
    weight: float,
    kernel: Kernel | None,
    clear: bool = True,
) -> None:
    """The target channel becomes `weight` times the source, through a kernel or, where it is None, pixel by pixel."""
    if clear:
        nn.init.zeros_(conv.weight[target])
        conv.bias[target] = 0.0
    if kernel is None:
        middle = conv.kernel_size[0] // 2
        conv.weight[target, source, middle, middle] = weight
    else:
        conv.weight[target, source] = weight * conv.weight.new_tensor(kernel)
