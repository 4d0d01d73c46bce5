"""The set to restore from, when a store may be gone: any that can be read will do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from onyx_pipelines.errors import IntegrityError, NotFoundError, OnyxError
from onyx_pipelines.restore.passed_over import passed_over
from onyx_pipelines.settings import Settings
from onyx_pipelines.vault.catalog import Catalog, Scan
from onyx_pipelines.vault.set_view import SetView, newest
from onyx_pipelines.vault.stores import open_stores, store_named
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.trust import Trust


@dataclass(frozen=True)
class FoundSet:
    """A set and the store to read it from; `notes` say what could not be looked at, what is damaged
    of it, and which newer sets were passed over."""

    store: Store
    view: SetView
    notes: tuple[str, ...]


def find_set(settings: Settings, backup_id: str, store_name: str | None) -> FoundSet:
    """The set (an id, its beginning, or "latest"), from the local store if that has it whole. By
    its id also one of which objects are missing, where no store has it whole.

    Raises:
        NotFoundError: no store that answers has it.
        SettingsError: there is no such store.
        OnyxError: no store answers; the first one's error.
    """
    trust = Trust.of(settings)
    # Local first: it is the faster one.
    stores: Sequence[Store] = open_stores(settings)
    if store_name is not None:
        stores = [store_named(stores, store_name)]
    found: list[tuple[Store, SetView]] = []
    scans: list[Scan] = []
    notes: list[str] = []
    errors: list[OnyxError] = []
    absences: list[OnyxError] = []
    for store in stores:
        catalog = Catalog([store], trust)
        try:
            scans.append(catalog.scan())
            found.append((store, catalog.find(backup_id)))
        except NotFoundError as error:
            absences.append(error)
        except IntegrityError as error:  # it is among the damaged
            errors.append(error)
        except OnyxError as error:
            errors.append(error)
            notes.append(f"The {store.name} store was not asked: {error.what}")
    candidates = [each for each in found if each[1].stores] or found
    now = datetime.now(UTC)
    latest = newest((view for _, view in candidates), now)
    if latest is None:
        raise [*errors, *absences][0]
    store, view = next(each for each in candidates if each[1].backup_id == latest.backup_id)
    notes += [
        f"Set {each.backup_id} in the {each.store} store is damaged: {each.what}"
        for scan in scans
        for each in scan.damaged
        if each.backup_id == view.backup_id
    ]
    if backup_id == "latest":
        notes += passed_over(view, scans, now)
    return FoundSet(store, view, tuple(notes))
