"""One backup set as all stores together show it, and which of several is the newest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from onyx_pipelines.sources.source import ComponentStatus
from onyx_pipelines.vault.manifest import BackupType, Manifest
from onyx_pipelines.vault.retention import SetRecord
from onyx_pipelines.vault.scanning import CatalogProblem, StoredSet

CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True)
class SetView:
    """One backup set as the stores show it.

    Args:
        copies: one of each store that has its manifest, in the catalog's order.
        begun_in: names of those that have objects of it but no manifest: a copy that was begun.
    """

    copies: tuple[StoredSet, ...]
    begun_in: tuple[str, ...] = ()

    @cached_property
    def manifest(self) -> Manifest:
        """Of a whole copy, if there is one."""
        return next((copy for copy in self.copies if copy.is_whole), self.copies[0]).manifest

    @property
    def stores(self) -> tuple[str, ...]:
        """Names of those that have it whole."""
        return tuple(copy.store for copy in self.copies if copy.is_whole)

    @property
    def backup_id(self) -> str:
        return self.manifest.backup_id

    @property
    def timestamp(self) -> datetime:
        """Its recovery point, in UTC: the moment that the data comes back to."""
        return self.manifest.timestamp

    @property
    def backup_type(self) -> BackupType:
        return self.manifest.backup_type

    @property
    def status(self) -> ComponentStatus:
        return self.manifest.status

    @property
    def components(self) -> tuple[str, ...]:
        """Names in the manifest, sorted."""
        return tuple(sorted(self.manifest.components))

    @property
    def size_bytes(self) -> int:
        """Of its sealed objects, in one store."""
        return self.manifest.sealed_bytes

    @property
    def hold_reason(self) -> str | None:
        """A hold in one store is enough."""
        return next((r for copy in self.copies if (r := self.held_in(copy)) is not None), None)

    def held_in(self, copy: StoredSet) -> str | None:
        """Why it is held where `copy` is: there, or by a mark of another store that counts. One
        that does not count holds nothing elsewhere."""
        marks = [copy.marks, *(c.marks for c in self.copies if not c.marks.hold_distrusted)]
        return next((m.hold_reason for m in marks if m.hold_reason is not None), None)

    @property
    def held(self) -> bool:
        """Kept whatever retention says, by a hold in any store."""
        return self.hold_reason is not None

    @property
    def last_verified_at(self) -> datetime | None:
        """When its bytes were last found right, in any store."""
        checks = (copy.marks.verified for copy in self.copies)
        return max((c.last_passed_at for c in checks if c and c.last_passed_at), default=None)

    @property
    def verification_failed(self) -> bool:
        """The last verification found them wrong, in every store that has it."""
        return all(copy.verification_failed for copy in self.copies)

    @property
    def last_drill_passed_at(self) -> datetime | None:
        """None also where a later drill failed."""
        drills = [copy.marks.drilled for copy in self.copies if copy.marks.drilled]
        last = max(drills, key=lambda drill: drill.at, default=None)
        return last.at if last and last.passed else None

    def copy_in(self, store: str) -> StoredSet | None:
        """What that store has of it, whole or not; None: nothing."""
        return next((copy for copy in self.copies if copy.store == store), None)

    def record(self, copy: StoredSet, *, made: str = "") -> SetRecord:
        """What retention needs to know of it where `copy` is: what that store says of it, and
        whatever keeps it from any store.

        Args:
            made: id of the set that the run has made which asks.
        """
        manifest = copy.manifest
        return SetRecord(
            backup_id=self.backup_id,
            timestamp=manifest.timestamp,
            problem=copy.damage or None,
            lacks=tuple(component.value for component in manifest.missing_components),
            doubts=tuple(doubt.what for doubt in manifest.doubts),
            made_now=self.backup_id == made,
            hold_reason=self.held_in(copy),
            drill_passed=self.last_drill_passed_at is not None,
            copy_pending=bool(self.begun_in),
        )


def newest(views: Iterable[SetView], now: datetime) -> SetView | None:
    """The newest one that is not dated ahead of this host's clock; where all are, the newest."""
    newest_first = sorted(views, key=lambda view: (view.timestamp, view.backup_id), reverse=True)
    return next(
        (view for view in newest_first if not is_ahead(view.timestamp, now)),
        newest_first[0] if newest_first else None,
    )


def is_ahead(moment: datetime, now: datetime) -> bool:
    """Whether a clock was wrong then, or is now."""
    return moment > now + CLOCK_TOLERANCE


def differences(copies: Sequence[StoredSet]) -> list[CatalogProblem]:
    """Stores whose manifest of a set is another one than the first store's, though both count."""
    first, *others = copies
    return [
        CatalogProblem(other.store, other.backup_id, _difference(first, other))
        for other in others
        if other.manifest != first.manifest
    ]


def _difference(first: StoredSet, other: StoredSet) -> str:
    stores = f"of {first.backup_id} in {first.store} and {other.store}"
    if (
        list(other.manifest.objects) != list(first.manifest.objects)
        or other.manifest.timestamp != first.manifest.timestamp
    ):
        return f"The manifests {stores} do not list the same objects."
    return (
        f"The manifests {stores} were signed at different times: a re-wrapping was interrupted, or"
        " somebody has put an old one back. `onyx keys rewrap --yes` makes them one."
    )
