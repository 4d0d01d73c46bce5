"""What a restore would do, for a person who decides; and the restore itself: safety backup, then
component after component, each compared before it takes the place of what was there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict

from onyx_pipelines.core.errors import OnyxError, RestoreError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.progress import ProgressCallback
from onyx_pipelines.core.settings import ReportSettings, Settings
from onyx_pipelines.core.verdict import Verdict, worst
from onyx_pipelines.host.scratch import scratch_root
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.components import restoration as restoration_of
from onyx_pipelines.restore.engine import PlannedChange, Restoration, Work, sweep
from onyx_pipelines.restore.estimate import Estimate, estimate
from onyx_pipelines.restore.finding_sets import FoundSet, find_set
from onyx_pipelines.restore.journal import DESPITE, RestoreJournal, forget_all, request_digest
from onyx_pipelines.restore.report.history import read_history
from onyx_pipelines.restore.results import ComponentResult, StepClock
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.host_keys import required_private_key
from onyx_pipelines.vault.lock import ExclusiveLock, set_in_use
from onyx_pipelines.vault.reading import SetObjects, open_set
from onyx_pipelines.vault.trust import Trust


@dataclass(frozen=True)
class RestorePlan:
    """`changes`: per component, in the order of restoring. `notes`: what a person should know."""

    backup_id: str
    store: str
    recovery_point: datetime
    changes: Mapping[Component, tuple[PlannedChange, ...]]
    estimate: Estimate
    notes: tuple[str, ...]

    @property
    def components(self) -> tuple[Component, ...]:
        """In the order of restoring."""
        return tuple(self.changes)

    @property
    def overwritten(self) -> tuple[Component, ...]:
        """Components of which something would be replaced."""
        return tuple(
            part for part, changes in self.changes.items() if any(c.overwrites for c in changes)
        )


def plan_restore(
    settings: Settings, choice: RestoreChoice, *, backup_id: str, store_name: str | None
) -> RestorePlan:
    """Look at the set and at the targets; nothing is touched.

    Raises:
        NotFoundError: there is no such set.
        KeyFileError: this host cannot open it.
        SettingsError, RestoreError: the choice fits neither the set nor the target.
        SourceError, StoreError: a target or the store does not answer.
    """
    found = find_set(settings, backup_id, store_name)
    objects = _opened(settings, found)
    return _planned(settings, choice, found, objects, _restorations(settings, choice, objects))


def _opened(settings: Settings, found: FoundSet) -> SetObjects:
    key, signers = required_private_key(settings), Trust.of(settings).signers
    return open_set(found.store, found.backup_id, key, signers)


def _restorations(
    settings: Settings, choice: RestoreChoice, objects: SetObjects
) -> dict[Component, Restoration]:
    """In the order of restoring."""
    choice.refuse_to_force_another(objects.manifest.backup_id)
    present = [record.component for record in objects.manifest.components.values()]
    parts = choice.components_of(present)
    return {part: restoration_of(part, objects, choice, settings) for part in parts}


def _planned(
    settings: ReportSettings,
    choice: RestoreChoice,
    found: FoundSet,
    objects: SetObjects,
    restorations: Mapping[Component, Restoration],
) -> RestorePlan:
    changes = {part: tuple(each.plan()) for part, each in restorations.items()}
    sizes = {part: _asked_bytes(objects, part, choice.names_of(part)) for part in restorations}
    expected = estimate(sizes, read_history(settings.reports_dir).drills)
    return RestorePlan(
        backup_id=found.backup_id,
        store=found.store.name,
        recovery_point=found.view.timestamp,
        changes=changes,
        estimate=replace(expected, is_limit=expected.is_limit or choice.is_within_one),
        notes=found.notes,
    )


def _asked_bytes(objects: SetObjects, part: Component, names: Collection[str]) -> int:
    records = objects.records(part)
    return sum(each.plain_bytes for each in records if not names or each.name in names)


class RestoreResult(BaseModel):
    """One restore. `components` were compared as in a drill; a failed one was not put in place.

    `safety_backup_id`: the set that holds what was replaced; empty: none was taken. `notes`: the
    plan's, e.g. which newer sets were passed over.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    restore_id: str
    backup_id: str
    store: str
    recovery_point: AwareDatetime
    started_at: AwareDatetime
    finished_at: AwareDatetime
    safety_backup_id: str
    components: tuple[ComponentResult, ...]
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst of its components'."""
        return worst(component.verdict for component in self.components)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """What the same call tries again."""
        return tuple(name for component in self.components for name in component.unfinished)

    @property
    def despite_differences(self) -> tuple[str, ...]:
        """What was put in place although it differs, because a person wanted it."""
        findings = (f for component in self.components for f in component.findings)
        return tuple(f"{f.item}: {f.message}" for f in findings if f.aspect == DESPITE)

    @property
    def may_be_forced(self) -> bool:
        """Something failed its comparison, so it was left out."""
        return any(each.unfinished and each.verdict is Verdict.FAILED for each in self.components)

    @property
    def duration_s(self) -> float:
        """From the beginning of the first call, where several went on with one restore."""
        return (self.finished_at - self.started_at).total_seconds()


