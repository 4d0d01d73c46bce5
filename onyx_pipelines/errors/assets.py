"""What fails and whether people hear of it: the error rate of each hour, and each day's digest."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg

from onyx_pipelines.backup.assets import freshness
from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.names import OWNERS, Asset, Group, Tag
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.text import NOT_KNOWN, count_text
from onyx_pipelines.errors.digest import by_source, missing_days, newest_day
from onyx_pipelines.errors.digest_making import digest_day
from onyx_pipelines.errors.digest_rendering import headline, rate_table, source_table
from onyx_pipelines.errors.digest_report import written_days
from onyx_pipelines.errors.digest_sending import sent_answer
from onyx_pipelines.errors.promises import delivery_answer
from onyx_pipelines.errors.rate import error_rates, rate_answer
from onyx_pipelines.errors.round_trip import round_trip
from onyx_pipelines.errors.spool import spool_status
from onyx_pipelines.errors.trackers.configured import tracker_of
from onyx_pipelines.errors.trackers.tracker import Window
from onyx_pipelines.monitoring.prometheus import Prometheus
from onyx_pipelines.orchestration.check_results import check_result
from onyx_pipelines.orchestration.failures import dagster_failures
from onyx_pipelines.orchestration.materialized import Materialized
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.orchestration.stacks import newest_materialization
from onyx_pipelines.reporting.markdown import table_markdown, text

# A day's digest is made on that day, before the day is over.
DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01", timezone="UTC", end_offset=1)
_LOST = "events_lost"


def _specs(asset: str, checks: dict[str, str]) -> list[dg.AssetCheckSpec]:
    return [dg.AssetCheckSpec(name, asset=asset, description=text) for name, text in checks.items()]


@dg.asset(
    key=Asset.ERROR_RATE,
    deps=[Asset.SCRAPE_COVERAGE],
    group_name=Group.ERRORS,
    kinds={"prometheus"},
    owners=OWNERS,
    tags={Tag.ACCEPTANCE: "AC9.2.4"},
    description="Which share of each service's requests failed within the last full hour, without"
    " 404, 429 and whatever else is set not to count, against the same hour a week before; beside"
    " it what the error tracker counted, by service and release (AC9.2.4).",
    freshness_policy=freshness(3),
    check_specs=_specs(
        Asset.ERROR_RATE,
        {
            "error_rate_within_objective": "No service fails more of its requests than"
            " `error_share` allows; `excluded_statuses` do not count (AC9.2.4).",
            "errors_are_delivered": "No event is lost or waits for the tracker for long, and one"
            " that is sent to see is found there (AC9.2.1).",
        },
    ),
)
def error_rate(context: dg.AssetExecutionContext, onyx: OnyxSettings) -> Materialized:
    settings, now = onyx.load(), datetime.now(UTC)
    end = now.replace(minute=0, second=0, microsecond=0)
    window = Window(begin=end - timedelta(hours=1), end=end)
    with dagster_failures():
        rates = error_rates(Prometheus(settings), settings.alert_thresholds, window)
        counted = _counted(settings, window)
        spool = spool_status(settings)
        delivered = delivery_answer(
            spool,
            now,
            lost_before=_lost_before(context, onyx, settings),
            arrived=round_trip(settings),
        )
    return dg.MaterializeResult(
        metadata={
            **{f"error_rate/{e.service}": e.share for e in rates.services if e.share is not None},
            "rule": rates.rule,
            "services": dg.MetadataValue.md(table_markdown(rate_table(rates))),
            "tracker": dg.MetadataValue.md(counted),
            "events_waiting": spool.waiting,
            _LOST: spool.lost,
        },
        check_results=[
            check_result("error_rate_within_objective", *rate_answer(rates)),
            check_result("errors_are_delivered", *delivered),
        ],
    )


@dg.asset(
    key=Asset.ERROR_DIGEST,
    deps=[Asset.ERROR_RATE],
    partitions_def=DAYS,
    group_name=Group.ERRORS,
    kinds={"html"},
    owners=OWNERS,
    tags={Tag.ACCEPTANCE: "AC9.2.3"},
    description="The errors of the 24 hours until 09:00 UTC of a day: what is new, what came back,"
    " what is frequent, how many users it hit, the trend and the error rate. A page in the reports,"
    " and a mail to each recipient once, also where there was no error. Days that were missed are"
    " made up once (AC9.2.3).",
    freshness_policy=freshness(27),
    check_specs=_specs(
        Asset.ERROR_DIGEST,
        {"digest_was_sent": "Every recipient has the day's digest (AC9.2.3)."},
    ),
)
def error_digest(context: dg.AssetExecutionContext, onyx: OnyxSettings) -> Materialized:
    settings, now = onyx.load(), datetime.now(UTC)
    with dagster_failures():
        asked = _day_of(context)
        missing = missing_days(written_days(settings.reports_dir), now)
        for day in [asked] if asked else missing or [newest_day(now)]:
            made = digest_day(settings, day, now)
            put = count_text(len(made.sending.put), "recipient")
            context.log.info(f"{made.digest.subject}; sent to {put}")
    digest = made.digest
    return dg.MaterializeResult(
        metadata={
            "day": digest.day.isoformat(),
            "subject": digest.subject,
            "events": digest.events,
            "issues": len(digest.issues),
            "new": len(digest.new),
            "regressed": len(digest.regressed),
            "sent_count": len(made.sending.put),
            "summary": dg.MetadataValue.md(text(headline(digest))),
            "report": dg.MetadataValue.path(str(Path(made.published.html).absolute())),
        },
        check_results=[check_result("digest_was_sent", *sent_answer(settings, digest.day))],
    )


def _counted(settings: Settings, window: Window) -> str:
    """What the tracker has of the hour; that it cannot be asked hides no rate."""
    try:
        issues = tracker_of(settings).issues(window)
    except OnyxError as error:
        return text(f"{NOT_KNOWN}: {error.what}")
    return table_markdown(source_table(by_source(issues)))


def _lost_before(context: dg.AssetExecutionContext, onyx: OnyxSettings, settings: Settings) -> int:
    """At the last look; none was lost before the first."""
    stack = onyx.partition_of(settings)
    event = newest_materialization(context.instance, Asset.ERROR_RATE, stack)
    made = event.asset_materialization if event else None
    entry = made.metadata.get(_LOST) if made else None
    return entry.value if entry and isinstance(entry.value, int) else 0


def _day_of(context: dg.AssetExecutionContext) -> date | None:
    """None: the run is about no day, but about a stack."""
    try:
        return date.fromisoformat(context.partition_key)
    except ValueError:
        return None
