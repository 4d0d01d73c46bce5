"""Sets that nobody has signed, for they are older than signatures: a person has them signed.

Their MAC tells that whoever wrote them knew the recipients, who stand in no store. It tells no
more: a host's reader knows them too. So this is done once, by a person who looks at the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.vault import marks
from onyx_pipelines.vault.authenticity import authenticate, mac_keyset, vouched_for
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.keys import PrivateKey
from onyx_pipelines.vault.layout import manifest_key
from onyx_pipelines.vault.manifest import to_bytes
from onyx_pipelines.vault.reading import load_manifest
from onyx_pipelines.vault.scanning import UntrustedSet
from onyx_pipelines.vault.signing import DistrustReason, SigningKey


class EndorseOutcome(StrEnum):
    """What happened to an unsigned set in one store, or would happen."""

    SIGNED = "signed"
    WOULD_SIGN = "would_sign"
    FAILED = "failed"


@dataclass(frozen=True)
class Endorsement:
    """`timestamp` and `host` are what the set says of itself; `problem`: where it FAILED."""

    backup_id: str
    store: str
    timestamp: datetime
    host: str
    outcome: EndorseOutcome
    problem: str | None = None


def endorse(
    catalog: Catalog, key: PrivateKey, *, now: datetime, dry_run: bool = True
) -> tuple[Endorsement, ...]:
    """Sign every unsigned set whose MAC is right. What a stranger signed is left alone. Hold the
    lock that writers hold.

    Args:
        key: private key of a recipient that the sets are sealed to.
        now: when it is signed, as the signatures say it.

    Raises:
        KeyFileError: this machine has no signing key whose signatures count.
        StoreError: a store cannot be listed.
    """
    signing_key = catalog.trust.signing_key()
    return tuple(_endorse(catalog, key, signing_key, now, dry_run=dry_run))


def _endorse(
    catalog: Catalog, key: PrivateKey, signing_key: SigningKey, now: datetime, *, dry_run: bool
) -> Iterator[Endorsement]:
    stores = {store.name: store for store in catalog.stores}
    unsigned = [
        each for each in catalog.scan().untrusted if each.distrust.reason is DistrustReason.UNSIGNED
    ]
    for each in sorted(unsigned, key=lambda u: (u.timestamp, u.backup_id, u.store)):
        store = stores[each.store]
        try:
            manifest = load_manifest(store, each.backup_id)
            authenticate(manifest, key)
            # The same moment, so that the stores hold the same bytes.
            keyset = mac_keyset(manifest, key)
            target = vouched_for(manifest, keyset, signing_key, at=now)
            if not dry_run:
                marks.sign_anew(store, each.backup_id, signing_key)
                store.put(manifest_key(each.backup_id), to_bytes(target))
        except OnyxError as error:
            yield _result(each, EndorseOutcome.FAILED, str(error))
        else:
            yield _result(each, EndorseOutcome.WOULD_SIGN if dry_run else EndorseOutcome.SIGNED)


def _result(each: UntrustedSet, outcome: EndorseOutcome, problem: str | None = None) -> Endorsement:
    return Endorsement(each.backup_id, each.store, each.timestamp, each.host, outcome, problem)
