"""What the asset checks of errors say: a verdict and a sentence of each promise. Pure.

A sentence has no figure that is another one each time: whoever is told of news hears of it once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from onyx_pipelines.core.text import limit_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.errors.spool import SpoolStatus

Said = tuple[Verdict, str]

# The tracker may be restarted without anybody being told.
WAITS_AT_MOST: Final = timedelta(minutes=15)


def delivery_answer(
    spool: SpoolStatus, now: datetime, *, lost_before: int, arrived: Said | None
) -> Said:
    """Whether what happens reaches the tracker.

    Args:
        lost_before: events that were lost when it was last looked at.
        arrived: what came of an event that was sent to see; None: errors are reported nowhere.
    """
    if arrived is None:
        return Verdict.COULD_NOT_VERIFY, "Errors are reported nowhere: ONYX_SENTRY_DSN is not set."
    if spool.lost > lost_before:
        return Verdict.FAILED, "Events were lost: no room in the spool, or refused by the tracker."
    if waits_too_long(spool, now):
        limit = limit_text(WAITS_AT_MOST.total_seconds())
        return Verdict.FAILED, f"Events have waited for the tracker for more than {limit}."
    return arrived


def waits_too_long(spool: SpoolStatus, now: datetime) -> bool:
    """Whether the oldest event that waits has waited for longer than a restart takes."""
    return spool.oldest is not None and now - spool.oldest > WAITS_AT_MOST
