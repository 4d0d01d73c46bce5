"""Carries a retention plan out, and removes what killed backups, copies and prunings left.

A set that its store locks stays listed and whole until the lock ends: it waits.

Order of one set: mark, manifest (from here on it is no set), objects, marks; the local store before
the off-site one. So an interruption leaves rubbish that is known as such, never half a set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from onyx_pipelines.core.errors import StoreError
from onyx_pipelines.core.text import count_text
from onyx_pipelines.vault import layout, marks
from onyx_pipelines.vault.catalog import Catalog, Scan
from onyx_pipelines.vault.lock import current_holder, set_to_delete
from onyx_pipelines.vault.marks import Mark
from onyx_pipelines.vault.retention import RetentionPlan, RetentionPolicy
from onyx_pipelines.vault.scanning import CatalogProblem, Leftover
from onyx_pipelines.vault.set_view import SetView
from onyx_pipelines.vault.signing import SigningKey
from onyx_pipelines.vault.store_plans import store_plans
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.versions import NOTHING_LEFT, Remains, locked_until, purge


@dataclass(frozen=True)
class Removal:
    """Something that was deleted from a store, or would be. `what` is a set's id or leftovers."""

    store: str
    what: str
    size_bytes: int = 0
    remains: Remains = NOTHING_LEFT

    @property
    def freed_bytes(self) -> int:
        """Of the store's space; earlier versions of the objects still occupy the rest."""
        return max(0, self.size_bytes - self.remains.size_bytes)


@dataclass(frozen=True)
class Waiting:
    """Something that retention wants gone and the store locks, at least until then."""

    store: str
    what: str
    locked_until: datetime


@dataclass(frozen=True)
class Spared:
    """A set that the plan prunes and that was left alone this time."""

    backup_id: str
    reason: str


@dataclass(frozen=True)
class Failure:
    """A deletion that failed. The next run does the rest of it."""

    store: str
    what: str
    problem: str


@dataclass(frozen=True)
class PruneReport:
    """What was done, or with `dry_run` what would be. `plans`: of each store; `seen`: what there
    was before the first deletion."""

    policy: RetentionPolicy
    plans: Mapping[str, RetentionPlan]
    dry_run: bool
    sets: tuple[Removal, ...]
    leftovers: tuple[Removal, ...]
    spared: tuple[Spared, ...]
    waiting: tuple[Waiting, ...]
    failures: tuple[Failure, ...]
    seen: Scan

    @property
    def problems(self) -> tuple[CatalogProblem, ...]:
        """What is damaged, untrusted or unreadable in the stores, whatever retention says of it."""
        return self.seen.problems

    @property
    def own_policies(self) -> dict[str, RetentionPolicy]:
        """Store → the policy of those that have another than `policy`."""
        plans = self.plans.items()
        return {store: plan.policy for store, plan in plans if plan.policy != self.policy}

    @property
    def kept(self) -> list[str]:
        """Ids of the sets that some store keeps."""
        kept = (each.backup_id for plan in self.plans.values() for each in plan.kept)
        return list(dict.fromkeys(kept))

    @property
    def pruned(self) -> list[str]:
        """Ids of the sets that were deleted from some store, or would be."""
        return list(dict.fromkeys(removal.what for removal in self.sets))

    @property
    def future_dated(self) -> list[str]:
        """Ids of the sets that a wrong clock dated later than now: somebody should look."""
        late = (each.backup_id for plan in self.plans.values() for each in plan.future_dated)
        return list(dict.fromkeys(late))

    @property
    def freed_bytes(self) -> int:
        """In all stores together."""
        return sum(removal.freed_bytes for removal in (*self.sets, *self.leftovers))

    @property
    def remaining_bytes(self) -> int:
        """What earlier versions of the deleted sets still occupy."""
        return sum(removal.remains.size_bytes for removal in (*self.sets, *self.leftovers))

    @property
    def ok(self) -> bool:
        """Nothing failed to be deleted. What waits for a lock has not failed."""
        return not self.failures


def prune(
    catalog: Catalog,
    policy: RetentionPolicy,
    *,
    now: datetime,
    dry_run: bool,
    state_dir: Path,
    grace: timedelta = timedelta(hours=24),
    made: str = "",
    own: Mapping[str, RetentionPolicy] | None = None,
) -> PruneReport:
    """Delete from each store what its plan does not keep, then leftovers older than `grace`.

    Every store is listed before the first deletion. A set that somebody held, copies or verifies
    since is spared. What cannot be parsed, is not whole or not trusted is never deleted.

    Args:
        made: id of the set that this run has made, which stays whatever the clock says.
        own: store → the policy of those that have another than `policy`.

    Raises:
        StoreError: a store cannot be listed; nothing was deleted.
        KeyFileError: there is something to delete, and no signing key; nothing was deleted.
    """
    scan = catalog.scan()
    names = [store.name for store in catalog.stores]
    plans = store_plans(scan.views, policy, stores=names, now=now, made=made, own=own)
    pruner = _Pruner(catalog, state_dir, dry_run)
    for view in reversed(scan.views):
        gone_from = [s for s in catalog.stores if plans[s.name].prunes(view.backup_id)]
        if gone_from:
            pruner.remove_set(view, gone_from)
    for store in catalog.stores:
        pruner.sweep(store, _rubbish(scan, store.name, now - grace), older_than=now - grace)
    return PruneReport(
        policy,
        plans,
        dry_run,
        tuple(pruner.sets),
        tuple(pruner.leftovers),
        tuple(pruner.spared),
        tuple(pruner.waiting),
        tuple(pruner.failures),
        scan,
    )


