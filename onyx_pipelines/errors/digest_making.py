"""From a tracker, Prometheus and the spool to a digest that is published and sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.settings import ErrorSettings, Settings
from onyx_pipelines.core.text import moment_text
from onyx_pipelines.errors.digest import TREND_DAYS, Delivery, Digest, window_of
from onyx_pipelines.errors.digest_report import write_digest
from onyx_pipelines.errors.digest_sending import Sending, send_digest
from onyx_pipelines.errors.rate import error_rates
from onyx_pipelines.errors.spool import spool_status
from onyx_pipelines.errors.trackers.configured import tracker_of
from onyx_pipelines.errors.trackers.tracker import Tracker, Window
from onyx_pipelines.monitoring.prometheus import Prometheus, PrometheusError
from onyx_pipelines.reporting.publish import Published


class EarlyDigestError(OnyxError):
    """The day that a digest is asked of is not over.

    Cause: a digest is of the 24 hours until 09:00 UTC of its day.
    Remedy: wait until then, or name an earlier day.
    """

    code = "early-digest"


@dataclass(frozen=True)
class Made:
    """What came of a day's digest."""

    digest: Digest
    published: Published
    sending: Sending


def digest_day(settings: Settings, day: date, now: datetime, *, resend: bool = False) -> Made:
    """Make it, send it to whoever has not had it, and publish it: a day that has a page was sent.

    Args:
        resend: also to those who have.

    Raises:
        EarlyDigestError: the day is not over.
        TrackerError: the tracker cannot be asked; nothing was written or sent.
        DigestSendingError: it is not known who has had it; nothing was written.
        ReportError: the page could not be written; it was sent, and is not sent again.
    """
    digest = make_digest(settings, tracker_of(settings), day, now)
    sending = send_digest(settings, digest, resend=resend)
    published = write_digest(digest, settings.reports_dir, stack=settings.stack)
    return Made(digest, published, sending)


def make_digest(settings: ErrorSettings, tracker: Tracker, day: date, now: datetime) -> Digest:
    """Of a day, and nothing else. Without Prometheus the error rate is not known.

    Raises:
        EarlyDigestError: the day is not over.
        TrackerError: the tracker cannot be asked.
    """
    window = window_of(day)
    if now < window.end:
        raise EarlyDigestError(
            f"The digest of {day} is of the time until {moment_text(window.end)}.",
            remedy="Wait until then, or name an earlier day.",
        )
    hourly = tracker.hourly(Window(begin=window.end - timedelta(days=TREND_DAYS), end=window.end))
    rates, problem = None, ""
    try:
        rates = error_rates(Prometheus(settings), settings.alert_thresholds, window)
    except PrometheusError as error:
        problem = error.what
    spooled = spool_status(settings)
    return Digest(
        day=day,
        window=window,
        tracker=tracker.name,
        issues=tracker.issues(window),
        days=tuple(sum(hourly[begin : begin + 24]) for begin in range(0, len(hourly), 24)),
        rates=rates,
        rates_problem=problem,
        delivery=Delivery(waiting=spooled.waiting, oldest=spooled.oldest, lost=spooled.lost),
    )
