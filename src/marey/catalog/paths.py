"""Paths as text that any database, JSON file and terminal can hold, and back again without loss.

A name on disk need not be valid Unicode: Python gives its stray bytes as lone surrogates, which SQLite refuses. They
are written as U+FFFD and four hex digits, and a true U+FFFD as two of them, so that every other path stays as it is and
all can be undone.
"""

import os
import re
from pathlib import Path

_ESCAPE = re.compile("[\ud800-\udfff\ufffd]")
_UNESCAPE = re.compile("\ufffd(\ufffd|[0-9a-f]{4})")


def path_text(path: str | os.PathLike[str]) -> str:
    """A path as valid Unicode: identical unless it holds lone surrogates (stray bytes of a name) or U+FFFD."""
    return _ESCAPE.sub(_escape, os.fspath(path))


def text_path(text: str) -> Path:
    """The path that `path_text` wrote."""
    return Path(_UNESCAPE.sub(lambda match: "\ufffd" if match[1] == "\ufffd" else chr(int(match[1], 16)), text))


def storable(text: str) -> str:
    """Any text as valid Unicode, for a column that holds prose: text that is already valid is not touched.

    Unlike `path_text` this promises no way back.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return path_text(text)
    return text


def _escape(match: re.Match[str]) -> str:
    return "\ufffd\ufffd" if match[0] == "\ufffd" else f"\ufffd{ord(match[0]):04x}"
