"""Job `verify_backups`: what the stores hold is read back and compared, on demand or weekly."""

from collections.abc import Sequence

import dagster as dg
from pydantic import Field

from onyx_pipelines.backup import steps
from onyx_pipelines.backup.host import BackupHost, open_host
from onyx_pipelines.errors import IntegrityError
from onyx_pipelines.run_failures import dagster_failures
from onyx_pipelines.run_progress import log_progress
from onyx_pipelines.run_resources import OnyxSettings
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.stores.store import Store

_MAX_RUNTIME_S = 12 * 3600


class VerificationConfig(dg.Config):
    """What is read."""

    backup_id: str = Field(default="latest", description="A set's id, `latest` or `all`.")
    store: str = Field(default="", description="`local` or `offsite`; empty: every store.")
    deep: bool = Field(default=False, description="Unseal every object too; needs the private key.")


@dg.op(description="Reads sets back from the stores and hashes every object.")
def verify_sets(
    context: dg.OpExecutionContext, onyx: OnyxSettings, config: VerificationConfig
) -> None:
    with dagster_failures():
        host = open_host(onyx.load())
        damaged: list[str] = []
        for store in _stores(host, config.store):
            for backup_id in _sets(store, config.backup_id):
                found = steps.verify_set(
                    host, store, backup_id, log_progress(context.log.info), deep=config.deep
                )
                bad = [f"{item.key}: {item.problem}" for item in found.objects if not item.ok]
                context.log.info(
                    f"{store.name}: {backup_id}: {len(found.objects)} objects,"
                    f" {'intact' if found.ok else 'DAMAGED'}"
                )
                damaged += [f"{store.name}, set {backup_id}: {text}" for text in bad]
        if damaged:
            raise IntegrityError(
                f"{len(damaged)} objects are not what was stored: {'; '.join(damaged[:20])}.",
                remedy="Copy the set again from the other store, or take a new backup now.",
            )


def _stores(host: BackupHost, wanted: str) -> Sequence[Store]:
    return [store for store in host.stores if wanted in {"", store.name}]


def _sets(store: Store, wanted: str) -> list[str]:
    catalog = Catalog([store])
    if wanted == "all":
        return [view.backup_id for view in catalog.sets()]
    return [catalog.find(wanted).backup_id]


@dg.job(
    description="Reads sets back and compares them with their manifests (`onyx verify`).",
    tags={"dagster/max_runtime": str(_MAX_RUNTIME_S)},
)
def verify_backups() -> None:
    verify_sets()


@dg.schedule(
    job=verify_backups,
    cron_schedule="0 5 * * 0",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every set of the local store, on Sundays: what rots is found while there are"
    " copies.",
)
def weekly_verification_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    config = VerificationConfig(backup_id="all", store="local")
    return dg.RunRequest(
        run_key=context.scheduled_execution_time.isoformat(),
        run_config=dg.RunConfig({"verify_sets": config}),
    )