_log = logger("restore")

# Takes a backup of these components, keeps it from being pruned, and gives its id.
SafetyBackup: TypeAlias = Callable[[frozenset[Component]], str]


def restore_set(
    settings: Settings,
    choice: RestoreChoice,
    *,
    backup_id: str,
    store_name: str | None,
    safety_backup: SafetyBackup | None,
    command: str,
    progress: ProgressCallback,
    announce: Callable[[RestorePlan], None] = lambda _: None,
) -> RestoreResult:
    """Replace data by what the set holds. Whoever calls this has asked the person.

    An interrupted call goes on where it stopped when it is made again within a day, and so does one
    that left something unfinished: what it had put in place is compared again. What fails its
    comparison leaves what was there, and the next is restored all the same.

    Args:
        safety_backup: taken of what is overwritten, before anything is touched; None: none.
        command: what a person types to go on after an interruption.
        announce: called with the plan before anything is touched.

    Raises:
        AlreadyRunningError: another task holds the host's lock.
        RestoreError: the safety backup failed; nothing was touched.
        OnyxError: as `plan_restore` and each component's `restore`; what was not put in place yet
            is as it was, and the same call goes on.
    """
    found = find_set(settings, backup_id, store_name)
    set_id = found.backup_id
    with set_in_use(settings.state_dir, set_id):
        objects = _opened(settings, found)
        restorations = _restorations(settings, choice, objects)
        plan = _planned(settings, choice, found, objects, restorations)
        announce(plan)
        asked = _digest(set_id, choice, restorations)
        with ExclusiveLock(settings.state_dir, "restore"):
            journal = RestoreJournal.open(settings.state_dir, set_id, asked, datetime.now(UTC))
            if journal.went_stale:
                # What it left half done must not come into the safety backup.
                _swept_volumes(settings)
        if choice.despite_differences_of:
            journal.force(set_id)
        # Which takes the lock itself.
        taken = _taken(safety_backup, journal.to_back_up(plan.overwritten), choice)
        done: list[ComponentResult] = []
        with ExclusiveLock(settings.state_dir, "restore"):
            journal.begin(taken)
            clock = StepClock()
            workdir = scratch_root(settings.scratch_dir)
            for component, restoration in restorations.items():
                work = Work(component, objects, clock, workdir, settings, progress)
                with journal.changing(command, plan.components[len(done) :]):
                    result = restoration.restore(work, journal)
                _log.info(
                    "component restored",
                    extra={
                        "backup_id": set_id,
                        "component": component.value,
                        "verdict": result.verdict.value,
                        "recovery_s": result.recovery_s,
                    },
                )
                done.append(result)
            journal.end(done)
        backups = journal.safety_backup_ids
    return RestoreResult(
        restore_id=journal.restore_id,
        backup_id=set_id,
        store=found.store.name,
        recovery_point=found.view.timestamp,
        started_at=journal.started_at,
        finished_at=datetime.now(UTC),
        safety_backup_id=backups[-1] if backups else "",
        components=tuple(done),
        notes=(*plan.notes, *map(_earlier_safety, backups[:-1])),
    )


def abort(settings: Settings) -> list[str]:
    """End interrupted restores: what was being put in place is completed or taken away.

    Databases and collections that were restored beside stay until the next restore removes them.

    Raises:
        AlreadyRunningError: a task holds the host's lock.
    """
    with ExclusiveLock(settings.state_dir, "restore"):
        return _swept_volumes(settings) + [str(path) for path in forget_all(settings.state_dir)]


def _swept_volumes(settings: Settings) -> list[str]:
    from onyx_pipelines.restore.volumes.restoring import leftovers

    return sweep(leftovers(settings))


def _digest(
    backup_id: str, choice: RestoreChoice, restorations: Mapping[Component, Restoration]
) -> str:
    """Of the set, the choice, and each target."""
    targets = [each.identity for each in restorations.values()]
    # Who wants differences to pass goes on with the restore that has named them.
    asked = asdict(replace(choice, despite_differences_of=""))
    return request_digest(backup_id, asked, targets)


def _taken(
    safety_backup: SafetyBackup | None, overwritten: frozenset[Component], choice: RestoreChoice
) -> str:
    if safety_backup is None or not overwritten:
        return ""
    if choice.into:
        raise RestoreError(
            "A safety backup covers the configured sources, not the place given with --into,"
            f" where {', '.join(sorted(overwritten))} would be replaced.",
            remedy="Choose a place that is empty, or add --no-safety-backup.",
        )
    try:
        return safety_backup(overwritten)
    except OnyxError as error:
        raise RestoreError(
            f"The safety backup failed, so nothing was touched: {error.what}",
            remedy=f"{error.remedy} If what is there is lost anyway, add --no-safety-backup.",
        ) from error


def _earlier_safety(backup_id: str) -> str:
    return f"What was there before an earlier call of this restore is in the set {backup_id}."
