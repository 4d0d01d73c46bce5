"""The sets that there are: found in the stores themselves, merged, with the marks put on them.

There is no other record of a set than its manifest; listing needs no key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from onyx_pipelines.errors import NotFoundError
from onyx_pipelines.sources.source import ComponentStatus
from onyx_pipelines.vault import marks
from onyx_pipelines.vault.manifest import BackupType, Manifest
from onyx_pipelines.vault.marks import Mark
from onyx_pipelines.vault.retention import RetentionPlan, SetRecord
from onyx_pipelines.vault.scanning import (
    CatalogProblem,
    Leftover,
    ScanMemory,
    StoredSet,
    StoreScan,
    scan_store,
)
from onyx_pipelines.vault.stores.store import Store

_SHORTEST_PREFIX = 4


@dataclass(frozen=True)
class SetView:
    """One backup set as the stores show it.

    Args:
        stores: names of those that have its manifest, in the catalog's order.
        begun_in: names of those that have objects of it but no manifest: a copy that was begun.
        last_verified_at: when its bytes were last found right, in any store.
        verification_failed: the last verification found them wrong, in every store that has it.
        last_drill_passed_at: None also where a later drill failed.
    """

    manifest: Manifest
    stores: tuple[str, ...]
    begun_in: tuple[str, ...] = ()
    hold_reason: str | None = None
    last_verified_at: datetime | None = None
    verification_failed: bool = False
    last_drill_passed_at: datetime | None = None

    @property
    def backup_id(self) -> str:
        return self.manifest.backup_id

    @property
    def timestamp(self) -> datetime:
        return self.manifest.timestamp

    @property
    def backup_type(self) -> BackupType:
        return self.manifest.backup_type

    @property
    def status(self) -> ComponentStatus:
        return self.manifest.status

    @property
    def components(self) -> tuple[str, ...]:
        return tuple(sorted(self.manifest.components))

    @property
    def size_bytes(self) -> int:
        """Of its sealed objects, in one store."""
        return self.manifest.sealed_bytes

    @property
    def held(self) -> bool:
        return self.hold_reason is not None

    def record(self) -> SetRecord:
        """What retention needs to know of it."""
        return SetRecord(
            backup_id=self.backup_id,
            timestamp=self.timestamp,
            problem="its last verification failed" if self.verification_failed else None,
            lacks=tuple(component.value for component in self.manifest.missing_components),
            hold_reason=self.hold_reason,
            drill_passed=self.last_drill_passed_at is not None,
            copy_pending=bool(self.begun_in),
        )


@dataclass(frozen=True)
class Scan:
    """One look at every store.

    Args:
        sets: newest first.
        leftovers: per store, by id, what has no manifest there.
    """

    sets: tuple[SetView, ...]
    problems: tuple[CatalogProblem, ...]
    leftovers: Mapping[str, Mapping[str, Leftover]]


@dataclass(frozen=True)
class CatalogRow:
    """A line of `onyx catalog list`."""

    backup_id: str
    timestamp: str
    backup_type: str
    status: str
    components: tuple[str, ...]
    size_bytes: int
    stores: tuple[str, ...]
    held: bool
    hold_reason: str | None
    last_verified_at: str | None
    last_drill_passed_at: str | None
    retained_as: str | None

    def as_json(self) -> dict[str, object]:
        """Plain JSON values; times are ISO 8601 in UTC."""
        return asdict(self)


class Catalog:
    """The sets of several stores, the preferred one first.

    Raises (from every method):
        StoreError: a store cannot be listed or read; what could not be seen is never guessed.
    """

    def __init__(self, stores: Sequence[Store], memory: ScanMemory | None = None) -> None:
        self.stores = tuple(stores)
        self._memory = memory
        self._problems: tuple[CatalogProblem, ...] | None = None

    @property
    def problems(self) -> tuple[CatalogProblem, ...]:
        """What the last look at the stores could not read."""
        if self._problems is None:
            self.scan()
        return self._problems or ()

    def sets(self) -> list[SetView]:
        """Every set, newest first."""
        return list(self.scan().sets)

    def find(self, text: str) -> SetView:
        """The set with this id, with an id that begins so (4 characters or more), or "latest".

        Raises:
            NotFoundError: there is none, or more than one.
        """
        sets = self.sets()
        if text == "latest":
            matches = sets[:1]
        elif len(text) >= _SHORTEST_PREFIX:
            matches = [view for view in sets if view.backup_id.startswith(text.lower())]
        else:
            matches = []
        if len(matches) == 1:
            return matches[0]
        if matches:
            ids = ", ".join(view.backup_id for view in matches[:5])
            raise NotFoundError(
                f"{len(matches)} backup sets begin with {text}: {ids}.",
                remedy="Give more of the id.",
            )
        raise NotFoundError(
            f"There is no backup set {text}.",
            remedy=f"`onyx catalog list` shows the {len(sets)} that there are; an abbreviated id"
            f" needs {_SHORTEST_PREFIX} characters.",
        )

    def hold(self, text: str, reason: str, *, now: datetime) -> SetView:
        """Keep a set whatever retention says, in every store that has it."""
        view = self.find(text)
        for store in self._having(view):
            marks.put_hold(store, view.backup_id, reason, now=now)
        return self.find(view.backup_id)

    def release(self, text: str) -> SetView:
        """Undo `hold`."""
        view = self.find(text)
        for store in self._having(view):
            marks.remove_hold(store, view.backup_id)
        return self.find(view.backup_id)

    def is_held(self, backup_id: str) -> bool:
        """Asks the stores now, without reading the rest of the catalog."""
        return any(marks.is_held(store, backup_id) for store in self.stores)

    def record_verification(
        self, backup_id: str, store_name: str, *, passed: bool, at: datetime
    ) -> None:
        """Note that a store's copy of the set was read and found right, or not."""
        store = self._store(store_name)
        marks.record_check(store, backup_id, Mark.VERIFIED, passed=passed, at=at)

    def record_drill(self, backup_id: str, store_name: str, *, passed: bool, at: datetime) -> None:
        """Note that the set was restored from this store and compared."""
        store = self._store(store_name)
        marks.record_check(store, backup_id, Mark.DRILLED, passed=passed, at=at)

    def scan(self) -> Scan:
        """Look at every store once."""
        found = [scan_store(store, self._memory) for store in self.stores]
        problems = [problem for each in found for problem in each.problems]
        copies_of: dict[str, list[StoredSet]] = {}
        for each in found:
            for stored in each.sets:
                copies_of.setdefault(stored.manifest.backup_id, []).append(stored)
        views = [_view(copies, found) for copies in copies_of.values()]
        views.sort(key=lambda view: (view.timestamp, view.backup_id), reverse=True)
        problems += [problem for copies in copies_of.values() for problem in _differences(copies)]
        self._problems = tuple(problems)
        return Scan(tuple(views), self._problems, {each.store: each.leftovers for each in found})

    def _having(self, view: SetView) -> list[Store]:
        return [store for store in self.stores if store.name in view.stores]

    def _store(self, name: str) -> Store:
        for store in self.stores:
            if store.name == name:
                return store
        raise NotFoundError(
            f"There is no {name} store.",
            remedy=f"Configured: {', '.join(store.name for store in self.stores)}.",
        )