def _rubbish(scan: Scan, store: str, older_than: datetime) -> Mapping[str, Leftover]:
    """What has no manifest here, and none elsewhere either: a copy that was begun has one."""
    sets = set(scan.ids)
    return {
        backup_id: leftover
        for backup_id, leftover in scan.leftovers[store].items()
        if leftover.pruning_begun or (backup_id not in sets and leftover.newest_at < older_than)
    }


@dataclass
class _Pruner:
    """Deletes and notes what came of it."""

    catalog: Catalog
    state_dir: Path
    dry_run: bool
    sets: list[Removal] = field(default_factory=list)
    leftovers: list[Removal] = field(default_factory=list)
    spared: list[Spared] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def remove_set(self, view: SetView, stores: Sequence[Store]) -> None:
        with set_to_delete(self.state_dir, view.backup_id) as unused:
            if not unused:
                self.spared.append(Spared(view.backup_id, "it is being copied, verified or read"))
                return
            for store in stores:
                try:
                    if self.catalog.is_held(view.backup_id, store.name):
                        self.spared.append(Spared(view.backup_id, "it was held meanwhile"))
                        return
                    if until := _locked_until(store, view.backup_id):
                        self.waiting.append(Waiting(store.name, view.backup_id, until))
                        continue
                    remains = NOTHING_LEFT
                    if not self.dry_run:
                        key = self.catalog.trust.signing_key()
                        remains = _delete_set(store, view.backup_id, key)
                except StoreError as error:
                    # The other stores keep it until this one is clean: see the module's order.
                    self.failures.append(Failure(store.name, view.backup_id, str(error)))
                    return
                removal = Removal(store.name, view.backup_id, view.size_bytes, remains)
                self.sets.append(removal)

    def sweep(self, store: Store, rubbish: Mapping[str, Leftover], *, older_than: datetime) -> None:
        for backup_id, leftover in rubbish.items():
            self._remove_leftover(store, backup_id, leftover)
        try:
            swept = store.sweep(layout.SETS_PREFIX, older_than=older_than, dry_run=self.dry_run)
        except StoreError as error:
            self.failures.append(Failure(store.name, "unfinished objects", str(error)))
        else:
            self.leftovers += [Removal(store.name, what) for what in swept]

    def _remove_leftover(self, store: Store, backup_id: str, leftover: Leftover) -> None:
        objects = count_text(len(leftover.keys), "object")
        what = f"{layout.set_prefix(backup_id)} ({objects} without a manifest)"
        with set_to_delete(self.state_dir, backup_id) as unused:
            holder = current_holder(self.state_dir)
            if not unused or (holder is not None and holder.backup_id == backup_id):
                return
            try:
                if store.stat(layout.manifest_key(backup_id)) is not None:
                    return  # completed since the listing
                if until := locked_until(store, leftover.keys):
                    self.waiting.append(Waiting(store.name, what, until))
                    return
                remains = NOTHING_LEFT if self.dry_run else _delete_objects(store, backup_id)
            except StoreError as error:
                self.failures.append(Failure(store.name, what, str(error)))
                return
        self.leftovers.append(Removal(store.name, what, leftover.size_bytes, remains))


def _locked_until(store: Store, backup_id: str) -> datetime | None:
    """The manifest is written last: what it says is asked first."""
    if store.locks is None:
        return None
    manifest = layout.manifest_key(backup_id)
    prefix = layout.set_prefix(backup_id)
    written_once = (each.key for each in store.list(prefix) if layout.is_written_once(each.key))
    return locked_until(store, (manifest, *(key for key in written_once if key != manifest)))


def _delete_set(store: Store, backup_id: str, key: SigningKey) -> Remains:
    marks.put_pruned(store, backup_id, key)
    store.delete(layout.manifest_key(backup_id))
    return _delete_objects(store, backup_id)


def _delete_objects(store: Store, backup_id: str) -> Remains:
    """Everything of the set, earlier versions too; the mark that says it is rubbish goes last."""
    prefix = layout.set_prefix(backup_id)
    last = layout.mark_key(backup_id, Mark.PRUNED)
    for stored in list(store.list(prefix)):
        if stored.key != last:
            store.delete(stored.key)
    remains = purge(store, prefix)
    store.delete(last)
    purge(store, last)
    return remains
