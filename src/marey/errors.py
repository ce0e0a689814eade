"""Errors that a person can act on, and the one sentence for an extra that is not installed."""

from importlib import import_module
from types import ModuleType


class MareyError(Exception):
    """Something the user can put right. The message is one sentence: what is wrong, with which value, and what would
    do.

    The command line prints it without a traceback and exits with status 1.
    """


class EndsRun(MareyError):
    """What every other item would meet too, such as a full disk: it ends a run instead of costing one item."""


class MissingExtra(MareyError, ImportError):
    """A room was asked for whose packages are not installed."""


def require(module: str, extra: str) -> ModuleType:
    """Import `module`, or say which extra of marey brings it.

    Raises:
        MissingExtra: the module is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingExtra(
            f"{module.split('.')[0]} is not installed: this part of Marey needs its '{extra}' extra, "
            f'pip install "marey[{extra}]".'
        ) from error
