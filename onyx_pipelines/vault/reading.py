"""Opening a backup set: its manifest without a key; its objects with one, as plain streams."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from onyx_pipelines.core.errors import IntegrityError, NotFoundError
from onyx_pipelines.core.threads import ahead
from onyx_pipelines.sources.source import Component, object_path
from onyx_pipelines.vault.authenticity import authenticate, require_trust
from onyx_pipelines.vault.binding import component_purpose, object_context
from onyx_pipelines.vault.keys import PrivateKey
from onyx_pipelines.vault.layout import SEALED_SUFFIX, manifest_key, object_key
from onyx_pipelines.vault.manifest import (
    Manifest,
    ObjectRecord,
    manifest_component_name,
    parse_manifest,
)
from onyx_pipelines.vault.signing import Signers
from onyx_pipelines.vault.stores.store import ObjectReader, Store
from onyx_pipelines.vault.unsealing import Unsealer
from onyx_pipelines.vault.wrapping import Keyset, unwrap

_CHUNK = 1024 * 1024
_PIECES_AHEAD = 3


def load_manifest(store: Store, backup_id: str) -> Manifest:
    """The manifest of a set; needs no key and does not authenticate it.

    Raises:
        NotFoundError: there is no such set in this store.
        NewerFormatError: a later version of this software wrote it.
        IntegrityError: it is damaged, or is the manifest of another set.
    """
    key = manifest_key(backup_id)
    try:
        data = store.get(key)
    except NotFoundError:
        raise NotFoundError(
            f"The {store.name} store has no backup set {backup_id}.",
            remedy="`onyx catalog list` shows the sets that exist and where.",
        ) from None
    where = f"{key} in the {store.name} store"
    manifest = parse_manifest(data, where=where)
    if manifest.backup_id != backup_id:
        raise IntegrityError(
            f"{where} is the manifest of another set, {manifest.backup_id}.",
            remedy="Take the copy of the other store, or another backup set.",
        )
    return manifest


def sealing_keyset(manifest: Manifest, record: ObjectRecord, key: PrivateKey) -> Keyset:
    """The keyset that an object was sealed with.

    Raises:
        KeyFileError: the set is not sealed to this key.
        IntegrityError: the wrapped keyset was altered.
    """
    component = manifest.components[manifest_component_name(record.component)]
    return unwrap(
        component.keyset,
        backup_id=manifest.backup_id,
        purpose=component_purpose(record.component),
        key=key,
    )


@contextmanager
def open_object(
    store: Store,
    manifest: Manifest,
    record: ObjectRecord,
    key: PrivateKey,
    *,
    is_hashed: bool = True,
) -> Iterator[ObjectReader]:
    """The plain bytes of an object as a stream, checked against its record before its last byte.

    Authenticate the manifest first.

    Args:
        is_hashed: as of `Unsealer`.

    Raises:
        NotFoundError: the object is missing in this store.
        KeyFileError: the set is not sealed to this key.
        IntegrityError: from here or from `read`, the object is not what the record says.
    """
    keyset = sealing_keyset(manifest, record, key)
    with store.open(object_key(manifest.backup_id, record.key)) as source:
        context = object_context(manifest.backup_id, record.key)
        yield Unsealer(source, keyset, context, record, is_hashed=is_hashed)


@dataclass(frozen=True)
class SetObjects:
    """One set in one store, whose manifest was found authentic."""

    store: Store
    manifest: Manifest
    key: PrivateKey

    def records(
        self, component: Component, *, prefix: str = "", suffix: str = ""
    ) -> list[ObjectRecord]:
        """Those whose path, as the source has named it, begins and ends so; none if the component
        is not in the set."""
        found, ending = self.manifest.component(component), suffix + SEALED_SUFFIX
        objects = found.objects if found else ()
        return [o for o in objects if o.key.startswith(prefix) and o.key.endswith(ending)]

    def facts(self, component: Component, name: str) -> bytes:
        """What the set says of something that is small enough to be said at once.

        Raises:
            NotFoundError, IntegrityError: it does not say it, or that is damaged.
        """
        key = object_path("facts", component.value, name, suffix=".json") + SEALED_SUFFIX
        for record in self.records(component, prefix=key):
            return self.read(record)
        raise NotFoundError(
            f"Backup set {self.manifest.backup_id} has no object {key}.",
            remedy="`onyx catalog show` lists the set's objects.",
        )

    def open(self, record: ObjectRecord) -> AbstractContextManager[ObjectReader]:
        """Plain bytes; `read` raises IntegrityError before the last byte of a damaged object."""
        return open_object(self.store, self.manifest, record, self.key)

    def pieces(self, record: ObjectRecord) -> Generator[bytes, None, None]:
        """The same in pieces, unsealed by a thread while those before are used.

        Their SHA-256 is for whoever gets them to compare.
        """
        reader = open_object(self.store, self.manifest, record, self.key, is_hashed=False)
        return ahead(_pieces(reader), _PIECES_AHEAD, "unsealed")

    def read(self, record: ObjectRecord) -> bytes:
        """All plain bytes of a small object, such as facts."""
        return b"".join(_pieces(self.open(record)))


def _pieces(opened: AbstractContextManager[ObjectReader]) -> Generator[bytes, None, None]:
    with opened as reader:
        while data := reader.read(_CHUNK):
            yield data


def open_set(store: Store, backup_id: str, key: PrivateKey, signers: Signers) -> SetObjects:
    """Read a set's manifest, and see that one of the signers signed it and that it is what was
    sealed.

    Raises:
        NotFoundError: there is no such set in this store.
        KeyFileError: the set is not sealed to this key.
        IntegrityError: the manifest was altered, or its signature does not count.
    """
    manifest = load_manifest(store, backup_id)
    require_trust(manifest, signers, where=store.name)
    authenticate(manifest, key)
    return SetObjects(store, manifest, key)
