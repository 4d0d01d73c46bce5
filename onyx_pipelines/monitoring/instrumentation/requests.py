"""Latency, errors, throughput and requests in flight of an ASGI application."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from prometheus_client import CollectorRegistry

from onyx_pipelines.monitoring.instrumentation.bounded import BoundedValues
from onyx_pipelines.monitoring.instrumentation.route_template import route_template
from onyx_pipelines.monitoring.metrics import (
    IN_FLIGHT,
    LATENCY,
    REQUESTS,
    counter,
    gauge,
    histogram,
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ROUTES: Final = 200
# As nginx says of a client that went away.
_CLIENT_GONE: Final = "499"
_WITH_BODY: Final = frozenset({"http.response.body", "http.response.pathsend"})


class RequestMetrics:
    """Middleware, outermost. A streamed answer lasts to its last byte, and fails where it breaks
    off; one of Starlette's BaseHTTPMiddleware would see its headers only.

    Args:
        registry: that `/metrics` shows.
    """

    def __init__(self, app: Application, registry: CollectorRegistry) -> None:
        self._app = app
        self._requests = counter(REQUESTS, registry)
        self._latency = histogram(LATENCY, registry)
        self._in_flight = gauge(IN_FLIGHT, registry)
        self._routes = BoundedValues(_ROUTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(receive, send)
        own_root = scope.get("root_path", "")
        self._in_flight.inc()
        try:
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            self._in_flight.dec()
            exchange.breaks_off()
            route = self._routes.of(route_template(scope, own_root))
            method = scope["method"] if scope["method"] in _METHODS else "OTHER"
            self._requests.labels(method, route, exchange.status).inc()
            self._latency.labels(method, route).observe(exchange.lasted_s)


class _Exchange:
    """One request and its answer; work after its end (background tasks) is nobody's waiting."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._begun = time.perf_counter()
        self._ended = self._client_gone = False
        self.status = ""
        self.lasted_s = 0.0

    async def receive(self) -> Message:
        message = await self._receive()
        self._client_gone |= message["type"] == "http.disconnect"
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = str(message["status"])
        try:
            await self._send(message)
        except OSError:
            self._client_gone = True
            raise
        if message["type"] in _WITH_BODY and not message.get("more_body", False):
            self._end(self.status)

    def breaks_off(self) -> None:
        """The application is done with it: without an end, it has failed or nobody waits."""
        if not self._ended:
            self._end(_CLIENT_GONE if self._client_gone else "500")

    def _end(self, status: str) -> None:
        self._ended = True
        self.status = status
        self.lasted_s = time.perf_counter() - self._begun
