"""The stacks that one API serves: which one a request is about, and who may ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, Depends, Query, Request, Security

from onyx_pipelines.api.access import Access, Caller
from onyx_pipelines.api.admission import BEARER, guarded
from onyx_pipelines.api.problems import ProblemError
from onyx_pipelines.api.service import Service
from onyx_pipelines.api.tokens import Scope
from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.settings.part import variable

# What the process has once, whichever stack a request is about.
_SHARED: Final = (
    "api_host",
    "api_port",
    "api_allowed_addresses",
    "api_trusted_proxies",
    "api_request_timeout_s",
    "metrics_user",
    "metrics_password",
)


class Stacks:
    """Each stack's own service, for as long as the application lives.

    Args:
        of: settings of each stack; those of the only one, which may have no name.

    Attributes:
        names: of the stacks, where there are several.
        alerts, reads, operates, restores: routers for endpoints that take a token of that scope.

    Raises:
        SettingsError: the stacks disagree about something that there is once.
    """

    def __init__(self, of: Sequence[Settings]) -> None:
        _require_agreement(of)
        self.names = tuple(each.stack for each in of) if len(of) > 1 else ()
        self.shared = of[0]
        self.access = Access(*of)
        self._services = {
            each.stack: Service(each, is_one_of_several=bool(self.names)) for each in of
        }
        self.alerts = self._router(Scope.ALERT)
        self.reads = self._router(Scope.READ)
        self.operates = self._router(Scope.OPERATE)
        self.restores = self._router(Scope.RESTORE)

    @property
    def services(self) -> list[Service]:
        return list(self._services.values())

    def admit(self, request: Request, scope: Scope) -> tuple[Caller, Service]:
        """Who asks, and the service of the stack that it is about.

        Raises:
            ProblemError: 401, 403 or 429; 422, it is about no stack that there is.
        """
        wanted = request.query_params.get("stack", "")
        is_clear = wanted in self._services or not (wanted or self.names)
        found = (self._services.get(wanted) or self.services[0]) if is_clear else None
        caller = self.access.admit(request, scope, found.settings.stack if found else None)
        if found is None:
            raise self._not_clear(wanted)
        return caller, found

    def _not_clear(self, wanted: str) -> ProblemError:
        names = ", ".join(self.names or filter(None, self._services)) or "one without a name"
        return ProblemError(
            422,
            f"There is no stack {wanted}: there is {names}."
            if wanted
            else f"Which stack? There is {names}.",
            remedy="Name one of them: ?stack=NAME."
            if self.names
            else "Leave `stack` out, or ask the API of that stack.",
            more={"stacks": [each for each in self._services if each]},
        )

    def _router(self, scope: Scope) -> APIRouter:
        names = [each for each in self._services if each]
        described = Query(
            ... if self.names else "",
            description="The stack that the request is about.",
            json_schema_extra={"enum": list(names)},
        )

        async def named(stack: str = described) -> None:
            """For the description alone: `admit` has decided."""

        return APIRouter(
            route_class=guarded(self.admit, scope),
            dependencies=[
                Security(BEARER, scopes=[scope.value]),
                *([Depends(named)] if names else ()),
            ],
        )


def _require_agreement(of: Sequence[Settings]) -> None:
    for name in _SHARED:
        if any(getattr(each, name) != getattr(of[0], name) for each in of):
            raise SettingsError(
                f"One API serves several stacks, and their files disagree about {name}.",
                remedy=f"Say it once for all, by {variable(name)}, or serve each stack alone"
                " (`onyx --stack NAME api serve`).",
            )
