"""`/api/backup/restore` and `/api/backup/drill`: put a set back, or only see that it comes back."""

from onyx_pipelines.api.admission import Asking, OfStack
from onyx_pipelines.api.launching import Asked, Launch
from onyx_pipelines.api.models import (
    BackupId,
    PlannedStep,
    RestoreAnswer,
    RestoreRequest,
    RunAnswer,
    whole_minutes,
)
from onyx_pipelines.api.problems import ProblemError
from onyx_pipelines.api.service import Service
from onyx_pipelines.api.stacks import Stacks
from onyx_pipelines.backup.host import open_host
from onyx_pipelines.core.names import DRILL_ASSETS, Asset, Job, Op
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.whole_restore import RestorePlan, plan_restore


def add_restores(stacks: Stacks) -> None:
    @stacks.restores.post("/api/backup/restore/{backup_id}")
    def restore(
        service: OfStack, backup_id: BackupId, wanted: RestoreRequest, asked: Asking
    ) -> RestoreAnswer:
        """Restore a set over what is there; without `confirm` the plan is answered."""
        return start_restore(service, backup_id, wanted, asked)

    @stacks.operates.post("/api/backup/drill/{backup_id}")
    def drill(service: OfStack, backup_id: BackupId, asked: Asking) -> RunAnswer:
        """Restore a set into scratch and compare it."""
        return start_drill(service, backup_id, asked)


def start_restore(
    service: Service, backup_id: str, wanted: RestoreRequest, asked: Asked
) -> RestoreAnswer:
    """Launch a restore; without `confirm` only its plan is answered, as a problem."""
    if known := service.launcher.known(asked, RestoreAnswer):
        return known
    choice = RestoreChoice(components=wanted.components)
    found = plan_restore(service.settings, choice, backup_id=backup_id, store_name=None)
    answer = _planned(found)
    if not wanted.confirm:
        raise ProblemError(
            409,
            "Nothing was changed: the restore was not confirmed.",
            remedy="Look at the plan, and send it again with `confirm: true`.",
            more=answer.model_dump(mode="json", exclude={"restore_id"}),
        )
    config = {
        "backup_id": found.backup_id,
        "confirm": True,
        "components": [each.value for each in wanted.components],
    }
    launch = Launch(
        Job.RESTORE,
        config={"ops": {Op.RESTORE: {"config": config}}},
        answer=answer,
        id_field="restore_id",
        audit=service.audit(asked.caller, "restore", config, found.backup_id, required=True),
        tags=asked.caller.origin.as_tags(),
    )
    return service.launcher.once(asked, RestoreAnswer, lambda: launch)


def start_drill(service: Service, backup_id: str, asked: Asked) -> RunAnswer:
    """Launch a restore drill of a set."""
    if known := service.launcher.known(asked, RunAnswer):
        return known
    wanted = open_host(service.settings).catalog.find(backup_id).backup_id
    steps = (*DRILL_ASSETS.values(), Asset.DRILL_REPORT)
    return service.launch(
        asked,
        Job.DRILL,
        {step: {"backup_id": wanted} for step in steps},
        service.audit(asked.caller, "drill", {"set": wanted}, wanted),
    )


def _planned(found: RestorePlan) -> RestoreAnswer:
    seconds = found.estimate.seconds
    return RestoreAnswer(
        restore_id="",
        estimated_time_minutes=None if seconds is None else whole_minutes(seconds),
        estimate_basis=found.estimate.basis,
        plan=[
            PlannedStep(
                component=component,
                what=change.what,
                target=change.target,
                overwrites=change.overwrites,
                detail=change.detail,
            )
            for component, changes in found.changes.items()
            for change in changes
        ],
    )
