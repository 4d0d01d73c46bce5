"""An answer over HTTP that is read whole, in bounded time and memory, whatever the server does."""

from __future__ import annotations

from typing import Any, Final

import httpx

from onyx_pipelines.core.exchange import Exchange
from onyx_pipelines.core.text import limit_text

_LIMIT_BYTES: Final = 64 << 20
# What reading an answer of another form than its program's own raises: no JSON, nested without end,
# without what it must have.
OTHER_FORM: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
# They are about the bytes as they came, which are decoded and put together here.
_OF_THE_BYTES: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class AnswerLimitError(httpx.TransportError):
    """An answer that takes longer, or is larger, than any that is meant for us."""


def whole_answer(
    client: httpx.Client,
    method: str,
    path: str,
    *,
    limit_s: float,
    limit_bytes: int = _LIMIT_BYTES,
    **asked: Any,
) -> httpx.Response:
    """The answer, on a connection of its own.

    Args:
        limit_s: for all of it; the client's own time-outs hold for one read.
        asked: as `httpx.Client.request` takes it.

    Raises:
        AnswerLimitError: a limit was reached.
        httpx.HTTPError: there is no answer.
    """
    kept = {**asked.pop("headers", {}), "Connection": "close"}
    too_slow = AnswerLimitError(f"was not done with its answer after {limit_text(limit_s)}")
    with Exchange(limit_s) as exchange:
        try:
            watched = {"trace": exchange.trace}
            with client.stream(method, path, headers=kept, extensions=watched, **asked) as response:
                content = _read(response, limit_bytes)
        except AnswerLimitError:
            raise
        except httpx.HTTPError:
            if exchange.is_over:
                raise too_slow from None
            raise
        # A connection that was cut looks like one that the server closed when it had said all.
        if exchange.is_over:
            raise too_slow
    headers = [each for each in response.headers.multi_items() if each[0] not in _OF_THE_BYTES]
    return httpx.Response(
        response.status_code, headers=headers, content=content, request=response.request
    )


def unanswered(who: str, error: Exception) -> str:
    """The sentence for what `whole_answer` raised."""
    if isinstance(error, AnswerLimitError):
        return f"{who} {error}."
    return f"{who} does not answer ({type(error).__name__})."


def _read(response: httpx.Response, limit_bytes: int) -> bytes:
    content = bytearray()
    for piece in response.iter_bytes():
        content += piece
        if len(content) > limit_bytes:
            raise AnswerLimitError(f"answers with more than {limit_bytes >> 20} MB")
    return bytes(content)
