"""Endpoints of a scope: who asks is let in before anything of the request is read or judged."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBasic, HTTPBearer

from onyx_pipelines.api.access import Caller
from onyx_pipelines.api.launch_book import hashed
from onyx_pipelines.api.launching import Asked
from onyx_pipelines.api.service import Service
from onyx_pipelines.api.tokens import Scope

# For the description alone: `Access` decides.
BEARER = HTTPBearer(
    scheme_name="token", auto_error=False, description="`onyx api token create` makes one."
)
BASIC = HTTPBasic(
    scheme_name="metrics",
    auto_error=False,
    description="ONYX_METRICS_USER and its password.",
)


def guarded(
    admit: Callable[[Request, Scope], tuple[Caller, Service]], scope: Scope
) -> type[APIRoute]:
    """Routes of endpoints that take a token of this scope."""

    class Guarded(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def admitted(request: Request) -> Response:
                request.state.caller, request.state.service = admit(request, scope)
                return await handle(request)

            return admitted

    return Guarded


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


Admitted = Annotated[Caller, Depends(_caller)]


async def _service(request: Request) -> Service:
    service: Service = request.state.service
    return service


# The service of the stack that the request is about.
OfStack = Annotated[Service, Depends(_service)]


async def _asked(
    request: Request,
    caller: Admitted,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern=r"^[\x21-\x7e]{1,200}$",
            description="The same request with the same key is answered as before, for 24 hours,"
            " and launches nothing a second time.",
        ),
    ] = None,
) -> Asked:
    return Asked(
        caller=caller,
        key=None if key is None else hashed(key),
        request=hashed(caller.token, request.method, request.url.path, await request.body()),
        deadline=request.state.deadline,
    )


Asking = Annotated[Asked, Depends(_asked)]
