"""The receiver of trackers' webhooks, which `onyx errors relay` serves: Sentry's are signed,
Bugsink's address holds a secret. What it has answered 202 is durable."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from onyx_pipelines.api.problems import answer
from onyx_pipelines.core.settings import ErrorSettings
from onyx_pipelines.errors.relay import bugsink, sentry
from onyx_pipelines.errors.relay.inbox import InboxError
from onyx_pipelines.errors.relay.passes import Relay
from onyx_pipelines.errors.relay.signal import MessageError, Signal

# An event with its stack trace; Sentry cuts its own at 1 MB.
_LARGEST: Final = 2 * 2**20
_RETRY_AFTER_S: Final = "30"


@dataclass(frozen=True)
class Receiving:
    """The relay of one stack, and how it is known that a webhook is that stack's."""

    relay: Relay
    settings: ErrorSettings


def receiver(stacks: Sequence[Receiving]) -> Starlette:
    """The application. A webhook is that of the stack whose secret it has; whoever is refused
    learns nothing of which one would do."""
    hooks = _Hooks(stacks)
    return Starlette(
        routes=[
            Route("/hooks/sentry", hooks.sentry, methods=["POST"]),
            Route("/hooks/bugsink/{secret}", hooks.bugsink, methods=["POST"]),
            Route("/health", _health),
        ]
    )


class _Hooks:
    def __init__(self, stacks: Sequence[Receiving]) -> None:
        self._stacks = stacks

    async def sentry(self, request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return self._refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        signature = request.headers.get(sentry.SIGNATURE_HEADER, "")
        relay = self._relay(
            lambda settings: sentry.is_signed(body, signature, settings.sentry_client_secret)
        )
        if relay is None:
            return self._refused(HTTPStatus.UNAUTHORIZED)
        resource = request.headers.get(sentry.RESOURCE_HEADER, "")
        try:
            signal = sentry.signal_of(body, resource, datetime.now(UTC))
        except MessageError as error:
            return self._refused(HTTPStatus.UNPROCESSABLE_ENTITY, error)
        return await _taken(relay, signal)

    async def bugsink(self, request: Request) -> Response:
        secret = request.path_params["secret"]
        relay = self._relay(lambda settings: _same(secret, settings.bugsink_webhook_secret))
        if relay is None:
            return self._refused(HTTPStatus.NOT_FOUND)
        body = await _body(request)
        if body is None:
            return self._refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            signal = bugsink.signal_of(body, datetime.now(UTC))
        except MessageError as error:
            return self._refused(HTTPStatus.UNPROCESSABLE_ENTITY, error)
        return await _taken(relay, signal)

    def _relay(self, knows: Callable[[ErrorSettings], bool]) -> Relay | None:
        """Of the stack whose secret it is; all are tried, so that the time says nothing."""
        found = [each.relay for each in self._stacks if knows(each.settings)]
        return found[0] if found else None

    def _refused(self, status: HTTPStatus, error: MessageError | None = None) -> Response:
        for each in self._stacks:
            each.relay.refused += 1
        if error is not None:
            return answer(status, error.what, error.remedy)
        said = {
            HTTPStatus.UNAUTHORIZED: "The signature is not that of this message.",
            HTTPStatus.NOT_FOUND: "There is nothing here.",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The message is too large.",
        }
        return answer(status, said[status], "See docs/errors.md.")


async def _taken(relay: Relay, signal: Signal | None) -> Response:
    if signal is not None:
        try:
            await run_in_threadpool(relay.hear, signal)
        except InboxError as error:
            return answer(
                HTTPStatus.SERVICE_UNAVAILABLE,
                error.what,
                error.remedy,
                headers={"Retry-After": _RETRY_AFTER_S},
            )
    return JSONResponse({"taken": signal is not None}, HTTPStatus.ACCEPTED)


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "serving"})


async def _body(request: Request) -> bytes | None:
    """None: it is too large, and not read to its end."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST:
            return None
    return bytes(body)


def _same(given: str, secret: SecretStr) -> bool:
    """In a time that says nothing about how much of it is right; never where none is set."""
    expected = secret.get_secret_value()
    return hmac.compare_digest(given.encode(), expected.encode()) and bool(expected)
