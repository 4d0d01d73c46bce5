"""Around the whole application: what is too large, from elsewhere, too much at once or too long."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onyx_pipelines.api.access import Access
from onyx_pipelines.api.problems import ProblemError, answer, answer_of

_LARGEST_REQUEST: Final = 64 * 1024
_MOST_AT_ONCE: Final = 200
# Of what is no page.
_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"


class Guard:
    """An ASGI middleware; requests reach the application with `request.state.deadline`."""

    def __init__(self, app: ASGIApp, *, access: Access, timeout_s: float) -> None:
        self._app = app
        self._access = access
        self._timeout_s = timeout_s
        self._running: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._admit(Request(scope))
        except ProblemError as error:
            await answer_of(error)(scope, receive, send)
            return
        scope.setdefault("state", {})["deadline"] = time.monotonic() + self._timeout_s
        response = _Response(send)
        task = asyncio.ensure_future(self._app(scope, receive, response.send))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.wait({task}, timeout=self._timeout_s)
        if task.done() or response.started:
            await task
            return
        # A thread cannot be stopped: it goes on, and finds out what it may still begin.
        response.closed = True
        await answer(
            504,
            "This took too long.",
            "Ask again later. With the same Idempotency-Key nothing is launched twice; without one,"
            " see first whether it was launched after all.",
        )(scope, receive, send)

    def _admit(self, request: Request) -> None:
        """Raises ProblemError."""
        length = request.headers.get("content-length", "0")
        if not re.fullmatch(r"[0-9]{1,12}", length) or int(length) > _LARGEST_REQUEST:
            raise ProblemError(
                413, "The request is too large.", remedy="Nothing here takes more than 64 kB."
            )
        if "transfer-encoding" in request.headers:
            raise ProblemError(413, "The request has no length.", remedy="Send Content-Length.")
        self._access.address_of(request)
        if len(self._running) >= _MOST_AT_ONCE:
            raise ProblemError(
                503,
                f"{_MOST_AT_ONCE} requests are being answered already.",
                remedy="Ask again in a moment.",
                headers={"Retry-After": "1"},
            )


class _Response:
    """What the application sends, with headers that every answer has. Once closed, nothing."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self.closed = False

    async def send(self, message: Message) -> None:
        if self.closed:
            return
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Cache-Control", "no-store")
            headers.setdefault("Content-Security-Policy", _POLICY)
        await self._send(message)
