"""An event that is sent to see whether the tracker has it afterwards. It is no error: no digest and
no rate counts it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from onyx_pipelines.core.certificates import usual_certificates
from onyx_pipelines.core.settings import ErrorSettings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.core.whole_answer import unanswered, whole_answer
from onyx_pipelines.errors.promises import Said
from onyx_pipelines.errors.trackers.configured import tracker_of
from onyx_pipelines.errors.trackers.tracker import PROBE_LOGGER, PROBE_TITLE, TrackerError

# A hosted tracker takes some seconds to store what it has taken.
_PATIENCE_S: Final = 30.0
_LIMIT_S: Final = 10.0
_POLL_S: Final = 0.5


def round_trip(
    settings: ErrorSettings,
    *,
    patience_s: float = _PATIENCE_S,
    sleep: Callable[[float], None] = time.sleep,
) -> Said | None:
    """What came of it; None: errors are reported nowhere. Raises nothing that is the tracker's
    fault."""
    if not settings.sentry_dsn.get_secret_value():
        return None
    event_id = uuid.uuid4().hex
    if problem := _send(settings.sentry_dsn, event_id, settings.sentry_environment):
        return Verdict.FAILED, problem
    try:
        tracker = tracker_of(settings)
        deadline = time.monotonic() + patience_s
        while not tracker.has_event(event_id):
            if time.monotonic() >= deadline:
                return Verdict.FAILED, f"{tracker.name} took an event and does not have it."
            sleep(_POLL_S)
    except TrackerError as error:
        return Verdict.COULD_NOT_VERIFY, f"Whether an event arrived is not known: {error.what}"
    return Verdict.PASSED, f"An event that was sent is in {tracker.name}."


def _send(dsn: SecretStr, event_id: str, environment: str) -> str:
    """Gives what is wrong."""
    address = urlsplit(dsn.get_secret_value())
    path, _, project = address.path.rpartition("/")
    place = address.netloc.rpartition("@")[2]
    url = f"{address.scheme}://{place}{path}/api/{project}/envelope/"
    key = f"Sentry sentry_version=7, sentry_client=onyx-pipelines, sentry_key={address.username}"
    try:
        with httpx.Client(timeout=_LIMIT_S, trust_env=False, verify=usual_certificates()) as client:
            answer = whole_answer(
                client,
                "POST",
                url,
                limit_s=_LIMIT_S,
                headers={"X-Sentry-Auth": key, "Content-Type": "application/x-sentry-envelope"},
                content=_envelope(event_id, environment),
            )
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return unanswered("The error tracker", error)
    return "" if answer.is_success else f"The error tracker refuses events ({answer.status_code})."


def _envelope(event_id: str, environment: str) -> bytes:
    event = {
        "event_id": event_id,
        "timestamp": datetime.now(UTC).isoformat(),
        "platform": "python",
        "level": "info",
        "logger": PROBE_LOGGER,
        "message": PROBE_TITLE,
        "fingerprint": [PROBE_LOGGER],
        "environment": environment,
        "tags": {"service": "onyx-pipelines"},
    }
    body = json.dumps(event).encode()
    lines = ({"event_id": event_id}, {"type": "event", "length": len(body)})
    return b"\n".join([*(json.dumps(line).encode() for line in lines), body]) + b"\n"
