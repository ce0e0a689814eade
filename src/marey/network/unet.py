"""Stable Video Diffusion's UNet at any width, with the state-dict keys of diffusers' UNetSpatioTemporalConditionModel.

One clip's way through it (arXiv 2311.15127, section 3 and appendix D; svd.md §1.2):

    conv_in -> levels down, each [R, A] x layers and a halving -> R, A, R -> levels up, each [R, A] x (layers + 1) ->
    conv_out

R is a spatio-temporal residual block (`resblock`), A a spatio-temporal transformer (`transformer`). The image stage
runs the same class with T = 1 and `image_only` = 1, which leads past everything temporal.
"""

from collections.abc import Callable, Collection

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from marey.errors import MareyError
from marey.network.config import GROUPS, UNetConfig
from marey.network.doubling import doubled
from marey.network.norm import GroupNorm
from marey.network.resblock import Clips, Known, SpatioTemporalResBlock
from marey.network.transformer import Embedding, SpatioTemporalTransformer, sinusoid

__all__ = ["Around", "SpatioTemporalUNet", "UNetConfig", "fresh"]

Around = Callable[[Callable[[], Tensor]], Tensor]
"""Told how to compute the inner features (B*T, C, h, w); gives them, or what stands in for them."""

# Epsilons of the residual blocks' normalisations in diffusers, which differ by level.
_EPS_MID = 1e-5
_EPS_DOWN = {True: 1e-6, False: 1e-5}  # by whether the level attends
_EPS_UP = 1e-6


class Sampler(nn.Module):
    """The 3x3 convolution that halves the frames, or that follows their doubling."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=stride, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Level(nn.Module):
    """Residual blocks of one size, each followed by a transformer where the level attends, and the way to the next
    size.
    """

    def __init__(self, config: UNetConfig, level: int, widths_in: list[int], eps: float, attends: bool) -> None:
        super().__init__()
        width = config.channels[level]
        eps = eps if config.eps is None else config.eps
        self.resnets = nn.ModuleList(SpatioTemporalResBlock(w, width, config.emb, eps) for w in widths_in)
        self.attentions: nn.ModuleList | None = None
        if attends:
            self.attentions = nn.ModuleList(_transformer(config, level) for _ in range(len(widths_in)))


class DownLevel(Level):
    """A level on the way down."""

    def __init__(self, config: UNetConfig, level: int, width_in: int) -> None:
        attends = config.attends[level]
        widths = [width_in] + [config.channels[level]] * (config.layers - 1)
        super().__init__(config, level, widths, _EPS_DOWN[attends], attends)
        self.downsamplers: nn.ModuleList | None = None
        if level < len(config.channels) - 1:
            self.downsamplers = nn.ModuleList([Sampler(config.channels[level], stride=2)])


class UpLevel(Level):
    """A level on the way up: each residual block also reads what the way down left at its place."""

    def __init__(self, config: UNetConfig, level: int, widths_in: list[int]) -> None:
        super().__init__(config, level, widths_in, _EPS_UP, config.attends[level])
        self.upsamplers: nn.ModuleList | None = None
        if level > 0:
            self.upsamplers = nn.ModuleList([Sampler(config.channels[level], stride=1)])


class Middle(nn.Module):
    """R, A, R at the coarsest size."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        width = config.channels[-1]
        eps = _EPS_MID if config.eps is None else config.eps
        self.resnets = nn.ModuleList(SpatioTemporalResBlock(width, width, config.emb, eps) for _ in range(2))
        self.attentions = nn.ModuleList([_transformer(config, len(config.channels) - 1)])


