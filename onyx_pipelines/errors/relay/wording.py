"""The message that people get of an issue. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from onyx_pipelines.core.text import count_text, moment_text, number_text, shortened
from onyx_pipelines.errors.relay.deciding import Telling
from onyx_pipelines.errors.relay.severity import Severity
from onyx_pipelines.errors.relay.signal import Reason
from onyx_pipelines.notify import Event, Outcome

JOB: Final = "errors"
_SUBJECT: Final = 120
_STATES: Final = {
    Reason.NEW: "new",
    Reason.REGRESSED: "came back",
    Reason.UNMUTED: "no longer muted",
    Reason.ALERT: "",
    Reason.GOES_ON: "goes on",
    Reason.RESOLVED: "resolved",
}


def event_of(telling: Telling, sections: Mapping[str, str], playbook: str = "") -> Event:
    """Critical ones are failures, others warnings: as ONYX_NOTIFY_ON and its like route them."""
    issue, last = telling.issue, telling.issue.last
    where = f"Where: {last.culprit}" if last.culprit else ""
    return Event(
        outcome=_outcome(telling),
        subject=_subject(telling),
        run_id="",
        job=JOB,
        group=f"error {telling.fingerprint}",
        summary="\n".join(filter(None, [last.message or last.type, where, last.said])),
        sections=dict(sections),
        details=_details(telling),
        links={"the issue": last.link} if last.link else {},
        playbook=playbook if issue.severity is Severity.CRITICAL else "",
        occurred_at=last.at,
    )


def _outcome(telling: Telling) -> Outcome:
    if telling.reason is Reason.RESOLVED:
        return Outcome.RECOVERED
    is_critical = telling.issue.severity is Severity.CRITICAL
    return Outcome.FAILED if is_critical else Outcome.WARNED


def _subject(telling: Telling) -> str:
    last = telling.issue.last
    service = f"{last.service}: " if last.service else ""
    said = f": {last.message}" if last.message and last.message != last.type else ""
    state = _STATES[telling.reason]
    ending = f" ({state})" if state else ""
    return shortened(f"{service}{last.type}{said}", _SUBJECT - len(ending)) + ending


def _details(telling: Telling) -> dict[str, str | int | float]:
    issue, last = telling.issue, telling.issue.last
    severity = f"{issue.severity}: {issue.why}" if issue.why else issue.severity.value
    found: dict[str, str | int | float] = {
        "severity": severity,
        "service": last.service,
        "environment": last.environment,
        "release": last.release,
        "first seen": moment_text(issue.first_seen),
        "events": number_text(issue.count) if issue.count else "",
    }
    if telling.since:
        found["held back"] = (
            f"{count_text(telling.more, 'event')} since the message of {moment_text(telling.since)}"
        )
    found["fingerprint"] = telling.fingerprint
    return {name: value for name, value in found.items() if value}
