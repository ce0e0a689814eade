"""Captioners, a file each. A new one is written here, and added to `BACKENDS`."""

from marey.curate.captioner import Captioner, Column
from marey.curate.captioners.language import LanguageMerger
from marey.curate.captioners.server import ServerCaptioner
from marey.curate.captioners.template import FactsCaptioner, JoinedCaptions
from marey.curate.captioners.vision import VisionCaptioner
from marey.recipe import Captions

BACKENDS: dict[str, dict[str, type[Captioner]]] = {
    "facts": {"facts": FactsCaptioner, "image": FactsCaptioner, "video": FactsCaptioner, "merged": JoinedCaptions},
    "transformers": {"image": VisionCaptioner, "video": VisionCaptioner, "merged": LanguageMerger},
    "server": {"image": ServerCaptioner, "video": ServerCaptioner, "merged": ServerCaptioner},
}
"""By backend and column."""


def captioners(settings: Captions) -> list[Captioner]:
    """One for each column that the recipe does not leave as it is, in the order in which they can be written.

    Raises:
        MareyError: a model that the recipe names is not there, or is no model for this.
    """
    made: list[Captioner] = [FactsCaptioner("facts", settings)]
    columns: tuple[Column, ...] = ("image", "video", "merged")
    for column in columns:
        backend = getattr(settings, column).backend
        if backend != "keep":
            made.append(BACKENDS[backend][column](column, settings))
    return made


__all__ = ["BACKENDS", "captioners"]
