"""`/api/incidents`: Alertmanager's webhook, and what became of each incident."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import AwareDatetime, BaseModel

from onyx_pipelines.api.admission import Admitted, OfStack
from onyx_pipelines.api.incident_watch import IncidentWatch
from onyx_pipelines.api.models import CloseRequest
from onyx_pipelines.api.stacks import Stacks
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.readiness.incidents.actions import acknowledge, close, hear
from onyx_pipelines.readiness.incidents.alertmanager import MessageSent
from onyx_pipelines.readiness.incidents.book import IncidentBook
from onyx_pipelines.readiness.incidents.record import ID_PATTERN, Incident
from onyx_pipelines.readiness.incidents.timeline import timeline_of
from onyx_pipelines.readiness.incidents.wording import title_of

IncidentId = Annotated[str, Path(pattern=ID_PATTERN, description="As `onyx incident list` shows.")]
_MOST_SHOWN = 200


class HeardAnswer(BaseModel):
    """`incidents`: those that the message opened or changed."""

    incidents: list[str]


class IncidentAnswer(BaseModel):
    """`sentence`: what the last triage says, or what it was opened for."""

    incident_id: str
    title: str
    state: Literal["open", "acknowledged", "closed"]
    severity: Literal["critical", "warning", "none"]
    sentence: str
    playbooks: list[Playbook]
    began_at: AwareDatetime
    opened_at: AwareDatetime
    acknowledged_at: AwareDatetime | None
    acknowledged_by: str
    escalated_times: int
    closed_at: AwareDatetime | None
    firing: list[str]


class LineAnswer(BaseModel):
    """One thing that happened; `source`: which record says so."""

    at: AwareDatetime
    source: str
    text: str


class WholeIncidentAnswer(IncidentAnswer):
    """`unknown`: which records could not be read."""

    timeline: list[LineAnswer]
    unknown: list[str]


class IncidentsAnswer(BaseModel):
    """The newest first."""

    incidents: list[IncidentAnswer]


def add_incidents(stacks: Stacks, watch: IncidentWatch) -> None:
    @stacks.alerts.post("/api/incidents/alerts")
    def alerts(service: OfStack, sent: MessageSent) -> HeardAnswer:
        """Alertmanager's webhook: opens, joins and closes incidents; each is looked at within
        seconds. The same message sent again changes nothing."""
        changed = hear(service.settings, sent)
        watch.wake()
        return HeardAnswer(incidents=[each.id for each in changed])

    @stacks.reads.get("/api/incidents")
    def incidents(
        service: OfStack,
        state: Annotated[
            Literal["all", "open", "closed"], Query(description="Open: acknowledged ones too.")
        ] = "all",
    ) -> IncidentsAnswer:
        """Every incident, the newest first; 200 at most."""
        found = IncidentBook(service.settings.state_dir).all()
        wanted = [each for each in found if state == "all" or each.is_open == (state == "open")]
        return IncidentsAnswer(incidents=[_answer(each) for each in wanted[:_MOST_SHOWN]])

    @stacks.reads.get("/api/incidents/{incident_id}")
    def incident(service: OfStack, incident_id: IncidentId) -> WholeIncidentAnswer:
        """One, with all that happened."""
        found = IncidentBook(service.settings.state_dir).find(incident_id)
        timeline = timeline_of(service.settings, found)
        return WholeIncidentAnswer(
            **_answer(found).model_dump(),
            timeline=[
                LineAnswer(at=each.at, source=each.source.value, text=each.text)
                for each in timeline.lines
            ],
            unknown=list(timeline.unknown),
        )

    @stacks.operates.post("/api/incidents/{incident_id}/ack")
    def ack(service: OfStack, incident_id: IncidentId, caller: Admitted) -> IncidentAnswer:
        """Somebody has it, and it is escalated no more; who was the first stays."""
        with service.audit(caller, "incident.ack", {"incident": incident_id})():
            found = acknowledge(service.settings, incident_id, caller.name)
        watch.wake()
        return _answer(found)

    @stacks.operates.post("/api/incidents/{incident_id}/close")
    def close_it(
        service: OfStack, incident_id: IncidentId, wanted: CloseRequest, caller: Admitted
    ) -> IncidentAnswer:
        """It is over, whatever still fires."""
        with service.audit(caller, "incident.close", {"incident": incident_id})():
            found = close(service.settings, incident_id, caller.name, wanted.reason)
        watch.wake()
        return _answer(found)


def _answer(found: Incident) -> IncidentAnswer:
    taken, triage = found.acknowledged, found.last_triage
    return IncidentAnswer.model_validate(
        {
            "incident_id": found.id,
            "title": title_of(found),
            "state": found.state,
            "severity": found.severity.value,
            "sentence": found.sentence,
            "playbooks": [each.playbook for each in triage.named] if triage else [],
            "began_at": found.began_at,
            "opened_at": found.opened_at,
            "acknowledged_at": taken.at if taken else None,
            "acknowledged_by": taken.by if taken else "",
            "escalated_times": found.escalated_times,
            "closed_at": found.closed.at if found.closed else None,
            "firing": [each.name for each in found.firing],
        }
    )
