"""What an answer or httpx says, as SourceError with what to do."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from pydantic import SecretStr

from onyx_pipelines.errors import SourceError

_REMEDIES = {
    401: "Check ONYX_QDRANT_API_KEY (or ONYX_QDRANT_API_KEY_FILE).",
    403: "Use a key that may make snapshots: a read-only key cannot (ONYX_QDRANT_API_KEY).",
    404: "See whether ONYX_QDRANT_URL and ONYX_QDRANT_COLLECTIONS are right.",
    429: "Qdrant or a proxy limits the rate; it may work later.",
    501: "Use a Qdrant server that can do this.",
    504: "That is the limit of a proxy before Qdrant, not Qdrant's: let it wait longer for"
    " snapshots, or set ONYX_QDRANT_URL past it. Qdrant may still be at work.",
    507: "Give Qdrant more room: its quota is used up.",
}
_SERVER_REMEDY = "See Qdrant's own log, and whether its disk has room for a snapshot."
_BUSY = 429
# Other answers of 5xx pass by themselves.
_NEVER_PASSES = frozenset({501, 507})
_TRUNCATED_AT = 300


class RefusedError(SourceError):
    """The server understood and said no (4xx): it has not begun anything."""

    code = "source-refused"


class NotThereError(RefusedError):
    """404."""

    code = "source-not-there"


class BusyError(RefusedError):
    """429: more than the rate allows."""

    code = "source-busy"


class QdrantErrors:
    """Words errors for one server; the key is in none of them, whatever the server says."""

    def __init__(self, url: str, api_key: SecretStr) -> None:
        self._url = url
        self._api_key = api_key.get_secret_value()

    @contextmanager
    def during(self, doing: str) -> Iterator[None]:
        """Turn what httpx raises, and a strange answer, into a SourceError that names `doing`."""
        try:
            yield
        except httpx.TransportError as error:
            raise self.lost(doing, error) from None
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            # Its text would show what came, which may be a point's content.
            raise self.failed(
                doing,
                f"the answer is not one of Qdrant's ({type(error).__name__})",
                remedy="See whether ONYX_QDRANT_URL is Qdrant's REST address.",
            ) from None

    def lost(self, doing: str, cause: httpx.TransportError) -> SourceError:
        """No connection, or no answer in time."""
        distrust = _certificate_error(cause)
        if distrust is not None:
            return self.failed(
                doing,
                f"its certificate is not trusted ({distrust})",
                remedy="Name the authority that signed it, or the certificate itself if it signed"
                " itself, in ONYX_QDRANT_CA_FILE, and use a host name that is in it.",
            )
        timed_out = isinstance(cause, httpx.TimeoutException)
        return self.failed(
            doing,
            "no answer in time" if timed_out else str(cause) or type(cause).__name__,
            remedy="See whether it runs and answers (ONYX_QDRANT_URL).",
            transient=True,
        )

    def answered(self, doing: str, status: int, said: str) -> SourceError:
        """For an answer with another status than hoped for."""
        kind: type[SourceError] = SourceError
        if status == 404:
            kind = NotThereError
        elif status == _BUSY:
            kind = BusyError
        elif 400 <= status < 500:
            kind = RefusedError
        words = " ".join(said[:_TRUNCATED_AT].split())
        return self.failed(
            doing,
            f"HTTP {status} {words}".rstrip(" ."),
            remedy=_REMEDIES.get(status, _SERVER_REMEDY),
            transient=status == _BUSY or (status >= 500 and status not in _NEVER_PASSES),
            kind=kind,
        )

    def failed(
        self,
        doing: str,
        problem: str,
        *,
        remedy: str,
        transient: bool = False,
        kind: type[SourceError] = SourceError,
    ) -> SourceError:
        what = f"Qdrant {self._url}: {doing}: {problem}."
        if self._api_key:
            what = what.replace(self._api_key, "***")
        return kind(what, remedy=remedy, transient=transient)


def _certificate_error(error: BaseException | None) -> str | None:
    """What is wrong with the server's certificate, if that is what went wrong."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return None
