"""The real restore of a whole set: chosen, planned, confirmed, carried out, compared, recorded."""

from onyx_pipelines.restore.recovery.choice import RestoreChoice
from onyx_pipelines.restore.recovery.execution import SafetyBackup, restore_set
from onyx_pipelines.restore.recovery.plan import RestorePlan, plan_restore
from onyx_pipelines.restore.recovery.result import RestoreResult

__all__ = [
    "RestoreChoice",
    "RestorePlan",
    "RestoreResult",
    "SafetyBackup",
    "plan_restore",
    "restore_set",
]
