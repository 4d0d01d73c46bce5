"""A restore as people start it, from the command line or as a run: recorded in the audit trail, and
with a backup of what it replaces."""

from __future__ import annotations

from collections.abc import Callable

from onyx_pipelines.audit import Origin, Outcome, audited
from onyx_pipelines.core.progress import ProgressCallback
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.whole_restore import RestorePlan, RestoreResult, restore_set
from onyx_pipelines.sources.source import Component


def audited_restore(
    settings: Settings,
    choice: RestoreChoice,
    *,
    backup_id: str,
    store_name: str | None,
    with_safety_backup: bool,
    origin: Origin,
    command: str,
    progress: ProgressCallback,
    announce: Callable[[RestorePlan], None],
    operation: str = "",
) -> RestoreResult:
    """As `restore_set`, which says what `command` and `announce` are.

    Args:
        operation: the run's id, which joins the records of the trail; empty: a new one.

    Raises:
        AuditError: it cannot be recorded; nothing was touched.
        OnyxError: as `restore_set`.
    """
    asked = {name: value for name, value in vars(choice).items() if value not in ((), "", False)}

    def safety_backup(parts: frozenset[Component]) -> str:
        # Only then: what makes backups takes its time to load.
        from onyx_pipelines.restore.safety_backup import take_safety_backup

        return take_safety_backup(settings, parts, progress)

    with audited(
        settings,
        action="restore",
        origin=origin,
        parameters={**asked, "store": store_name, "safety_backup": with_safety_backup},
        required=True,
        operation=operation,
    ) as entry:

        def announced(plan: RestorePlan) -> None:
            entry.about(plan.backup_id)
            announce(plan)

        result = restore_set(
            settings,
            choice,
            backup_id=backup_id,
            store_name=store_name,
            safety_backup=safety_backup if with_safety_backup else None,
            command=command,
            progress=progress,
            announce=announced,
        )
        entry.result(
            verdict=result.verdict.value,
            detail=_detail(result),
            outcome=Outcome.OK if result.verdict is Verdict.PASSED else Outcome.FAILED,
        )
    return result


def _detail(result: RestoreResult) -> str:
    taken = f", safety backup {result.safety_backup_id}" if result.safety_backup_id else ""
    said = [f"restore {result.restore_id}{taken}.", *result.despite_differences, *result.notes]
    return " ".join(said)
