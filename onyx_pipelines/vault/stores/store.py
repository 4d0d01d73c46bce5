"""What a store of backup sets is: named byte objects, each there whole or not there at all.

Every store (a directory, an S3 bucket) passes the same contract tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from onyx_pipelines.core.errors import StoreError

SMALL_OBJECT_LIMIT_BYTES = 64 * 1024 * 1024

# A name of its own, because inside a store `list` is the method.
Removed: TypeAlias = list[str]

_KEY_MAX_LENGTH = 900
_PART = re.compile(r"(?!\.)[A-Za-z0-9_.=~%+@, -]{1,240}", re.ASCII)


@dataclass(frozen=True)
class StoredObject:
    """One object as a store lists it. `modified_at` is in UTC, by the store's own clock."""

    key: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True)
class StoredVersion:
    """One version of an object, or the marker that hides those before it (`deletion`)."""

    key: str
    version: str
    size_bytes: int
    modified_at: datetime
    current: bool
    deletion: bool


@dataclass(frozen=True)
class Lock:
    """Until when nobody may delete an object. `final`: not even with the right to lift locks."""

    until: datetime
    final: bool


class ObjectWriter(Protocol):
    """Takes the bytes of one object, all of them or it raises."""

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Gives the number of bytes taken, always all of them."""
        ...


class ObjectReader(Protocol):
    """Gives the bytes of one object."""

    def read(self, size: int, /) -> bytes:
        """Exactly `size` bytes, fewer only at the end, b"" only after the last one.

        Raises:
            StoreError: the object ended before its length (transient), or cannot be read.
        """
        ...


class Versions(Protocol):
    """What a store keeps of objects that were overwritten or deleted. None of it is ever listed or
    opened by the store's own methods."""

    def under(self, prefix: str) -> list[StoredVersion]:
        """Every version and deletion of the keys that start with `prefix`: by key, newest first.
        Empty where the store keeps none.

        Raises:
            RefusedError: the credentials may not list them.
        """
        ...

    def open(self, version: StoredVersion) -> AbstractContextManager[ObjectReader]:
        """Read a version as if it were the current object."""
        ...

    def remove(self, version: StoredVersion) -> None:
        """Free it for good; the one before it becomes the current one.

        Raises:
            RefusedError: it is locked, or the credentials may not.
        """
        ...


class Locks(Protocol):
    """Objects that the store itself lets nobody delete before a date."""

    @property
    def days(self) -> int:
        """How long new objects are to be locked; 0: not at all."""
        ...

    def check(self) -> None:
        """Raises StoreError: the store cannot lock as the settings ask."""
        ...

    def covers(self, key: str) -> bool:
        """Whether objects under this key are to be locked."""
        ...

    def of(self, key: str, version: str = "") -> Lock | None:
        """The lock of an object or of one of its versions; None: nothing keeps it, or no such."""
        ...

    def confirm(self, key: str) -> None:
        """Read back that an object is locked for as long as the settings ask from now on; one that
        was written long ago is locked for longer.

        Raises:
            StoreError: it is not, whatever the store said when it was written.
        """
        ...


class Store(Protocol):
    """Objects under keys such as "sets/<id>/manifest.json".

    Every method raises StoreError when the store cannot do it; `transient` tells whether the same
    call may succeed later with nobody's help. All methods may be called from several threads.
    """

    @property
    def name(self) -> str:
        """What settings and people call it: "local" or "offsite"."""
        ...

    @property
    def url(self) -> str:
        """Where it is, for people. Holds no credentials."""
        ...

    @property
    def versions(self) -> Versions | None:
        """None: what is overwritten or deleted is gone."""
        ...

    @property
    def locks(self) -> Locks | None:
        """None: it can lock nothing."""
        ...

    def create(self, key: str) -> AbstractContextManager[ObjectWriter]:
        """Write an object of any length.

        It exists, durably, only after the block ended without an exception; until then readers
        see what was there before. If the block raises, nothing is kept.
        """
        ...

    def open(self, key: str) -> AbstractContextManager[ObjectReader]:
        """Read an object as a stream.

        Raises:
            NotFoundError: there is no such object.
        """
        ...

    def put(self, key: str, data: bytes) -> None:
        """Write a small object: atomic and durable, replaces what was there."""
        ...

    def get(self, key: str, *, limit_bytes: int = SMALL_OBJECT_LIMIT_BYTES) -> bytes:
        """Read a small object whole.

        Raises:
            NotFoundError: there is no such object.
            StoreError: it is larger than `limit_bytes`.
        """
        ...

    def stat(self, key: str) -> StoredObject | None:
        """The object's size and time, or None if there is no such object."""
        ...

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Every object whose key starts with `prefix`, sorted by key. Complete, or it raises."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object. An absent one is fine. Where there are versions they stay, hidden."""
        ...

    def sweep(self, prefix: str, *, older_than: datetime, dry_run: bool = False) -> Removed:
        """Remove what killed writers left under `prefix` before `older_than`.

        Temporary files, unfinished uploads: never a listed object. Returns what was removed (or
        would be), in the store's own words, sorted.
        """
        ...


def is_key(key: str) -> bool:
    """Whether `key` is safe in every store.

    Relative; parts of 1 to 240 ASCII letters, digits and `_ - . = ~ % + @ ,` or space, none of
    which starts with a dot; at most 900 characters in all.
    """
    return len(key) <= _KEY_MAX_LENGTH and all(_PART.fullmatch(part) for part in key.split("/"))


def check_key(key: str) -> str:
    """`key` itself.

    Raises:
        ValueError: it could leave the store or would not be the same in every store.
    """
    if not is_key(key):
        raise ValueError(f"not a key of a store: {key!r}")
    return key


def read_small(store: Store, key: str, limit_bytes: int) -> bytes:
    """`Store.get` by its `open`.

    Raises:
        NotFoundError: there is no such object.
        StoreError: it is larger than `limit_bytes`.
    """
    with store.open(key) as reader:
        data = reader.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise StoreError(
            f"{key} in {store.url} is larger than {limit_bytes} bytes.",
            remedy="It is not what its name says: look at it.",
        )
    return data
