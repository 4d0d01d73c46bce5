"""When readiness is looked at: each morning, once the stack has an address for people; and each
quarter incidents are rehearsed, before the last game day proves nothing any more."""

from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from onyx_pipelines.core.names import Asset, Job, run_tags
from onyx_pipelines.core.settings import LaunchSettings, RehearsalSettings
from onyx_pipelines.core.text import duration_text
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.orchestration.scheduled import schedule_of
from onyx_pipelines.readiness.assets import RehearsalConfig
from onyx_pipelines.readiness.rehearsals.book import RehearsalBook, newest_of_each

daily_launch_review = dg.define_asset_job(
    Job.LAUNCH_REVIEW,
    selection=dg.AssetSelection.assets(Asset.LAUNCH_CHECKLIST),
    description="Looks at every item of the launch checklist.",
    tags=run_tags(max_runtime_h=0.5, exclusive=False),
)


def _no_address(settings: LaunchSettings) -> str:
    return "" if settings.public_url else "ONYX_PUBLIC_URL is not set."


daily_launch_review_schedule = schedule_of(
    Job.LAUNCH_REVIEW,
    "daily_launch_review_schedule",
    "At 06:30 UTC, if ONYX_PUBLIC_URL is set.",
    why_not=_no_address,
)


# Two Sundays to do it again.
_BEFORE: Final = timedelta(days=14)

incident_rehearsal = dg.define_asset_job(
    Job.REHEARSAL,
    selection=dg.AssetSelection.assets(Asset.INCIDENT_PLAYBOOKS),
    description="How each playbook did when it was last rehearsed; with `rehearse` in the launchpad"
    " all of them are rehearsed first, in a sandbox.",
    tags=run_tags(max_runtime_h=2),
)


def why_not_rehearse(settings: RehearsalSettings) -> str:
    """Why there is no game day now; empty: there is one."""
    if not settings.rehearsals:
        return "ONYX_REHEARSALS is not set."
    newest = newest_of_each(RehearsalBook(settings.state_dir).all())
    oldest = min((each.struck_at for each in newest.values()), default=None)
    if oldest is None or not newest.keys() >= {each.value for each in Playbook}:
        return ""
    age = datetime.now(UTC) - oldest
    if age > timedelta(days=settings.rehearsal_max_age_days) - _BEFORE:
        return ""
    return f"The last game day was {duration_text(age.total_seconds())} ago."


quarterly_rehearsal = schedule_of(
    Job.REHEARSAL,
    "quarterly_rehearsal",
    "Each quarter, on the Sunday (03:00 UTC) two weeks before the last game day is too old, if"
    " ONYX_REHEARSALS is set.",
    why_not=why_not_rehearse,
    run_config=dg.RunConfig(ops={Asset.INCIDENT_PLAYBOOKS: RehearsalConfig(rehearse=True)}),
)

JOBS = (daily_launch_review, incident_rehearsal)
TICKS = (daily_launch_review_schedule, quarterly_rehearsal)
