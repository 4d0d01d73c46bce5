"""The stack's health and the age of its schedules, as metrics. Pure but for what it is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric

from onyx_pipelines.core.schedules import expected
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.health.verdict import RANK, StackHealth
from onyx_pipelines.monitoring.metrics import (
    COMPONENT_HEALTH,
    HEALTH_EVIDENCE,
    SCHEDULE_EVERY,
    SCHEDULE_FAILED,
    SCHEDULE_LAST,
    SCHEDULE_SUCCESS,
    STACK_HEALTH,
    Family,
)
from onyx_pipelines.notify.last_runs import LastRuns


def health_metrics(health: StackHealth) -> Iterator[Metric]:
    """Of what is watched."""
    yield GaugeMetricFamily(STACK_HEALTH.name, STACK_HEALTH.text, value=RANK[health.condition])
    watched = {each.area.value: each for each in health.findings if each.condition in RANK}
    yield _by_label(
        COMPONENT_HEALTH, {name: RANK[each.condition] for name, each in watched.items()}
    )
    yield _by_label(
        HEALTH_EVIDENCE,
        {name: each.at.timestamp() for name, each in watched.items() if each.at is not None},
    )


def schedule_metrics(settings: Settings) -> Iterator[Metric]:
    """By what the state directory remembers of each job's runs: no Dagster is asked."""
    runs = LastRuns(settings.state_dir)
    schedules = expected(settings)
    last = {job: runs.of(job) for job in schedules}
    yield _by_label(
        SCHEDULE_EVERY, {job: each.every.total_seconds() for job, each in schedules.items()}
    )
    yield _by_label(SCHEDULE_LAST, {job: _seconds(e.at if e else None) for job, e in last.items()})
    yield _by_label(
        SCHEDULE_SUCCESS, {job: _seconds(e.succeeded_at if e else None) for job, e in last.items()}
    )
    yield _by_label(
        SCHEDULE_FAILED,
        {job: float(each is not None and each.failed) for job, each in last.items()},
    )


def _by_label(family: Family, values: Mapping[str, float]) -> Metric:
    metric = GaugeMetricFamily(family.name, family.text, labels=list(family.labels))
    for label, value in values.items():
        metric.add_metric([label], value)
    return metric


def _seconds(moment: datetime | None) -> float:
    return 0.0 if moment is None else moment.timestamp()
