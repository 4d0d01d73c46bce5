"""The sets that there are: found in the stores themselves, merged, with the marks put on them.

There is no other record of a set than its manifest; listing needs no key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from onyx_pipelines.core.errors import IntegrityError, NotFoundError
from onyx_pipelines.vault import marks
from onyx_pipelines.vault.authenticity import untrusted_error
from onyx_pipelines.vault.marks import Mark
from onyx_pipelines.vault.retention import RetentionPlan
from onyx_pipelines.vault.scanning import (
    CatalogProblem,
    DamagedSet,
    Leftover,
    ScanMemory,
    StoredSet,
    StoreScan,
    UntrustedSet,
    scan_store,
)
from onyx_pipelines.vault.set_view import SetView, differences, newest
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.trust import Trust

_SHORTEST_PREFIX = 4


@dataclass(frozen=True)
class Scan:
    """One look at every store.

    Args:
        views: what has a manifest whose signature counts, whole or not, newest first.
        untrusted: manifests whose signature does not, newest first by the stores' clocks.
        damaged: sets that are not as they were, or that no one can read, per store.
        oddities: what else needs a person.
        leftovers: per store, by id, what has no manifest there.
    """

    views: tuple[SetView, ...]
    untrusted: tuple[UntrustedSet, ...]
    damaged: tuple[DamagedSet, ...]
    oddities: tuple[CatalogProblem, ...]
    leftovers: Mapping[str, Mapping[str, Leftover]]

    @property
    def problems(self) -> tuple[CatalogProblem, ...]:
        """All that needs a person, in words."""
        return (
            *self.oddities,
            *(CatalogProblem(d.store, d.backup_id, d.sentence) for d in self.damaged),
            *(CatalogProblem(u.store, u.backup_id, u.sentence) for u in self.untrusted),
        )

    @property
    def sets(self) -> tuple[SetView, ...]:
        """Those that some store has whole, newest first."""
        return tuple(view for view in self.views if view.stores)

    @property
    def lost(self) -> tuple[str, ...]:
        """Ids of damaged sets that no store has sound."""
        sound = {view.backup_id for view in self.views if any(c.is_sound for c in view.copies)}
        ids = dict.fromkeys(each.backup_id for each in self.damaged)
        return tuple(each for each in ids if each not in sound)

    @property
    def ids(self) -> list[str]:
        """Of everything that has a manifest, however damaged, and whoever wrote it."""
        known = [view.backup_id for view in self.views]
        damaged = [each.backup_id for each in self.damaged]
        return list(dict.fromkeys([*known, *damaged, *(u.backup_id for u in self.untrusted)]))


@dataclass(frozen=True)
class CatalogRow:
    """A line of `onyx catalog list`."""

    backup_id: str
    timestamp: str
    backup_type: str
    status: str
    warnings: tuple[str, ...]
    components: tuple[str, ...]
    size_bytes: int
    stores: tuple[str, ...]
    held: bool
    hold_reason: str | None
    last_verified_at: str | None
    last_drill_passed_at: str | None
    retained_as: str | None

    @property
    def recovery_point(self) -> datetime:
        """The moment that the data comes back to, in UTC."""
        return datetime.fromisoformat(self.timestamp)

    def as_json(self) -> dict[str, object]:
        """Plain JSON values; times are ISO 8601 in UTC."""
        return asdict(self)


class Catalog:
    """The sets of several stores, the preferred one first, as far as they are trusted.

    Raises (from every method):
        StoreError: a store cannot be listed or read; what could not be seen is never guessed.
    """

    def __init__(
        self, stores: Sequence[Store], trust: Trust, memory: ScanMemory | None = None
    ) -> None:
        self.stores = tuple(stores)
        self.trust = trust
        self._memory = memory
        self._last: Scan | None = None

    @property
    def last_scan(self) -> Scan:
        """The last look at the stores."""
        return self._last or self.scan()

    @property
    def problems(self) -> tuple[CatalogProblem, ...]:
        """What the last look at the stores could not read."""
        return self.last_scan.problems

    @property
    def damaged(self) -> tuple[DamagedSet, ...]:
        """What the last look at the stores found not to be as it was."""
        return self.last_scan.damaged

    @property
    def untrusted(self) -> tuple[UntrustedSet, ...]:
        """What the last look at the stores found and does not count."""
        return self.last_scan.untrusted

    def sets(self) -> list[SetView]:
        """Every set that some store has whole, newest first."""
        return list(self.scan().sets)

    def find(self, text: str) -> SetView:
        """The set with this id, with an id that begins so (4 characters or more), or "latest".

        The latest is one that is whole and not dated ahead, if any is; by its id a set is found
        also where objects of it are missing (`stores` is empty then).

        Raises:
            NotFoundError: there is none, or more than one.
            IntegrityError: there is one, and its manifest cannot be read, or is not trusted.
        """
        scan = self.scan()
        views = scan.views
        if text == "latest":
            latest = newest(scan.sets or views, datetime.now(UTC))
            matches = [latest] if latest else []
        else:
            matches = [view for view in views if _means(text, view.backup_id)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise _ambiguous(text, [view.backup_id for view in matches])
        for each in scan.damaged:
            if text == "latest" or _means(text, each.backup_id):
                raise IntegrityError(
                    f"The set {each.backup_id} in the {each.store} store is damaged: {each.what}",
                    remedy="Take it from another store, or another set: `onyx catalog list`.",
                )
        for stranger in scan.untrusted:
            if text == "latest" or _means(text, stranger.backup_id):
                raise untrusted_error(stranger.backup_id, stranger.store, stranger.distrust)
        raise _not_found(text, len(views))

    def identify(self, text: str) -> str:
        """The id that `text` means as in `find`, of a set that may be damaged or untrusted: for
        whoever looks at it more closely. The latest is the one with the latest recovery point; one
        that cannot be read is as late as its manifest was written.

        Raises:
            NotFoundError: there is none, or more than one.
        """
        scan = self.scan()
        if text == "latest":
            moments = {each.backup_id: each.moment for each in scan.damaged}
            moments |= {view.backup_id: view.timestamp for view in scan.views}
            matches = sorted(moments, key=lambda each: (moments[each], each))[-1:]
        else:
            matches = [backup_id for backup_id in scan.ids if _means(text, backup_id)]
        if len(matches) > 1:
            raise _ambiguous(text, matches)
        if not matches:
            raise _not_found(text, len(scan.ids))
        return matches[0]

    def hold(self, text: str, reason: str, *, now: datetime) -> SetView:
        """Keep a set whatever retention says, in every store that has it."""
        view = self.find(text)
        key = self.trust.signing_key()
        for store in self._having(view):
            marks.put_hold(store, view.backup_id, reason, now=now, key=key)
        return self.find(view.backup_id)

    def release(self, text: str) -> SetView:
        """Leave a held set to retention again, in every store that has it.

        Args:
            text: an id, the beginning of one, or "latest".

        Raises:
            NotFoundError: there is none, or several begin like that.
        """
        view = self.find(text)
        for store in self._having(view):
            marks.remove_hold(store, view.backup_id)
        return self.find(view.backup_id)

    def is_held(self, backup_id: str, store_name: str) -> bool:
        """Whether it is held in this store, as `SetView.held_in` says. Asks the stores now, without
        reading the rest of the catalog."""
        if marks.has_hold(self._store(store_name), backup_id):
            return True
        return any(marks.is_held(s, backup_id, self.trust.signers) for s in self.stores)

    def record_verification(
        self, backup_id: str, store_name: str, *, passed: bool, at: datetime
    ) -> None:
        """Note that a store's copy of the set was read and found right, or not. A machine without
        a signing key notes nothing."""
        marks.record_check(
            self._store(store_name), backup_id, Mark.VERIFIED, self.trust, passed=passed, at=at
        )

    def record_drill(self, backup_id: str, store_name: str, *, passed: bool, at: datetime) -> None:
        """Note that the set was restored from this store and compared. A machine without a signing
        key notes nothing."""
        marks.record_check(
            self._store(store_name), backup_id, Mark.DRILLED, self.trust, passed=passed, at=at
        )

    def scan(self) -> Scan:
        """Look at every store once."""
        found = [scan_store(store, self.trust.signers, self._memory) for store in self.stores]
        oddities = [each for one in found for each in one.oddities]
        copies_of: dict[str, list[StoredSet]] = {}
        for each in found:
            for stored in each.sets:
                copies_of.setdefault(stored.manifest.backup_id, []).append(stored)
        views = [_view(tuple(copies), found) for copies in copies_of.values()]
        views.sort(key=lambda view: (view.timestamp, view.backup_id), reverse=True)
        oddities += [each for copies in copies_of.values() for each in differences(copies)]
        damaged = tuple(each for one in found for each in one.damaged)
        leftovers = {each.store: each.leftovers for each in found}
        strangers = [each for one in found for each in one.untrusted]
        strangers.sort(key=lambda each: (each.written_at, each.backup_id), reverse=True)
        self._last = Scan(tuple(views), tuple(strangers), damaged, tuple(oddities), leftovers)
        return self._last

    def _having(self, view: SetView) -> list[Store]:
        return [store for store in self.stores if view.copy_in(store.name)]

    def _store(self, name: str) -> Store:
        for store in self.stores:
            if store.name == name:
                return store
        raise NotFoundError(
            f"There is no {name} store.",
            remedy=f"Configured: {', '.join(store.name for store in self.stores)}.",
        )


def rows(views: Iterable[SetView], plans: Mapping[str, RetentionPlan]) -> list[CatalogRow]:
    """The sets as lines of a table, joined with what the first store of each keeps it as."""
    return [
        CatalogRow(
            backup_id=view.backup_id,
            timestamp=view.timestamp.isoformat(),
            backup_type=view.backup_type.value,
            status=view.manifest.shown_status,
            warnings=view.manifest.warnings,
            components=view.components,
            size_bytes=view.size_bytes,
            stores=view.stores,
            held=view.held,
            hold_reason=view.hold_reason,
            last_verified_at=_iso(view.last_verified_at),
            last_drill_passed_at=_iso(view.last_drill_passed_at),
            retained_as=next(
                (t for s in view.stores if (t := plans[s].retained_as(view.backup_id))), None
            ),
        )
        for view in views
    ]


def _means(text: str, backup_id: str) -> bool:
    return len(text) >= _SHORTEST_PREFIX and backup_id.startswith(text.lower())


def _ambiguous(text: str, ids: Sequence[str]) -> NotFoundError:
    return NotFoundError(
        f"{len(ids)} backup sets begin with {text}: {', '.join(ids[:5])}.",
        remedy="Give more of the id.",
    )


def _not_found(text: str, count: int) -> NotFoundError:
    return NotFoundError(
        f"There is no backup set {text}.",
        remedy=f"`onyx catalog list` shows the {count} that there are; an abbreviated id needs"
        f" {_SHORTEST_PREFIX} characters.",
    )


def _view(copies: tuple[StoredSet, ...], scans: Iterable[StoreScan]) -> SetView:
    backup_id = copies[0].backup_id
    leftovers = {scan.store: scan.leftovers.get(backup_id) for scan in scans}
    begun = (store for store, left in leftovers.items() if left and not left.pruning_begun)
    return SetView(copies, tuple(begun))


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
