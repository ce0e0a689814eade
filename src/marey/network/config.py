"""The shape of a spatio-temporal UNet, and diffusers' config.json of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from marey.errors import MareyError

CLASS_NAME = "UNetSpatioTemporalConditionModel"
GROUPS = 32
"""Groups of every group normalisation: diffusers fixes the number, so every width is a multiple of it."""

_EPS_KEY, _POOLS_KEY = "resnet_eps", "pools_context"  # diffusers knows no such keys of this class, and passes over them

_DOWN = {True: "CrossAttnDownBlockSpatioTemporal", False: "DownBlockSpatioTemporal"}
_UP = {True: "CrossAttnUpBlockSpatioTemporal", False: "UpBlockSpatioTemporal"}


@dataclass(frozen=True)
class UNetConfig:
    """The shape of a UNet. The defaults are those of Stable Video Diffusion (arXiv 2311.15127): 1524.62 M parameters.

    Raises:
        MareyError: a value that the network cannot have; the message names it and says what would do.
    """

    channels: tuple[int, ...] = (320, 640, 1280, 1280)
    """Width of each level, finest first; multiples of 32."""
    heads: tuple[int, ...] = (5, 10, 20, 20)
    """Attention heads of each level; the middle has those of the last."""
    attends: tuple[bool, ...] = (True, True, True, False)
    """Which levels have transformers. The middle always has one."""
    layers: int = 2
    """Residual blocks of each level on the way down; one more on the way up."""
    transformer_layers: int = 1
    context: int = 1024
    """Width of the cross-attention tokens."""
    embed: int = 256
    """Width of the sinusoid of each added condition."""
    conditions: int = 3
    """Added conditions: fps - 1, motion bucket, noise augmentation."""
    in_channels: int = 8
    out_channels: int = 4
    frames: int = 14
    """Frames of the clips that it was trained on; it runs on any number."""
    sample_size: int = 96
    """Latent height and width that it was trained on; it runs on any."""
    eps: float | None = None
    """Of the residual blocks' normalisations. None: those of diffusers, which differ by level; sgm's are all 1e-5."""
    pools_context: bool = False
    """Whether all tokens together are also told to every residual block, beside the added conditions: a text reaches
    the levels without transformers, too. SVD's network does not."""

    def __post_init__(self) -> None:
        levels = len(self.channels)
        if not levels:
            raise MareyError("A UNet needs at least one level: channels=(64, 128) would do.")
        for name in ("heads", "attends"):
            if len(getattr(self, name)) != levels:
                raise MareyError(
                    f"The UNet's {name} is {getattr(self, name)}: one value for each of its {levels} levels."
                )
        for width, heads in zip(self.channels, self.heads, strict=True):
            if width < GROUPS or width % GROUPS:
                raise MareyError(f"The UNet's channels are {self.channels}: {width} is not a multiple of {GROUPS}.")
            if heads < 1 or width % heads:
                raise MareyError(f"The UNet's {heads} heads do not divide its width of {width}.")
        for name in ("layers", "transformer_layers", "context", "conditions", "in_channels", "out_channels", "frames"):
            if getattr(self, name) < 1:
                raise MareyError(f"The UNet's {name} is {getattr(self, name)}: 1 or more would do.")
        if self.embed < 2 or self.embed % 2:
            raise MareyError(f"The UNet's embed is {self.embed}: an even number would do.")

    @classmethod
    def plain(
        cls,
        channels: Sequence[int],
        *,
        layers: int = 1,
        attends: Sequence[bool] | None = None,
        head_width: int = 32,
        context: int = 64,
        embed: int = 32,
        in_channels: int = 8,
        frames: int = 8,
        sample_size: int = 16,
        pools_context: bool = False,
    ) -> Self:
        """The usual shape: all levels but the last attend unless `attends` says which, and every head has the same
        width.

        Raises:
            MareyError: head_width does not divide every width.
        """
        for width in channels:
            if head_width < 1 or width % head_width:
                raise MareyError(f"A head width of {head_width} does not divide the UNet's width of {width}.")
        return cls(
            channels=tuple(channels),
            heads=tuple(width // head_width for width in channels),
            attends=tuple(attends or (level < len(channels) - 1 for level in range(len(channels)))),
            layers=layers,
            context=context,
            embed=embed,
            in_channels=in_channels,
            frames=frames,
            sample_size=sample_size,
            pools_context=pools_context,
        )

    @property
    def emb(self) -> int:
        """Width of the embedding of noise level and added conditions."""
        return 4 * self.channels[0]

    def to_json(self) -> dict[str, Any]:
        """diffusers' config.json of this network."""
        return {
            "_class_name": CLASS_NAME,
            "addition_time_embed_dim": self.embed,
            "block_out_channels": list(self.channels),
            "cross_attention_dim": self.context,
            "down_block_types": [_DOWN[attends] for attends in self.attends],
            "in_channels": self.in_channels,
            "layers_per_block": self.layers,
            "num_attention_heads": list(self.heads),
            "num_frames": self.frames,
            "out_channels": self.out_channels,
            "projection_class_embeddings_input_dim": self.embed * self.conditions,
            "sample_size": self.sample_size,
            "transformer_layers_per_block": self.transformer_layers,
            "up_block_types": [_UP[attends] for attends in reversed(self.attends)],
            **({} if self.eps is None else {_EPS_KEY: self.eps}),
            **({_POOLS_KEY: True} if self.pools_context else {}),
        }

    @classmethod
    def from_json(cls, table: Mapping[str, Any], where: str = "the UNet's config.json") -> Self:
        """The shape that diffusers' config.json describes; keys that it leaves out have diffusers' defaults.

        Raises:
            MareyError: another class, or a shape that this network does not have.
        """
        if table.get("_class_name", CLASS_NAME) != CLASS_NAME:
            raise MareyError(f"{where} is of a {table['_class_name']}: a {CLASS_NAME} would do.")
        channels = tuple(table.get("block_out_channels", (320, 640, 1280, 1280)))
        levels = len(channels)
        down = table.get("down_block_types", [_DOWN[level < 3] for level in range(4)])
        up = table.get("up_block_types", [_UP[level > 0] for level in range(4)])
        attends = tuple(kind == _DOWN[True] for kind in down)
        if list(down) != [_DOWN[a] for a in attends] or list(up) != [_UP[a] for a in reversed(attends)]:
            raise MareyError(
                f"{where} has blocks {list(down)} and {list(up)}: only mirrored spatio-temporal ones would do."
            )

        def same(key: str, default: int) -> int:
            value = table.get(key, default)
            if isinstance(value, int):
                return value
            if not isinstance(value, (list, tuple)) or len(set(map(str, value))) != 1 or not isinstance(value[0], int):
                raise MareyError(f"{where} has {key} = {value}: one number for all levels would do.")
            return value[0]

        heads = table.get("num_attention_heads", (5, 10, 20, 20))
        embed = same("addition_time_embed_dim", 256)
        added = same("projection_class_embeddings_input_dim", 768)
        if embed < 1 or added % embed:
            raise MareyError(
                f"{where} has projection_class_embeddings_input_dim = {added}: a multiple of {embed} would do."
            )
        return cls(
            channels=channels,
            heads=(heads,) * levels if isinstance(heads, int) else tuple(heads),
            attends=attends,
            layers=same("layers_per_block", 2),
            transformer_layers=same("transformer_layers_per_block", 1),
            context=same("cross_attention_dim", 1024),
            embed=embed,
            conditions=added // embed,
            in_channels=same("in_channels", 8),
            out_channels=same("out_channels", 4),
            frames=same("num_frames", 25),
            sample_size=table.get("sample_size") or 96,
            eps=table.get(_EPS_KEY),
            pools_context=bool(table.get(_POOLS_KEY, False)),
        )
