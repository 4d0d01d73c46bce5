"""A POST of a message within a limit on the whole of it, and what servers and certificates say."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from onyx_pipelines.core.exchange import Exchange
from onyx_pipelines.core.retry_after import asked_wait_s
from onyx_pipelines.core.text import limit_text
from onyx_pipelines.notify.channels.channel import DeliveryError

_LIMIT_S: Final = 15.0
_READ_BYTES: Final = 4096


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
    return DeliveryError(f"{who} was not done after {limit_text(limit_s)}.", transient=True)


def certificate_fault(who: str, error: BaseException | None) -> DeliveryError | None:
    """If a certificate is what an error is about."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return DeliveryError(
                f"The certificate of {who} does not fit: {error.verify_message}.", transient=False
            )
        error = error.__cause__ or error.__context__
    return None
