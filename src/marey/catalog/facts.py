"""What is known of a library as a whole."""

import json
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

from marey.catalog.values import to_json

if TYPE_CHECKING:
    from marey.catalog.store import Library


class Facts(MutableMapping[str, Any]):
    """What is known of the library as a whole: any JSON value by name."""

    def __init__(self, library: "Library") -> None:
        self._library = library

    def __getitem__(self, name: str) -> Any:
        row = self._library.one("select value from facts where name = ?", name)
        if row is None:
            raise KeyError(name)
        return json.loads(row["value"])

    def __setitem__(self, name: str, value: Any) -> None:
        self._library.put("facts", [{"name": name, "value": to_json(value)}])

    def __delitem__(self, name: str) -> None:
        if not self._library.delete("facts", name=name):
            raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter([row["name"] for row in self._library.rows("select name from facts order by name")])

    def __len__(self) -> int:
        return len(self._library.rows("select name from facts"))
