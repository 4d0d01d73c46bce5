"""A failed run as an event, and a scheduled run as a check-in of its monitor. Pure.

The same run has the same id whenever it is told, so that one that is told twice is one event.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from onyx_pipelines import __version__
from onyx_pipelines.core.schedules import Schedule
from onyx_pipelines.core.settings import ErrorSettings

_IDS: Final = uuid.UUID("5b1f6d0a-5ad5-4b5e-9a0e-2c8d4b7f1e16")
_FRAME: Final = re.compile(r'File "([^"\n]+)", line ([0-9]+), in ([^\n]+)')
_PACKAGES: Final = "site-packages/"
_OURS: Final = "onyx_pipelines/"
_MARGIN_MINUTES: Final = 10
_FAILED_WITHOUT_TYPE: Final = "RunFailed"

CheckIn = Literal["in_progress", "ok", "error"]


@dataclass(frozen=True)
class Failure:
    """What was raised. `stack`: as Python prints it."""

    type: str
    message: str
    stack: str = ""
    cause: Failure | None = None


# Of events on runs, of which people are told by `notify` already.
RUN_LOGGER: Final = "dagster"


@dataclass(frozen=True)
class FailedRun:
    """`step`, `assets`: where it failed; none where no step did. `why`: as people are told."""

    run_id: str
    job: str
    why: str
    ended_at: datetime
    stack: str = ""
    step: str = ""
    assets: tuple[str, ...] = ()
    remedy: str = ""
    failure: Failure | None = None


def event_of(run: FailedRun, settings: ErrorSettings, run_url: str) -> dict[str, Any]:
    """As an SDK would make it; not scrubbed."""
    failures = [*_chain(run.failure)] or [Failure(_FAILED_WITHOUT_TYPE, run.why)]
    tags = {"job": run.job, "step": run.step, "asset": ", ".join(run.assets), "stack": run.stack}
    dagster = {
        "job": run.job,
        "step": run.step,
        "asset": list(run.assets),
        "run_id": run.run_id,
        "run_url": run_url,
        "remedy": run.remedy,
    }
    return {
        "event_id": _id(f"run {run.run_id}"),
        "timestamp": _time(run.ended_at),
        "platform": "python",
        "level": "error",
        "logger": RUN_LOGGER,
        "transaction": run.job,
        "server_name": settings.host,
        **_deployed(settings),
        "fingerprint": [run.job, run.step, failures[-1].type],
        "exception": {"values": [_exception(each) for each in failures]},
        "tags": {name: value for name, value in tags.items() if value},
        "contexts": {"dagster": {name: value for name, value in dagster.items() if value}},
    }


def check_in_of(
    job: str,
    run_id: str,
    status: CheckIn,
    schedule: Schedule,
    settings: ErrorSettings,
    *,
    longest_s: float,
    took_s: float | None = None,
) -> dict[str, Any]:
    """Of a scheduled job's monitor, which it makes or changes.

    Args:
        longest_s: how long a run may take.
        took_s: None while it runs.
    """
    slug = "-".join(part for part in (settings.stack, job.replace("_", "-")) if part)
    return {
        "type": "check_in",
        "check_in_id": _id(f"check-in {run_id}"),
        "monitor_slug": slug,
        "status": status,
        **({} if took_s is None else {"duration": round(took_s, 3)}),
        **_deployed(settings),
        "monitor_config": {
            "schedule": {"type": "crontab", "value": schedule.cron},
            "timezone": "UTC",
            "checkin_margin": _MARGIN_MINUTES,
            "max_runtime": max(1, round(longest_s / 60)),
            "failure_issue_threshold": 1,
            "recovery_threshold": 1,
        },
    }


def _id(of: str) -> str:
    return uuid.uuid5(_IDS, of).hex


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _deployed(settings: ErrorSettings) -> dict[str, str]:
    return {
        "release": settings.sentry_release or f"onyx-pipelines@{__version__}",
        "environment": settings.sentry_environment,
    }


def _chain(failure: Failure | None) -> Iterator[Failure]:
    """Causes first, as the protocol wants it."""
    if failure is not None:
        yield from _chain(failure.cause)
        yield failure


def _exception(failure: Failure) -> dict[str, Any]:
    frames = [_frame(*found) for found in _FRAME.findall(failure.stack)]
    stacktrace = {"stacktrace": {"frames": frames}} if frames else {}
    return {"type": failure.type, "value": failure.message, **stacktrace}


def _frame(path: str, line: str, function: str) -> dict[str, Any]:
    for start in (_PACKAGES, f"/{_OURS}"):
        _, found, rest = path.rpartition(start)
        if found:
            path = (_OURS if start.endswith(_OURS) else "") + rest
            break
    return {
        "filename": path,
        "function": function.strip(),
        "lineno": int(line),
        "in_app": path.startswith(_OURS),
    }
