"""The promises of a backup that need work of their own: stored bytes are read again, the copy is
not late. Those that come free with the work stand in the assets."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from onyx_pipelines.backup import offsite_copies, verifying
from onyx_pipelines.backup.host import open_host
from onyx_pipelines.backup.resources import BackupRun
from onyx_pipelines.core.names import Asset
from onyx_pipelines.orchestration.failures import dagster_failures
from onyx_pipelines.orchestration.progress_lines import log_progress
from onyx_pipelines.orchestration.resources import OnyxSettings


@dg.asset_check(
    asset=Asset.BACKUP_SET,
    blocking=True,
    description="Every object of the newest set is read back from the first store and hashed.",
)
def sealed_checksums_hold(
    context: dg.AssetCheckExecutionContext, backup_run: BackupRun
) -> dg.AssetCheckResult:
    with dagster_failures():
        verification = verifying.verify_set(
            backup_run.host,
            backup_run.host.first,
            verifying.set_to_verify(backup_run.host, backup_run.backup_id),
            log_progress(context.log.info),
        )
    bad = [verdict for verdict in verification.objects if not verdict.ok]
    said = [*(f"{item.key}: {item.problem}" for item in bad), verification.reservation]
    return dg.AssetCheckResult(
        passed=verification.ok,
        severity=(
            dg.AssetCheckSeverity.WARN if verification.intact else dg.AssetCheckSeverity.ERROR
        ),
        description="; ".join(filter(None, said)) or None,
        metadata={
            "backup_id": verification.backup_id,
            "authenticated": verification.authenticated,
            "objects_count": len(verification.objects),
            "damaged_count": len(bad),
        },
    )


@dg.asset_check(
    asset=Asset.OFFSITE_COPY,
    description="No set has waited for its second copy for longer than the limit.",
)
def offsite_copy_is_current(onyx: OnyxSettings) -> dg.AssetCheckResult:
    settings = onyx.load()
    if not settings.has_copies:
        return dg.AssetCheckResult(
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description="Could not verify: no second store is configured (ONYX_OFFSITE_URL).",
        )
    with dagster_failures():
        lags = offsite_copies.offsite_lags(open_host(settings), now=datetime.now(UTC))
    hours = max(lag.age_s for lag in lags) / 3600
    pending = {each for lag in lags for each in lag.pending}
    return dg.AssetCheckResult(
        passed=hours <= settings.backup_max_age_hours and not pending,
        severity=(
            dg.AssetCheckSeverity.ERROR
            if hours > settings.backup_max_age_hours
            else dg.AssetCheckSeverity.WARN
        ),
        description=" ".join(lag.sentence for lag in lags),
        metadata={"pending_sets": len(pending), "lag_hours": round(hours, 3)},
    )


CHECKS: Sequence[dg.AssetChecksDefinition] = (
    sealed_checksums_hold,
    offsite_copy_is_current,
)
