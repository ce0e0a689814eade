"""marey-tiny, the model that comes with the package."""

from pathlib import Path

NAME = "marey-tiny"
SHIPPED = Path(__file__).with_name(NAME)
"""Its folder; what it is, and how it was made, stands in the README.md there."""


def place_of(model: str | Path | None) -> str | Path:
    """What a model is called, or where it lies: the one that comes with the package for None and for its name."""
    if model is None or (str(model) == NAME and not Path(NAME).exists()):
        return SHIPPED
    return model
