"""Counts what PyAV decodes, from outside: Marey's own counters are what is being checked.

The classes of PyAV are compiled and cannot be changed, so `av.open` is made to give out containers that report every
picture that comes out of their packets' `decode` or of their own. Nothing outside of `media/` may open media with PyAV
(test_pyav.py), so that no decode goes past this.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import av


@dataclass
class Count:
    """What was decoded since counting began."""

    pictures: int = 0
    opened: int = 0
    seeks: int = 0
    by_file: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, pictures: list[Any]) -> list[Any]:
        shown = [picture for picture in pictures if isinstance(picture, av.VideoFrame)]
        self.pictures += len(shown)
        self.by_file[name] = self.by_file.get(name, 0) + len(shown)
        return pictures


class _Packet:
    def __init__(self, packet: Any, count: Count, name: str) -> None:
        self._packet, self._count, self._name = packet, count, name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._packet, attribute)

    def __bytes__(self) -> bytes:
        return bytes(self._packet)

    def decode(self) -> list[Any]:
        return self._count.add(self._name, self._packet.decode())


class _Container:
    def __init__(self, container: Any, count: Count, name: str) -> None:
        self._container, self._count, self._name = container, count, name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._container, attribute)

    def __enter__(self) -> "_Container":
        return self

    def __exit__(self, *error: object) -> None:
        self._container.close()

    def demux(self, *streams: Any, **kinds: Any) -> Iterator[_Packet]:
        for packet in self._container.demux(*streams, **kinds):
            yield _Packet(packet, self._count, self._name)

    def decode(self, *streams: Any, **kinds: Any) -> Iterator[Any]:
        for picture in self._container.decode(*streams, **kinds):
            yield from self._count.add(self._name, [picture])

    def seek(self, *where: Any, **how: Any) -> None:
        self._count.seeks += 1
        self._container.seek(*where, **how)


@contextmanager
def counted() -> Iterator[Count]:
    """Within it, every picture decoded in this process is counted."""
    count, real = Count(), av.open

    def opened(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        container = real(file, mode, *rest, **options)
        if mode != "r":
            return container
        count.opened += 1
        return _Container(container, count, str(file))

    with mock.patch.object(av, "open", opened):
        yield count
