"""What is watched and how well: the rendered configuration, the scrapes, their latency, and each
service's availability by day."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg

from onyx_pipelines.backup.assets import freshness
from onyx_pipelines.core.names import OWNERS, Asset, Group, Tag
from onyx_pipelines.core.text import NOTHING, duration_text, latency_text, number_text
from onyx_pipelines.monitoring import promises
from onyx_pipelines.monitoring.coverage import Scraping, coverage
from onyx_pipelines.monitoring.dashboards.five import dashboards
from onyx_pipelines.monitoring.endpoint_latency import EndpointLatency, endpoint_latencies
from onyx_pipelines.monitoring.prometheus import Prometheus
from onyx_pipelines.monitoring.rendering import rendered_for
from onyx_pipelines.monitoring.report.availability import (
    availability_table,
    read_days,
    write_day,
)
from onyx_pipelines.monitoring.rules.catalog import groups
from onyx_pipelines.monitoring.self_test import self_test
from onyx_pipelines.monitoring.service_days import StackDay, budgets, missing_days, service_days
from onyx_pipelines.orchestration.check_results import check_result
from onyx_pipelines.orchestration.failures import dagster_failures
from onyx_pipelines.orchestration.materialized import Materialized
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.reporting.markdown import table_markdown
from onyx_pipelines.reporting.tables import plain_table

# As long as Prometheus keeps its history by the configuration that is rendered.
DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01", timezone="UTC")

_SELF_TESTED = {
    "prometheus_accepts_configuration": "promtool check config: Prometheus would load it.",
    "prometheus_accepts_rules": "promtool check rules: every rule is valid, and none a duplicate.",
    "alerts_fire_as_set": "promtool test rules: with this host's thresholds an old backup raises"
    " its alert and a fresh one none.",
    "alertmanager_accepts_configuration": "amtool check-config: Alertmanager would load it.",
}


def _specs(asset: str, checks: dict[str, str]) -> list[dg.AssetCheckSpec]:
    return [dg.AssetCheckSpec(name, asset=asset, description=text) for name, text in checks.items()]


@dg.asset(
    key=Asset.MONITORING_CONFIGURATION,
    group_name=Group.MONITORING,
    kinds={"prometheus", "grafana"},
    owners=OWNERS,
    tags={Tag.ACCEPTANCE: "AC9.1.2"},
    description="What Prometheus, Alertmanager and Grafana read, with this host's thresholds and"
    " receivers: rules, routes and five dashboards. `onyx monitoring render` writes it (AC9.1.2).",
    check_specs=_specs(Asset.MONITORING_CONFIGURATION, _SELF_TESTED),
)
def monitoring_configuration(onyx: OnyxSettings) -> Materialized:
    settings = onyx.load()
    with dagster_failures():
        files = rendered_for(settings)
        judged = self_test(files, settings.alert_thresholds)
    ruled = groups(settings.alert_thresholds)
    boards = dashboards(settings.alert_thresholds)
    sums = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()}
    together = hashlib.sha256("".join(f"{p} {sums[p]}\n" for p in sorted(sums)).encode())
    table = plain_table(
        (("file", "mono"), ("SHA-256", "mono")), [(path, sums[path]) for path in sorted(sums)]
    )
    return dg.MaterializeResult(
        metadata={
            "files_count": len(files),
            "alerts_count": sum(len(each.alerts) for each in ruled),
            "recordings_count": sum(len(each.recordings) for each in ruled),
            "dashboards_count": len(boards),
            "panels_count": sum(len(each.panels) for each in boards),
            "sha256": together.hexdigest(),
            "files": dg.MetadataValue.md(table_markdown(table)),
        },
        check_results=[check_result(each.name, each.verdict, each.text) for each in judged],
    )


@dg.asset(
    key=Asset.SCRAPE_COVERAGE,
    deps=[Asset.MONITORING_CONFIGURATION],
    group_name=Group.MONITORING,
    kinds={"prometheus"},
    owners=OWNERS,
    tags={Tag.ACCEPTANCE: "AC9.1.1"},
    description="Which of the six services Prometheus scrapes, how often, when last, and why others"
    " are not (AC9.1.1).",
    freshness_policy=freshness(3),
    check_specs=_specs(
        Asset.SCRAPE_COVERAGE, {name: text for name, (text, _) in promises.OF_COVERAGE.items()}
    ),
)
def scrape_coverage(onyx: OnyxSettings) -> Materialized:
    settings = onyx.load()
    with dagster_failures():
        found = coverage(Prometheus(settings).targets(), datetime.now(UTC))
    return dg.MaterializeResult(
        metadata={
            "services_up": sum(each.is_up for each in found),
            "services_count": len(found),
            "oldest_scrape_s": max((each.age_s or 0.0 for each in found), default=0.0),
            "services": dg.MetadataValue.md(_coverage_markdown(found)),
        },
        check_results=[
            check_result(name, *judge(found)) for name, (_, judge) in promises.OF_COVERAGE.items()
        ],
    )


@dg.asset(
    key=Asset.ENDPOINT_LATENCY,
    deps=[Asset.SCRAPE_COVERAGE],
    group_name=Group.MONITORING,
    kinds={"prometheus"},
    owners=OWNERS,
    tags={Tag.ACCEPTANCE: "AC9.1.3"},
    description="How quickly each metrics endpoint answered within the last hour, as Prometheus"
    " measured it at each scrape: p50, p95, p99 (AC9.1.3).",
    check_specs=_specs(
        Asset.ENDPOINT_LATENCY,
        {
            "own_endpoints_answer_within_10_ms": "p95 of the endpoints that this product serves or"
            " instruments is under 10 ms (AC9.1.3).",
            "other_endpoints_answer_within_10_ms": "The same of others' exporters; a warning, as"
            " their speed is their makers'.",
        },
    ),
)
def metrics_endpoint_latency(onyx: OnyxSettings) -> Materialized:
    settings = onyx.load()
    with dagster_failures():
        found = endpoint_latencies(Prometheus(settings))
    return dg.MaterializeResult(
        metadata={
            "endpoints_count": len(found),
            "slowest_p95_ms": round(1000 * max((each.p95_s for each in found), default=0.0), 3),
            **{f"p95_ms/{each.job}": round(1000 * each.p95_s, 3) for each in found},
            "endpoints": dg.MetadataValue.md(_latency_markdown(found)),
        },
        check_results=[
            check_result(
                "own_endpoints_answer_within_10_ms", *promises.quick_answer(found, ours=True)
            ),
            check_result(
                "other_endpoints_answer_within_10_ms",
                *promises.quick_answer(found, ours=False),
                grave=False,
            ),
        ],
    )


@dg.asset(
    key=Asset.AVAILABILITY,
    partitions_def=DAYS,
    group_name=Group.MONITORING,
    kinds={"prometheus", "html"},
    owners=OWNERS,
    description="How available each of the six services was on a day (UTC) by Prometheus' history,"
    " against 99.5 %: down, unknown, and what is left of the error budget of 30 days. Days that"
    " were missed are made up.",
    freshness_policy=freshness(27),
    check_specs=_specs(
        Asset.AVAILABILITY,
        {
            "availability_within_objective": "Every service was up for 99.5 % of the day; time that"
            " nobody measured proves nothing.",
            "error_budget_is_left": "No service was down for longer than 30 days allow.",
        },
    ),
)
def service_availability(context: dg.AssetExecutionContext, onyx: OnyxSettings) -> Materialized:
    settings, now = onyx.load(), datetime.now(UTC)
    objective = settings.alert_thresholds.availability
    with dagster_failures():
        known = {each.day: each for each in read_days(settings.reports_dir)}
        asked = _day_of(context)
        missing = missing_days(known.values(), now)
        for day in [asked] if asked else missing or [now.date() - timedelta(days=1)]:
            known[day] = service_days(Prometheus(settings), day, now)
            left = budgets(list(known.values()), day, objective)
            report = write_day(
                known[day], left, objective, settings.reports_dir, stack=settings.stack
            )
            context.log.info(f"{day}: {promises.objective_answer(known[day], objective)[1]}")
    return dg.MaterializeResult(
        metadata={
            **_availabilities(known[day]),
            "day": day.isoformat(),
            "services": dg.MetadataValue.md(
                table_markdown(availability_table(known[day], left, objective))
            ),
            "report": dg.MetadataValue.path(str(Path(report.html).absolute())),
        },
        check_results=[
            check_result(
                "availability_within_objective",
                *promises.objective_answer(known[day], objective),
            ),
            check_result("error_budget_is_left", *promises.budget_answer(left)),
        ],
    )


def _day_of(context: dg.AssetExecutionContext) -> date | None:
    """None: the run is about no day, but about a stack."""
    try:
        return date.fromisoformat(context.partition_key)
    except ValueError:
        return None


def _availabilities(day: StackDay) -> dict[str, float]:
    return {
        f"availability/{each.service}": round(each.availability, 6)
        for each in day.services
        if each.availability is not None
    }


def _coverage_markdown(found: Sequence[Scraping]) -> str:
    columns = [("service", ""), ("up", ""), ("every", ""), ("last scrape", ""), ("problem", "")]
    rows = [
        (
            each.service,
            "yes" if each.is_up else "no",
            NOTHING if each.interval_s is None else duration_text(each.interval_s),
            NOTHING if each.age_s is None else f"{duration_text(each.age_s)} ago",
            each.problem,
        )
        for each in found
    ]
    return table_markdown(plain_table(columns, rows))


def _latency_markdown(found: Sequence[EndpointLatency]) -> str:
    columns = [("job", ""), ("endpoint", ""), ("scrapes", "")]
    columns += [("p50", ""), ("p95", ""), ("p99", "")]
    rows = [
        (
            each.job,
            each.instance,
            number_text(each.samples),
            *(latency_text(1000 * value) for value in each.quantiles_s),
        )
        for each in found
    ]
    return table_markdown(plain_table(columns, rows))
