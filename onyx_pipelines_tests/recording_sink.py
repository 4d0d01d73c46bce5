"""A sink that keeps objects in memory, as strict as the real one: a failed block keeps nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class RecordedObject:
    name: str
    media_type: str
    compression_level: int
    data: bytes


class _Writer:
    def __init__(self, path: str, on_write: Callable[[str], object]) -> None:
        self._path = path
        self._on_write = on_write
        self.data = bytearray()

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        self.data += data
        self._on_write(self._path)
        return len(data)

    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def _nothing(_: str) -> None:
    """What happens after a write, unless a test wants something to happen."""


class RecordingSink:
    """`objects` by path. `on_write(path)` is called after every write, for tests of faults."""

    def __init__(self, on_write: Callable[[str], object] = _nothing) -> None:
        self.objects: dict[str, RecordedObject] = {}
        self._on_write = on_write

    @contextmanager
    def object(
        self, path: str, *, name: str, media_type: str, compression_level: int = 1
    ) -> Iterator[_Writer]:
        writer = _Writer(path, self._on_write)
        yield writer
        if path in self.objects:
            raise AssertionError(f"{path} was written twice")
        self.objects[path] = RecordedObject(name, media_type, compression_level, bytes(writer.data))
