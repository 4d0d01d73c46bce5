"""Writing a backup set: objects, then the record of each component, then the manifest.

A set exists from the moment its manifest does. Whatever a killed process leaves has no manifest;
the next run of the same set keeps the components that were finished and does the others again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from onyx_pipelines import __version__
from onyx_pipelines.core.errors import IntegrityError, NotFoundError, StoreError
from onyx_pipelines.sources.source import Component, ComponentStatus
from onyx_pipelines.vault.authenticity import NO_MAC, vouched_for
from onyx_pipelines.vault.binding import MANIFEST_PURPOSE, component_purpose
from onyx_pipelines.vault.component_writing import Clock, ComponentWriter, utc_now
from onyx_pipelines.vault.keys import Recipient
from onyx_pipelines.vault.layout import (
    COMPONENTS_FOLDER,
    MARKS_FOLDER,
    component_record_key,
    manifest_key,
    object_key,
    set_prefix,
)
from onyx_pipelines.vault.manifest import (
    BackupType,
    ComponentRecord,
    Doubt,
    Manifest,
    manifest_component_name,
    parse_component_record,
    to_bytes,
)
from onyx_pipelines.vault.signing import SigningKey
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.wrapping import new_mac_keyset, wrap


class SetWriter:
    """Writes one set into one store, sealed to `recipients`; needs no private key.

    Only one process may write a set at a time (see `vault.lock`). Several components may be
    written by different processes one after the other, each with its own SetWriter.
    """

    def __init__(
        self,
        store: Store,
        backup_id: str,
        recipients: Sequence[Recipient],
        *,
        now: Clock = utc_now,
    ) -> None:
        """Raises ValueError if `backup_id` is no lower-case UUID."""
        self._store = store
        self._backup_id = backup_id
        self._prefix = set_prefix(backup_id)
        self._recipients = tuple(recipients)
        self._now = now

    def component(self, component: Component) -> ComponentWriter:
        """The sink for one component, which is written anew from its first object.

        Raises:
            StoreError: the set is complete already.
            KeyFileError: there is no recipient.
        """
        self._refuse_complete_set()
        # A record of an earlier attempt must not outlive the objects that are replaced now.
        self._store.delete(component_record_key(self._backup_id, component.value))
        return ComponentWriter(
            self._store,
            self._backup_id,
            component,
            self._recipients,
            now=self._now,
        )

    def finished_components(self) -> dict[Component, ComponentRecord]:
        """What an earlier attempt finished and may be kept.

        A component is kept only if its record is intact, every object is there in full size, and
        it is sealed to the recipients of now.
        """
        sizes = {stored.key: stored.size_bytes for stored in self._store.list(self._prefix)}
        finished: dict[Component, ComponentRecord] = {}
        for component in Component:
            key = component_record_key(self._backup_id, component.value)
            record = self._read_record(key) if key in sizes else None
            if record and self._may_be_kept(record, component, sizes):
                finished[component] = record
        return finished

    def complete(
        self,
        *,
        signing_key: SigningKey,
        components: Collection[Component],
        timestamp: datetime,
        backup_type: BackupType,
        retention_days: int,
        host: str,
        stack: str = "",
        missing_components: Collection[Component] = (),
        doubts: Sequence[Doubt] = (),
    ) -> Manifest:
        """Write the manifest of exactly these components: from now on the set exists.

        Objects of the set's directory that belong to none of them are deleted first, the
        components' records last (one that a crash leaves there does no harm).

        Args:
            signing_key: of this host: the proof that it wrote the set.
            timestamp: when the backup began.
            missing_components: what the host has and this set leaves out: a partial set.
            doubts: in what it is less than the sets before it.

        Raises:
            StoreError: no component, one that is not finished, or the set is complete already.
        """
        self._refuse_complete_set()
        finished = self.finished_components()
        missing = [component.value for component in components if component not in finished]
        if missing or not components:
            raise StoreError(
                f"Backup set {self._backup_id} cannot be completed: "
                + (f"{', '.join(missing)} is not finished." if missing else "it has no component."),
                remedy="Run the backup again with the same id: finished components are kept.",
            )
        records = [finished[component] for component in Component if component in components]
        manifest = self._manifest(
            records,
            signing_key=signing_key,
            timestamp=timestamp,
            backup_type=backup_type,
            retention_days=retention_days,
            host=host,
            stack=stack,
            missing_components=missing_components,
            doubts=doubts,
        )
        self._delete_unlisted(manifest)
        self._store.put(manifest_key(self._backup_id), to_bytes(manifest))
        for component in Component:
            self._store.delete(component_record_key(self._backup_id, component.value))
        return manifest

    def _manifest(
        self,
        records: Sequence[ComponentRecord],
        *,
        signing_key: SigningKey,
        timestamp: datetime,
        backup_type: BackupType,
        retention_days: int,
        host: str,
        stack: str = "",
        missing_components: Collection[Component],
        doubts: Sequence[Doubt],
    ) -> Manifest:
        keyset = new_mac_keyset()
        bare = Manifest(
            backup_id=self._backup_id,
            timestamp=timestamp,
            completed_at=self._now(),
            backup_type=backup_type,
            status=_worst(record.status for record in records),
            retention_days=retention_days,
            host=host,
            stack=stack,
            software=f"onyx-pipelines {__version__}",
            components={manifest_component_name(r.component): r for r in records},
            missing_components=tuple(sorted(missing_components)),
            doubts=tuple(doubts),
            keyset=wrap(
                keyset,
                backup_id=self._backup_id,
                purpose=MANIFEST_PURPOSE,
                recipients=self._recipients,
            ),
            mac=NO_MAC,
        )
        return vouched_for(bare, keyset, signing_key)

    def _read_record(self, key: str) -> ComponentRecord | None:
        try:
            return parse_component_record(self._store.get(key), where=key)
        except (NotFoundError, IntegrityError):
            return None

    def _may_be_kept(
        self, record: ComponentRecord, component: Component, sizes: dict[str, int]
    ) -> bool:
        return (
            record.component is component
            and record.keyset.purpose == component_purpose(component)
            and [copy.recipient_id for copy in record.keyset.copies]
            == [recipient.id for recipient in self._recipients]
            and all(
                sizes.get(object_key(self._backup_id, item.key)) == item.sealed_bytes
                for item in record.objects
            )
        )

    def _delete_unlisted(self, manifest: Manifest) -> None:
        listed = {object_key(self._backup_id, record.key) for record in manifest.objects}
        ours = tuple(self._prefix + folder for folder in (COMPONENTS_FOLDER, MARKS_FOLDER))
        for stored in list(self._store.list(self._prefix)):
            if stored.key not in listed and not stored.key.startswith(ours):
                self._store.delete(stored.key)

    def _refuse_complete_set(self) -> None:
        if self._store.stat(manifest_key(self._backup_id)) is not None:
            raise StoreError(
                f"Backup set {self._backup_id} is complete in the {self._store.name} store; a"
                " complete set is never written to.",
                remedy="Start a backup with a new id.",
            )


def _worst(statuses: Iterator[ComponentStatus]) -> ComponentStatus:
    if ComponentStatus.COMPLETED_WITH_WARNINGS in statuses:
        return ComponentStatus.COMPLETED_WITH_WARNINGS
    return ComponentStatus.COMPLETED
