"""Opening a backup set: its manifest without a key, its objects with one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from onyx_pipelines.core.errors import IntegrityError, NotFoundError
from onyx_pipelines.vault.authenticity import authenticate
from onyx_pipelines.vault.binding import component_purpose, object_context
from onyx_pipelines.vault.keys import PrivateKey
from onyx_pipelines.vault.layout import manifest_key, object_key
from onyx_pipelines.vault.manifest import (
    Manifest,
    ObjectRecord,
    manifest_component_name,
    parse_manifest,
)
from onyx_pipelines.vault.stores.store import ObjectReader, Store
from onyx_pipelines.vault.unsealing import Unsealer
from onyx_pipelines.vault.wrapping import Keyset, unwrap

__all__ = ["authenticate", "load_manifest", "open_object", "sealing_keyset"]


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
