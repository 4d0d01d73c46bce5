"""Several stacks in one Dagster: each is a partition of every asset and every job.

One stack, whether it has a name or not, has no partitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import dagster as dg

from onyx_pipelines.core.names import Tag

J = TypeVar("J")


def for_stacks(defs: dg.Definitions, names: Sequence[str]) -> dg.Definitions:
    """The same assets, jobs, schedules and sensors, each run of which is about one of the stacks.

    Args:
        names: none: they are about the only stack, and stay as they are.
    """
    if not names:
        return defs
    stacks = dg.StaticPartitionsDefinition(list(names))
    return dg.Definitions(
        assets=dg.map_asset_specs(
            # Dagster would take the newest of any stack for that of all.
            lambda spec: spec.replace_attributes(partitions_def=stacks, freshness_policy=None),
            [each for each in defs.assets or () if isinstance(each, dg.AssetsDefinition)],
        ),
        asset_checks=defs.asset_checks,
        jobs=[_job_of_stacks(each, stacks) for each in defs.jobs or ()],
        schedules=defs.schedules,
        sensors=defs.sensors,
        resources=defs.resources,
        executor=defs.executor,
    )


def stack_of(run: dg.DagsterRun | None) -> str:
    """Which stack it is about; "": the only one, or none."""
    return run.tags.get(Tag.STACK, "") if run else ""


def request_of(stack: str, request: dg.RunRequest) -> dg.RunRequest:
    """The same for that stack; "": for the only one."""
    if not stack:
        return request
    return request.with_replaced_attrs(partition_key=stack, run_key=f"{stack}:{request.run_key}")


def newest_materialization(
    instance: dg.DagsterInstance, asset: str, stack: str
) -> dg.EventLogEntry | None:
    """Of that stack; "": of the only one."""
    of = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[stack] if stack else None)
    records = instance.fetch_materializations(of, limit=1).records
    return records[0].event_log_entry if records else None


def _job_of_stacks(job: J, stacks: dg.PartitionsDefinition[str]) -> J | dg.JobDefinition:
    """Jobs of assets have their assets' partitions; those of ops are made with them."""
    if not isinstance(job, dg.JobDefinition):
        return job
    return job.graph.to_job(
        job.name,
        description=job.description,
        tags=job.tags,
        metadata=job.metadata,
        partitions_def=stacks,
    )
