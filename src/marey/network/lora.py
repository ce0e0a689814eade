"""Low-rank adapters on any layers of the UNet (LoRA, arXiv 2106.09685): W + strength * alpha / rank * B A.

Adapters lie beside the weights, under names of their own, and several may be heard at once; or they are fused into
the weights, which costs nothing per call. The UNet's own state dict is as it was once they are fused or taken out.
`lora_formats` reads and writes their files.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from marey.errors import MareyError

TARGETS: dict[str, str] = {
    "temporal attention": r"temporal_transformer_blocks\.\d+\.attn[12]\.to_(q|k|v|out\.0)$",
    "spatial attention": r"(?<!temporal_)transformer_blocks\.\d+\.attn[12]\.to_(q|k|v|out\.0)$",
    "attention": r"transformer_blocks\.\d+\.attn[12]\.to_(q|k|v|out\.0)$",
    "temporal": r"(temporal_transformer_blocks|temporal_res_block|time_pos_embed)\.",
    "all": "",
}
"""Sets of layers by name, as regular expressions over the layers' names. The camera LoRAs of the paper (arXiv
2311.15127, section 4.4) have rank 16 on the temporal attention."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Pair:
    """The two factors of one layer."""

    down: Tensor
    """A: (rank, in), or (rank, in, *kernel) of a convolution."""
    up: Tensor
    """B: (out, rank), or (out, rank, 1, ...)."""
    alpha: float

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    def delta(self) -> Tensor:
        """(out, in) or (out, in, *kernel): alpha / rank * B A."""
        flat = self.up.flatten(1) @ self.down.flatten(1)
        return (self.alpha / self.rank) * flat.view(len(self.up), *self.down.shape[1:])


class Adapters(nn.Module):
    """What is added to one layer's weight: the adapters on it, each as strong as it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.ParameterDict(), nn.ParameterDict()
        self.alpha: dict[str, float] = {}
        self.strength: dict[str, float] = {}

    def forward(self, weight: Tensor) -> Tensor:
        for name, strength in self.strength.items():
            if strength:
                weight = weight + (strength * self.pair(name).delta()).to(weight.dtype)
        return weight

    def pair(self, name: str) -> Pair:
        """The factors of one adapter."""
        return Pair(self.down[name], self.up[name], self.alpha[name])


def layers_of(network: nn.Module, targets: str | Sequence[str]) -> dict[str, nn.Module]:
    """The linear and convolution layers that a name of `TARGETS`, or regular expressions over names, choose.

    Raises:
        MareyError: none is chosen.
    """
    patterns = [TARGETS.get(targets, targets)] if isinstance(targets, str) else list(targets)
    try:
        chosen = [re.compile(pattern) for pattern in patterns]
    except re.error as error:
        raise MareyError(f"The layers {targets!r} are no regular expression: {error}.") from error
    found = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.Conv3d)) and any(one.search(name) for one in chosen)
    }
    if not found:
        raise MareyError(f"No layer is meant by {targets!r}: {', '.join(TARGETS)}, or part of a name, would do.")
    return found


def add_adapter(
    network: nn.Module,
    name: str,
    *,
    rank: int = 16,
    alpha: float | None = None,
    targets: str | Sequence[str] = "temporal attention",
    seed: int = 0,
) -> list[nn.Parameter]:
    """A new adapter, which changes nothing before it is trained: B is zero, A is drawn from `seed`.

    Args:
        network: whose other parameters are frozen by this.
        name: of the adapter: letters, digits, - and _.
        rank: of its matrices; at most the sides of a layer's weight.
        alpha: how strong it is, over the rank; the rank by default.
        targets: which layers, as of `layers_of`.

    Returns:
        Its parameters, to be trained: float32, layer by layer A and B.

    Raises:
        MareyError: the name is taken or no name, the rank is none, or no layer is chosen.
    """
    if rank < 1:
        raise MareyError(f"The rank is {rank}: 1 or more would do.")
    generator = torch.Generator().manual_seed(seed)
    pairs = {}
    for at, layer in layers_of(network, targets).items():
        weight = layer.weight
        bound = weight[0].numel() ** -0.5  # as peft: Kaiming's uniform law with a = sqrt(5)
        down = bound * (2 * torch.rand(rank, *weight.shape[1:], generator=generator) - 1)
        up = torch.zeros(len(weight), rank, *(1,) * (weight.ndim - 2))
        pairs[at] = Pair(down, up, float(rank if alpha is None else alpha))
    network.requires_grad_(False)
    put_adapter(network, name, pairs)
    return [
        parameter.requires_grad_(True)
        for adapters in _adapters(network).values()
        if name in adapters.strength
        for parameter in (adapters.down[name], adapters.up[name])
    ]


def put_adapter(network: nn.Module, name: str, pairs: Mapping[str, Pair], strength: float = 1.0) -> None:
    """Lay an adapter beside the weights of a network, by the names of its layers.

    Raises:
        MareyError: the name is taken or no name, or a layer is not there or has another shape.
    """
    if not _NAME.fullmatch(name):
        raise MareyError(f"The adapter's name is {name!r}: letters, digits, - and _ would do.")
    if name in adapters_of(network):
        raise MareyError(f"There is an adapter {name!r} already: another name, or taking that one out, would do.")
    layers = dict(network.named_modules())
    for at, pair in pairs.items():
        layer = layers.get(at)
        if not isinstance(layer, (nn.Linear, nn.Conv2d, nn.Conv3d)):
            raise MareyError(f"The adapter {name!r} is for a layer {at!r}, which this network does not have.")
        if pair.delta().shape != layer.weight.shape:
            raise MareyError(
                f"The adapter {name!r} changes {at!r} by {tuple(pair.delta().shape)}, whose weight is "
                f"{tuple(layer.weight.shape)}: it was made for another network."
            )
    for at, pair in pairs.items():
        layer = layers[at]
        if not parametrize.is_parametrized(layer, "weight"):
            parametrize.register_parametrization(layer, "weight", Adapters().to(layer.weight.device))
        held = _of(layer)
        device = layer.weight.device
        held.down[name] = nn.Parameter(pair.down.to(device), requires_grad=False)
        held.up[name] = nn.Parameter(pair.up.to(device), requires_grad=False)
        held.alpha[name], held.strength[name] = pair.alpha, strength


def adapters_of(network: nn.Module) -> dict[str, float]:
    """The adapters beside a network's weights, and how strong each is set."""
    return {name: value for held in _adapters(network).values() for name, value in held.strength.items()}


