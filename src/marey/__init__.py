"""Marey: from raw footage to your own video model.

`Model`, `Library` and `Recipe` are here, loaded when first asked for; each verb is a function in its own room
(`from marey.curate import curate`, `from marey.evaluate import evaluate`).
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Library", "Model", "Recipe", "__version__"]

if TYPE_CHECKING:
    from marey.catalog import Library
    from marey.generate import Model
    from marey.recipe import Recipe

_HOMES = {"Library": "marey.catalog", "Model": "marey.generate", "Recipe": "marey.recipe"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'marey' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
