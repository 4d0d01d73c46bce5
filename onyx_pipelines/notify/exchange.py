"""A limit on the whole of one exchange with a server (connect, send, read), and a POST within it.

Time-outs of a socket hold for one read: who sends a byte every few seconds would hold us for ever.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self

from onyx_pipelines.core.retry_after import asked_wait_s
from onyx_pipelines.notify.channels.channel import DeliveryError

_LIMIT_S: Final = 15.0
_READ_BYTES: Final = 4096


class Exchange:
    """A context manager: when its time is over, the connections that it watches are cut."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.is_over = False
        self._watched: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(limit_s, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            for each in self._watched:
                each.close()
            self._watched = []

    def watch(self, connection: socket.socket) -> None:
        """By a descriptor of our own: whoever wraps the connection in TLS takes its."""
        with self._lock:
            self._watched.append(socket.socket(fileno=os.dup(connection.fileno())))
        if self.is_over:
            self._cut()

    def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """For the extension `trace` of httpx."""
        if name == "connection.connect_tcp.complete":
            self.watch(info["return_value"].get_extra_info("socket"))

    def _cut(self) -> None:
        self.is_over = True
        with self._lock:
            for each in self._watched:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Answer:
    """What a server said; `text` is the beginning of it."""

    status: int
    text: str
    retry_after_s: float | None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def may_take_it_later(self) -> bool:
        return self.status >= 500 or self.status == HTTPStatus.TOO_MANY_REQUESTS


def post(
    who: str,
    url: str,
    body: bytes,
    *,
    media_type: str = "text/plain; charset=utf-8",
    limit_s: float = _LIMIT_S,
) -> Answer:
    """Send it to an address that is a secret.

    Raises:
        DeliveryError: no answer within the limit, none at all, or none that can be trusted.
    """
    # Imported here: a process that has nobody to tell need not spend a tenth of a second on it.
    import httpx

    with Exchange(limit_s) as exchange:
        try:
            return _exchanged(exchange, url, body, media_type)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if exchange.is_over:
                raise too_slow(who, limit_s) from None
            raise certificate_fault(who, error) or DeliveryError(
                f"{who} does not answer ({type(error).__name__}).", transient=True
            ) from None


def _exchanged(exchange: Exchange, url: str, body: bytes, media_type: str) -> Answer:
    import httpx

    read = b""
    with (
        httpx.Client(timeout=exchange.limit_s, trust_env=False) as client,
        client.stream(
            "POST",
            url,
            content=body,
            headers={"Content-Type": media_type},
            extensions={"trace": exchange.trace},
        ) as answer,
    ):
        for piece in answer.iter_raw():
            read += piece
            if len(read) >= _READ_BYTES:
                break
    asked = asked_wait_s(answer.headers.get("Retry-After", ""), datetime.now(UTC))
    return Answer(answer.status_code, read[:_READ_BYTES].decode("utf-8", "replace"), asked)


def too_slow(who: str, limit_s: float) -> DeliveryError:
    return DeliveryError(f"{who} was not done after {limit_s:g} s.", transient=True)


def certificate_fault(who: str, error: BaseException | None) -> DeliveryError | None:
    """If a certificate is what an error is about."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return DeliveryError(
                f"The certificate of {who} does not fit: {error.verify_message}.", transient=False
            )
        error = error.__cause__ or error.__context__
    return None
