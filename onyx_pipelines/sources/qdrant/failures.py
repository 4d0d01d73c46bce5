"""What httpx and qdrant-client raise, as SourceError with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from qdrant_client.http.exceptions import (
    ResponseHandlingException,
    UnexpectedResponse,
)

from onyx_pipelines.errors import SourceError

_REMEDIES = {
    401: "Check ONYX_QDRANT_API_KEY (or ONYX_QDRANT_API_KEY_FILE).",
    403: "Use a key that may make snapshots: a read-only key cannot (ONYX_QDRANT_API_KEY).",
    404: "See whether ONYX_QDRANT_URL and ONYX_QDRANT_COLLECTIONS are right.",
}
_SERVER_REMEDY = "See Qdrant's own log, and whether its disk has room for a snapshot."


@contextmanager
def qdrant_errors(url: str, doing: str) -> Iterator[None]:
    """Name the server and what was being done; neither text nor cause holds a key."""
    try:
        yield
    except UnexpectedResponse as error:
        raise status_error(
            url, doing, error.status_code or 0, error.content.decode("utf-8", "replace")
        ) from None
    except (ResponseHandlingException, httpx.HTTPError) as error:
        cause = error.source if isinstance(error, ResponseHandlingException) else error
        raise SourceError(
            f"Qdrant {url}: {doing}: {_words(cause)}.",
            remedy="See whether it runs and answers (ONYX_QDRANT_URL).",
            transient=isinstance(cause, httpx.TransportError),
        ) from None


def status_error(url: str, doing: str, status: int, said: str) -> SourceError:
    """For an answer with an error status. 429 and 5xx pass by themselves."""
    return SourceError(
        f"Qdrant {url}: {doing}: HTTP {status} {said[:300]}".rstrip() + ".",
        remedy=_REMEDIES.get(status, _SERVER_REMEDY),
        transient=status == 429 or status >= 500,
    )


def _words(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return str(error) or type(error).__name__
