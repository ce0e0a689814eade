"""What the stages train: networks that answer what they are asked with a loss, in the v-form (svd.md §1.3)."""

import torch
from torch import nn

from marey.diffusion.precondition import v_loss
from marey.generate.imagine import joined
from marey.network.condition import Condition
from marey.network.embedders import ImageEmbedder, TextEmbedder
from marey.network.unet import SpatioTemporalUNet


class ImageNetwork(nn.Module):
    """The UNet on single frames and the text embedder that is trained with it. Everything that mixes frames is frozen,
    and so is the embedding of fps, motion and noise augmentation, which a picture does not have.

    Args:
        only: what the names of the UNet's weights that are trained begin with. "": all.
    """

    def __init__(self, unet: SpatioTemporalUNet, text_embedder: TextEmbedder, only: str = "") -> None:
        super().__init__()
        self.unet, self.text_embedder = unet, text_embedder
        for value in unet.add_embedding.linear_2.parameters():
            nn.init.zeros_(value)  # it says nothing, so that the video stage begins where this one ends (svd.md §1.10)
        idle = unet.idle(tokens=text_embedder.tokens, only_stills=True)
        for name, value in unet.named_parameters():
            learns = name not in idle and not name.startswith("add_embedding.")
            value.requires_grad_(learns and name.startswith(only))

    def forward(
        self,
        latents: torch.Tensor,
        noise: torch.Tensor,
        sigma: torch.Tensor,
        tokens: torch.Tensor,
        keep_token: torch.Tensor,
    ) -> torch.Tensor:
        """(B,) losses of latents (B, 1, C, h, w) with captions as token ids (B, N); 0 in keep_token (B,) zeroes a
        caption.
        """
        context = self.text_embedder(tokens) * keep_token[:, None, None]
        added = latents.new_zeros(len(latents), self.unet.config.conditions)
        only = latents.new_ones(latents.shape[:2])

        def network(x: torch.Tensor, c_noise: torch.Tensor) -> torch.Tensor:
            return self.unet(x, c_noise, context, added, only)

        return v_loss(network, latents, noise, sigma)


class VideoNetwork(nn.Module):
    """The inflated UNet on clips and the image embedder that is trained with it; without one, tokens are given.

    Args:
        tokens: of the context: one of each given frame, and those of a text before them.
        condition: what the UNet is told; trained with it where it learns something. None: a still.
    """

    def __init__(
        self,
        unet: SpatioTemporalUNet,
        image_embedder: ImageEmbedder | None,
        tokens: int = 1,
        condition: Condition | None = None,
    ) -> None:
        super().__init__()
        self.unet, self.image_embedder, self.tokens = unet, image_embedder, tokens
        self.condition = condition or Condition(unet.config.out_channels)
        idle = unet.idle(tokens=tokens, only_stills=False)
        for name, value in unet.named_parameters():
            value.requires_grad_(name not in idle)

    def forward(
        self,
        latents: torch.Tensor,
        noise: torch.Tensor,
        sigma: torch.Tensor,
        condition: torch.Tensor,
        added: torch.Tensor,
        keep_token: torch.Tensor,
        keep_frame: torch.Tensor,
        still: torch.Tensor | None = None,
        token: torch.Tensor | None = None,
        image_only: torch.Tensor | None = None,
        text: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(B,) losses.

        Args:
            latents: (B, T, C, h, w), scaled.
            noise: as latents, unit normal.
            sigma: (B,), one noise level a clip.
            condition: (B, C, h, w): encoder mean of the noised first frame, NOT scaled; (B, S, C, h, w) where several
                frames are given. `self.condition` says what becomes of it.
            added: (B, 3): fps - 1, motion bucket, noise augmentation; then the numbers of the condition, and (B, T, n)
                where these differ by frame.
            keep_token, keep_frame: (B,) of 0 or 1; 0 zeroes what the guidance's unconditional branch zeroes.
            still: (B, 3, H, W) in [-1, 1]: the clean first frame, for the token.
            token: (B, S, D): instead, the token of each given frame.
            image_only: (B, T), 1 for frames that are pictures of their own. None: none are.
            text: (B, N, D), for a UNet that takes texts: their tokens, zeros where there is none.
        """
        if token is None:
            assert self.image_embedder is not None
            token = self.image_embedder(still)
        context = token * keep_token[:, None, None]
        context = context if text is None else joined(text, context)
        given = condition if condition.ndim == 5 else condition[:, None]
        frames = self.condition.concatenated(given, latents.shape[1]) * keep_frame[:, None, None, None, None]

        def network(x: torch.Tensor, c_noise: torch.Tensor) -> torch.Tensor:
            return self.unet(torch.cat([x, frames], dim=2), c_noise, context, added, image_only)

        return v_loss(network, latents, noise, sigma)
