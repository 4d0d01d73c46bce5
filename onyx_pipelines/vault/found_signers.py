"""Who has signed what the stores hold: for a person who has lost the list of signers.

A signature brings its public key along. That proves nothing of who that is, so nobody found here
counts before a person has compared the id with one that comes from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from onyx_pipelines.core.errors import IntegrityError, KeyFileError, NotFoundError, OnyxError
from onyx_pipelines.vault.authenticity import authenticate, distrust_of
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.keys import PrivateKey
from onyx_pipelines.vault.manifest import Manifest
from onyx_pipelines.vault.reading import load_manifest
from onyx_pipelines.vault.signing import Signer, Signers


@dataclass(frozen=True)
class FoundSigner:
    """Whose signatures hold, by the key that they bring along.

    Args:
        sets: how many manifests it has signed; one that stands in two stores counts twice.
        newest_at: when it last signed one, as the signature says.
        authentic: how many of them have a MAC that this machine's private key finds right: whoever
            made them knew the recipients. None: there is no private key.
    """

    signer: Signer
    sets: int
    newest_at: datetime
    authentic: int | None


def found_signers(catalog: Catalog, key: PrivateKey | None) -> list[FoundSigner]:
    """Everybody, known or not, the one with the most sets first.

    Raises:
        StoreError: a store cannot be listed or read.
    """
    # When each signed, and whether that is authentic: of strangers' manifests no more is kept.
    signed: dict[Signer, list[tuple[datetime, bool]]] = {}
    for manifest in _manifests(catalog):
        offered = manifest.signature.offered_signer() if manifest.signature else None
        if offered is None or manifest.signature is None:
            continue
        if distrust_of(manifest, manifest.backup_id, Signers((offered,))) is None:
            is_authentic = key is not None and _is_authentic(manifest, key)
            signed.setdefault(offered, []).append((manifest.signature.signed_at, is_authentic))
    found = [
        FoundSigner(
            signer,
            len(sets),
            max(moment for moment, _ in sets),
            sum(is_authentic for _, is_authentic in sets) if key else None,
        )
        for signer, sets in signed.items()
    ]
    return sorted(found, key=lambda each: each.sets, reverse=True)


def the_one(found: Iterable[FoundSigner], signer_id: str) -> FoundSigner:
    """Raises KeyFileError where nobody of that id has signed anything."""
    listed = list(found)
    for each in listed:
        if each.signer.id == signer_id:
            return each
    raise KeyFileError(
        f"Nothing in the stores is signed by {signer_id!r}.",
        remedy=f"Give a whole id: {', '.join(each.signer.id for each in listed) or 'none found'}.",
    )


def _manifests(catalog: Catalog) -> Iterator[Manifest]:
    scan = catalog.scan()
    for view in scan.views:
        yield from (copy.manifest for copy in view.copies)
    stores = {store.name: store for store in catalog.stores}
    for each in scan.untrusted:
        # Changed since the listing, or another set's.
        with suppress(NotFoundError, IntegrityError):
            yield load_manifest(stores[each.store], each.backup_id)


def _is_authentic(manifest: Manifest, key: PrivateKey) -> bool:
    try:
        authenticate(manifest, key)
    except OnyxError:
        return False
    return True
