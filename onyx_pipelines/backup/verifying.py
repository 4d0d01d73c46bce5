"""Reading back what a store holds of a set: which sets, and what is noted of them."""

from __future__ import annotations

from datetime import UTC, datetime

from onyx_pipelines.backup.host import BackupHost
from onyx_pipelines.core.errors import IntegrityError, KeyFileError, NotFoundError
from onyx_pipelines.core.progress import ProgressCallback
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.host_keys import required_private_key
from onyx_pipelines.vault.keys import PrivateKey
from onyx_pipelines.vault.layout import manifest_key
from onyx_pipelines.vault.lock import set_in_use
from onyx_pipelines.vault.reading import load_manifest
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.verification import Verification, verify


def set_to_verify(host: BackupHost, backup_id: str) -> str:
    """This run's set, or the newest one where a check runs on its own."""
    if host.first.stat(manifest_key(backup_id)) is not None:
        return backup_id
    return host.first_catalog.identify("latest")


def sets_to_verify(host: BackupHost, store: Store, wanted: str) -> list[str]:
    """Ids of what a store has of the set with this id, of the `latest`, or of `all`: damaged and
    untrusted ones too, since finding them is what verification is for.

    Raises:
        NotFoundError: it has none; reading nothing is no success.
    """
    catalog = Catalog([store], host.trust)
    if wanted != "all":
        return [catalog.identify(wanted)]
    ids = catalog.scan().ids
    if not ids:
        raise NotFoundError(
            f"The {store.name} store holds no backup set.",
            remedy=f"See what became of them in {store.url}, then take a new backup now.",
        )
    return ids


def verify_set(
    host: BackupHost,
    store: Store,
    backup_id: str,
    progress: ProgressCallback,
    *,
    deep: bool = False,
) -> Verification:
    """Read back what a store holds of a set, and note it as the set's last verification. An intact
    set that could not be authenticated is noted neither as right nor as wrong.

    Raises:
        KeyFileError: the set is not sealed to this host's private key, or there is none to unseal
            it with, which is not the set's fault: nothing is noted.
    """
    key = required_private_key(host.settings) if deep else host.private_key()
    with set_in_use(host.settings.state_dir, backup_id):
        if key is not None:
            _require_recipient(store, backup_id, key)
        verification = verify(
            store, backup_id, key, signers=host.trust.signers, deep=deep, progress=progress
        )
        if verification.ok or not verification.intact:
            host.catalog.record_verification(
                backup_id, store.name, passed=verification.ok, at=datetime.now(UTC)
            )
    return verification


def _require_recipient(store: Store, backup_id: str, key: PrivateKey) -> None:
    try:
        copies = load_manifest(store, backup_id).keyset.copies
    except IntegrityError:
        return  # verification names it
    if key.recipient.id not in {copy.recipient_id for copy in copies}:
        names = ", ".join(copy.recipient_name for copy in copies)
        raise KeyFileError(
            f"Backup set {backup_id} is not sealed to the key {key.recipient.name!r}, but to"
            f" {names}.",
            remedy="Set ONYX_PRIVATE_KEY_FILE to a key of one of those, or to nothing in order to"
            " compare the stored bytes alone.",
        )