class SpatioTemporalUNet(nn.Module):
    """Predicts F of svd.md §1.5 from scaled noisy latents and their conditions.

    Attributes:
        config: its shape.
        checkpointing: recompute every block's activations, the temporal ones too, in the backward pass; less memory,
            more time. Or the levels whose blocks are recomputed, 0 the finest, where they take most memory for their
            work; the middle counts as one more than the last.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        self.checkpointing: bool | Collection[int] = False
        channels = config.channels

        self.conv_in = nn.Conv2d(config.in_channels, channels[0], 3, padding=1)
        self.time_embedding = Embedding(channels[0], config.emb)
        self.add_embedding = Embedding(config.embed * config.conditions, config.emb)
        if config.pools_context:
            self.context_embedding = Embedding(config.context, config.emb)

        self.down_blocks = nn.ModuleList()
        width = channels[0]
        skips = [width]  # widths of what the way down leaves for the way up
        for level in range(len(channels)):
            self.down_blocks.append(DownLevel(config, level, width))
            width = channels[level]
            skips += [width] * (config.layers + (level < len(channels) - 1))

        self.mid_block = Middle(config)

        self.up_blocks = nn.ModuleList()
        for level in reversed(range(len(channels))):
            widths_in = []
            for _ in range(config.layers + 1):
                widths_in.append(width + skips.pop())
                width = channels[level]
            self.up_blocks.append(UpLevel(config, level, widths_in))

        self.conv_norm_out = GroupNorm(GROUPS, channels[0], eps=1e-5)
        self.conv_out = nn.Conv2d(channels[0], config.out_channels, 3, padding=1)

        for level, part in enumerate((*self.down_blocks, self.mid_block)):
            for block in (*part.resnets, *(part.attentions or ())):
                block.level = level
        for level, part in enumerate(reversed(self.up_blocks)):
            for block in (*part.resnets, *(part.attentions or ())):
                block.level = level

    def forward(
        self,
        sample: Tensor,
        c_noise: Tensor,
        context: Tensor,
        added: Tensor,
        image_only: Tensor | None = None,
        around: Around | None = None,
        outer: int = 1,
        known: Known | None = None,
    ) -> Tensor:
        """One call.

        Args:
            sample: (B, T, C_in, h, w): the noisy latents times c_in, then whatever is concatenated to them.
            c_noise: (B,): ln(sigma) / 4.
            context: (B, N, D): one token (the still's embedding) or many (a caption's).
            added: (B, 3): fps - 1, motion bucket 0..255, noise augmentation; or (B, T, 3) where they differ by frame.
            image_only: (B, T), 1 for frames that are pictures of their own (no temporal layer touches them). None: none
                are.
            around: decides whether the inner network is run: all but the first `outer` steps down (a step is a pair of
                blocks, or a halving) and the `outer` + 1 pairs of blocks that end the way up.
            outer: from 0 to the number of steps down.
            known: without gradients, keeps what does not change from step to step for the next call of the same clip.

        Returns:
            (B, T, C_out, h, w) in the dtype of the weights.

        Raises:
            MareyError: an argument of another shape.
        """
        self._check(sample, c_noise, context, added, image_only)
        batch, frames = sample.shape[:2]
        dtype = self.conv_in.weight.dtype
        known = None if torch.is_grad_enabled() else known
        if known is not None:
            known.begin(context, added, torch.tensor([batch, frames]))
        clips = Clips(batch, frames, known=known)
        if image_only is not None:
            stills = image_only.bool()
            only = stills.is_meta or bool(stills.all())  # what is only counted is counted as pictures
            clips = Clips(batch, frames, stills if not only and bool(stills.any()) else None, only, known)

        # SiLU opens every block's projection of the embedding: it is taken once, here.
        context = context.to(dtype)
        emb = functional.silu(self._embed(c_noise, added, context, clips))  # (B, 1 or T, E)

        x = sample.flatten(0, 1).to(dtype).contiguous(memory_format=torch.channels_last)  # (B*T, C, h, w)
        x = self.conv_in(x)
        skips = [x]
        downs, ups = self._steps_down(), self._steps_up()
        if not 0 <= outer <= len(downs):
            raise MareyError(f"outer is {outer}: 0 to {len(downs)} steps down would do.")

        def pair(x: Tensor, resnet: nn.Module, attention: nn.Module | None) -> Tensor:
            x = self._run(resnet, x, emb, clips)
            return x if attention is None else self._run(attention, x, context, clips)

        def go_down(x: Tensor, steps: list[tuple[nn.Module, nn.Module | None]]) -> Tensor:
            for step in steps:
                x = step[0](x) if isinstance(step[0], Sampler) else pair(x, *step)
                skips.append(x)
            return x

        def go_up(x: Tensor, steps: list[tuple[nn.Module, nn.Module | None, Sampler | None]]) -> Tensor:
            for resnet, attention, double in steps:
                x = pair(torch.cat([x, skips.pop()], dim=1), resnet, attention)
                if double is not None:
                    # To the size of what is read next: an odd size was rounded up on the way down.
                    x = doubled(x, double.conv, (skips[-1].shape[-2], skips[-1].shape[-1]))
            return x

        x = go_down(x, downs[:outer])

        def inner() -> Tensor:
            first, last = self.mid_block.resnets
            y = pair(go_down(x, downs[outer:]), first, self.mid_block.attentions[0])
            y = self._run(last, y, emb, clips)
            return go_up(y, ups[: len(downs) - outer])

        x = go_up(inner() if around is None else around(inner), ups[len(downs) - outer :])
        x = functional.silu(self.conv_norm_out(x), inplace=not torch.is_grad_enabled())
        return self.conv_out(x).unflatten(0, (batch, frames))

    def idle(self, *, tokens: int, only_stills: bool) -> set[str]:
        """Names of the parameters that get no gradient: with one token the queries and keys of cross-attention, with
        only stills everything temporal. Distributed training must freeze them, or allow for unused parameters."""
        names = set()
        for name, _ in self.named_parameters():
            asks = ".attn2.to_q." in name or ".attn2.to_k." in name
            asks |= ".norm2." in name and "transformer_blocks." in name
            if (tokens == 1 and asks) or (only_stills and is_temporal(name)):
                names.add(name)
        return names

    def _embed(self, c_noise: Tensor, added: Tensor, context: Tensor, clips: Clips) -> Tensor:
        config, dtype = self.config, context.dtype

        def of_added() -> Tensor:
            waves = sinusoid(added.reshape(-1), config.embed).to(dtype)
            told = self.add_embedding(waves.view(len(added), -1, config.conditions * config.embed))  # (B, 1 or T, E)
            if config.pools_context:
                # The root keeps tokens that are drawn apart as wide as one of them.
                told = told + self.context_embedding(context.sum(dim=1, keepdim=True) / context.shape[1] ** 0.5)
            return told

        emb = self.time_embedding(sinusoid(c_noise, config.channels[0]).to(dtype))[:, None]  # (B, 1, E)
        return emb + clips.once(self.add_embedding, of_added)

    def _steps_down(self) -> list[tuple[nn.Module, nn.Module | None]]:
        """Pairs of blocks and halvings; each leaves what one pair on the way up reads."""
        steps: list[tuple[nn.Module, nn.Module | None]] = []
        for level in self.down_blocks:
            steps += zip(level.resnets, level.attentions or [None] * len(level.resnets), strict=True)
            if level.downsamplers is not None:
                steps.append((level.downsamplers[0], None))
        return steps

    def _steps_up(self) -> list[tuple[nn.Module, nn.Module | None, Sampler | None]]:
        """Pairs of blocks, and the doubling after the last of a level."""
        steps: list[tuple[nn.Module, nn.Module | None, Sampler | None]] = []
        for level in self.up_blocks:
            doubles = [None] * (len(level.resnets) - 1) + [level.upsamplers[0] if level.upsamplers else None]
            steps += zip(level.resnets, level.attentions or [None] * len(level.resnets), doubles, strict=True)
        return steps

    def _run(self, block: nn.Module, x: Tensor, condition: Tensor, clips: Clips) -> Tensor:
        levels = self.checkpointing
        if torch.is_grad_enabled() and (levels if isinstance(levels, bool) else block.level in levels):
            return checkpoint(block, x, condition, clips, use_reentrant=False)
        return block(x, condition, clips)

    def _check(
        self, sample: Tensor, c_noise: Tensor, context: Tensor, added: Tensor, image_only: Tensor | None
    ) -> None:
        config = self.config
        if sample.ndim != 5 or sample.shape[2] != config.in_channels:
            raise MareyError(
                f"The UNet's sample is {tuple(sample.shape)}: (clips, frames, {config.in_channels}, height, width) "
                "would do."
            )
        batch, frames = sample.shape[:2]
        if c_noise.shape != (batch,):
            raise MareyError(f"The UNet's c_noise is {tuple(c_noise.shape)}: ({batch},), one a clip, would do.")
        if context.ndim != 3 or context.shape[0] != batch or context.shape[2] != config.context:
            raise MareyError(
                f"The UNet's context is {tuple(context.shape)}: ({batch}, tokens, {config.context}) would do."
            )
        if added.shape not in ((batch, config.conditions), (batch, frames, config.conditions)):
            raise MareyError(f"The UNet's added is {tuple(added.shape)}: ({batch}, {config.conditions}) would do.")
        if image_only is not None and image_only.shape != (batch, frames):
            raise MareyError(f"The UNet's image_only is {tuple(image_only.shape)}: ({batch}, {frames}) would do.")


def is_temporal(name: str) -> bool:
    """Whether a parameter, by its name, belongs to what mixes frames (656 M of SVD's 1525 M)."""
    return any(part in name for part in (".temporal_", ".time_mixer.", ".time_pos_embed."))


def fresh(config: UNetConfig, seed: int) -> SpatioTemporalUNet:
    """A new UNet with weights drawn from `seed`, leaving torch's own generator as it was.

    As in the reference (sgm), the last layer of every branch starts at zero, so that each block starts as the identity
    and the network starts with the output 0, whose v-form loss is 1.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet = SpatioTemporalUNet(config)
    silent = [unet.conv_out]
    for module in unet.modules():
        if isinstance(module, SpatioTemporalResBlock):
            silent += [module.spatial_res_block.conv2, module.temporal_res_block.conv2]
        elif isinstance(module, SpatioTemporalTransformer):
            silent.append(module.proj_out)
    for layer in silent:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    return unet


def _transformer(config: UNetConfig, level: int) -> SpatioTemporalTransformer:
    return SpatioTemporalTransformer(
        config.channels[level], config.heads[level], config.context, config.transformer_layers
    )
