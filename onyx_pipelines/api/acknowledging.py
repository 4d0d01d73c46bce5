"""The page behind a message's link: who signed it may acknowledge one incident, by a button.

To open it changes nothing: what looks at links in mail before people do acknowledges nothing.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from onyx_pipelines.api.incident_watch import IncidentWatch
from onyx_pipelines.api.problems import ProblemError
from onyx_pipelines.api.stacks import Stacks
from onyx_pipelines.audit import api_origin, audited
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.text import duration_text, moment_text
from onyx_pipelines.readiness.incidents.actions import acknowledge
from onyx_pipelines.readiness.incidents.book import IncidentBook
from onyx_pipelines.readiness.incidents.links import is_signed
from onyx_pipelines.readiness.incidents.record import ID_PATTERN, Incident
from onyx_pipelines.readiness.incidents.wording import title_of
from onyx_pipelines.reporting.pages import render
from onyx_pipelines.reporting.palette import badge

_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
# The address is what signs in; no other page may learn it.
_HEADERS: Final = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
_PATH: Final = "/incidents/{incident_id}/acknowledge"
_LINK: Final = "the link in a message"


def add_acknowledging(app: FastAPI, stacks: Stacks, watch: IncidentWatch) -> None:
    """For people, so it is no part of the description."""

    async def page(request: Request) -> Response:
        settings, incident_id = _admitted(stacks, request)
        if request.method == "POST":
            name = parse_qs((await request.body()).decode("utf-8", "replace")).get("name", [""])[0]
            address = stacks.access.address_of(request)
            await run_in_threadpool(_acknowledge, settings, incident_id, name, address)
            watch.wake()
            # So that loading the page again sends nothing again.
            here = f"{request.url.path}?{request.url.query}"
            return RedirectResponse(here, HTTPStatus.SEE_OTHER, headers=_HEADERS)
        found = await run_in_threadpool(IncidentBook(settings.state_dir).find, incident_id)
        return HTMLResponse(_page(found, settings.stack), headers=_HEADERS)

    app.add_route(_PATH, page, methods=["GET", "POST"], include_in_schema=False)


def _admitted(stacks: Stacks, request: Request) -> tuple[Settings, str]:
    """The stack's settings, and the incident that the link is of.

    Raises:
        ProblemError: 404, no such link was ever made; 410, its time is over.
    """
    asked = request.query_params
    incident_id, until = str(request.path_params["incident_id"]), asked.get("until", "")
    services = {each.settings.stack: each for each in stacks.services}
    service = services.get(asked.get("stack", ""))
    if (
        service is None
        or not re.fullmatch(ID_PATTERN, incident_id)
        or not re.fullmatch(r"[0-9]{1,12}", until, re.ASCII)
        or not is_signed(service.settings, incident_id, int(until), asked.get("signature", ""))
    ):
        raise ProblemError(
            404, "There is no such link.", remedy="Open it from the message, whole and unchanged."
        )
    if int(until) < datetime.now(UTC).timestamp():
        raise ProblemError(
            410,
            "This link is too old.",
            remedy=f"`onyx incident ack {incident_id}` does the same on the host.",
        )
    return service.settings, incident_id


def _acknowledge(settings: Settings, incident_id: str, name: str, address: str) -> None:
    with audited(
        settings,
        action="incident.ack",
        origin=api_origin(_LINK, address),
        parameters={"incident": incident_id, "name": name},
        copy=False,
    ):
        acknowledge(settings, incident_id, name or "somebody with the link")


def _page(found: Incident, stack: str) -> str:
    taken, end = found.acknowledged, found.closed
    since = moment_text(found.began_at)
    if end is not None:
        mark, question = badge("passed", "over"), "It is over"
        note = f"Closed {moment_text(end.at)} by {end.by}."
    elif taken is not None:
        mark, question = badge("degraded", "acknowledged"), f"{taken.by} has it"
        waited = duration_text((taken.at - found.opened_at).total_seconds())
        note = f"Since {moment_text(taken.at)}, after {waited}. It is escalated no more."
    else:
        mark, question = badge("failed", found.severity.value), "Do you take it?"
        note = "Then nobody else is called. What to do stands in the message."
    return render(
        "acknowledge",
        stack=stack,
        title=title_of(found),
        subtitle=f"Incident {found.id}, since {since}",
        verdict=mark,
        headline=found.sentence,
        question=question,
        note=note,
        may_answer=end is None and taken is None,
    )
