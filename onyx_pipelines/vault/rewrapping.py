"""Re-wrapping: every set's keysets to a changed list of recipients, without touching any data.

Only manifests are replaced, each in one step, so it may be interrupted anywhere and repeated. A
removed recipient who kept an old manifest can still open that set's objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from onyx_pipelines.core.errors import IntegrityError, KeyFileError, OnyxError
from onyx_pipelines.vault.authenticity import (
    NO_MAC,
    authenticate,
    require_trust,
    vouched_for,
)
from onyx_pipelines.vault.binding import MANIFEST_PURPOSE, component_purpose
from onyx_pipelines.vault.keys import PrivateKey, Recipient
from onyx_pipelines.vault.layout import SETS_PREFIX, backup_id_of, manifest_key
from onyx_pipelines.vault.manifest import Manifest, WrappedKeyset, to_bytes
from onyx_pipelines.vault.reading import load_manifest
from onyx_pipelines.vault.records import canonical_json
from onyx_pipelines.vault.signing import Signers, SigningKey
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


@dataclass(frozen=True)
class Rewrapper:
    """What re-wrapping needs.

    Args:
        key: private key of a recipient that the sets are sealed to now.
        recipients: whom they are to be sealed to.
        signers: a set that none of them signed is not re-wrapped: that would sign a stranger's.
        signing_key: what the new manifests are signed with.
    """

    key: PrivateKey
    recipients: Sequence[Recipient]
    signers: Signers
    signing_key: SigningKey


def rewrap(
    stores: Sequence[Store], rewrapper: Rewrapper, *, dry_run: bool = True
) -> tuple[RewrapResult, ...]:
    """Make every set in every store open for exactly these recipients.

    A set that is in several stores gets the same manifest in all of them. A set that cannot be
    re-wrapped (sealed to other keys, damaged, untrusted) is reported as FAILED and left as it is;
    the others are done. Hold the lock that writers hold.

    Raises:
        KeyFileError: there is no recipient.
        StoreError: a store cannot be listed.
    """
    if not rewrapper.recipients:
        raise KeyFileError(
            "There is no recipient to re-wrap to: nobody could open any backup.",
            remedy="Add one with `onyx keys recipients add`.",
        )
    listed = [(store, _backup_ids(store)) for store in stores]
    results: list[RewrapResult] = []
    for backup_id in sorted(set().union(*(ids for _, ids in listed))):
        holders = [store for store, ids in listed if backup_id in ids]
        results.extend(_rewrap_set(holders, backup_id, rewrapper, dry_run=dry_run))
    return tuple(results)


def _backup_ids(store: Store) -> frozenset[str]:
    return frozenset(
        backup_id
        for stored in store.list(SETS_PREFIX)
        if (backup_id := backup_id_of(stored.key)) and stored.key == manifest_key(backup_id)
    )


def _rewrap_set(
    stores: Sequence[Store], backup_id: str, rewrapper: Rewrapper, *, dry_run: bool
) -> Iterator[RewrapResult]:
    opened: list[tuple[Store, Manifest]] = []
    for store in stores:
        try:
            manifest = load_manifest(store, backup_id)
            require_trust(manifest, rewrapper.signers, where=store.name)
            if _is_wrapped_to(manifest, rewrapper.recipients) and not _is_wrapped_for(
                manifest, rewrapper.key
            ):
                # An interrupted run took this key's own access away already.
                yield RewrapResult(backup_id, store.name, RewrapOutcome.ALREADY_RIGHT)
            else:
                authenticate(manifest, rewrapper.key)
                opened.append((store, manifest))
        except OnyxError as error:
            yield RewrapResult(backup_id, store.name, RewrapOutcome.FAILED, str(error))
    target: Manifest | None = None
    for store, manifest in opened:
        try:
            target = target or _target([m for _, m in opened], rewrapper)
            outcome = _replace(store, manifest, target, dry_run=dry_run)
            yield RewrapResult(backup_id, store.name, outcome)
        except OnyxError as error:
            yield RewrapResult(backup_id, store.name, RewrapOutcome.FAILED, str(error))


def _target(authentic: Sequence[Manifest], rewrapper: Rewrapper) -> Manifest:
    """What should stand in every store: one that is right already, else the first one re-wrapped.

    HPKE is randomised, so re-wrapping in each store would give files that differ.
    """
    right = next((m for m in authentic if _is_wrapped_to(m, rewrapper.recipients)), None)
    return right or _rewrapped(authentic[0], rewrapper)


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


def _rewrapped(manifest: Manifest, rewrapper: Rewrapper) -> Manifest:
    components = {
        name: component.model_copy(
            update={
                "keyset": _wrapped_anew(
                    component.keyset,
                    rewrapper,
                    backup_id=manifest.backup_id,
                    purpose=component_purpose(component.component),
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
        recipients=rewrapper.recipients,
    )
    update = {"components": components, "keyset": wrapped, "mac": NO_MAC}
    return vouched_for(manifest.model_copy(update=update), keyset, rewrapper.signing_key)


def _wrapped_anew(
    wrapped: WrappedKeyset, rewrapper: Rewrapper, *, backup_id: str, purpose: str
) -> WrappedKeyset:
    keyset = unwrap(wrapped, backup_id=backup_id, purpose=purpose, key=rewrapper.key)
    return wrap(keyset, backup_id=backup_id, purpose=purpose, recipients=rewrapper.recipients)


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
        exclude={
            **dict.fromkeys(("keyset", "mac", "signature"), True),
            "components": {"__all__": {"keyset"}},
        },
    )
    return canonical_json(content)
