"""The set to drill or to restore, when a store may be gone: any that can be read will do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from onyx_pipelines.core.errors import IntegrityError, NotFoundError, OnyxError
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.text import moment_text
from onyx_pipelines.vault.catalog import Catalog, Scan
from onyx_pipelines.vault.set_view import SetView, is_ahead, newest
from onyx_pipelines.vault.stores import open_stores, store_named
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.trust import Trust

_NAMED = 5
LATEST = "latest"


@dataclass(frozen=True)
class FoundSet:
    """A set and the store to read it from, in sentences what a person should know.

    Args:
        damaged: which copies of it are.
        passed_over: where the latest was asked for, which newer ones could not be taken, and which
            stores, that may have newer ones, do not answer.
        unasked: stores that do not answer, where that is not said there.
    """

    store: Store
    view: SetView
    damaged: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()

    @property
    def backup_id(self) -> str:
        return self.view.backup_id

    @property
    def notes(self) -> tuple[str, ...]:
        """All that a person should know of the choice, a sentence each."""
        return (*self.unasked, *self.damaged, *self.passed_over)


def find_set(
    settings: Settings, backup_id: str, store_name: str | None, *, copies_first: bool = False
) -> FoundSet:
    """The set (an id, its beginning, or "latest"), from the first store that has it whole. By its
    id also one of which objects are missing, where no store has it whole.

    Args:
        copies_first: the store that backups are written to is asked last.

    Raises:
        NotFoundError: no store that answers has it.
        IntegrityError: there is one, and it is half copied, damaged or of a newer version.
        SettingsError: there is no such store.
        OnyxError: no store answers; the first one's error.
    """
    trust = Trust.of(settings)
    stores = list(open_stores(settings))
    if store_name is not None:
        stores = [store_named(stores, store_name)]
    elif copies_first:
        stores = [*stores[1:], stores[0]]
    found: list[tuple[Store, SetView]] = []
    scans: list[Scan] = []
    unasked: list[str] = []
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
            unasked.append(f"The {store.name} store was not asked: {error.what}")
    candidates = [each for each in found if each[1].stores] or found
    now = datetime.now(UTC)
    latest = newest((view for _, view in candidates), now)
    if latest is None:
        _refuse_half_copied(scans, backup_id)
        raise [*errors, *absences][0]
    copies = [each for each in candidates if each[1].backup_id == latest.backup_id]
    store, view = min(copies, key=lambda each: _failed_verification(*each))
    damaged = [
        f"Set {each.backup_id} in the {each.store} store is damaged: {each.what}"
        for scan in scans
        for each in scan.damaged
        if each.backup_id == view.backup_id
    ]
    if backup_id != LATEST:
        return FoundSet(store, view, tuple(damaged), unasked=tuple(unasked))
    newer = (*unasked, *passed_over(view, scans, now))
    return FoundSet(store, view, tuple(damaged), passed_over=newer)


def _failed_verification(store: Store, view: SetView) -> bool:
    copy = view.copy_in(store.name)
    return copy is not None and copy.verification_failed


def _refuse_half_copied(scans: Iterable[Scan], text: str) -> None:
    """Raises IntegrityError: there is what looks like a set of that name."""
    for scan in scans:
        for store, leftovers in scan.leftovers.items():
            for backup_id in leftovers:
                if text == LATEST or backup_id.startswith(text.lower()):
                    raise IntegrityError(
                        f"The set {backup_id} in the {store} store cannot be restored: it has no"
                        " manifest, so it was never finished or is half copied.",
                        remedy="Copy it again (`onyx catalog list` shows where it is whole), or"
                        " restore another one.",
                    )


def passed_over(chosen: SetView, scans: Iterable[Scan], now: datetime) -> tuple[str, ...]:
    """A sentence for each in each store, the newest first.

    Args:
        chosen: what "latest" came to.
    """
    said = {
        (moment, sentence)
        for scan in scans
        for moment, backup_id, sentence in _not_taken(scan, now)
        if _is_newer(moment, chosen.timestamp) and backup_id != chosen.backup_id
    }
    sentences = [sentence for _, sentence in sorted(said, reverse=True)]
    more = len(sentences) - _NAMED
    named = sentences[:_NAMED]
    return (*named, f"So were {more} more that are newer.") if more > 0 else tuple(named)


def _is_newer(moment: datetime, than: datetime) -> bool:
    """Some stores tell whole seconds only: then also what may be newer by less than that."""
    return moment >= than.replace(microsecond=0) if moment.microsecond == 0 else moment > than


def _not_taken(scan: Scan, now: datetime) -> Iterator[tuple[datetime, str, str]]:
    """When, which, and why it cannot be the latest."""
    for damaged in scan.damaged:
        why = f"it is damaged: {damaged.what}"
        yield damaged.moment, damaged.backup_id, _sentence(damaged.backup_id, damaged.store, why)
    for stranger in scan.untrusted:
        why = f"it is not trusted: {stranger.what}"
        said = _sentence(stranger.backup_id, stranger.store, why)
        yield stranger.written_at, stranger.backup_id, said
    for view in scan.sets:
        if is_ahead(view.timestamp, now):
            why = f"it is dated {moment_text(view.timestamp)}, which is still to come"
            said = _sentence(view.backup_id, " and ".join(view.stores), why)
            yield view.timestamp, view.backup_id, said


def _sentence(backup_id: str, store: str, why: str) -> str:
    return f"The newer set {backup_id} in the {store} store was passed over: {why.rstrip('.')}."
