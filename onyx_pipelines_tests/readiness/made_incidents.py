"""Alerts as Alertmanager sends them, and triages that find what a test wants."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from onyx_pipelines.core.settings import Settings
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.readiness.diagnosis import Seen, Triage, conclude
from onyx_pipelines.readiness.incidents.alertmanager import MessageSent, message_of
from onyx_pipelines.readiness.incidents.deciding import Message, Rules, heard
from onyx_pipelines.readiness.incidents.record import Incident
from onyx_pipelines.readiness.playbook import playbooks

NOW = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RULES = Rules(reopen_within=30 * MINUTE, escalate_after=(10 * MINUTE, 30 * MINUTE))
_NEVER = "0001-01-01T00:00:00Z"


def alert(
    name: str = "PostgresqlDown",
    *,
    began: datetime = NOW,
    ended: datetime | None = None,
    fingerprint: str = "",
    playbook: str = Playbook.DATABASE_FAILURE,
    severity: str = "critical",
    **labels: str,
) -> dict[str, Any]:
    """`fingerprint`: else one of its name."""
    return {
        "status": "resolved" if ended else "firing",
        "labels": {
            "alertname": name,
            "severity": severity,
            "service": "postgresql",
            "playbook": playbook,
            **labels,
        },
        "annotations": {"summary": f"{name} in a sentence", "description": "What to look at."},
        "startsAt": began.isoformat(),
        "endsAt": ended.isoformat() if ended else _NEVER,
        "generatorURL": "http://prometheus/graph",
        "fingerprint": fingerprint or hashlib.sha256(name.encode()).hexdigest()[:16],
    }


def body(*alerts: dict[str, Any], group: str = "{}:{alertname}") -> dict[str, Any]:
    """A whole message."""
    return {
        "version": "4",
        "groupKey": group,
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "critical",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "alerts": list(alerts),
    }


def message(
    *alerts: dict[str, Any], now: datetime = NOW, group: str = "{}:{alertname}", stack: str = ""
) -> Message:
    """What is heard of it."""
    sent = MessageSent.model_validate(body(*alerts, group=group))
    return message_of(sent, now, stack=stack)


def ids() -> Callable[[], str]:
    """One after the other."""
    numbers: Iterator[int] = count(1)
    return lambda: f"20261127T090000Z-{next(numbers):04x}"


def after(
    known: list[Incident], *alerts: dict[str, Any], now: datetime = NOW, group: str = ""
) -> list[Incident]:
    """All that there are once a message was heard, in their order."""
    changed = {
        each.id: each
        for each in heard(
            known,
            message(*alerts, now=now, group=group),
            now,
            RULES,
            lambda: f"20261127T090000Z-{len(known) + 1:04x}",
        )
    }
    kept = [changed.pop(each.id, each) for each in known]
    return [*kept, *changed.values()]


def triage_of(*named: Playbook, unknown: bool = False) -> Triage:
    """Each of these by all of its steps; the others are well, or could not be looked at."""
    seen = {
        (each.id, step.id): Seen(None if unknown else each.id not in named, "as planted")
        for each in playbooks()
        for step in each.diagnosis
    }
    seen |= {
        (each.id, step.id): Seen(is_healthy=False, text="as planted")
        for each in playbooks()
        if each.id in named
        for step in each.diagnosis
    }
    return conclude(playbooks(), seen, datetime.now(UTC), 0.2)


def finds(*named: Playbook) -> Callable[[Settings], Triage]:
    """A look that finds these."""
    return lambda _: triage_of(*named)
