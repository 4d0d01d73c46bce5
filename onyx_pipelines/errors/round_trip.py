"""An event that is sent to see whether the tracker has it afterwards, by the way of all events.
It is no error: no digest and no rate counts it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from onyx_pipelines import __version__
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.errors.promises import Said
from onyx_pipelines.errors.reporting import Reporter
from onyx_pipelines.errors.system import System
from onyx_pipelines.errors.trackers.configured import tracker_of
from onyx_pipelines.errors.trackers.tracker import PROBE_LOGGER, PROBE_TITLE, TrackerError

# A hosted tracker takes some seconds to store what it has taken.
_PATIENCE_S: Final = 30.0
_POLL_S: Final = 0.5
_SERVICE: Final = "onyx-pipelines"


def round_trip(
    settings: Settings,
    *,
    patience_s: float = _PATIENCE_S,
    sleep: Callable[[float], None] = time.sleep,
) -> Said | None:
    """What came of it; None: errors are reported nowhere.

    Raises:
        SettingsError: the DSN is none.
    """
    if not settings.sentry_dsn.get_secret_value():
        return None
    event_id = uuid.uuid4().hex
    reporter = Reporter(settings, System(_SERVICE, __version__))
    try:
        reporter.event(_probe(event_id, settings.sentry_environment), session=event_id)
        reporter.deliver()
    except OSError as error:
        return Verdict.FAILED, f"The spool cannot be written ({type(error).__name__})."
    try:
        tracker = tracker_of(settings)
        deadline = time.monotonic() + patience_s
        while not tracker.has_event(event_id):
            if time.monotonic() >= deadline:
                return Verdict.FAILED, f"An event that was sent is not in {tracker.name}."
            sleep(_POLL_S)
    except TrackerError as error:
        return Verdict.COULD_NOT_VERIFY, f"Whether an event arrived is not known: {error.what}"
    return Verdict.PASSED, f"An event that was sent is in {tracker.name}."


def _probe(event_id: str, environment: str) -> dict[str, object]:
    return {
        "event_id": event_id,
        "timestamp": datetime.now(UTC).isoformat(),
        "platform": "python",
        "level": "info",
        "logger": PROBE_LOGGER,
        "message": PROBE_TITLE,
        "fingerprint": [PROBE_LOGGER],
        "environment": environment,
    }
