"""The tasks of a model, and one sampler under them all. `Model` and `Video` are here, loaded when first asked for."""

from typing import TYPE_CHECKING, Any

from marey.errors import require

require("torch", "train")

if TYPE_CHECKING:
    from marey.generate.model import Model, Video

__all__ = ["Model", "Video"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'marey.generate' has no attribute {name!r}")
    from marey.generate import model

    return getattr(model, name)
