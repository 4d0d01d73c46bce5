"""`/api/backup/…`: start one, see how far it is, list finished sets, hold and release them."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query

from onyx_pipelines.api.admission import Admitted, Asking, OfStack
from onyx_pipelines.api.catalog_cache import CatalogCache
from onyx_pipelines.api.dagster_client import Run
from onyx_pipelines.api.launching import Asked, Launch
from onyx_pipelines.api.models import (
    BackupId,
    BackupStatus,
    HoldRequest,
    SetAnswer,
    SetsAnswer,
    TriggerAnswer,
    TriggerRequest,
)
from onyx_pipelines.api.problems import ProblemError
from onyx_pipelines.api.service import Service
from onyx_pipelines.api.set_answers import faulty_answer, set_answer
from onyx_pipelines.api.stacks import Stacks
from onyx_pipelines.backup.host import configured_sources, open_host
from onyx_pipelines.backup.retained_sets import sentence_on_damaged
from onyx_pipelines.core.names import AFTER_SET, BACKUP_ASSETS, Asset, Job, Tag
from onyx_pipelines.core.settings import SourceSettings
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.lock import current_holder


def add_backups(stacks: Stacks) -> None:
    @stacks.operates.post("/api/backup/trigger")
    def trigger(service: OfStack, wanted: TriggerRequest, asked: Asking) -> TriggerAnswer:
        """Start a backup, unless one runs."""
        return start_backup(service, wanted, asked)

    @stacks.reads.get("/api/backup/status/{backup_id}")
    def backup_status(service: OfStack, backup_id: BackupId) -> BackupStatus:
        """How far a backup is."""
        return service.statuses.of(backup_id)

    @stacks.reads.get("/api/backup/sets")
    def sets(
        service: OfStack,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> SetsAnswer:
        """Finished sets, the newest first, and what a person should look at."""
        listed = service.catalog.listed()
        return SetsAnswer(
            sets=[set_answer(*each) for each in listed.sets[offset : offset + limit]],
            total=len(listed.sets),
            damaged=[faulty_answer(each) for each in listed.damaged],
            untrusted=[faulty_answer(each) for each in listed.untrusted],
        )

    @stacks.reads.get("/api/backup/sets/{backup_id}")
    def one_set(service: OfStack, backup_id: BackupId) -> SetAnswer:
        """What a finished set holds, and where it is."""
        return finished_set(service.catalog, backup_id)

    @stacks.operates.put("/api/backup/sets/{backup_id}/hold")
    def hold(
        service: OfStack, backup_id: BackupId, wanted: HoldRequest, caller: Admitted
    ) -> SetAnswer:
        """Keep a set whatever retention says."""
        with service.audit(caller, "hold", {"reason": wanted.reason}, backup_id)():
            host = open_host(service.settings)
            host.catalog.hold(backup_id, wanted.reason, now=datetime.now(UTC))
        service.catalog.forget()
        return finished_set(service.catalog, backup_id)

    @stacks.operates.delete("/api/backup/sets/{backup_id}/hold")
    def release(service: OfStack, backup_id: BackupId, caller: Admitted) -> SetAnswer:
        """Undo a hold."""
        with service.audit(caller, "release", backup_id=backup_id)():
            open_host(service.settings).catalog.release(backup_id)
        service.catalog.forget()
        return finished_set(service.catalog, backup_id)


def start_backup(service: Service, wanted: TriggerRequest, asked: Asked) -> TriggerAnswer:
    """Launch a backup unless one runs or waits."""
    _require_configured(service.settings, wanted.components)
    sent = wanted.model_dump(mode="json")

    def decide() -> Launch[TriggerAnswer] | TriggerAnswer:
        running = _running_backup(service)
        if running:
            return TriggerAnswer(backup_id=running, status="already_running")
        backup_id = str(uuid.uuid4())
        assets = [BACKUP_ASSETS[each] for each in wanted.components]
        config = {"backup_type": wanted.backup_type.name}
        return Launch(
            Job.BACKUP,
            config={"ops": {Asset.BACKUP_SET: {"config": config}}},
            answer=TriggerAnswer(backup_id=backup_id, status="started"),
            audit=service.audit(asked.caller, "backup", sent, backup_id),
            tags={**asked.caller.origin.as_tags(), Tag.BACKUP_ID: backup_id},
            assets=[*assets, Asset.BACKUP_SET, *AFTER_SET] if assets else (),
        )

    return service.launcher.once(asked, TriggerAnswer, decide)


def finished_set(catalog: CatalogCache, backup_id: str) -> SetAnswer:
    """Raises ProblemError: 404; 409, there is one, and no store has it whole."""
    listed = catalog.listed()
    for row, view in listed.sets:
        if row.backup_id == backup_id:
            return set_answer(row, view)
    damaged = [each for each in listed.damaged if each.backup_id == backup_id]
    if damaged:
        raise ProblemError(
            409,
            sentence_on_damaged(damaged),
            remedy="Take another set: GET /api/backup/sets lists those that are whole.",
        )
    raise ProblemError(
        404,
        f"There is no finished backup {backup_id}.",
        remedy="GET /api/backup/sets lists those that there are.",
    )


def _running_backup(service: Service) -> str | None:
    running = service.dagster.unfinished(Job.BACKUP)
    if running:
        return _set_of(running[0])
    holder = current_holder(service.settings.state_dir)
    return None if holder is None else holder.backup_id


def _set_of(run: Run) -> str:
    return run.tags.get(Tag.BACKUP_ID) or run.tags.get("dagster/root_run_id") or run.run_id


def _require_configured(settings: SourceSettings, components: Sequence[Component]) -> None:
    missing = set(components) - set(configured_sources(settings))
    if missing:
        names = ", ".join(sorted(each.value for each in missing))
        raise ProblemError(
            409,
            f"This host has no {names} to back up.",
            remedy="Leave it out, or configure it (docs/configuration.md).",
        )
