"""The set to restore from, when a store may be gone: any that can be read will do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from onyx_pipelines.errors import IntegrityError, NotFoundError, OnyxError
from onyx_pipelines.settings import Settings
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.scanning import DamagedSet, UntrustedSet
from onyx_pipelines.vault.set_view import SetView, newest
from onyx_pipelines.vault.stores import open_local, open_offsite
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.trust import Trust


@dataclass(frozen=True)
class FoundSet:
    """A set and the store to read it from; `notes` say what could not be looked at."""

    store: Store
    view: SetView
    notes: tuple[str, ...]


def find_set(settings: Settings, backup_id: str, store_name: str | None) -> FoundSet:
    """The set (an id, its beginning, or "latest"), from the local store if that has it whole. By
    its id also one of which objects are missing, where no store has it whole.

    Raises:
        NotFoundError: no store that answers has it.
        OnyxError: no store answers; the first one's error.
    """
    trust = Trust.of(settings)
    stores = _stores(settings, store_name)
    found: list[tuple[Store, SetView]] = []
    damaged: list[DamagedSet] = []
    untrusted: list[UntrustedSet] = []
    notes: list[str] = []
    errors: list[OnyxError] = []
    absences: list[OnyxError] = []
    for store in stores:
        catalog = Catalog([store], trust)
        try:
            damaged += catalog.damaged
            untrusted += catalog.untrusted
            found.append((store, catalog.find(backup_id)))
        except NotFoundError as error:
            absences.append(error)
        except IntegrityError as error:  # it is among the damaged
            errors.append(error)
        except OnyxError as error:
            errors.append(error)
            notes.append(f"The {store.name} store was not asked: {error.what}")
    candidates = [each for each in found if each[1].stores] or found
    latest = newest((view for _, view in candidates), datetime.now(UTC))
    if latest is None:
        raise [*errors, *absences][0]
    store, view = next(each for each in candidates if each[1].backup_id == latest.backup_id)
    notes += [
        f"Set {each.backup_id} in the {each.store} store is damaged: {each.what}"
        for each in damaged
        if each.backup_id == view.backup_id or each.written_at > view.timestamp
    ]
    notes += _passed_over(untrusted)
    return FoundSet(store, view, tuple(notes))


def _passed_over(untrusted: Sequence[UntrustedSet]) -> list[str]:
    """A set that should count may be among them: made by a host that this machine does not know."""
    if not untrusted:
        return []
    last = max(untrusted, key=lambda each: each.written_at)
    return [
        f"{len(untrusted)} sets are not trusted and were passed over, the newest"
        f" {last.backup_id} in the {last.store} store: {last.what}"
    ]


def _stores(settings: Settings, store_name: str | None) -> Sequence[Store]:
    """Local first: it is the faster one."""
    offsite = open_offsite(settings)
    stores = [open_local(settings), *([offsite] if offsite is not None else [])]
    if store_name is None:
        return stores
    chosen = [store for store in stores if store.name == store_name]
    if not chosen:
        raise NotFoundError(
            f"There is no {store_name} store.",
            remedy="Set ONYX_OFFSITE_URL, or take the set from the local store.",
        )
    return chosen
