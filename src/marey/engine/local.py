"""In this process, one item after the other: nothing to start, and an item that raises costs that item alone.

An item that kills its process or hangs takes this process with it; where footage is decoded, `workers` is the safe
runner.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from marey.engine.stage import Result, Stage, guarded, stage_key
from marey.errors import MareyError


def local(stage: Stage, items: Iterable[dict[str, Any]]) -> Iterator[Result]:
    """Yield the results in the order of the items. `setup` runs when the first item comes, and not at all without one.

    Raises:
        MareyError: the stage could not be set up.
        EndsRun: as an item raised it.
    """
    ready = False
    for item in items:
        if not ready:
            set_up(stage)
            ready = True
        yield guarded(stage, item)


def set_up(stage: Stage) -> None:
    """Set the stage up, or say in one sentence why that cannot be.

    Raises:
        MareyError: as the stage raised it, or made from what it raised.
    """
    try:
        stage.setup()
    except MareyError:
        raise
    except Exception as error:
        raise MareyError(
            f"The stage {stage_key(stage)} could not be set up: {type(error).__name__}: {error}."
        ) from error
