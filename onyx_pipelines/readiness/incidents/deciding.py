"""What becomes of an incident when an alert is heard, when somebody says something, and when nobody
does. Pure: the same message heard again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from onyx_pipelines.monitoring.rules.rule import Severity
from onyx_pipelines.readiness.incidents.record import AlertSeen, Incident, Note, TriageSeen, What

ALL_CLEAR: Final = "all-clear"
# What fires while the first look is under way belongs to it, unless that takes absurdly long.
_FIRST_LOOK: Final = timedelta(minutes=1)
_MOST_ALERTS: Final = 200
_MOST_TRIAGES: Final = 20


@dataclass(frozen=True)
class Message:
    """One webhook of Alertmanager's.

    Args:
        group: its key; "" of none.
        alerts: all of the group that fire, and those that have ended since the last message.
    """

    group: str
    alerts: tuple[AlertSeen, ...]


@dataclass(frozen=True)
class Rules:
    """Args:
    reopen_within: after its end the same alert is the same incident.
    escalate_after: from when on nobody has answered, level by level.
    """

    reopen_within: timedelta
    escalate_after: tuple[timedelta, ...]


def heard(
    incidents: Sequence[Incident],
    message: Message,
    now: datetime,
    rules: Rules,
    make_id: Callable[[], str],
) -> list[Incident]:
    """Those that are new or changed by a message."""
    known = {each.id: each for each in incidents}
    touched: dict[str, None] = {}
    for alert in message.alerts:
        found = _incident_of(list(known.values()), alert, message.group, now, rules)
        if found is None and not alert.fires:
            continue  # the end of what is over already, or was never heard of
        after = _with(found, alert, now) if found else _opened(make_id(), alert)
        after = _with_group(after, message.group)
        touched[after.id] = None
        known[after.id] = after
    before = {each.id: each for each in incidents}
    changed = (_closed_by_all_clear(known[each], now) for each in touched)
    return [each for each in changed if before.get(each.id) != each]


def opened_by_hand(
    incident_id: str, title: str, severity: Severity, by: str, now: datetime
) -> Incident:
    """One that a person opens."""
    note = Note(at=now, what=What.OPENED, by=by)
    return Incident(id=incident_id, title=title, severity=severity, by_hand=True, notes=(note,))


def acknowledged(incident: Incident, by: str, now: datetime) -> Incident:
    """Somebody has it. Who was the first stays; of a closed one nobody need say so."""
    if incident.acknowledged or not incident.is_open:
        return incident
    return incident.noted(Note(at=now, what=What.ACKNOWLEDGED, by=by))


def closed(incident: Incident, by: str, reason: str, now: datetime) -> Incident:
    """By a person, whatever still fires."""
    if not incident.is_open:
        return incident
    return incident.noted(Note(at=now, what=What.CLOSED, by=by, text=reason))


def looked_at(incident: Incident, found: TriageSeen) -> Incident:
    """With what a triage found."""
    triages = (*incident.triages, found)[-_MOST_TRIAGES:]
    note = Note(at=found.at, what=What.TRIAGED, by="triage", text=found.sentence)
    return incident.model_copy(update={"triages": triages}).noted(note)


def escalated(incident: Incident, now: datetime, rules: Rules) -> Incident:
    """One level further, or several, where their time has come and nobody has answered."""
    due = escalation_due(incident, rules)
    if due is None or now < due:
        return incident
    since = incident.urgent_since or now
    level = sum(since + each <= now for each in rules.escalate_after)
    return incident.noted(Note(at=now, what=What.ESCALATED, by="nobody answered", text=str(level)))


def escalation_due(incident: Incident, rules: Rules) -> datetime | None:
    """When the next level's time has come; None: it has none."""
    since = incident.urgent_since
    level = incident.escalated_times
    if since is None or incident.acknowledged or level >= len(rules.escalate_after):
        return None
    return since + rules.escalate_after[level]


def waits_since(incident: Incident, rules: Rules) -> datetime | None:
    """Since when (or until when) something is to be done for it: a look, a message, the next level.
    None: nothing is."""
    waiting = (incident.wants_triage, next((each for _, each in to_tell(incident)), None))
    moments = [each.at for each in waiting if each]
    due = escalation_due(incident, rules)
    return min(moments + ([due] if due else []), default=None)


