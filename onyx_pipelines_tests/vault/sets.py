"""Builders for tests of the vault: keys, backup sets in real local stores, and a store that fails.

Everything is written by the production code; only the failures are ours.
"""

from __future__ import annotations

import atexit
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from onyx_pipelines.core.errors import StoreError
from onyx_pipelines.sources.source import Component, ComponentReport, ComponentStatus
from onyx_pipelines.vault.component_writing import ComponentWriter
from onyx_pipelines.vault.keys import PrivateKey, Recipient, create_private_key, load_private_key
from onyx_pipelines.vault.layout import set_prefix
from onyx_pipelines.vault.manifest import BackupType, ComponentRecord, Manifest
from onyx_pipelines.vault.reading import open_object
from onyx_pipelines.vault.signing import (
    Signers,
    SigningKey,
    create_signing_key,
    load_signing_key,
)
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.stores.store import (
    SMALL_OBJECT_LIMIT_BYTES,
    ObjectReader,
    ObjectWriter,
    Removed,
    Store,
    StoredObject,
)
from onyx_pipelines.vault.trust import Trust
from onyx_pipelines.vault.writing import SetWriter

BEGAN = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
CONTENT: Mapping[str, bytes] = {
    "postgresql/onyx.dump": b"PGDMP" + bytes(range(256)) * 40,
    "postgresql/empty.dump": b"",
    "facts/postgresql/onyx.json": b'{"tables": 3}',
    "volumes/uploads.tar": b"tar" * 1000,
}


@dataclass(frozen=True)
class KeyPair:
    path: Path
    recipient: Recipient
    private: PrivateKey


def make_key(folder: Path, name: str = "host") -> KeyPair:
    path = folder / f"{name}.key"
    recipient = create_private_key(path, name)
    return KeyPair(path, recipient, load_private_key(path))


HOST = "test host"


def signing_key(name: str = HOST) -> SigningKey:
    """One for the whole session: what signs is of no matter to most tests."""
    return _signing_key(name)


@cache
def _signing_key(name: str) -> SigningKey:
    return load_signing_key(_signing_key_file(name))


@cache
def _signing_key_file(name: str) -> Path:
    folder = Path(mkdtemp(prefix="onyx-signing-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    create_signing_key(folder / "signing-key.json", name)
    return folder / "signing-key.json"


def trust(*names: str) -> Trust:
    """A host that signs as the first of these, and believes them all."""
    return Trust(signers(*names), _signing_key_file((names or (HOST,))[0]))


def signers(*names: str) -> Signers:
    return Signers(tuple(signing_key(name).signer for name in names or (HOST,)))


def make_store(folder: Path, name: str = "local") -> LocalStore:
    folder.mkdir(parents=True, exist_ok=True)
    return LocalStore(folder, name=name)


def backup_id_of(store: LocalStore) -> str:
    """Of the only set there."""
    return next(iter(store.list("sets/"))).key.split("/")[1]


def new_id() -> str:
    return str(uuid.uuid4())


def report(
    component: Component, status: ComponentStatus = ComponentStatus.COMPLETED
) -> ComponentReport:
    return ComponentReport(component, status, {"tables_count": 3}, {"pg_dump": "16.4"})


def write_object(writer: ComponentWriter, path: str, data: bytes) -> None:
    with writer.object(path, name=path, media_type="application/octet-stream") as sink:
        sink.write(data)


def write_component(
    writer: SetWriter,
    component: Component,
    content: Mapping[str, bytes] = CONTENT,
    status: ComponentStatus = ComponentStatus.COMPLETED,
) -> ComponentRecord:
    """Every item of `content` that belongs to the component, then the record."""
    sink = writer.component(component)
    for path, data in content.items():
        if component.value in path.split("/")[:2]:
            write_object(sink, path, data)
    return sink.finish(report(component, status), BEGAN)


def complete(writer: SetWriter, *components: Component) -> Manifest:
    return writer.complete(
        signing_key=signing_key(),
        components=components,
        timestamp=BEGAN,
        backup_type=BackupType.DAILY,
        retention_days=7,
        host="testhost",
    )


def write_set(
    store: Store,
    *recipients: Recipient,
    content: Mapping[str, bytes] = CONTENT,
    backup_id: str | None = None,
) -> Manifest:
    """A complete set of PostgreSQL and volumes."""
    writer = SetWriter(store, backup_id or new_id(), recipients)
    write_component(writer, Component.POSTGRESQL, content)
    write_component(writer, Component.VOLUMES, content)
    return complete(writer, Component.POSTGRESQL, Component.VOLUMES)


def read_all(store: Store, manifest: Manifest, key: PrivateKey) -> dict[str, bytes]:
    """The plain bytes of every object, by the paths that `write_set` was given."""
    content: dict[str, bytes] = {}
    for record in manifest.objects:
        with open_object(store, manifest, record, key) as reader:
            content[record.key.removesuffix(".zst.sealed")] = drain(reader)
    return content


def drain(reader: ObjectReader, size: int = 1 << 20) -> bytes:
    return b"".join(iter(lambda: reader.read(size), b""))


def files_of(store: LocalStore, backup_id: str) -> dict[str, bytes]:
    """Every file of a set by its key in the set, read past the store."""
    folder = store.root / set_prefix(backup_id)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class FailingStore:
    """A store whose call number `fail_at` fails, counting every call and every written piece.

    With `fail_at` None nothing fails and `calls` says how many there were.
    """

    def __init__(self, store: LocalStore, fail_at: int | None = None) -> None:
        self._store = store
        self._fail_at = fail_at
        self.calls = 0

    @property
    def name(self) -> str:
        return self._store.name

    @property
    def url(self) -> str:
        return self._store.url

    @property
    def versions(self) -> None:
        return self._store.versions

    @property
    def locks(self) -> None:
        return self._store.locks

    def _count(self) -> None:
        self.calls += 1
        if self.calls == self._fail_at:
            raise StoreError(f"Call {self.calls} failed.", remedy="Repeat it.", transient=True)

    @contextmanager
    def create(self, key: str) -> Iterator[ObjectWriter]:
        self._count()
        with self._store.create(key) as writer:
            yield _FailingWriter(self, writer)
            self._count()

    def count_write(self) -> None:
        self._count()

    def open(self, key: str) -> AbstractContextManager[ObjectReader]:
        self._count()
        return self._store.open(key)

    def put(self, key: str, data: bytes) -> None:
        self._count()
        self._store.put(key, data)

    def get(self, key: str, *, limit_bytes: int = SMALL_OBJECT_LIMIT_BYTES) -> bytes:
        self._count()
        return self._store.get(key, limit_bytes=limit_bytes)

    def stat(self, key: str) -> StoredObject | None:
        self._count()
        return self._store.stat(key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        self._count()
        return self._store.list(prefix)

    def delete(self, key: str) -> None:
        self._count()
        self._store.delete(key)

    def sweep(self, prefix: str, *, older_than: datetime, dry_run: bool = False) -> Removed:
        self._count()
        return self._store.sweep(prefix, older_than=older_than, dry_run=dry_run)


class _FailingWriter:
    def __init__(self, store: FailingStore, writer: ObjectWriter) -> None:
        self._store = store
        self._writer = writer

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        self._store.count_write()
        return self._writer.write(data)
