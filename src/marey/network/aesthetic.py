"""The LAION aesthetic predictors: one number from a CLIP embedding, by a linear layer or by five of them.

Source: LAION-AI/aesthetic-predictor (linear, ViT-L/14) and christophschuhmann/improved-aesthetic-predictor (the MLP,
which has no activations between its layers). Keys are theirs.
"""

from itertools import pairwise
from pathlib import Path

from torch import Tensor, nn

from marey.errors import MareyError
from marey.network.weights import read_state


class AestheticHead(nn.Module):
    """The scores (N,) of CLIP image embeddings (N, D) of any length; from about 1 to 10."""

    def __init__(self, layers: nn.Module, width: int) -> None:
        super().__init__()
        self.layers, self.width = layers, width

    def forward(self, embeddings: Tensor) -> Tensor:
        """Embeddings are brought to length one first, as both predictors were trained."""
        return self.layers(nn.functional.normalize(embeddings, dim=-1)).squeeze(-1)


def load_head(path: Path, sha256: str) -> AestheticHead:
    """A head from .safetensors, or from a .pth of that sha256.

    Raises:
        MareyError: another file, or weights that are neither of the two heads.
    """
    state = {key: value.float() for key, value in read_state(path, sha256).items()}
    if set(state) == {"weight", "bias"} and state["weight"].shape[0] == 1:
        width = state["weight"].shape[1]
        layers: nn.Module = nn.Linear(width, 1)
        layers.load_state_dict(state)
        return AestheticHead(layers, width).eval().requires_grad_(False)
    first = state.get("layers.0.weight")
    width = first.shape[1] if first is not None and first.ndim == 2 else 1
    head = AestheticHead(_mlp(width), width)
    try:
        head.load_state_dict(state)
    except RuntimeError as error:
        raise MareyError(
            f"{path} is neither of LAION's heads: weight and bias of one linear layer, or layers.0 to layers.7 of the "
            "MLP, would do."
        ) from error
    return head.eval().requires_grad_(False)


def _mlp(width: int) -> nn.Sequential:
    """Where the published one has dropout, which does nothing here, stands an identity: so that the numbers agree."""
    one, two, three, four, five = (nn.Linear(a, b) for a, b in pairwise((width, 1024, 128, 64, 16, 1)))
    return nn.Sequential(one, nn.Identity(), two, nn.Identity(), three, nn.Identity(), four, five)
