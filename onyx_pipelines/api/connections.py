"""Limits on connections, so that who says nothing, or says it slowly, keeps nobody from being
answered. On uvicorn's own protocol; what it answers by itself is a problem document here too."""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

import h11
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from onyx_pipelines.api.problems import answer
from onyx_pipelines.core.text import limit_text

_MOST: Final = 1000


class Phase(Enum):
    """What a connection waits for."""

    HEADERS = "headers"
    BODY = "body"
    ANSWER = "answer"


@dataclass(frozen=True)
class Limits:
    """Of one server.

    Args:
        headers_s: from the first moment of a connection, or the end of the answer before.
        body_s: from the headers on; nothing here is larger than 64 kB.
        answer_s: until the last byte of the answer is taken.
        connections: of everybody.
        per_address: of one address; one proxy counts as one.
    """

    headers_s: float = 10
    body_s: float = 20
    answer_s: float = 180
    connections: int = _MOST
    per_address: int = _MOST // 2

    @classmethod
    def of_this_process(cls) -> Limits:
        """At most half of the files that it may open: stores and Dagster need some too."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = _MOST if files == resource.RLIM_INFINITY else min(_MOST, files // 2)
        return cls(connections=most, per_address=most // 2)

    def seconds(self, phase: Phase) -> float:
        return {
            Phase.HEADERS: self.headers_s,
            Phase.BODY: self.body_s,
            Phase.ANSWER: self.answer_s,
        }[phase]


@dataclass
class _Crowd:
    """The connections of one server, the oldest first."""

    limits: Limits
    of: dict[str, dict[_LimitedProtocol, None]] = field(default_factory=dict)

    def admit(self, newcomer: _LimitedProtocol) -> bool:
        """Whether there is room; the one that has waited longest to be sent something makes it."""
        address = newcomer.address
        own = self.of.setdefault(address, {})
        own[newcomer] = None
        if len(own) > self.limits.per_address:
            return self._make_room(own, newcomer)
        if sum(map(len, self.of.values())) > self.limits.connections:
            return self._make_room(max(self.of.values(), key=len), newcomer)
        return True

    def forget(self, gone: _LimitedProtocol) -> None:
        own = self.of.get(gone.address, {})
        own.pop(gone, None)
        if not own:
            self.of.pop(gone.address, None)

    def _make_room(self, crowd: dict[_LimitedProtocol, None], newcomer: _LimitedProtocol) -> bool:
        waiting = (each for each in crowd if each is not newcomer and each.phase is Phase.HEADERS)
        oldest = next(waiting, None)
        if oldest is None:
            return False
        self.forget(oldest)
        oldest.transport.abort()
        return True


def limited(limits: Limits) -> type[asyncio.Protocol]:
    """The protocol for `uvicorn.Config(http=…)` of one server."""
    crowd = _Crowd(limits)

    class Limited(_LimitedProtocol):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, crowd=crowd, **options)

    return Limited


class _LimitedProtocol(H11Protocol):
    """One connection, with one timer for what it waits for now."""

    def __init__(self, *arguments: Any, crowd: _Crowd, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._crowd = crowd
        self._timer: asyncio.TimerHandle | None = None
        self._watched: tuple[Phase, object] | None = None

    @property
    def address(self) -> str:
        return self.client[0] if self.client else ""

    @property
    def phase(self) -> Phase:
        if self.conn.their_state is h11.SEND_BODY:
            return Phase.BODY
        answering = self.cycle is not None and not self.cycle.response_complete
        return Phase.ANSWER if answering else Phase.HEADERS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # narrower than uvicorn says
        super().connection_made(transport)
        if not self._crowd.admit(self):
            self.app = _full
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        self._crowd.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg, "Send HTTP/1.1.")

    def _watch(self) -> None:
        """More bytes of the same thing give no more time."""
        now = (self.phase, self.cycle)
        if now == self._watched or self.transport.is_closing():
            return
        self._stop_watching()
        self._watched = now
        seconds = self._crowd.limits.seconds(self.phase)
        self._timer = self.loop.call_later(seconds, self._too_slow)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        phase = self.phase
        half_sent = phase is Phase.BODY or bool(self.conn.trailing_data[0])
        answered = self.cycle is not None and self.cycle.response_started
        if phase is Phase.ANSWER or not half_sent or (phase is Phase.BODY and answered):
            self.transport.abort()
            return
        if phase is Phase.BODY:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        seconds = self._crowd.limits.seconds(phase)
        self._refuse(
            408,
            f"The {phase.value} of the request did not arrive within {limit_text(seconds)}.",
            "Send the whole request at once.",
        )

    def _refuse(self, status: int, what: str, remedy: str) -> None:
        """Answered by the connection itself, which ends with it."""
        found = answer(status, what, remedy)
        headers = [*found.raw_headers, (b"connection", b"close")]
        for event in (
            h11.Response(status_code=status, headers=headers, reason=STATUS_PHRASES[status]),
            h11.Data(data=bytes(found.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


async def _full(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """The application for whom there is no room."""
    found = answer(
        503,
        "Too many connections are being answered.",
        "Ask again in a moment, over fewer connections.",
        headers={"Retry-After": "1", "Connection": "close"},
    )
    await found(scope, receive, send)  # type: ignore[arg-type]  # ASGI by two libraries
