"""Re-wrapping: every set's keysets to a changed list of recipients, without touching any data.

Only manifests are replaced, each in one step, so it may be interrupted anywhere and repeated. A
removed recipient who kept an old manifest can still open that set's objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from onyx_pipelines.errors import IntegrityError, KeyFileError, OnyxError
from onyx_pipelines.vault.authenticity import UNSIGNED, authenticate, with_mac
from onyx_pipelines.vault.binding import MANIFEST_PURPOSE, component_purpose
from onyx_pipelines.vault.keys import PrivateKey, Recipient
from onyx_pipelines.vault.layout import SETS_PREFIX, backup_id_of, manifest_key
from onyx_pipelines.vault.manifest import Manifest, WrappedKeyset, canonical_json, to_bytes
from onyx_pipelines.vault.reading import load_manifest
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.wrapping import new_mac_keyset, unwrap, wrap


class RewrapOutcome(StrEnum):
    """What happened to a set's manifest in one store, or would happen."""

    REWRAPPED = "rewrapped"
    WOULD_REWRAP = "would_rewrap"
    ALREADY_RIGHT = "already_right"
    FAILED = "failed"


@dataclass(frozen=True)
class RewrapResult:
    """`problem` says why, where the outcome is FAILED."""

    backup_id: str
    store: str
    outcome: RewrapOutcome
    problem: str | None = None


def rewrap(
    stores: Sequence[Store],
    key: PrivateKey,
    recipients: Sequence[Recipient],
    *,
    dry_run: bool = True,
) -> tuple[RewrapResult, ...]:
    """Make every set in every store open for exactly these recipients.

    A set that is in several stores gets the same manifest in all of them. A set that cannot be
    re-wrapped (sealed to other keys, damaged) is reported as FAILED and left as it is; the others
    are done. Hold the lock that writers hold.

    Args:
        key: private key of a recipient that the sets are sealed to now.

    Raises:
        KeyFileError: there is no recipient.
        StoreError: a store cannot be listed.
    """
    if not recipients:
        raise KeyFileError(
            "There is no recipient to re-wrap to: nobody could open any backup.",
            remedy="Add one with `onyx keys recipients add`.",
        )
    listed = [(store, _backup_ids(store)) for store in stores]
    results: list[RewrapResult] = []
    for backup_id in sorted(set().union(*(ids for _, ids in listed))):
        holders = [store for store, ids in listed if backup_id in ids]
        results.extend(_rewrap_set(holders, backup_id, key, recipients, dry_run=dry_run))
    return tuple(results)


def _backup_ids(store: Store) -> frozenset[str]:
    return frozenset(
        backup_id
        for stored in store.list(SETS_PREFIX)
        if (backup_id := backup_id_of(stored.key)) and stored.key == manifest_key(backup_id)
    )


def _rewrap_set(
    stores: Sequence[Store],
    backup_id: str,
    key: PrivateKey,
    recipients: Sequence[Recipient],
    *,
    dry_run: bool,
) -> Iterator[RewrapResult]:
    opened: list[tuple[Store, Manifest]] = []
    for store in stores:
        try:
            manifest = load_manifest(store, backup_id)
            if _is_wrapped_to(manifest, recipients) and not _is_wrapped_for(manifest, key):
                # An interrupted run took this key's own access away already.
                yield RewrapResult(backup_id, store.name, RewrapOutcome.ALREADY_RIGHT)
            else:
                authenticate(manifest, key)
                opened.append((store, manifest))
        except OnyxError as error:
            yield RewrapResult(backup_id, store.name, RewrapOutcome.FAILED, str(error))
    target: Manifest | None = None
    for store, manifest in opened:
        try:
            target = target or _target([m for _, m in opened], key, recipients)
            outcome = _replace(store, manifest, target, dry_run=dry_run)
            yield RewrapResult(backup_id, store.name, outcome)
        except OnyxError as error:
            yield RewrapResult(backup_id, store.name, RewrapOutcome.FAILED, str(error))


def _target(
    authentic: Sequence[Manifest], key: PrivateKey, recipients: Sequence[Recipient]
) -> Manifest:
    """What should stand in every store: one that is right already, else the first one re-wrapped.

    HPKE is randomised, so re-wrapping in each store would give files that differ.
    """
    right = next((m for m in authentic if _is_wrapped_to(m, recipients)), None)
    return right or _rewrapped(authentic[0], key, recipients)


def _replace(store: Store, present: Manifest, target: Manifest, *, dry_run: bool) -> RewrapOutcome:
    if _without_keysets(present) != _without_keysets(target):
        raise IntegrityError(
            f"The manifests of backup set {present.backup_id} differ between the stores.",
            remedy="Verify the set in each store and delete the one that is wrong.",
        )
    if present == target:
        return RewrapOutcome.ALREADY_RIGHT
    if dry_run:
        return RewrapOutcome.WOULD_REWRAP
    store.put(manifest_key(present.backup_id), to_bytes(target))
    return RewrapOutcome.REWRAPPED


def _rewrapped(manifest: Manifest, key: PrivateKey, recipients: Sequence[Recipient]) -> Manifest:
    components = {
        name: component.model_copy(
            update={
                "keyset": _wrapped_anew(
                    component.keyset,
                    backup_id=manifest.backup_id,
                    purpose=component_purpose(component.component),
                    key=key,
                    recipients=recipients,
                )
            }
        )
        for name, component in manifest.components.items()
    }
    # A new MAC key, for a removed recipient knows the old one.
    keyset = new_mac_keyset()
    wrapped = wrap(
        keyset,
        backup_id=manifest.backup_id,
        purpose=MANIFEST_PURPOSE,
        recipients=recipients,
    )
    update = {"components": components, "keyset": wrapped, "mac": UNSIGNED}
    return with_mac(manifest.model_copy(update=update), keyset)


def _wrapped_anew(
    wrapped: WrappedKeyset,
    *,
    backup_id: str,
    purpose: str,
    key: PrivateKey,
    recipients: Sequence[Recipient],
) -> WrappedKeyset:
    keyset = unwrap(wrapped, backup_id=backup_id, purpose=purpose, key=key)
    return wrap(keyset, backup_id=backup_id, purpose=purpose, recipients=recipients)


def _keysets(manifest: Manifest) -> list[WrappedKeyset]:
    return [manifest.keyset, *(c.keyset for c in manifest.components.values())]


def _is_wrapped_to(manifest: Manifest, recipients: Sequence[Recipient]) -> bool:
    wanted = [(recipient.id, recipient.name) for recipient in recipients]
    return all(
        [(copy.recipient_id, copy.recipient_name) for copy in keyset.copies] == wanted
        for keyset in _keysets(manifest)
    )


def _is_wrapped_for(manifest: Manifest, key: PrivateKey) -> bool:
    return any(copy.recipient_id == key.id for copy in manifest.keyset.copies)


def _without_keysets(manifest: Manifest) -> bytes:
    content = manifest.model_dump(
        mode="json",
        exclude={"keyset": True, "mac": True, "components": {"__all__": {"keyset"}}},
    )
    return canonical_json(content)
