"""The real restore of a whole set: chosen, planned, confirmed, carried out, compared, recorded."""

from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.recovery.execution import (
    RestorePlan,
    RestoreResult,
    SafetyBackup,
    plan_restore,
    restore_set,
)

__all__ = [
    "RestoreChoice",
    "RestorePlan",
    "RestoreResult",
    "SafetyBackup",
    "plan_restore",
    "restore_set",
]
