"""The verbs of the command line. Each parses its words, calls one typed function of its room, and prints the result.

The result goes to standard output (as JSON with --json), progress to standard error. Rooms are imported inside the
verbs, so that `marey --help` loads none of them.
"""

import sys

from marey.cli import data, evaluation, models, road, study, tasks, views, worlds  # noqa: F401  (the order of the verbs in the help)
from marey.cli.app import app
from marey.errors import MareyError

__all__ = ["app", "main"]


def main() -> None:
    """The program: a MareyError ends it with its sentence and status 1, Ctrl-C with status 130."""
    try:
        app()
    except MareyError as error:
        print(f"marey: {error}", file=sys.stderr)
        sys.exit(1)