# Of an opening people are told with what the first look finds.
_TOLD: Final = frozenset({What.TRIAGED, What.ACKNOWLEDGED, What.ESCALATED, What.CLOSED})


def to_tell(incident: Incident) -> Iterator[tuple[int, Note]]:
    """What people were not told of yet: the notes by their numbers, the oldest first."""
    for number, note in enumerate(incident.notes[incident.told :], incident.told):
        if note.what in _TOLD:
            yield number, note


def _opened(incident_id: str, alert: AlertSeen) -> Incident:
    note = Note(at=alert.heard_at, what=What.OPENED, by=f"alert {alert.name}")
    return Incident(
        id=incident_id,
        title=alert.summary or alert.name,
        severity=alert.severity,
        alerts=(alert,),
        notes=(note,),
    )


def _incident_of(
    incidents: Sequence[Incident], alert: AlertSeen, group: str, now: datetime, rules: Rules
) -> Incident | None:
    """The one that an alert belongs to, the newest first; None: to none."""
    newest = sorted(incidents, key=lambda each: each.opened_at, reverse=True)
    still_open = [each for each in newest if each.is_open]
    recent = [each for each in newest if _is_recent(each, now, rules)]
    fitting = [each for each in newest if _unfinished(each, alert)]
    if alert.fires:
        fitting += [
            *(each for each in still_open if _has_seen(each, alert)),
            *(each for each in recent if _has_seen(each, alert)),
            *(each for each in still_open if group and group in each.groups),
            *(each for each in still_open if alert.playbook in each.explained),
            *(each for each in still_open if _is_being_looked_at(each, now)),
            *(each for each in recent if group and group in each.groups),
        ]
    return fitting[0] if fitting else None


def _unfinished(incident: Incident, alert: AlertSeen) -> bool:
    return any(each.fingerprint == alert.fingerprint for each in incident.firing)


def _has_seen(incident: Incident, alert: AlertSeen) -> bool:
    return any(each.fingerprint == alert.fingerprint for each in incident.alerts)


def _is_recent(incident: Incident, now: datetime, rules: Rules) -> bool:
    end = incident.closed
    return end is not None and now - end.at < rules.reopen_within


def _is_being_looked_at(incident: Incident, now: datetime) -> bool:
    return not incident.triages and now - incident.opened_at < _FIRST_LOOK


def _with(incident: Incident, alert: AlertSeen, now: datetime) -> Incident:
    """With an alert that belongs to it: the same firing again, its end, or another one."""
    for number, known in enumerate(incident.alerts):
        if known.fires and known.fingerprint == alert.fingerprint:
            alerts = list(incident.alerts)
            alerts[number] = known.model_copy(update={"ended_at": alert.ended_at})
            return incident.model_copy(update={"alerts": tuple(alerts)})
    return _joined(incident, alert, now)


def _joined(incident: Incident, alert: AlertSeen, now: datetime) -> Incident:
    by = f"alert {alert.name}"
    notes = []
    if not incident.is_open:
        notes.append(Note(at=now, what=What.REOPENED, by=by))
    elif alert.playbook not in incident.explained:
        notes.append(Note(at=now, what=What.JOINED, by=by))
    if alert.severity is Severity.CRITICAL and incident.severity is not Severity.CRITICAL:
        notes.append(Note(at=now, what=What.RAISED, by=by))
    severity = Severity.CRITICAL if alert.severity is Severity.CRITICAL else incident.severity
    alerts = (*incident.alerts, alert)
    ended = [each for each in alerts if not each.fires]
    while len(alerts) > _MOST_ALERTS and ended:
        forgotten = ended.pop(0)
        alerts = tuple(each for each in alerts if each is not forgotten)
    return incident.model_copy(update={"alerts": alerts, "severity": severity}).noted(*notes)


def _with_group(incident: Incident, group: str) -> Incident:
    if not group or group in incident.groups:
        return incident
    return incident.model_copy(update={"groups": (*incident.groups, group)})


def _closed_by_all_clear(incident: Incident, now: datetime) -> Incident:
    if incident.by_hand or not incident.is_open or incident.firing:
        return incident
    return incident.noted(Note(at=now, what=What.CLOSED, by=ALL_CLEAR))