def pairs_of(network: nn.Module, name: str) -> dict[str, Pair]:
    """The factors of an adapter by layer.

    Raises:
        MareyError: there is none of this name.
    """
    _check(network, name)
    return {at: held.pair(name) for at, held in _adapters(network).items() if name in held.strength}


def set_strength(network: nn.Module, strengths: Mapping[str, float]) -> None:
    """How strong each named adapter is heard: 1 as trained, 0 not at all; those not named stay as they are.

    Raises:
        MareyError: there is none of this name.
    """
    for name, strength in strengths.items():
        _check(network, name)
        for held in _adapters(network).values():
            if name in held.strength:
                held.strength[name] = float(strength)


def remove_adapters(network: nn.Module, *, fuse: bool = False) -> None:
    """Take all adapters out. With `fuse` the weights keep what they added, at their strengths; without, they are
    exactly what they were."""
    for at in list(_adapters(network)):
        layer = network.get_submodule(at)
        kept = layer.weight.detach().clone() if fuse else layer.parametrizations.weight.original.detach()
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
        layer.weight.data = kept


def _adapters(network: nn.Module) -> dict[str, Adapters]:
    return {name: _of(layer) for name, layer in _adapted(network)}


def _adapted(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, layer in network.named_modules():
        if parametrize.is_parametrized(layer, "weight") and isinstance(layer.parametrizations.weight[0], Adapters):
            yield name, layer


def _of(layer: nn.Module) -> Adapters:
    held = layer.parametrizations.weight[0]
    assert isinstance(held, Adapters)
    return held


def _check(network: nn.Module, name: str) -> None:
    known = adapters_of(network)
    if name not in known:
        raise MareyError(f"There is no adapter {name!r} here: {', '.join(known) or 'none was put'}.")
