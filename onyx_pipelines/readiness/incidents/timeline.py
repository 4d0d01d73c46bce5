"""What happened, in the order of time: merged from the incident, its alerts, the audit trail and
how runs ended. Nothing of it is kept a second time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.text import duration_text
from onyx_pipelines.errors.recorded_changes import recorded_changes
from onyx_pipelines.errors.what_changed import Change
from onyx_pipelines.readiness.incidents.record import AlertSeen, Incident, Note, What

# What was done just before may be why; what was done just after, how.
BEFORE: Final = timedelta(hours=1)
_AFTER: Final = timedelta(minutes=10)
# They are in the incident's own notes.
_OWN: Final = ("incident.", "api incident.")
_LATE: Final = timedelta(seconds=5)


class Source(StrEnum):
    """Which record says so."""

    ALERT = "alert"
    INCIDENT = "incident"
    TRIAGE = "triage"
    RECORD = "audit and runs"


@dataclass(frozen=True)
class Line:
    """One thing that happened."""

    at: datetime
    source: Source
    text: str


@dataclass(frozen=True)
class Timeline:
    """`unknown`: which records could not be read, in a sentence each."""

    lines: tuple[Line, ...]
    unknown: tuple[str, ...] = ()


def timeline_of(settings: Settings, incident: Incident) -> Timeline:
    """With what this host has recorded from an hour before it began. Raises nothing: a record that
    cannot be read is named."""
    until = incident.closed.at + _AFTER if incident.closed else datetime.now(UTC)
    changes, unknown = recorded_changes(settings, (), until)
    return Timeline(merged(incident, changes, until), tuple(unknown))


def merged(incident: Incident, changes: Sequence[Change], until: datetime) -> tuple[Line, ...]:
    """In the order of time; of two at the same moment the cause before what it led to."""
    since = incident.began_at - BEFORE
    recorded = [
        Line(each.at, Source.RECORD, each.said)
        for each in changes
        if since <= each.at <= until and not each.said.startswith(_OWN)
    ]
    lines = [
        *recorded,
        *(line for each in incident.alerts for line in _of_alert(each)),
        *(line for each in incident.notes for line in _of_note(each)),
    ]
    return tuple(sorted(lines, key=lambda each: each.at))


def _of_alert(alert: AlertSeen) -> Iterator[Line]:
    of = f" of {alert.service}" if alert.service else ""
    said = f": {alert.summary}" if alert.summary else ""
    late = alert.heard_at - alert.began_at
    heard = f" (heard {duration_text(late.total_seconds())} later)" if late > _LATE else ""
    yield Line(alert.began_at, Source.ALERT, f"{alert.name}{of} fires{said}{heard}")
    if alert.ended_at is not None:
        yield Line(alert.ended_at, Source.ALERT, f"{alert.name}{of} has ended")


def _of_note(note: Note) -> Iterator[Line]:
    reason = f": {note.text}" if note.text else ""
    match note.what:
        case What.TRIAGED:
            yield Line(note.at, Source.TRIAGE, note.text)
        case What.ESCALATED:
            yield Line(note.at, Source.INCIDENT, f"Escalated to level {note.text}: {note.by}")
        case What.ACKNOWLEDGED:
            yield Line(note.at, Source.INCIDENT, f"Acknowledged by {note.by or 'somebody'}")
        case What.RAISED:
            yield Line(note.at, Source.INCIDENT, f"Critical since {note.by}")
        case What.OPENED | What.REOPENED | What.CLOSED:
            text = f"{note.what.value.capitalize()} by {note.by or 'somebody'}{reason}"
            yield Line(note.at, Source.INCIDENT, text)
