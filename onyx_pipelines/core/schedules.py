"""Which jobs come by themselves, and how often: for whoever watches that they do where Dagster does
not run. The definitions in Dagster are held against it by a test."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from onyx_pipelines.core.names import Job
from onyx_pipelines.core.settings import Settings


@dataclass(frozen=True)
class Schedule:
    """`every`: the longest time between two of its runs."""

    cron: str
    every: timedelta


_DAY: Final = timedelta(days=1)
# By the name of the job. UTC.
SCHEDULES: Final[Mapping[str, Schedule]] = {
    Job.BACKUP: Schedule("0 2 * * *", _DAY),
    Job.VERIFY: Schedule("0 5 * * 0", 7 * _DAY),
    Job.DRILL: Schedule("0 4 1 * *", 31 * _DAY),
    Job.LOAD_TEST: Schedule("0 5 2 * *", 31 * _DAY),
    Job.OBSERVE: Schedule("10 * * * *", timedelta(hours=1)),
    Job.AVAILABILITY: Schedule("20 0 * * *", _DAY),
    Job.ERROR_RATE: Schedule("5 * * * *", timedelta(hours=1)),
    Job.ERROR_DIGEST: Schedule("0 9 * * *", _DAY),
    Job.LAUNCH_REVIEW: Schedule("30 6 * * *", _DAY),
    Job.REHEARSAL: Schedule("0 3 * * 0", 90 * _DAY),
}


# For how long a missed day is made up.
HISTORY_DAYS: Final = 14


def missing_days(known: Collection[date], last: date, *, most: int = HISTORY_DAYS) -> list[date]:
    """Those up to `last` that are not known, oldest first: of `most` days, and none before the
    first that is known; where none is, the last one."""
    first = max(min(known, default=last), last - timedelta(days=most - 1))
    days = (first + timedelta(days=more) for more in range((last - first).days + 1))
    return [day for day in days if day not in known]


def expected(settings: Settings) -> dict[str, Schedule]:
    """Those that launch anything with these settings."""
    wanted = {
        Job.LOAD_TEST: bool(settings.load_test_url),
        Job.OBSERVE: bool(settings.prometheus_url),
        Job.AVAILABILITY: bool(settings.prometheus_url),
        Job.ERROR_RATE: bool(settings.prometheus_url),
        Job.ERROR_DIGEST: bool(settings.error_tracker_url),
        Job.LAUNCH_REVIEW: bool(settings.public_url),
        Job.REHEARSAL: settings.rehearsals,
    }
    found = {job: each for job, each in SCHEDULES.items() if wanted.get(job, settings.backs_up)}
    if Job.LOAD_TEST in found and settings.load_test_every == "quarter":
        found[Job.LOAD_TEST] = Schedule("0 5 2 1,4,7,10 *", settings.load_test_interval)
    return found
