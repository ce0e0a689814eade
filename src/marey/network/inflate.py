"""From a picture model to a video model that, at first, is the same model (svd.md §1.10)."""

from dataclasses import replace

import torch
from torch import nn

from marey.errors import MareyError
from marey.network.resblock import SpatioTemporalResBlock
from marey.network.transformer import SpatioTemporalTransformer
from marey.network.unet import SpatioTemporalUNet


def inflate(image: SpatioTemporalUNet, *, in_channels: int = 8, frames: int | None = None) -> SpatioTemporalUNet:
    """A video UNet whose frames are, to begin with, exactly those of the image UNet.

    Every weight is copied. `conv_in` gets zero weights for its new input channels, so that the concatenated condition
    says nothing yet; the last layer of each temporal branch is zeroed, so that the temporal result equals the spatial
    one and their mix is both, whatever the mix. Gradients reach all of them from the first step but those that stand
    behind a zeroed layer, which follow.

    Args:
        image: a UNet trained with T = 1 and `image_only` = 1; it is left as it is.
        in_channels: of the new UNet: 4 noisy and 4 condition latents.
        frames: of the clips that it will be trained on, kept in its configuration.

    Raises:
        MareyError: fewer input channels than the image UNet has.
    """
    had = image.config.in_channels
    if in_channels < had:
        raise MareyError(f"in_channels is {in_channels}: at least the image UNet's {had} would do.")
    config = replace(image.config, in_channels=in_channels, frames=frames or image.config.frames)
    weight = image.conv_in.weight
    with torch.device("meta"):  # no draw of weights that are about to be overwritten
        video = SpatioTemporalUNet(config)
    video.to_empty(device=weight.device).to(weight.dtype)
    state = dict(image.state_dict())
    padded = weight.new_zeros(weight.shape[0], in_channels, *weight.shape[2:])
    padded[:, :had] = weight.detach()
    state["conv_in.weight"] = padded
    video.load_state_dict(state)
    for layer in temporal_outputs(video):
        nn.init.zeros_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return video.train(image.training)


def temporal_outputs(unet: SpatioTemporalUNet) -> list[nn.Module]:
    """The last layer of each temporal branch: while they are zero, a video is so many pictures."""
    layers: list[nn.Module] = []
    for module in unet.modules():
        if isinstance(module, SpatioTemporalResBlock):
            layers.append(module.temporal_res_block.conv2)
        elif isinstance(module, SpatioTemporalTransformer):
            layers.append(module.time_pos_embed.linear_2)
            for block in module.temporal_transformer_blocks:
                layers += [block.ff_in.net[2], block.attn1.to_out[0], block.attn2.to_out[0], block.ff.net[2]]
    return layers