def rows(views: Iterable[SetView], plan: RetentionPlan) -> list[CatalogRow]:
    """The sets as lines of a table, joined with what retention keeps them as."""
    return [
        CatalogRow(
            backup_id=view.backup_id,
            timestamp=view.timestamp.isoformat(),
            backup_type=view.backup_type.value,
            status=view.status.value,
            components=view.components,
            size_bytes=view.size_bytes,
            stores=view.stores,
            held=view.held,
            hold_reason=view.hold_reason,
            last_verified_at=_iso(view.last_verified_at),
            last_drill_passed_at=_iso(view.last_drill_passed_at),
            retained_as=plan.retained_as(view.backup_id),
        )
        for view in views
    ]


def _view(copies: Sequence[StoredSet], scans: Iterable[StoreScan]) -> SetView:
    manifest = copies[0].manifest
    leftovers = {scan.store: scan.leftovers.get(manifest.backup_id) for scan in scans}
    verified = [copy.marks.verified for copy in copies]
    drilled = max(
        (copy.marks.drilled for copy in copies if copy.marks.drilled),
        key=lambda check: check.at,
        default=None,
    )
    return SetView(
        manifest=manifest,
        stores=tuple(copy.store for copy in copies),
        begun_in=tuple(
            store for store, left in leftovers.items() if left and not left.pruning_begun
        ),
        hold_reason=next((m for copy in copies if (m := copy.marks.hold_reason) is not None), None),
        last_verified_at=max(
            (check.last_passed_at for check in verified if check and check.last_passed_at),
            default=None,
        ),
        verification_failed=all(check is not None and not check.passed for check in verified),
        last_drill_passed_at=drilled.at if drilled and drilled.passed else None,
    )


def _differences(copies: Sequence[StoredSet]) -> list[CatalogProblem]:
    """Stores whose manifest of a set lists other objects; wrapped keys may well differ."""
    first, *others = copies
    return [
        CatalogProblem(
            other.store,
            other.manifest.backup_id,
            f"The manifests in {first.store} and {other.store} do not list the same objects.",
        )
        for other in others
        if list(other.manifest.objects) != list(first.manifest.objects)
        or other.manifest.timestamp != first.manifest.timestamp
    ]


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
