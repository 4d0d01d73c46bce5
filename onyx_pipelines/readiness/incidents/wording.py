"""What people are told of an incident. Pure: from its notes to messages for every channel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from onyx_pipelines.core.names import INCIDENT, escalation_job
from onyx_pipelines.core.text import (
    count_text,
    duration_text,
    list_text,
    moment_text,
    shortened,
)
from onyx_pipelines.monitoring.rules.rule import Severity
from onyx_pipelines.notify import Event, Outcome
from onyx_pipelines.readiness.incidents.record import (
    Incident,
    NamedPlaybook,
    Note,
    TriageSeen,
    What,
)
from onyx_pipelines.readiness.playbook import playbooks

_SUBJECT: Final = 110
_MOST_ALERTS: Final = 8


@dataclass(frozen=True)
class Addresses:
    """Args:
    docs_url: where people read docs/, without a slash at its end.
    acknowledge: the link by which the reader does; "": there is none.
    """

    docs_url: str
    acknowledge: str = ""


def event_of(incident: Incident, number: int, addresses: Addresses) -> Event:
    """The message of one note."""
    note = incident.notes[number]
    match note.what:
        case What.ESCALATED:
            return _escalated(incident, note, addresses)
        case What.ACKNOWLEDGED:
            return _acknowledged(incident, note)
        case What.CLOSED:
            return _closed(incident, note)
    return _triaged(incident, note, addresses)


def title_of(incident: Incident) -> str:
    """What it is called: by what was found, else by what it was opened for."""
    found = incident.last_triage
    return found.named[0].title if found and found.named else incident.title


def alerts_text(incident: Incident) -> str:
    """Which, each once, with its service."""
    named = dict.fromkeys(
        f"{each.name} of {each.service}" if each.service else each.name for each in incident.alerts
    )
    shown = list(named)[:_MOST_ALERTS]
    if len(named) > _MOST_ALERTS:
        shown.append(f"{len(named) - _MOST_ALERTS} more")
    return list_text(shown)


def _triaged(incident: Incident, note: Note, addresses: Addresses) -> Event:
    found = next((each for each in incident.triages if each.at == note.at), incident.triages[-1])
    before = sum(each.what is What.TRIAGED and each.at < note.at for each in incident.notes)
    is_critical = incident.severity is Severity.CRITICAL
    links = {"I take it": addresses.acknowledge} if addresses.acknowledge else {}
    links |= {each.title: each.playbook.link(addresses.docs_url) for each in found.named[1:]}
    first = found.named[0].playbook.link(addresses.docs_url) if found.named else ""
    return Event(
        outcome=Outcome.FAILED if is_critical else Outcome.WARNED,
        subject=_subject(incident, "looked at again" if before else ""),
        run_id="",
        job=INCIDENT,
        group=f"incident {incident.id} {before}",
        summary=found.sentence,
        sections=dict(_sections(found)),
        details={
            **_facts(incident),
            "looked at in": duration_text(found.took_s),
            **(
                {} if incident.acknowledged else {"acknowledge": f"onyx incident ack {incident.id}"}
            ),
        },
        links=links,
        playbook=first or f"{addresses.docs_url}/INCIDENTS",
        occurred_at=note.at,
    )


def _sections(found: TriageSeen) -> Iterator[tuple[str, str]]:
    for each in found.named:
        yield each.title, "\n".join(_named_lines(each))
    if found.unknown:
        yield "Could not be looked at", "\n".join(f"• {each}" for each in found.unknown)
    if found.ruled_out:
        yield "Ruled out", ", ".join(each.value for each in found.ruled_out)


def _named_lines(each: NamedPlaybook) -> Iterator[str]:
    yield from (f"• {line}" for line in each.evidence)
    if each.next_action:
        yield f"Next: {each.next_action}"
        yield f"({each.next_does})"


def _escalated(incident: Incident, note: Note, addresses: Addresses) -> Event:
    level = int(note.text)
    since = incident.urgent_since or incident.opened_at
    waited = duration_text((note.at - since).total_seconds())
    asked = list(_asked(incident, level))
    return Event(
        outcome=Outcome.FAILED,
        subject=_subject(incident, f"nobody has answered for {waited}"),
        run_id="",
        job=escalation_job(level),
        group=f"incident {incident.id} escalation {level}",
        summary=incident.sentence,
        sections={"Asked now": "\n".join(asked)} if asked else {},
        details={**_facts(incident), **_to_acknowledge(incident)},
        links={"I take it": addresses.acknowledge} if addresses.acknowledge else {},
        playbook=next(
            (each.playbook.link(addresses.docs_url) for each in _named(incident)),
            f"{addresses.docs_url}/INCIDENTS",
        ),
        occurred_at=note.at,
    )


def _asked(incident: Incident, level: int) -> Iterator[str]:
    """Whom the playbooks that fit name for this level, and what they should be told."""
    named = {each.playbook for each in _named(incident)}
    for each in playbooks():
        if each.id in named:
            step = each.escalation[min(level, len(each.escalation)) - 1]
            yield f"{each.title}: {step.to}. To be said: {step.told}."


def _named(incident: Incident) -> tuple[NamedPlaybook, ...]:
    return incident.last_triage.named if incident.last_triage else ()


def _acknowledged(incident: Incident, note: Note) -> Event:
    """What was called off is the escalation."""
    waited = duration_text((note.at - incident.opened_at).total_seconds())
    return Event(
        outcome=Outcome.CANCELLED,
        subject=_subject(incident, f"{note.by or 'somebody'} has it"),
        run_id="",
        job=INCIDENT,
        group=f"incident {incident.id} {moment_text(note.at)}",
        summary=f"Acknowledged by {note.by or 'somebody'} after {waited}; it is escalated no more.",
        details=_facts(incident),
        occurred_at=note.at,
    )


def _closed(incident: Incident, note: Note) -> Event:
    taken = incident.acknowledged
    by = f"Closed by {note.by}{f': {note.text}' if note.text else ''}."
    return Event(
        outcome=Outcome.RECOVERED,
        subject=_subject(incident, "over"),
        run_id="",
        job=INCIDENT,
        group=f"incident {incident.id} {moment_text(note.at)}",
        summary=by,
        details={
            **_facts(incident),
            "lasted": duration_text((note.at - incident.began_at).total_seconds()),
            "acknowledged by": (taken.by or "somebody") if taken else "nobody",
            **_still_firing(incident),
            "post-mortem": f"onyx incident postmortem {incident.id}",
        },
        occurred_at=note.at,
    )


def _to_acknowledge(incident: Incident) -> dict[str, str]:
    return {"acknowledge": f"onyx incident ack {incident.id}"}


def _still_firing(incident: Incident) -> dict[str, str]:
    if not incident.firing:
        return {}
    return {"still firing": count_text(len(incident.firing), "alert")}


def _subject(incident: Incident, state: str) -> str:
    ending = f" ({state})" if state else ""
    return shortened(title_of(incident), _SUBJECT - len(ending)) + ending


def _facts(incident: Incident) -> Mapping[str, str | int | float]:
    found = {
        "incident": incident.id,
        "severity": incident.severity.value,
        "since": moment_text(incident.began_at),
        "alerts": alerts_text(incident),
    }
    return {name: value for name, value in found.items() if value}
