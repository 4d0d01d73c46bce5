"""A backup set opened for reading: authenticated once, then its objects as plain streams."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from onyx_pipelines.core.errors import NotFoundError
from onyx_pipelines.core.threads import ahead
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.authenticity import authenticate, require_trust
from onyx_pipelines.vault.keys import PrivateKey
from onyx_pipelines.vault.manifest import Manifest, ObjectRecord
from onyx_pipelines.vault.reading import load_manifest, open_object
from onyx_pipelines.vault.signing import Signers
from onyx_pipelines.vault.stores.store import ObjectReader, Store

_CHUNK = 1024 * 1024
_PIECES_AHEAD = 3


@dataclass(frozen=True)
class SetObjects:
    """One set in one store, whose manifest was found authentic."""

    store: Store
    manifest: Manifest
    key: PrivateKey

    def records(self, component: Component, *, prefix: str = "") -> list[ObjectRecord]:
        """Those whose key starts with `prefix`; none if the component is not in the set."""
        found = self.manifest.component(component)
        return [o for o in found.objects if o.key.startswith(prefix)] if found else []

    def record(self, component: Component, key: str) -> ObjectRecord:
        """One object by its key in the set.

        Raises:
            NotFoundError: the set has no such object.
        """
        for record in self.records(component, prefix=key):
            if record.key == key:
                return record
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
