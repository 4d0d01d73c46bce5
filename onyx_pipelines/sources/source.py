"""What every source is: it writes its objects and its facts into a sink, and reports.

A source pushes plain bytes. It knows nothing of compression, encryption or stores; whoever gives
it the sink does. If `back_up` raises, the component failed and nothing of it becomes a backup.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from onyx_pipelines.core.progress import ProgressCallback

USUAL_WARNINGS: Final = "usual_warnings_count"
# In a summary, before the name of another name for something: `alias.live` is `documents`.
ALIAS: Final = "alias."


class Component(StrEnum):
    """The parts of a backup set, by the names of the spec's Backup Service API."""

    POSTGRESQL = "postgresql"
    QDRANT = "qdrant"
    VOLUMES = "volumes"


class ComponentStatus(StrEnum):
    """How a component's backup went; one that failed makes no set."""

    COMPLETED = "completed"
    COMPLETED_WITH_WARNINGS = "completed_with_warnings"


class ByteSink(Protocol):
    """Takes plain bytes. Writes of 64 KiB to 1 MiB are fastest."""

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Take all of it; gives its length in bytes."""
        ...

    def sha256(self) -> str:
        """Of all bytes taken so far, to compare with what their sender says of them."""
        ...


class ComponentSink(Protocol):
    """Where one component's objects go.

    `object` opens one object for writing; several may be open at a time. The object exists only if
    the block ends without an exception. So look at the producer's exit code, the length and the
    checksum *inside* the block, after the last byte, and raise if anything is wrong.
    """

    def object(
        self,
        path: str,
        *,
        name: str,
        media_type: str,
        compression_level: int = 1,
    ) -> AbstractContextManager[ByteSink]:
        """Open an object.

        Args:
            path: relative, of safe characters, for example "postgresql/onyx.dump" (the vault adds
                ".zst.sealed"). Build it with `object_path`.
            name: what people call it (database, collection, volume), any characters.
            media_type: of the plain bytes, e.g. "application/x-tar".
            compression_level: zstd level.
        """
        ...


@dataclass(frozen=True)
class ComponentReport:
    """What a source says when it is done.

    `summary` has the numbers of the spec's `backup_metadata` (tables_count; vector_count and
    collections_count; file_count) and whatever else is worth plotting: plain JSON values, no
    secrets, nothing personal. `versions` has tools and servers, e.g. {"pg_dump": "16.4"}.
    `warnings`: the last ones, as many as `summary[USUAL_WARNINGS]` says, tell of nothing wrong.
    `missing`: what could not be backed up though it is there, and why; the component is partial.
    """

    component: Component
    status: ComponentStatus
    summary: Mapping[str, int | float | str]
    versions: Mapping[str, str]
    warnings: tuple[str, ...] = field(default=())
    missing: Mapping[str, str] = field(default_factory=dict)


class Source(Protocol):
    """One component of the stack."""

    @property
    def component(self) -> Component:
        """Which part of the backup set it makes."""
        ...

    def describe(self) -> str:
        """One sentence on what a backup would read; reads no data.

        Raises:
            SourceError: it cannot be reached, or something that is needed is missing.
        """
        ...

    def back_up(self, sink: ComponentSink, progress: ProgressCallback) -> ComponentReport:
        """Write every object and the facts.

        Raises:
            SourceError: the component could not be read whole (`transient` says if a retry helps).
        """
        ...


_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def object_path(*parts: str, suffix: str) -> str:
    """A store key from names of any characters: `object_path("qdrant", "a/b", suffix=".snapshot")`.

    Different names give different keys, on case-insensitive and Unicode-normalising file systems
    too; no part exceeds 200 characters.
    """
    return "/".join(_safe(part) for part in parts) + suffix


def _safe(name: str) -> str:
    raw = name.encode("utf-8", "surrogatepass")
    encoded = "".join(chr(b) if chr(b) in _SAFE else f"={b:02x}" for b in raw)
    if 0 < len(encoded) <= 160 and encoded == encoded.lower():
        return encoded
    digest = hashlib.sha256(raw).hexdigest()[:16]
    return f"{encoded[:160]}~{digest}"
