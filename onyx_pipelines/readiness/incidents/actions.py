"""What is done to incidents: heard of, opened, acknowledged, closed. Each is one decision and its
write; whoever does it by hand is in the audit trail by the caller."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from onyx_pipelines.core.logs import Redactor, logger
from onyx_pipelines.core.process_log import secret_values
from onyx_pipelines.core.settings import NotificationSettings, Settings
from onyx_pipelines.core.text import printable, shortened
from onyx_pipelines.monitoring.rules.rule import Severity
from onyx_pipelines.readiness.incidents import deciding
from onyx_pipelines.readiness.incidents.alertmanager import MessageSent, message_of
from onyx_pipelines.readiness.incidents.book import IncidentBook
from onyx_pipelines.readiness.incidents.deciding import Rules
from onyx_pipelines.readiness.incidents.record import Incident, new_id

_TITLE = 200
_NAME = 60
_REASON = 500
_log = logger("incidents")


def rules_of(settings: NotificationSettings) -> Rules:
    """As this host has them."""
    return Rules(
        reopen_within=timedelta(minutes=settings.incident_reopen_minutes),
        escalate_after=tuple(
            timedelta(minutes=each) for each in settings.incident_escalate_after_minutes
        ),
    )


def hear(settings: Settings, sent: MessageSent) -> list[Incident]:
    """A message of Alertmanager's: durable when this returns; gives what it opened or changed.

    Raises:
        IncidentError: it is not written, and must be sent again.
    """
    now = datetime.now(UTC)
    clean = Redactor(secret_values(settings)).clean
    message = message_of(sent, now, stack=settings.stack, clean=clean)
    rules, make_id = rules_of(settings), partial(new_id, now)

    def decide(known: Sequence[Incident]) -> list[Incident]:
        return deciding.heard(known, message, now, rules, make_id)

    changed = IncidentBook(settings.state_dir).change(decide)
    for each in changed:
        _log.info("incident %s: %s, %s", each.id, each.state, each.title)
    return changed


def open_by_hand(settings: Settings, title: str, severity: Severity, by: str) -> Incident:
    """Raises IncidentError: it is not written."""
    now = datetime.now(UTC)
    title = _said(settings, title, _TITLE)
    made = deciding.opened_by_hand(new_id(now), title, severity, _said(settings, by, _NAME), now)
    IncidentBook(settings.state_dir).change(lambda _: [made])
    return made


def acknowledge(settings: Settings, incident_id: str, by: str) -> Incident:
    """Whoever was the first has it; gives the incident as it is then.

    Raises:
        NotFoundError: there is none.
        IncidentError: it is not written.
    """
    name = _said(settings, by, _NAME)
    now = datetime.now(UTC)
    return IncidentBook(settings.state_dir).update(
        incident_id, lambda each: deciding.acknowledged(each, name, now)
    )


def close(settings: Settings, incident_id: str, by: str, reason: str) -> Incident:
    """Whatever still fires; as `acknowledge`."""
    name, why = _said(settings, by, _NAME), _said(settings, reason, _REASON)
    now = datetime.now(UTC)
    return IncidentBook(settings.state_dir).update(
        incident_id, lambda each: deciding.closed(each, name, why, now)
    )


def _said(settings: Settings, text: str, limit: int) -> str:
    """By a person: in one line, without secrets."""
    clean = Redactor(secret_values(settings)).clean
    return shortened(printable(" ".join(clean(text).split())), limit)
