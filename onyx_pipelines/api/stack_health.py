"""`/api/stack-health`: how the whole stack is; `/health`: the same for guests."""

from __future__ import annotations

from typing import Literal

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from pydantic import AwareDatetime, BaseModel

from onyx_pipelines.api.admission import OfStack
from onyx_pipelines.api.reports import PAGE_POLICY
from onyx_pipelines.api.stacks import Stacks
from onyx_pipelines.health.rendering import as_json, guest_page
from onyx_pipelines.health.verdict import Area

_Watched = Literal["ok", "degraded", "unknown", "failing"]


class AreaAnswer(BaseModel):
    """`at`: of when the evidence is; null: there is none. `action`: the command to run next."""

    area: Area
    condition: _Watched | Literal["not_watched"]
    summary: str
    at: AwareDatetime | None
    age_seconds: float | None
    details: list[str]
    action: str


class StackHealthAnswer(BaseModel):
    """`condition`: the worst of what is watched; what is unknown is never ok."""

    stack: str
    at: AwareDatetime
    condition: _Watched
    sentence: str
    action: str
    areas: list[AreaAnswer]


def add_stack_health(app: FastAPI, stacks: Stacks) -> None:
    @stacks.reads.get("/api/stack-health")
    def stack_health(service: OfStack) -> StackHealthAnswer:
        """How the whole stack is: the worst of its areas, each with evidence and what to do."""
        return StackHealthAnswer.model_validate(as_json(service.health.value()))

    @app.get(
        "/health",
        response_class=HTMLResponse,
        responses={200: {"content": {"text/html": {}}, "description": "The page."}},
    )
    def page() -> HTMLResponse:
        """The same of every stack for guests: conditions and ages, and names of nothing but
        stacks; needs no token."""
        found = [each.health.value() for each in stacks.services]
        return HTMLResponse(guest_page(found), headers={"Content-Security-Policy": PAGE_POLICY})
