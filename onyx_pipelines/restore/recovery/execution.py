"""The restore itself: safety backup, then component after component, each compared before it takes
the place of what was there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from onyx_pipelines.errors import OnyxError, RestoreError
from onyx_pipelines.progress import ProgressCallback
from onyx_pipelines.restore import postgres, qdrant, volumes
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.drill import required_key, scratch_dir
from onyx_pipelines.restore.objects import SetObjects, open_set
from onyx_pipelines.restore.postgres import PostgresRestoreRequest
from onyx_pipelines.restore.qdrant import QdrantRestoreRequest
from onyx_pipelines.restore.recovery.choice import ComponentRequest, RestoreChoice
from onyx_pipelines.restore.recovery.finding_sets import find_set
from onyx_pipelines.restore.recovery.plan import RestorePlan, plan_found
from onyx_pipelines.restore.recovery.result import RestoreResult
from onyx_pipelines.restore.recovery.run_record import (
    RunRecordFile,
    forget_all,
    with_component,
)
from onyx_pipelines.restore.results import ComponentDrill
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.source import Component
from onyx_pipelines.telemetry import logger
from onyx_pipelines.vault.lock import ExclusiveLock, set_in_use
from onyx_pipelines.vault.trust import Trust
from onyx_pipelines.vault.unfinished_restore import (
    UnfinishedRestore,
    clear_restore,
    mark_restore,
)

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

    An interrupted call goes on where it stopped when it is made again, and so does, for a day, one
    that left something unfinished. A component that fails its comparison leaves what was there, and
    the next ones are restored all the same.

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
    key = required_key(settings)
    found = find_set(settings, backup_id, store_name)
    set_id = found.view.backup_id
    with set_in_use(settings.state_dir, set_id):
        objects = open_set(found.store, set_id, key, Trust.of(settings).signers)
        plan = plan_found(settings, choice, found, objects)
        announce(plan)
        file = RunRecordFile(settings.state_dir, set_id, choice)
        earlier = file.earlier(datetime.now(UTC))
        record = earlier or file.begin()
        if safety_backup is not None and not record.safety_backup_id and not record.finished:
            taken = _taken(safety_backup, plan, choice)
            record = record.model_copy(update={"safety_backup_id": taken})
            file.put(record)
        with ExclusiveLock(settings.state_dir, "restore"):
            if earlier is None:
                qdrant.forget_finished(settings.state_dir)
            clock = StepClock()
            workdir = scratch_dir(settings)
            mark = UnfinishedRestore(record.restore_id, set_id, command)
            done: list[ComponentDrill] = []
            for component in plan.components:
                if (finished := record.finished_component(component)) is not None:
                    done.append(finished)
                    continue
                request = choice.request_for(component, plan.components, settings)
                mark_restore(settings.state_dir, mark)
                try:
                    result = _restore(objects, request, clock, workdir, settings, progress)
                finally:
                    # Not reached by a kill: then the mark says that the data is half replaced.
                    clear_restore(settings.state_dir)
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
                if not result.unfinished:
                    record = with_component(record, result)
                    file.put(record)
        if any(each.unfinished for each in done):
            file.put(record.model_copy(update={"ended_at": datetime.now(UTC)}))
        else:
            file.remove()
    return RestoreResult(
        restore_id=record.restore_id,
        backup_id=set_id,
        store=found.store.name,
        recovery_point=found.view.timestamp,
        started_at=record.started_at,
        finished_at=datetime.now(UTC),
        safety_backup_id=record.safety_backup_id,
        components=tuple(done),
        notes=plan.notes,
    )


def give_up(settings: Settings) -> list[str]:
    """Abandon interrupted restores: what was being put in place is completed or taken away.

    Databases and collections that were restored beside stay until the next restore removes them.

    Raises:
        AlreadyRunningError: a task holds the host's lock.
    """
    from onyx_pipelines.restore.volumes.restoring import settle_configured

    with ExclusiveLock(settings.state_dir, "restore"):
        done = [str(path) for path in settle_configured(settings)]
        done += [str(path) for path in forget_all(settings.state_dir)]
        clear_restore(settings.state_dir)
    return done


def _taken(safety_backup: SafetyBackup, plan: RestorePlan, choice: RestoreChoice) -> str:
    overwritten = frozenset(plan.overwritten)
    if not overwritten:
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


def _restore(
    objects: SetObjects,
    request: ComponentRequest,
    clock: StepClock,
    workdir: Path,
    settings: Settings,
    progress: ProgressCallback,
) -> ComponentDrill:
    if isinstance(request, PostgresRestoreRequest):
        return postgres.restore(objects, request, clock, workdir, settings, progress)
    if isinstance(request, QdrantRestoreRequest):
        return qdrant.restore(objects, request, clock, workdir, settings, progress)
    return volumes.restore(objects, request, clock, workdir, settings, progress)
